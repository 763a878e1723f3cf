import { expect, test } from 'vitest';
import { afterSignIn, isWallboard, pageOf, read, signInFor, written } from './address';

const ORIGIN = 'https://undertone.example';

function at(text: string): { path: string; query: URLSearchParams } {
  const url = new URL(text, ORIGIN);
  return { path: url.pathname, query: url.searchParams };
}

test('there are four pages', () => {
  expect(['/', '/agents', '/audit', '/sign-in', '/x'].map((path) => pageOf(at(path)))).toEqual([
    'calls',
    'agents',
    'audit',
    'sign-in',
    null,
  ]);
});

test('the wallboard is an address of its own', () => {
  expect(isWallboard(at('/?wallboard'))).toBe(true);
  expect(isWallboard(at('/'))).toBe(false);
  expect(written(at('/?wallboard'))).toBe('/?wallboard');
});

test('sign-in leads back to where somebody wanted to go', () => {
  const signIn = signInFor(at('/agents?q=a%26b&sort=state'));
  expect(written(afterSignIn(at(written(signIn)), ORIGIN))).toBe('/agents?q=a%26b&sort=state');
  expect(written(signInFor(at('/')))).toBe('/sign-in');
});

test.each([
  '//evil.example/',
  'https://evil.example/',
  'javascript:alert(1)',
  '/sign-in',
  '/nowhere',
  '\\\\evil.example',
])('sign-in does not lead to %s', (to) => {
  const query = new URLSearchParams({ to });
  expect(written(afterSignIn({ path: '/sign-in', query }, ORIGIN))).toBe('/');
});

test('only addresses of the portal are its own', () => {
  expect(read('/api/v1/audit.csv', ORIGIN)).toBeNull();
  expect(read('/audit?user=sue', ORIGIN)?.path).toBe('/audit');
});
