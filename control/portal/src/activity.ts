import { inUse } from './api/client';
import { session } from './portal';

/** What somebody does who is there. */
const SIGNS = ['pointerdown', 'keydown', 'wheel'] as const;
/** How often the daemon is told of it. */
const EVERY_MS = 60_000;

let told_ms = -EVERY_MS;

/** Has the daemon told when somebody is at the page. */
export function watch(): void {
  for (const sign of SIGNS) addEventListener(sign, noted, { capture: true, passive: true });
}

function noted(): void {
  const now_ms = performance.now();
  if (session.value.kind !== 'in' || now_ms - told_ms < EVERY_MS) return;
  told_ms = now_ms;
  // Who is signed out by now is told so by the live connection.
  inUse().catch(() => undefined);
}
