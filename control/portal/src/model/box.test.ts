import { expect, test } from 'vitest';
import { EMPTY_BOX, followed, shows } from './box';
import { aMonitor } from './fixtures';

const own = aMonitor();
const box = { ...EMPTY_BOX, session: own };

test('a session of the viewer that is there already is shown', () => {
  expect(followed(EMPTY_BOX, new Map([['m1', own]])).session).toBe(own);
});

test('sessions of others are not shown', () => {
  expect(shows(followed(EMPTY_BOX, new Map([['m1', aMonitor({ own: false })]])))).toBe(false);
});

test('the box follows its session', () => {
  const later = aMonitor({ mode: 'barge' });
  expect(followed(box, new Map([['m1', later]])).session).toBe(later);
});

test('a session that is gone is over, and stays in the box', () => {
  expect(followed(box, new Map())).toMatchObject({ session: own, over: true });
});

test('a new session takes the place of one that is over', () => {
  const next = aMonitor({ id: 'm2' });
  expect(followed({ ...box, over: true }, new Map([['m2', next]]))).toMatchObject({
    session: next,
    over: false,
  });
});

test('a session that goes on is not replaced by a newer one', () => {
  const next = aMonitor({ id: 'm2', began_ms: 9000 });
  const both = new Map([
    ['m2', next],
    ['m1', own],
  ]);
  expect(followed(box, both).session).toBe(own);
});

test('nothing new leaves the box as it is', () => {
  expect(followed(box, new Map([['m1', own]]))).toBe(box);
  expect(followed(EMPTY_BOX, new Map())).toBe(EMPTY_BOX);
});
