import { useEffect, useRef } from 'preact/hooks';
import type { VNode } from 'preact';
import { connection } from '../portal';
import { texts } from '../texts';
import { useCell } from './hooks';

let pages = 0;

/** The page's heading and title; it takes the focus when somebody comes here from another page. */
export function Heading({ children }: { children: string }): VNode {
  const ref = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = texts.title(children);
    pages += 1;
    // The first page is where the browser puts the focus by itself.
    if (pages > 1) {
      ref.current?.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }, [children]);
  return (
    <h1 ref={ref} id="heading" tabIndex={-1}>
      {children}
    </h1>
  );
}

/** Puts the focus on the page's heading. */
export function focusHeading(): void {
  document.getElementById('heading')?.focus();
}

interface NothingProps {
  shown: number;
  all: number;
  none: string;
  found: string;
}

/** Says why a list is empty. */
export function Nothing({ shown, all, none, found }: NothingProps): VNode | null {
  const waiting = useCell(connection) === 'connecting';
  if (shown > 0) return null;
  if (waiting) return <p class="nothing">{texts.loading}</p>;
  return <p class="nothing">{all === 0 ? none : found}</p>;
}
