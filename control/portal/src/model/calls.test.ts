import { describe, expect, test } from 'vitest';
import { AGENT_CHOICES, agentOrder } from './agents';
import { CALL_CHOICES, callOrder, otherParty, partyName } from './calls';
import { aCall, aParty, anAgent } from './fixtures';
import { matcher } from './match';

describe('the filter', () => {
  test('looks for every word, without case', () => {
    const text = (): string => 'Ann Lee\n+4930123\ncarrier';
    expect(matcher('  ')).toBeNull();
    expect(matcher('LEE carrier')?.(text)).toBe(true);
    expect(matcher('lee pbx')?.(text)).toBe(false);
  });

  test('finds a call by its parties and trunk, and by its state', () => {
    const view = { text: '', state: '' as const, sort: CALL_CHOICES.sort, descending: true };
    const shows = (text: string, state: '' | 'ringing' | 'up' = ''): boolean =>
      callOrder({ ...view, text, state }).shows(aCall());
    expect(shows('ann')).toBe(true);
    expect(shows('4930')).toBe(true);
    expect(shows('carrier', 'up')).toBe(true);
    expect(shows('', 'ringing')).toBe(false);
  });

  test('finds an agent by whom they speak with', () => {
    const calls = new Map([['c1', aCall()]]);
    const view = { text: '4930123', state: '' as const, sort: AGENT_CHOICES.sort, descending: false };
    expect(agentOrder(view, calls).shows(anAgent())).toBe(true);
    expect(agentOrder(view, calls).shows(anAgent({ call: null }))).toBe(false);
  });
});

test('the longest call has the greatest duration', () => {
  const { key } = callOrder({ text: '', state: '', sort: 'duration', descending: true });
  expect(key(aCall({ up_ms: 1000 }))).toBeGreaterThan(key(aCall({ up_ms: 2000 })) as number);
});

test('a party is called by name, number or extension', () => {
  expect(partyName(aParty({ name: 'Ann', number: '1', extension: '100' }))).toBe('Ann');
  expect(partyName(aParty({ number: '1', extension: '100' }))).toBe('1');
  expect(partyName(aParty({ extension: '100' }))).toBe('100');
  expect(partyName(aParty())).toBe('');
});

test('the other party is at the other end, whichever that is', () => {
  const call = aCall();
  expect(otherParty(call, '100')).toBe(call.caller);
  const outbound = aCall({ caller: call.callee, callee: call.caller });
  expect(otherParty(outbound, '100')).toBe(outbound.callee);
  expect(otherParty(call, '999')).toBeNull();
});
