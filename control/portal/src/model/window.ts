/** Rows from `first` up to and without `last`. */
export interface Span {
  first: number;
  last: number;
}

/** Rows above and below those in view that are there, too, so that scrolling and tabbing find them. */
const BEYOND = 8;

/** The rows to have in the document, of a list whose top stands at `top` in a viewport of `height`. */
export function span(top: number, height: number, row_height: number, count: number): Span {
  const first = Math.floor(-top / row_height) - BEYOND;
  const last = Math.ceil((height - top) / row_height) + BEYOND;
  const within = (index: number): number => Math.min(count, Math.max(0, index));
  return { first: within(first), last: within(last) };
}
