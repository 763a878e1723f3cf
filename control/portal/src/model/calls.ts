import { PHASES } from '../api/types';
import type { Agent, Call, Party, Phase, Target } from '../api/types';
import { callText, matcher } from './match';
import type { Key, Order } from './sorted';
import type { Choices, View } from './view';

/** What Active Calls can be sorted by. */
export type CallColumn = (typeof CALL_COLUMNS)[number];
export const CALL_COLUMNS = [
  'caller',
  'callee',
  'direction',
  'trunk',
  'state',
  'duration',
  'quality',
  'monitored',
] as const;

export type CallView = View<Phase, CallColumn>;

/** The longest call first: new ones come at the end, and nothing moves but up. */
export const CALL_CHOICES: Choices<Phase, CallColumn> = {
  states: PHASES,
  columns: CALL_COLUMNS,
  sort: 'duration',
  descending: true,
};

/** The order of a view of Active Calls. */
export function callOrder(view: CallView): Order<Call> {
  const matches = matcher(view.text);
  return {
    shows: (call) =>
      (view.state === '' || call.phase === view.state) && (matches === null || matches(() => callText(call))),
    key: KEYS[view.sort],
    descending: view.descending,
  };
}

/** What a party is called: by name, number or extension; '' where nothing is known. */
export function partyName(party: Party): string {
  return party.name || party.number || party.extension;
}

/** Since when a call is in what it does now. */
export function callSince_ms(call: Call): number {
  return call.up_ms ?? call.began_ms;
}

/** The target of a call at an extension. */
export function targetAt(call: Call | undefined, extension: string): Target | null {
  return call?.targets.find((target) => target.extension === extension) ?? null;
}

/** The party that speaks with the extension, as far as it is in the call. */
export function otherParty(call: Call | undefined, extension: string): Party | null {
  if (call === undefined) return null;
  if (call.callee.extension === extension) return call.caller;
  return call.caller.extension === extension ? call.callee : null;
}

/** The party that an agent speaks with. */
export function otherOf(agent: Agent, calls: ReadonlyMap<string, Call>): Party | null {
  return agent.call === null ? null : otherParty(calls.get(agent.call), agent.extension);
}

const KEYS: Record<CallColumn, (call: Call) => Key> = {
  caller: (call) => partyName(call.caller) || null,
  callee: (call) => partyName(call.callee) || null,
  direction: (call) => call.direction,
  trunk: (call) => call.trunk || null,
  state: (call) => PHASES.indexOf(call.phase),
  // A duration grows all the time; the order of durations does not change.
  duration: (call) => -callSince_ms(call),
  quality: (call) => call.mos,
  monitored: (call) => call.monitored,
};
