/** How far the daemon's clock is ahead of `performance.now()`, from what its messages say. */
export class DaemonClock {
  #ahead_ms: number | null = null;

  /** Takes the time of a message that has just arrived. */
  take(now_ms: number, here_ms: number): void {
    this.#ahead_ms = corrected(this.#ahead_ms, now_ms - here_ms);
  }

  /** The daemon's time now, as far as it is known. */
  now_ms(here_ms: number = performance.now()): number {
    return this.#ahead_ms === null ? Date.now() : here_ms + this.#ahead_ms;
  }
}

/** A message is late by its way here and never early, so the greatest difference is the best, unless a clock was set. */
export function corrected(ahead_ms: number | null, measured_ms: number): number {
  if (ahead_ms === null || measured_ms > ahead_ms) return measured_ms;
  return ahead_ms - measured_ms > 1000 ? measured_ms : ahead_ms;
}

/** Milliseconds as `0:07`, `12:34` or `1:02:03`; never less than nothing. */
export function clockFace(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (figure: number): string => String(figure).padStart(2, '0');
  const minutes = Math.floor(seconds / 60) % 60;
  const hours = Math.floor(seconds / 3600);
  if (hours === 0) return `${minutes}:${two(seconds % 60)}`;
  return `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}

/** Milliseconds as an ISO 8601 duration, for `<time datetime>`. */
export function isoDuration(ms: number): string {
  return `PT${Math.max(0, Math.floor(ms / 1000))}S`;
}
