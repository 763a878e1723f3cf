import type { Agent, AgentState, Call } from '../api/types';

/** The figures of the wallboard. */
export interface Sums {
  calls: number;
  /** Calls that nobody has answered yet. */
  waiting: number;
  agents: Record<AgentState, number>;
  worst_mos: number | null;
}

/** Counts calls and agents. */
export function sums(of: { calls: ReadonlyMap<string, Call>; agents: ReadonlyMap<string, Agent> }): Sums {
  const agents = { free: 0, ringing: 0, 'in-call': 0, monitoring: 0 };
  let waiting = 0;
  let worst_mos: number | null = null;
  for (const call of of.calls.values()) {
    if (call.phase !== 'up') waiting += 1;
    if (call.mos !== null && (worst_mos === null || call.mos < worst_mos)) worst_mos = call.mos;
  }
  for (const agent of of.agents.values()) agents[agent.state] += 1;
  return { calls: of.calls.size, waiting, agents, worst_mos };
}
