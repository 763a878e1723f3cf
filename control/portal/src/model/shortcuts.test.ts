import { expect, test } from 'vitest';
import { shortcut } from './shortcuts';
import type { Focused, Pressed } from './shortcuts';

function key(key: string, more: Partial<Pressed> = {}): Pressed {
  const plain = { ctrlKey: false, altKey: false, metaKey: false, shiftKey: false };
  return { key, ...plain, repeat: false, isComposing: false, defaultPrevented: false, ...more };
}

function focused(tagName: string, more: Partial<Focused> = {}): Focused {
  return { tagName, isContentEditable: false, ...more };
}

test('each letter has its action, also under Caps Lock', () => {
  const actions = ['l', 'J', 'w', 'c', 'e', 'x'].map((letter) => shortcut(key(letter), null));
  expect(actions).toEqual(['listen', 'barge', 'whisper', 'whisper-caller', 'end', null]);
});

test.each([
  { ctrlKey: true },
  { altKey: true },
  { metaKey: true },
  { shiftKey: true },
  { repeat: true },
  { isComposing: true },
  { defaultPrevented: true },
])('%o is none', (more) => expect(shortcut(key('e', more), null)).toBeNull());

test('whoever types in a field means letters', () => {
  expect(shortcut(key('e'), focused('INPUT', { type: 'search' }))).toBeNull();
  expect(shortcut(key('e'), focused('SELECT'))).toBeNull();
  expect(shortcut(key('e'), focused('TEXTAREA'))).toBeNull();
  expect(shortcut(key('e'), focused('DIV', { isContentEditable: true }))).toBeNull();
});

test('buttons and checkboxes take no letters', () => {
  expect(shortcut(key('e'), focused('BUTTON', { type: 'submit' }))).toBe('end');
  expect(shortcut(key('e'), focused('INPUT', { type: 'checkbox' }))).toBe('end');
});
