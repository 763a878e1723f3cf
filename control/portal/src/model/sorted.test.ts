import { describe, expect, test } from 'vitest';
import { Sorted } from './sorted';
import type { Key, Order } from './sorted';

interface Item {
  key: Key;
  shown?: boolean;
}

const order: Order<Item> = {
  shows: (item) => item.shown !== false,
  key: (item) => item.key,
  descending: false,
};

function list(items: Map<string, Item>, how: Order<Item> = order): Sorted<Item> {
  const sorted = new Sorted(how);
  sorted.rebuild(items);
  return sorted;
}

function ids(sorted: Sorted<Item>): string {
  return sorted.rows.map((row) => row.id).join('');
}

test('rows are in order, those without a key last', () => {
  const items = new Map<string, Item>([
    ['a', { key: 3 }],
    ['b', { key: null }],
    ['c', { key: 1 }],
  ]);
  expect(ids(list(items))).toBe('cab');
  expect(ids(list(items, { ...order, descending: true }))).toBe('acb');
});

test('texts are sorted as people do: without case, figures by value', () => {
  const items = new Map<string, Item>([
    ['a', { key: 'Line 10' }],
    ['b', { key: 'line 9' }],
    ['c', { key: 'Émile' }],
    ['d', { key: 'Zoe' }],
  ]);
  expect(ids(list(items))).toBe('cbad');
});

test('a change in place keeps the array of rows', () => {
  const items = new Map<string, Item>([['a', { key: 1 }]]);
  const sorted = list(items);
  const before = sorted.rows;
  items.set('a', { key: 1, shown: true });
  sorted.update(['a'], items);
  expect(sorted.rows).toBe(before);
  expect(sorted.rows[0]?.item).toBe(items.get('a'));
});

test('a change of what is sorted by moves the row, and one of what is filtered by takes it in or out', () => {
  const items = new Map<string, Item>([
    ['a', { key: 1 }],
    ['b', { key: 2 }],
    ['c', { key: 3, shown: false }],
  ]);
  const sorted = list(items);
  items.set('a', { key: 9 });
  items.set('c', { key: 3 });
  sorted.update(['a', 'c'], items);
  expect(ids(sorted)).toBe('bca');
  items.delete('c');
  items.set('b', { key: 2, shown: false });
  sorted.update(['b', 'c', 'x'], items);
  expect(ids(sorted)).toBe('a');
});

test('any sequence of changes gives what sorting anew gives', () => {
  let seed = 7;
  const chance = (below: number): number => {
    seed = (seed * 16807) % 2147483647;
    return seed % below;
  };
  const items = new Map<string, Item>();
  const sorted = list(items, { ...order, descending: true });
  for (let turn = 0; turn < 300; turn += 1) {
    const ids = new Set<string>();
    for (let change = 0; change < 5; change += 1) {
      const id = String(chance(60));
      ids.add(id);
      if (chance(4) === 0) items.delete(id);
      else items.set(id, { key: chance(9) === 0 ? null : chance(20), shown: chance(5) > 0 });
    }
    sorted.update(ids, items);
    const anew = list(items, { ...order, descending: true });
    expect(sorted.rows.map((row) => row.id)).toEqual(anew.rows.map((row) => row.id));
  }
});

describe('while the order is held', () => {
  function held(): { items: Map<string, Item>; sorted: Sorted<Item> } {
    const items = new Map<string, Item>([
      ['a', { key: 1 }],
      ['b', { key: 2 }],
    ]);
    const sorted = list(items);
    sorted.hold();
    items.set('a', { key: 9 });
    items.delete('b');
    items.set('c', { key: 5 });
    sorted.update(['a', 'b', 'c'], items);
    return { items, sorted };
  }

  test('no row moves, and a row whose item is gone says so', () => {
    const { items, sorted } = held();
    expect(ids(sorted)).toBe('ab');
    expect(sorted.rows[0]?.item).toBe(items.get('a'));
    expect(sorted.rows.map((row) => row.over)).toEqual([false, true]);
  });

  test('release makes up for it', () => {
    const { items, sorted } = held();
    sorted.release(items);
    expect(ids(sorted)).toBe('ca');
    expect(sorted.rows.some((row) => row.over)).toBe(false);
  });
});
