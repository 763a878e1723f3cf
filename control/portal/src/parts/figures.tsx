import type { VNode } from 'preact';
import { clockFace, isoDuration } from '../model/duration';
import { grade } from '../model/quality';
import { useNow_ms } from './hooks';
import { texts } from '../texts';

/** How long ago something began; goes on by itself. */
export function Duration({ since_ms }: { since_ms: number | null }): VNode {
  const now_ms = useNow_ms();
  if (since_ms === null) return <>{texts.none}</>;
  return <time dateTime={isoDuration(now_ms - since_ms)}>{clockFace(now_ms - since_ms)}</time>;
}

/** A MOS as a figure and a word. */
export function Quality({ mos }: { mos: number | null }): VNode {
  if (mos === null) {
    return (
      <span class="quality none">
        <span aria-hidden="true">{texts.none}</span>
        <span class="hidden">{texts.noMos}</span>
      </span>
    );
  }
  return (
    <span class={`quality ${grade(mos)}`}>
      <span class="figure">{mos.toFixed(2)}</span> {texts.grade(grade(mos))}
    </span>
  );
}
