import { useEffect, useId, useRef } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Mode, Monitor } from '../api/types';
import { KEYS } from '../model/shortcuts';
import type { Action } from '../model/shortcuts';
import { denialOf, switchTo, targetOf } from '../monitoring';
import { useChanges } from './hooks';
import { texts } from '../texts';

interface ControlsProps {
  session: Monitor;
  agent: string;
  busy: Mode | 'end' | null;
  keys: boolean;
}

/** What the session can be switched to: in Listen Only to the other modes, and from each of those back. */
export function Controls({ session, agent, busy, keys }: ControlsProps): VNode {
  useChanges('calls');
  const group = useRef<HTMLDivElement>(null);
  useKeptFocus(group, session.mode);
  const control = (mode: Mode, label: string): VNode => (
    <Control
      key={mode}
      mode={mode}
      label={label}
      reason={denialOf(session, mode)}
      busy={busy !== null}
      keys={keys}
    />
  );
  return (
    <div ref={group} class="modes" role="group" aria-label={texts.box.controls}>
      {session.mode !== 'listen' && control('listen', texts.box.listen)}
      {session.mode === 'listen' && control('barge', texts.box.barge)}
      {session.mode === 'listen' && control('whisper', texts.box.whisper(agent))}
      {session.mode === 'listen' &&
        targetOf(session)?.modes.includes('whisper-caller') === true &&
        control('whisper-caller', texts.box.whisperCaller)}
    </div>
  );
}

/** The key of an action, where keys are in force. */
export function Key({ action }: { action: Action }): VNode {
  return (
    <kbd title={texts.box.shortcut(action)} aria-hidden="true">
      {KEYS[action]}
    </kbd>
  );
}

interface ControlProps {
  mode: Mode;
  label: string;
  reason: string | null;
  busy: boolean;
  keys: boolean;
}

function Control({ mode, label, reason, busy, keys }: ControlProps): VNode {
  const id = useId();
  return (
    <div class="control">
      <button
        type="button"
        class="switch"
        title={label}
        aria-keyshortcuts={keys ? KEYS[mode] : undefined}
        aria-disabled={reason !== null || busy ? 'true' : undefined}
        aria-describedby={reason === null ? undefined : id}
        onClick={() => void switchTo(mode)}
      >
        <bdi class="cut">{label}</bdi>
        {keys && <Key action={mode} />}
      </button>
      {reason !== null && (
        <p id={id} class="reason">
          {texts.box.denied(reason)}
        </p>
      )}
    </div>
  );
}

/** A control that is pressed vanishes; the focus that was on it goes to the one that takes its place. */
function useKeptFocus(group: { readonly current: HTMLElement | null }, mode: Mode): void {
  const within = useRef(false);
  useEffect(() => {
    const moved = (event: FocusEvent): void => {
      within.current = event.target instanceof Node && group.current?.contains(event.target) === true;
    };
    addEventListener('focusin', moved);
    return () => removeEventListener('focusin', moved);
  }, []);
  useEffect(() => {
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (within.current && lost) group.current?.querySelector('button')?.focus({ preventScroll: true });
  }, [mode]);
}
