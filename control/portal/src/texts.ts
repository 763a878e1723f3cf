import type { AgentState, Direction, Mode, Phase } from './api/types';
import type { Connection } from './api/live';
import type { AgentColumn } from './model/agents';
import type { CallColumn } from './model/calls';
import type { Action } from './model/shortcuts';
import type { Grade } from './model/quality';

const calls: Record<CallColumn, string> = {
  caller: 'Caller',
  callee: 'Callee',
  direction: 'Direction',
  trunk: 'Trunk',
  state: 'State',
  duration: 'Duration',
  quality: 'MOS',
  monitored: 'Monitored',
};

const agents: Record<AgentColumn, string> = {
  name: 'Agent',
  extension: 'Extension',
  state: 'State',
  call: 'In call with',
  duration: 'For',
  quality: 'MOS',
  queues: 'Queues',
};

const phases: Record<Phase, string> = { trying: 'Trying', ringing: 'Ringing', up: 'Up' };

const agentStates: Record<AgentState, string> = {
  free: 'Free',
  ringing: 'Ringing',
  'in-call': 'In call',
  monitoring: 'Monitoring',
};

const directions: Record<Direction, string> = {
  inbound: 'Inbound',
  outbound: 'Outbound',
  internal: 'Internal',
  transit: 'Transit',
};

const grades: Record<Grade, string> = { good: 'Good', fair: 'Fair', poor: 'Poor', bad: 'Bad' };

const connections: Record<Connection, string> = {
  connecting: 'Connecting…',
  connected: 'Connected',
  reconnecting: 'Reconnecting…',
};

const modes: Record<Mode, string> = {
  listen: 'Listen Only',
  whisper: 'Whispering to the agent',
  'whisper-caller': 'Whispering to the caller',
  barge: 'Joined the call',
};

const shortcuts: Record<Action, string> = {
  listen: 'listen only',
  barge: 'join',
  whisper: 'whisper to the agent',
  'whisper-caller': 'whisper to the caller',
  end: 'end',
};

const roles: Record<string, string> = {
  user: 'User',
  'call-center-supervisor': 'Call center supervisor',
  'office-manager': 'Office manager',
  'site-manager': 'Site manager',
  administrator: 'Administrator',
  auditor: 'Auditor',
};

/** A word of the daemon's that has no text of its own: `session-started` is Session started. */
function humanised(word: string): string {
  return sentence(word.replace(/-/gu, ' '));
}

/** A clause with a capital at its beginning. */
export function sentence(clause: string): string {
  return clause.slice(0, 1).toUpperCase() + clause.slice(1);
}

