import { expect, test } from 'vitest';
import { backoff_ms } from './backoff';

test('the first attempt comes after a quarter of a second', () => {
  expect(backoff_ms(0, 0.9)).toBe(250);
});

test('no attempt waits for less than a quarter of a second or more than two', () => {
  for (const attempt of [1, 2, 3, 10, 1000]) {
    for (const chance of [0, 0.5, 0.999]) {
      expect(backoff_ms(attempt, chance)).toBeGreaterThanOrEqual(250);
      expect(backoff_ms(attempt, chance)).toBeLessThanOrEqual(2000);
    }
  }
});
