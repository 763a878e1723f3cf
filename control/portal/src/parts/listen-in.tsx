import { useId } from 'preact/hooks';
import type { VNode } from 'preact';
import type { Target, Viewer } from '../api/types';
import { listenIn, nameOf, phoneOf } from '../monitoring';
import { sentence, texts } from '../texts';

/** A Listen in control for each party that the viewer may monitor. */
export function ListenIn({ targets, viewer }: { targets: readonly Target[]; viewer: Viewer }): VNode | null {
  if (targets.length === 0) return null;
  return (
    <span class="targets">
      {targets.length > 1 && (
        <span class="targets-label" aria-hidden="true">
          {texts.listenIn}
        </span>
      )}
      {targets.map((target) => (
        <Control key={target.extension} target={target} viewer={viewer} named={targets.length > 1} />
      ))}
    </span>
  );
}

function Control({ target, viewer, named }: { target: Target; viewer: Viewer; named: boolean }): VNode {
  const id = useId();
  const reason = target.refused || (phoneOf(viewer) === null ? texts.noPhone : '');
  const label = texts.listenInTo(nameOf(target));
  // Disabled for what it does, and not for the keyboard: the reason has to be within reach.
  return (
    <>
      <button
        type="button"
        class="listen-in"
        aria-label={label}
        aria-disabled={reason === '' ? undefined : 'true'}
        aria-describedby={reason === '' ? undefined : id}
        title={reason === '' ? label : sentence(reason)}
        onClick={() => void listenIn(target, viewer)}
      >
        <span class="cut">{named ? <bdi>{nameOf(target)}</bdi> : texts.listenIn}</span>
      </button>
      {reason !== '' && (
        <span id={id} hidden>
          {sentence(reason)}
        </span>
      )}
    </>
  );
}
