import { clock } from '../portal';

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** Has `listener` called with each new second of the daemon's clock, until what is returned is called. */
export function onSecond(listener: () => void): () => void {
  listeners.add(listener);
  if (timer === undefined) wait();
  return () => {
    listeners.delete(listener);
  };
}

function wait(): void {
  timer = setTimeout(
    () => {
      timer = undefined;
      for (const listener of [...listeners]) listener();
      if (listeners.size > 0) wait();
    },
    1000 - (clock.now_ms() % 1000) + 5,
  );
}