function counted(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

function seconds(count: number): string {
  return count < 120
    ? counted(count, 'second', 'seconds')
    : counted(Math.ceil(count / 60), 'minute', 'minutes');
}

/** Everything that the page says. */
export const texts = {
  product: 'Undertone',
  title: (page: string) => `${page} – Undertone`,
  skip: 'Skip to the content',
  navigation: 'Pages',
  groups: { home: 'Home', callCenter: 'Call Center' },
  pages: {
    calls: 'Active Calls',
    agents: 'Agents',
    audit: 'Audit',
    'sign-in': 'Sign in',
    wallboard: 'Wallboard',
    unknown: 'No such page',
    forbidden: 'Not for your role',
  },
  unknownPage: 'There is no page at this address.',
  forbiddenPage: 'Your role does not include this page. An administrator can change that.',
  toCalls: 'Go to Active Calls',
  loading: 'Loading…',
  again: 'Try again',
  tryThis: (way: string) => `Try this: ${way}`,

  signIn: {
    user: 'Name',
    password: 'Password',
    submit: 'Sign in',
    submitting: 'Signing in…',
    missing: 'Enter your name and your password.',
    wait: (count: number) => `You can try again in ${seconds(count)}.`,
    over: 'You can try again now.',
    why: {
      'signed-out': 'You are signed out.',
      expired: 'You have been signed out because your session has expired.',
    },
  },
  account: 'Your account',
  signOut: 'Sign out',
  role: (role: string) => roles[role] ?? humanised(role),

  connection: (state: Connection) => connections[state],
  connectionLabel: 'Connection to the daemon',
  lost: 'Connection lost. Reconnecting…',
  back: 'Connected again.',

  filter: {
    label: 'Filter',
    callsHint: 'Name, number, extension or trunk',
    agentsHint: 'Name, extension, queue or other party',
    state: 'State',
    all: 'All',
    sort: 'Sort by',
    ascending: 'Ascending',
    descending: 'Descending',
    callCount: (shown: number, all: number) =>
      shown === all
        ? counted(all, 'call', 'calls')
        : `${shown.toLocaleString('en')} of ${counted(all, 'call', 'calls')}`,
    agentCount: (shown: number, all: number) =>
      shown === all
        ? counted(all, 'agent', 'agents')
        : `${shown.toLocaleString('en')} of ${counted(all, 'agent', 'agents')}`,
    phone: 'Listen in with',
    phoneOption: (extension: string) => `Phone ${extension}`,
  },

  callColumns: calls,
  agentColumns: agents,
  actions: 'Listen in',
  noCalls: 'There are no calls.',
  noCallsFound: 'No call matches the filter.',
  noAgents: 'There are no agents.',
  noAgentsFound: 'No agent matches the filter.',
  phase: (phase: Phase) => phases[phase],
  agentState: (state: AgentState) => agentStates[state],
  direction: (direction: Direction) => directions[direction],
  grade: (grade: Grade) => grades[grade],
  over: 'Over',
  none: '–',
  noMos: 'No MOS yet',
  monitored: (count: number) => (count === 1 ? 'Yes' : `Yes, ${count} times`),
  notMonitored: 'No',
  extension: (extension: string) => `ext. ${extension}`,
  extensionName: (extension: string) => `Extension ${extension}`,
  side: { 'on-net': 'on-net', 'off-net': 'off-net' },
  private: 'private',
  unknownParty: 'Unknown',

  listenIn: 'Listen in',
  listenInTo: (name: string) => `Listen in: ${name}`,
  noPhone: 'you have no telephone of your own that can be called; an administrator can give you an extension',

  box: {
    title: 'Audio Monitoring',
    calling: (phone: string) => `Calling your phone ${phone}…`,
    monitoring: 'Monitoring the call…',
    waiting: (name: string) => `Waiting for the next call of ${name}`,
    up: (name: string) => `You are listening to the call of ${name}.`,
    over: (name: string) => `Monitoring of ${name} has ended.`,
    caller: 'Caller',
    callee: 'Callee',
    agent: 'Agent',
    elapsed: 'Elapsed',
    mode: 'Mode',
    modeName: (mode: Mode) => modes[mode],
    controls: 'Mode controls',
    listen: 'Listen Only',
    barge: 'Join Call',
    whisper: (name: string) => `Whisper To ${name}`,
    whisperCaller: 'Whisper To the caller',
    end: 'End monitoring',
    close: 'Close',
    dismiss: 'Dismiss the message',
    shortcuts: 'Keyboard shortcuts',
    shortcut: (action: Action) => shortcuts[action],
    problem: 'That did not work',
    denied: (reason: string) => sentence(reason),
    notPermitted: 'no rule permits this mode on this call',
  },

  audit: {
    user: 'User',
    extension: 'Extension',
    since: 'Since',
    until: 'Until',
    search: 'Search',
    reset: 'Clear the search',
    save: 'Save as CSV',
    older: 'Older',
    noOlder: 'There are no older rows.',
    none: 'The audit has no such row.',
    table: 'Audit, newest rows first',
    rows: (count: number) => counted(count, 'row', 'rows'),
    columns: {
      number: 'No.',
      at: 'Time',
      what: 'What',
      by: 'By',
      on: 'Concerns',
      mode: 'Mode',
      reason: 'Reason',
      details: 'Details',
    },
    details: 'Details',
    detailsOf: (number: number) => `Details of row ${number}`,
    exactly: 'Time (UTC)',
    via: 'Via',
    address: 'Address',
    call: 'Call',
    session: 'Session',
    what: humanised,
    mode: (mode: string) => humanised(mode),
  },

  wallboard: {
    calls: 'Calls',
    waiting: 'Waiting or ringing',
    agents: 'Agents',
    worst: 'Worst MOS',
  },

  problems: {
    unreachable: {
      error: 'the daemon does not answer',
      way: 'look at your network connection, and try again',
    },
    malformed: { error: 'the daemon answered something unexpected', way: 'load the page again' },
    unexplained: (status: number) => ({
      error: `the daemon answered with status ${status}`,
      way: 'try again later',
    }),
  },
};
