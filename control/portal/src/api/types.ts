/** What a supervisor does with a call: hears it, speaks to one party, or speaks to both. */
export type Mode = (typeof MODES)[number];
export const MODES = ['listen', 'whisper', 'whisper-caller', 'barge'] as const;

/** How far a call has come. */
export type Phase = (typeof PHASES)[number];
export const PHASES = ['trying', 'ringing', 'up'] as const;

/** Which way a call goes, seen from the carrier's customer. */
export type Direction = (typeof DIRECTIONS)[number];
export const DIRECTIONS = ['inbound', 'outbound', 'internal', 'transit'] as const;

/** What an agent does. */
export type AgentState = (typeof AGENT_STATES)[number];
export const AGENT_STATES = ['free', 'ringing', 'in-call', 'monitoring'] as const;

/** How far a monitor session has come. */
export type MonitorState = (typeof MONITOR_STATES)[number];
export const MONITOR_STATES = ['starting', 'calling', 'answered', 'waiting', 'up'] as const;

export const SIDES = ['on-net', 'off-net'] as const;

/** Who is signed in, and what there is for them. */
export interface Viewer {
  user: string;
  display_name: string;
  role: string;
  extensions: string[];
  sees: { agents: boolean; audit: boolean; everything: boolean };
  monitors: boolean;
}

/** One end of a call; a text is empty where nothing is known. */
export interface Party {
  name: string;
  number: string;
  extension: string;
  user: string;
  side: (typeof SIDES)[number];
  private: boolean;
}

/** A party of a call that the viewer may monitor, or would but for `refused`. */
export interface Target {
  extension: string;
  name: string;
  modes: Mode[];
  denied: Partial<Record<Mode, string>>;
  refused: string;
}

/** A call; times are Unix milliseconds of the daemon's clock. */
export interface Call {
  id: string;
  phase: Phase;
  direction: Direction;
  caller: Party;
  callee: Party;
  trunk: string;
  began_ms: number;
  up_ms: number | null;
  mos: number | null;
  monitored: number;
  targets: Target[];
}

/** Somebody who takes calls, and what they do at the moment. */
export interface Agent {
  user: string;
  name: string;
  extension: string;
  site: string;
  queues: string[];
  state: AgentState;
  call: string | null;
  since_ms: number | null;
  mos: number | null;
}

/** A monitor session. */
export interface Monitor {
  id: string;
  state: MonitorState;
  extension: string;
  call: string | null;
  mode: Mode;
  own: boolean;
  supervisor: { user: string; name: string; extension: string; via: string };
  began_ms: number;
}

/** All there is, at the beginning of a connection. */
export interface Snapshot {
  kind: 'snapshot';
  now_ms: number;
  calls: Call[];
  agents: Agent[];
  monitors: Monitor[];
}

/** What has become different since the last message. */
export interface Change {
  kind: 'change';
  now_ms: number;
  calls: Call[];
  calls_over: string[];
  agents: Agent[];
  agents_gone: string[];
  monitors: Monitor[];
  monitors_over: string[];
}

/** Why the daemon has no more to say on this connection. */
export interface End {
  kind: 'end';
  why: (typeof ENDS)[number];
}
export const ENDS = ['signed-out', 'expired', 'rights-changed'] as const;

export type Message = Snapshot | Change | End;

/** A row of the audit. */
export interface AuditRow {
  number: number;
  at: string;
  what: string;
  by: { user: string; extension: string; via: string; address: string };
  on: { user: string; extension: string };
  call: string | null;
  session: string | null;
  mode: string | null;
  reason: string;
  details: Record<string, unknown>;
}

/** What somebody asks the audit for; a text is empty where anything will do. */
export interface AuditSearch {
  user: string;
  extension: string;
  since: string;
  until: string;
}
