import { describe, expect, test } from 'vitest';
import { span } from './window';

describe('the rows in view', () => {
  test('are those between top and bottom, and some beyond', () => {
    expect(span(-4400, 440, 44, 5000)).toEqual({ first: 92, last: 118 });
  });

  test('never lie outside of the list', () => {
    expect(span(200, 440, 44, 5)).toEqual({ first: 0, last: 5 });
    expect(span(-44_000, 440, 44, 10)).toEqual({ first: 10, last: 10 });
    expect(span(0, 440, 44, 0)).toEqual({ first: 0, last: 0 });
  });
});
