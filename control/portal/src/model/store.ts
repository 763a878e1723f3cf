import type { Agent, Call, Change, Monitor, Snapshot } from '../api/types';

/** What has become different since the last time somebody looked. */
export interface Differences {
  /** Everything may be different. */
  all: boolean;
  calls: ReadonlySet<string>;
  agents: ReadonlySet<string>;
  monitors: boolean;
}

const OVER_REMEMBERED = 64;
/** Nobody looks while the page is in the background; beyond this many changes everything counts as changed. */
const TOUCHED_MOST = 20_000;

/** Calls, agents and monitor sessions as the daemon last told of them. */
export class Store {
  readonly calls = new Map<string, Call>();
  readonly agents = new Map<string, Agent>();
  readonly monitors = new Map<string, Monitor>();
  #all = false;
  #calls = new Set<string>();
  #agents = new Set<string>();
  #monitors = false;
  #over: string[] = [];

  /** Takes over all there is. */
  snapshot(snapshot: Snapshot): void {
    this.clear();
    for (const call of snapshot.calls) this.calls.set(call.id, call);
    for (const agent of snapshot.agents) this.agents.set(agent.user, agent);
    for (const monitor of snapshot.monitors) this.monitors.set(monitor.id, monitor);
  }

  /** Takes over what has changed. */
  change(change: Change): void {
    for (const call of change.calls) {
      this.#touchAgentsOf(this.calls.get(call.id));
      this.calls.set(call.id, call);
      this.#calls.add(call.id);
      this.#touchAgentsOf(call);
    }
    for (const id of change.calls_over) {
      this.#touchAgentsOf(this.calls.get(id));
      this.calls.delete(id);
      this.#calls.add(id);
    }
    for (const agent of change.agents) {
      this.agents.set(agent.user, agent);
      this.#agents.add(agent.user);
    }
    for (const user of change.agents_gone) {
      this.agents.delete(user);
      this.#agents.add(user);
    }
    for (const monitor of change.monitors) this.monitors.set(monitor.id, monitor);
    for (const id of change.monitors_over) this.#monitorOver(id);
    if (change.monitors.length + change.monitors_over.length > 0) this.#monitors = true;
    if (this.#calls.size + this.#agents.size > TOUCHED_MOST) this.#touchAll();
  }

  /** Takes over a session that an answer of the API told of, which may be later than what is known of it here. */
  answered(monitor: Monitor): void {
    if (this.monitors.has(monitor.id) || this.#over.includes(monitor.id)) return;
    this.monitors.set(monitor.id, monitor);
    this.#monitors = true;
  }

  /** Forgets everything. */
  clear(): void {
    this.calls.clear();
    this.agents.clear();
    this.monitors.clear();
    this.#touchAll();
  }

  /** What has become different since the last call of this. */
  differences(): Differences {
    const differences = {
      all: this.#all,
      calls: this.#calls,
      agents: this.#agents,
      monitors: this.#monitors || this.#all,
    };
    this.#all = false;
    this.#calls = new Set();
    this.#agents = new Set();
    this.#monitors = false;
    return differences;
  }

  #touchAll(): void {
    this.#all = true;
    this.#calls.clear();
    this.#agents.clear();
  }

  /** The row of an agent tells of their call, too. */
  #touchAgentsOf(call: Call | undefined): void {
    if (call === undefined) return;
    if (call.caller.user !== '') this.#agents.add(call.caller.user);
    if (call.callee.user !== '') this.#agents.add(call.callee.user);
  }

  #monitorOver(id: string): void {
    this.monitors.delete(id);
    this.#over.push(id);
    if (this.#over.length > OVER_REMEMBERED) this.#over.shift();
  }
}
