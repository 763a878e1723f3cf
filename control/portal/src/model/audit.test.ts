import { describe, expect, test } from 'vitest';
import { localTime, searchAsked, searchOf, searchQuery } from './audit';

describe('a search of the audit', () => {
  test('stands in the address, and is read from there', () => {
    const search = { user: 'sue', extension: '', since: '2026-11-27T20:00', until: '' };
    expect(searchOf(searchQuery(search))).toEqual(search);
  });

  test('asks for instants, and for none where there is none', () => {
    const asked = searchAsked({ user: '', extension: '', since: '2026-11-27T20:00:00Z', until: 'soon' });
    expect(asked).toEqual({ user: '', extension: '', since: '2026-11-27T20:00:00.000Z', until: '' });
  });

  test('shows a time that is none as it is', () => {
    expect(localTime('soon')).toBe('soon');
    expect(localTime('2026-11-27T20:00:00.123Z')).toMatch(/^2026-11-2\d \d\d:\d\d:00$/u);
  });
});
