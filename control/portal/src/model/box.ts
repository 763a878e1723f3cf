import type { Mode, Monitor, Party } from '../api/types';

/** What went wrong, and a way out of it. */
export interface Problem {
  error: string;
  way: string;
}

/** Whom somebody asked to listen to, and with which telephone of theirs. */
export interface Asked {
  extension: string;
  name: string;
  phone: string;
}

/** What the Audio Monitoring box shows. */
export interface Box {
  /** A session that is asked for and not yet known. */
  asked: Asked | null;
  /** The session shown, as it was last. */
  session: Monitor | null;
  /** What the agent of the session is called. */
  agent: string;
  /** Whom the agent speaks with, where that is known. */
  other: { role: 'caller' | 'callee'; party: Party } | null;
  /** Whether that session is over. */
  over: boolean;
  /** What is being done to the session. */
  busy: Mode | 'end' | null;
  problem: Problem | null;
}

export const EMPTY_BOX: Box = {
  asked: null,
  session: null,
  agent: '',
  other: null,
  over: false,
  busy: null,
  problem: null,
};

/** Whether there is anything to show. */
export function shows(box: Box): boolean {
  return box.asked !== null || box.session !== null || box.problem !== null;
}

/** The box after the sessions have changed: its own goes on, is over, or is replaced by a new one of the viewer's. */
export function followed(box: Box, monitors: ReadonlyMap<string, Monitor>): Box {
  const same = box.session === null ? undefined : monitors.get(box.session.id);
  if (same !== undefined)
    return same === box.session && !box.over ? box : { ...box, session: same, over: false };
  const newest = newestOwn(monitors);
  if (newest !== null) return { ...box, session: newest, over: false, busy: null };
  return box.session === null || box.over ? box : { ...box, over: true, busy: null };
}

/** Whether a telephone of the viewer's is being called and the session is not there yet. */
export function isCalling(session: Monitor): boolean {
  return session.state === 'starting' || session.state === 'calling' || session.state === 'answered';
}

function newestOwn(monitors: ReadonlyMap<string, Monitor>): Monitor | null {
  let newest: Monitor | null = null;
  for (const monitor of monitors.values()) {
    if (monitor.own && (newest === null || monitor.began_ms > newest.began_ms)) newest = monitor;
  }
  return newest;
}
