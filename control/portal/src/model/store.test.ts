import { expect, test } from 'vitest';
import type { Change } from '../api/types';
import { aCall, aMonitor, anAgent } from './fixtures';
import { Store } from './store';

function change(what: Partial<Change>): Change {
  const none = { calls: [], calls_over: [], agents: [], agents_gone: [], monitors: [], monitors_over: [] };
  return { kind: 'change', now_ms: 1, ...none, ...what };
}

function stored(): Store {
  const store = new Store();
  const lists = { calls: [aCall()], agents: [anAgent()], monitors: [aMonitor()] };
  store.snapshot({ kind: 'snapshot', now_ms: 1, ...lists });
  store.differences();
  return store;
}

test('a snapshot replaces everything', () => {
  const store = stored();
  store.snapshot({ kind: 'snapshot', now_ms: 2, calls: [aCall({ id: 'c2' })], agents: [], monitors: [] });
  expect([...store.calls.keys()]).toEqual(['c2']);
  expect(store.agents.size + store.monitors.size).toBe(0);
  expect(store.differences().all).toBe(true);
});

test('differences are told once', () => {
  const store = stored();
  store.change(change({ calls: [aCall({ mos: 3 })] }));
  expect([...store.differences().calls]).toEqual(['c1']);
  expect(store.differences().calls.size).toBe(0);
});

test('a call that changes changes the row of its agent, also by being over', () => {
  const store = stored();
  store.change(change({ calls: [aCall({ mos: 3 })] }));
  expect([...store.differences().agents]).toEqual(['ann']);
  store.change(change({ calls_over: ['c1'] }));
  expect([...store.differences().agents]).toEqual(['ann']);
  expect(store.calls.size).toBe(0);
});

test('an answer that comes after the end of its session does not bring it back', () => {
  const store = stored();
  store.change(change({ monitors_over: ['m1'] }));
  store.answered(aMonitor());
  expect(store.monitors.size).toBe(0);
});

test('an answer does not replace what is known already', () => {
  const store = stored();
  store.answered(aMonitor({ state: 'starting' }));
  expect(store.monitors.get('m1')?.state).toBe('up');
});

test('when nobody looks for long, everything counts as changed', () => {
  const store = stored();
  for (let call = 0; call < 20_002; call += 1) store.change(change({ calls_over: [`x${call}`] }));
  const differences = store.differences();
  expect(differences.all).toBe(true);
  expect(differences.calls.size).toBeLessThan(10);
});
