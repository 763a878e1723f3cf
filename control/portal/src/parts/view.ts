import { useEffect, useRef, useState } from 'preact/hooks';
import { queryOf, viewOf } from '../model/view';
import type { Choices, View } from '../model/view';
import { place, replace } from '../place';

/** What a list shows, kept in the address. */
export function useView<S extends string, C extends string>(
  choices: Choices<S, C>,
): [View<S, C>, (view: View<S, C>) => void] {
  const [view, setView] = useState(() => viewOf(place.value.query, choices));
  const written = useRef(place.value);
  useEffect(
    () =>
      place.subscribe(() => {
        if (place.value === written.current) return;
        written.current = place.value;
        setView(viewOf(place.value.query, choices));
      }),
    [],
  );
  const change = (next: View<S, C>): void => {
    setView(next);
    written.current = { path: place.value.path, query: queryOf(next, choices) };
    replace(written.current);
  };
  return [view, change];
}
