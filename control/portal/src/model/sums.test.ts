import { expect, test } from 'vitest';
import { aCall, anAgent } from './fixtures';
import { grade } from './quality';
import { sums } from './sums';

test.each([
  [4.41, 'good'],
  [4.03, 'good'],
  [4.02, 'fair'],
  [3.6, 'fair'],
  [3.1, 'poor'],
  [3.09, 'bad'],
])('a MOS of %f is %s', (mos, word) => expect(grade(mos)).toBe(word));

test('the wallboard counts', () => {
  const calls = new Map([
    ['c1', aCall({ mos: 3.3 })],
    ['c2', aCall({ id: 'c2', phase: 'ringing', mos: null })],
  ]);
  const agents = new Map([['ann', anAgent()]]);
  expect(sums({ calls, agents })).toEqual({
    calls: 2,
    waiting: 1,
    agents: { free: 0, ringing: 0, 'in-call': 1, monitoring: 0 },
    worst_mos: 3.3,
  });
  expect(sums({ calls: new Map(), agents: new Map() }).worst_mos).toBeNull();
});
