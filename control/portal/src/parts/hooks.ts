import { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { Cell } from '../model/cell';
import { Sorted } from '../model/sorted';
import type { Order } from '../model/sorted';
import { clock, observe } from '../portal';
import { onSecond } from './seconds';

/** The value of a cell, and another rendering whenever it changes. */
export function useCell<T>(cell: Cell<T>): T {
  const again = useAgain();
  const seen = useRef(cell.value);
  seen.current = cell.value;
  useLayoutEffect(() => {
    if (seen.current !== cell.value) again();
    return cell.subscribe(again);
  }, [cell]);
  return cell.value;
}

/** Renders again after each frame in which calls, agents or sessions have changed. */
export function useChanges(which: 'calls' | 'agents'): void {
  const again = useAgain();
  useEffect(
    () =>
      observe((differences) => {
        if (differences.all || differences[which].size > 0) again();
      }),
    [which],
  );
}

/** A sorted and filtered list of calls or agents that follows what the daemon tells. */
export function useSorted<T>(
  which: 'calls' | 'agents',
  items: ReadonlyMap<string, T>,
  order: Order<T>,
): Sorted<T> {
  const again = useAgain();
  const sorted = useMemo(() => new Sorted(order), []);
  useMemo(() => sorted.rebuild(items, order), [order]);
  useEffect(
    () =>
      observe((differences) => {
        if (differences.all) sorted.rebuild(items);
        else if (differences[which].size > 0) sorted.update(differences[which], items);
        else return;
        again();
      }),
    [],
  );
  return sorted;
}

/** The daemon's time, and another rendering each second. */
export function useNow_ms(): number {
  const again = useAgain();
  useEffect(() => onSecond(again), []);
  return clock.now_ms();
}

/** The width of an element in rem; null before it is known. */
export function useWidth_rem(ref: RefObject<HTMLElement>): number | null {
  const [width, setWidth] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const measure = (): void => setWidth(element.clientWidth / rem_px());
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  return width;
}

/** How many pixels a rem has, which is for the reader to choose. */
export function rem_px(): number {
  return Number.parseFloat(getComputedStyle(document.documentElement).fontSize) || 16;
}

/** A function that has the component rendered again. */
export function useAgain(): () => void {
  const [, again] = useReducer((count: number, _: void) => count + 1, 0);
  return again as () => void;
}
