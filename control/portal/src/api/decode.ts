import { AGENT_STATES, DIRECTIONS, ENDS, MODES, MONITOR_STATES, PHASES, SIDES } from './types';
import type { Agent, AuditRow, Call, Change, Message, Mode, Monitor, Party, Target, Viewer } from './types';

/** Something from the daemon does not have the shape that was agreed. */
export class Malformed extends Error {}

type Fields = Record<string, unknown>;

/** A message of the live connection; null where its kind is unknown. */
export function message(text: string): Message | null {
  const it = fields(parsed(text), 'message');
  switch (it['kind']) {
    case 'snapshot':
      return {
        kind: 'snapshot',
        now_ms: number(it, 'now_ms'),
        calls: list(it, 'calls', call),
        agents: list(it, 'agents', agent),
        monitors: list(it, 'monitors', monitor),
      };
    case 'change':
      return change(it);
    case 'end':
      return { kind: 'end', why: oneOf(it, 'why', ENDS) };
    default:
      return null;
  }
}

/** Who is signed in. */
export function viewer(value: unknown): Viewer {
  const it = fields(value, 'viewer');
  const sees = fields(it['sees'], 'sees');
  return {
    user: text(it, 'user'),
    display_name: text(it, 'display_name'),
    role: text(it, 'role'),
    extensions: list(it, 'extensions', string),
    sees: {
      agents: flag(sees, 'agents'),
      audit: flag(sees, 'audit'),
      everything: flag(sees, 'everything'),
    },
    monitors: flag(it, 'monitors'),
  };
}

/** A monitor session. */
export function monitor(value: unknown): Monitor {
  const it = fields(value, 'monitor');
  const by = fields(it['supervisor'], 'supervisor');
  return {
    id: text(it, 'id'),
    state: oneOf(it, 'state', MONITOR_STATES),
    extension: text(it, 'extension'),
    call: textOrNull(it, 'call'),
    mode: oneOf(it, 'mode', MODES),
    own: flag(it, 'own'),
    supervisor: {
      user: text(by, 'user'),
      name: text(by, 'name'),
      extension: text(by, 'extension'),
      via: text(by, 'via'),
    },
    began_ms: number(it, 'began_ms'),
  };
}

/** Rows of the audit. */
export function auditRows(value: unknown): AuditRow[] {
  if (!Array.isArray(value)) throw new Malformed('the audit is no list');
  return value.map(auditRow);
}

/** The error and the way out of an answer that is no success; null where it has none. */
export function problem(value: unknown): { error: string; way: string } | null {
  if (typeof value !== 'object' || value === null) return null;
  const { error, try: way } = value as { error?: unknown; try?: unknown };
  if (typeof error !== 'string') return null;
  return { error, way: typeof way === 'string' ? way : '' };
}

function change(it: Fields): Change {
  return {
    kind: 'change',
    now_ms: number(it, 'now_ms'),
    calls: some(it, 'calls', call),
    calls_over: some(it, 'calls_over', string),
    agents: some(it, 'agents', agent),
    agents_gone: some(it, 'agents_gone', string),
    monitors: some(it, 'monitors', monitor),
    monitors_over: some(it, 'monitors_over', string),
  };
}

function call(value: unknown): Call {
  const it = fields(value, 'call');
  return {
    id: text(it, 'id'),
    phase: oneOf(it, 'phase', PHASES),
    direction: oneOf(it, 'direction', DIRECTIONS),
    caller: party(it['caller']),
    callee: party(it['callee']),
    trunk: text(it, 'trunk'),
    began_ms: number(it, 'began_ms'),
    up_ms: numberOrNull(it, 'up_ms'),
    mos: numberOrNull(it, 'mos'),
    monitored: number(it, 'monitored'),
    targets: list(it, 'targets', target),
  };
}

function party(value: unknown): Party {
  const it = fields(value, 'party');
  return {
    name: text(it, 'name'),
    number: text(it, 'number'),
    extension: text(it, 'extension'),
    user: text(it, 'user'),
    side: oneOf(it, 'side', SIDES),
    private: flag(it, 'private'),
  };
}

function target(value: unknown): Target {
  const it = fields(value, 'target');
  const denied: Partial<Record<Mode, string>> = {};
  const reasons = fields(it['denied'], 'denied');
  for (const mode of MODES) if (mode in reasons) denied[mode] = text(reasons, mode);
  return {
    extension: text(it, 'extension'),
    name: text(it, 'name'),
    modes: list(it, 'modes', (mode) => among(mode, 'modes', MODES)),
    denied,
    refused: text(it, 'refused'),
  };
}

function agent(value: unknown): Agent {
  const it = fields(value, 'agent');
  return {
    user: text(it, 'user'),
    name: text(it, 'name'),
    extension: text(it, 'extension'),
    site: text(it, 'site'),
    queues: list(it, 'queues', string),
    state: oneOf(it, 'state', AGENT_STATES),
    call: textOrNull(it, 'call'),
    since_ms: numberOrNull(it, 'since_ms'),
    mos: numberOrNull(it, 'mos'),
  };
}

function auditRow(value: unknown): AuditRow {
  const it = fields(value, 'row');
  const orNull = (key: string): string | null => text(it, key) || null;
  return {
    number: number(it, 'number'),
    at: text(it, 'at'),
    what: text(it, 'what'),
    by: {
      user: text(it, 'user'),
      extension: text(it, 'extension'),
      via: text(it, 'via'),
      address: text(it, 'address'),
    },
    on: { user: text(it, 'target_user'), extension: text(it, 'target_extension') },
    call: orNull('call'),
    session: orNull('session'),
    mode: orNull('mode'),
    reason: text(it, 'reason'),
    details: fields(parsed(text(it, 'details')), 'details'),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Malformed('no JSON');
  }
}

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Malformed(`${what} is no object`);
  }
  return value as Fields;
}

function list<T>(it: Fields, key: string, each: (value: unknown, key: string) => T): T[] {
  const value = it[key];
  if (!Array.isArray(value)) throw new Malformed(`${key} is no list`);
  return value.map((element) => each(element, key));
}

function some<T>(it: Fields, key: string, each: (value: unknown, key: string) => T): T[] {
  return it[key] === undefined ? [] : list(it, key, each);
}

function string(value: unknown, key: string): string {
  if (typeof value !== 'string') throw new Malformed(`${key} is no text`);
  return value;
}

function text(it: Fields, key: string): string {
  return string(it[key], key);
}

function textOrNull(it: Fields, key: string): string | null {
  return it[key] === null ? null : text(it, key);
}

function number(it: Fields, key: string): number {
  const value = it[key];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Malformed(`${key} is no number`);
  return value;
}

function numberOrNull(it: Fields, key: string): number | null {
  return it[key] === null ? null : number(it, key);
}

function flag(it: Fields, key: string): boolean {
  const value = it[key];
  if (typeof value !== 'boolean') throw new Malformed(`${key} is no truth value`);
  return value;
}

function oneOf<const T extends readonly string[]>(it: Fields, key: string, values: T): T[number] {
  return among(it[key], key, values);
}

function among<const T extends readonly string[]>(value: unknown, key: string, values: T): T[number] {
  const index = values.indexOf(value as string);
  if (index < 0) throw new Malformed(`${key} is none of ${values.join(', ')}`);
  return values[index]!;
}
