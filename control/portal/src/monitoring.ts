import { Refused, endMonitor, startMonitor, switchMonitor } from './api/client';
import type { Mode, Monitor, Target, Viewer } from './api/types';
import { Cell } from './model/cell';
import { EMPTY_BOX, followed } from './model/box';
import type { Box } from './model/box';
import { otherParty, targetAt } from './model/calls';
import { announce, changed, connection, observe, problemOf, session, signedOut, store } from './portal';
import { preference } from './preferences';
import { sentence, texts } from './texts';

/** The Audio Monitoring box. */
export const box = new Cell<Box>(EMPTY_BOX);

observe(follow);

session.subscribe(() => {
  if (session.value.kind === 'out') box.value = EMPTY_BOX;
});

/** The telephone of the viewer's that is called; null where they have none. */
export function phoneOf(viewer: Viewer): string | null {
  const chosen = preference('phone');
  return viewer.extensions.find((extension) => extension === chosen) ?? viewer.extensions[0] ?? null;
}

/** Asks for a session; where that cannot be, says why. */
export async function listenIn(target: Target, viewer: Viewer): Promise<void> {
  const phone = phoneOf(viewer);
  const refused = target.refused || (phone === null ? texts.noPhone : '');
  if (refused !== '' || phone === null) return fail({ error: refused, way: '' });
  if (box.value.asked !== null) return;
  const asked = { extension: target.extension, name: nameOf(target), phone };
  box.value = { ...dismissedIfOver(box.value), asked, problem: null };
  announce(texts.box.calling(phone));
  try {
    take(await startMonitor(target.extension, phone));
  } catch (thrown) {
    box.value = { ...box.value, asked: null };
    failed(thrown);
  }
}

/** Puts the session into another mode. */
export async function switchTo(mode: Mode): Promise<void> {
  const { session: monitor, over, busy } = box.value;
  if (monitor === null || over || busy !== null || monitor.state !== 'up') return;
  // From one party to the other it goes by Listen Only, by key as by button.
  if ((monitor.mode === 'listen') === (mode === 'listen')) return;
  const denied = denialOf(monitor, mode);
  if (denied !== null) return announce(sentence(denied));
  box.value = { ...box.value, busy: mode, problem: null };
  try {
    const answer = await switchMonitor(monitor.id, mode);
    if (connection.value !== 'connected' && store.monitors.has(answer.id)) {
      store.monitors.set(answer.id, answer);
      follow();
    }
  } catch (thrown) {
    failed(thrown);
  } finally {
    box.value = { ...box.value, busy: null };
  }
}

/** Ends the session. */
export async function end(): Promise<void> {
  const { session: monitor, over, busy } = box.value;
  if (monitor === null || over || busy !== null) return;
  box.value = { ...box.value, busy: 'end', problem: null };
  try {
    await endMonitor(monitor.id);
    if (connection.value !== 'connected') store.monitors.delete(monitor.id);
    follow();
  } catch (thrown) {
    failed(thrown);
  } finally {
    box.value = { ...box.value, busy: null };
  }
}

/** Closes the box of a session that is over. */
export function close(): void {
  box.value = EMPTY_BOX;
  follow();
}

/** Takes an error out of the box. */
export function dismissProblem(): void {
  box.value = { ...box.value, problem: null };
}

/** Why the session cannot be put into a mode; null where it can, as far as it is known here. */
export function denialOf(monitor: Monitor, mode: Mode): string | null {
  const target = targetOf(monitor);
  if (target === null || target.modes.includes(mode)) return null;
  return target.denied[mode] ?? texts.box.notPermitted;
}

/** What may be done with the call that a session monitors, where it is known. */
export function targetOf(monitor: Monitor): Target | null {
  return monitor.call === null ? null : targetAt(store.calls.get(monitor.call), monitor.extension);
}

/** What the party of a target is called. */
export function nameOf(target: { name: string; extension: string }): string {
  return target.name || texts.extensionName(target.extension);
}

/** Has the box follow the sessions, and tells of it. */
function follow(): void {
  const before = box.value;
  box.value = named(followed(before, store.monitors));
  tell(before, box.value);
}

/** The box with the names of the session's parties; those of a call that is over stay. */
function named(box: Box): Box {
  const { session: monitor, over } = box;
  if (monitor === null || over) return box;
  const agent = agentOf(monitor);
  const call = monitor.call === null ? undefined : store.calls.get(monitor.call);
  const party = otherParty(call, monitor.extension);
  if (party === null || (party === box.other?.party && agent === box.agent)) {
    return agent === box.agent ? box : { ...box, agent };
  }
  return { ...box, agent, other: { role: party === call?.caller ? 'caller' : 'callee', party } };
}

function agentOf(monitor: Monitor): string {
  const target = targetOf(monitor);
  if (target !== null) return nameOf(target);
  for (const agent of store.agents.values()) {
    if (agent.extension === monitor.extension) return agent.name || texts.extensionName(monitor.extension);
  }
  return texts.extensionName(monitor.extension);
}

function take(monitor: Monitor): void {
  store.answered(monitor);
  const known = store.monitors.get(monitor.id);
  const session = known ?? monitor;
  box.value = {
    ...named({ ...box.value, asked: null, session, over: false, other: null }),
    over: known === undefined,
  };
  changed();
}

function dismissedIfOver(before: Box): Box {
  return before.over ? { ...before, session: null, over: false } : before;
}

function fail(problem: { error: string; way: string }): void {
  box.value = { ...box.value, problem };
  announce(`${sentence(problem.error)}. ${problem.way === '' ? '' : texts.tryThis(problem.way)}`);
}

function failed(thrown: unknown): void {
  if (thrown instanceof Refused && thrown.status === 401) signedOut('expired');
  else fail(problemOf(thrown));
}

/** Tells assistive technology what sighted people see happen to the box. */
function tell(before: Box, after: Box): void {
  const was = before.session;
  const is = after.session;
  if (is === null) return;
  if (after.over && !before.over) announce(texts.box.over(after.agent));
  else if (is.state === 'up' && was?.state !== 'up') announce(texts.box.up(after.agent));
  else if (is.state === 'waiting' && was?.state !== 'waiting') announce(texts.box.monitoring);
  else if (is.mode !== was?.mode) announce(texts.box.modeName(is.mode));
}
