/** What a key does to the session in the Audio Monitoring box. */
export type Action = 'listen' | 'barge' | 'whisper' | 'whisper-caller' | 'end';

/** The key of each action. */
export const KEYS: Record<Action, string> = {
  listen: 'L',
  barge: 'J',
  whisper: 'W',
  'whisper-caller': 'C',
  end: 'E',
};

/** What matters of a keyboard event. */
export interface Pressed {
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  repeat: boolean;
  isComposing: boolean;
  defaultPrevented: boolean;
}

/** What has the focus while a key is pressed. */
export interface Focused {
  tagName: string;
  type?: string;
  isContentEditable: boolean;
}

/** The action that a key press asks for, if it asks for one. */
export function shortcut(pressed: Pressed, focused: Focused | null): Action | null {
  if (pressed.ctrlKey || pressed.altKey || pressed.metaKey || pressed.shiftKey) return null;
  if (pressed.repeat || pressed.isComposing || pressed.defaultPrevented) return null;
  if (focused !== null && takesText(focused)) return null;
  const key = pressed.key.toUpperCase();
  return (Object.keys(KEYS) as Action[]).find((action) => KEYS[action] === key) ?? null;
}

function takesText({ tagName, type, isContentEditable }: Focused): boolean {
  if (isContentEditable || tagName === 'TEXTAREA' || tagName === 'SELECT') return true;
  return tagName === 'INPUT' && type !== 'checkbox' && type !== 'radio' && type !== 'button';
}
