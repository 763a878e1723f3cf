import { expect, test } from 'vitest';
import { Malformed, auditRows, message, problem, viewer } from './decode';

const party = { name: '', number: '', extension: '100', user: 'ann', side: 'on-net', private: false };
const call = {
  id: 'c1',
  phase: 'up',
  direction: 'inbound',
  caller: { ...party, side: 'off-net' },
  callee: party,
  trunk: 'carrier',
  began_ms: 1,
  up_ms: null,
  mos: 4.31,
  monitored: 0,
  targets: [{ extension: '100', name: 'Ann', modes: ['listen'], denied: { whisper: 'no' }, refused: '' }],
};

test('a snapshot is read', () => {
  const read = message(
    JSON.stringify({ kind: 'snapshot', now_ms: 5, calls: [call], agents: [], monitors: [] }),
  );
  expect(read).toEqual({ kind: 'snapshot', now_ms: 5, calls: [call], agents: [], monitors: [] });
});

test('lists that a change leaves out are empty', () => {
  const read = message('{"kind":"change","now_ms":5,"calls_over":["c1"]}');
  expect(read).toMatchObject({
    calls: [],
    calls_over: ['c1'],
    agents: [],
    agents_gone: [],
    monitors_over: [],
  });
});

test('a message of an unknown kind is none', () => {
  expect(message('{"kind":"weather"}')).toBeNull();
});

test('fields that nobody knows are left out', () => {
  const text = JSON.stringify({ kind: 'change', now_ms: 5, calls: [{ ...call, colour: 'red' }], mood: 1 });
  expect(message(text)).toMatchObject({ calls: [call] });
  expect(JSON.stringify(message(text))).not.toContain('colour');
});

test.each([
  'no JSON',
  '[]',
  '{"kind":"snapshot","now_ms":5}',
  '{"kind":"change","now_ms":"5"}',
  '{"kind":"change","now_ms":5,"calls":[{"id":"c1"}]}',
  '{"kind":"end","why":"tired"}',
  JSON.stringify({ kind: 'change', now_ms: 5, calls: [{ ...call, phase: 'asleep' }] }),
  JSON.stringify({ kind: 'change', now_ms: 5, calls: [{ ...call, mos: '4' }] }),
])('%s is malformed', (text) => {
  expect(() => message(text)).toThrow(Malformed);
});

test('an error has a way out or none', () => {
  expect(problem({ error: 'no', try: 'yes' })).toEqual({ error: 'no', way: 'yes' });
  expect(problem({ error: 'no' })).toEqual({ error: 'no', way: '' });
  expect(problem('no')).toBeNull();
});

test('a viewer without a role is malformed', () => {
  expect(() => viewer({ user: 'sue' })).toThrow(Malformed);
});

test('a row of the audit says who, whom and what', () => {
  const row = {
    number: 17,
    at: '2026-11-27T20:00:00.123456789Z',
    what: 'session-started',
    user: 'sue',
    extension: '200',
    via: 'portal',
    address: '192.0.2.1',
    target_user: '',
    target_extension: '100',
    call: '00ff',
    session: '',
    mode: 'listen',
    reason: '',
    details: '{"phone":"called"}',
    hash: 'e3b0',
  };
  const [decoded] = auditRows([row]);
  expect(decoded?.by).toEqual({ user: 'sue', extension: '200', via: 'portal', address: '192.0.2.1' });
  expect(decoded?.on).toEqual({ user: '', extension: '100' });
  expect([decoded?.call, decoded?.session, decoded?.details]).toEqual(['00ff', null, { phone: 'called' }]);
});

test('the audit is a list', () => {
  expect(auditRows([])).toEqual([]);
  expect(() => auditRows({})).toThrow(Malformed);
});
