import { describe, expect, test } from 'vitest';
import { DaemonClock, clockFace, corrected, isoDuration } from './duration';

describe('durations', () => {
  test.each([
    [-5, '0:00'],
    [7_999, '0:07'],
    [754_000, '12:34'],
    [3_723_000, '1:02:03'],
    [360_000_000, '100:00:00'],
  ])('%i ms is %s', (ms, face) => expect(clockFace(ms)).toBe(face));

  test('are told to machines, too', () => expect(isoDuration(754_999)).toBe('PT754S'));

  test('go by the clock of the daemon', () => {
    const clock = new DaemonClock();
    clock.take(1_000_000, 100);
    expect(clock.now_ms(350)).toBe(1_000_250);
  });

  test('believe the message that was on its way for the shortest time', () => {
    expect(corrected(null, 500)).toBe(500);
    expect(corrected(500, 480)).toBe(500);
    expect(corrected(500, 510)).toBe(510);
  });

  test('follow a clock that was set back', () => expect(corrected(500, -60_000)).toBe(-60_000));
});
