import type { Agent, Call, Monitor, Party } from '../api/types';

/** A party for tests. */
export function aParty(party: Partial<Party> = {}): Party {
  return { name: '', number: '', extension: '', user: '', side: 'off-net', private: false, ...party };
}

/** A call for tests: from outside to Ann at extension 100. */
export function aCall(call: Partial<Call> = {}): Call {
  return {
    id: 'c1',
    phase: 'up',
    direction: 'inbound',
    caller: aParty({ number: '+4930123' }),
    callee: aParty({ name: 'Ann Lee', extension: '100', user: 'ann', side: 'on-net' }),
    trunk: 'carrier',
    began_ms: 1000,
    up_ms: 3000,
    mos: 4.2,
    monitored: 0,
    targets: [],
    ...call,
  };
}

/** An agent for tests: Ann, in the call. */
export function anAgent(agent: Partial<Agent> = {}): Agent {
  return {
    user: 'ann',
    name: 'Ann Lee',
    extension: '100',
    site: 'berlin',
    queues: ['sales'],
    state: 'in-call',
    call: 'c1',
    since_ms: 3000,
    mos: 4.2,
    ...agent,
  };
}

/** A session of the viewer's for tests. */
export function aMonitor(monitor: Partial<Monitor> = {}): Monitor {
  return {
    id: 'm1',
    state: 'up',
    extension: '100',
    call: 'c1',
    mode: 'listen',
    own: true,
    supervisor: { user: 'sue', name: 'Sue Park', extension: '200', via: 'portal' },
    began_ms: 5000,
    ...monitor,
  };
}
