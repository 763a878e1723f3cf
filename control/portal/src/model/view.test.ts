import { expect, test } from 'vitest';
import { CALL_CHOICES } from './calls';
import { isFiltered, queryOf, sortedBy, viewOf } from './view';

test.each(['', 'q=ann+lee', 'state=up', 'sort=caller', 'sort=caller&order=descending', 'order=ascending'])(
  'the view %s is written as it was read',
  (query) => {
    const view = viewOf(new URLSearchParams(query), CALL_CHOICES);
    expect(queryOf(view, CALL_CHOICES).toString()).toBe(query);
  },
);

test('what a view does not know is as if it was not there', () => {
  const view = viewOf(new URLSearchParams('state=asleep&sort=mood&order=sideways'), CALL_CHOICES);
  expect(view).toEqual({ text: '', state: '', sort: 'duration', descending: true });
  expect(isFiltered(view)).toBe(false);
});

test('a header sorts by its column, and the other way round when it is pressed again', () => {
  const view = viewOf(new URLSearchParams(), CALL_CHOICES);
  const once = sortedBy(view, 'caller');
  expect(once).toMatchObject({ sort: 'caller', descending: false });
  expect(sortedBy(once, 'caller').descending).toBe(true);
});
