const FIRST_MS = 250;
const MOST_MS = 2000;

/** How long to wait before the `attempt`th attempt (from 0) to connect again; `chance` is in [0, 1). */
export function backoff_ms(attempt: number, chance: number): number {
  const full = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  return attempt === 0 ? full : Math.round(full * (0.75 + chance / 4));
}
