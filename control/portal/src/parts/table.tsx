import { Component } from 'preact';
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { RefObject } from 'preact';
import type { Row, Sorted } from '../model/sorted';
import { span } from '../model/window';
import type { Span } from '../model/window';
import { rem_px, useAgain, useWidth_rem } from './hooks';
import { texts } from '../texts';

/** A column: `cell` draws what it says of an item, from the item and `beside` alone. */
export interface Column<T, B, C extends string> {
  id: C | 'actions';
  title: string;
  cell: (item: T, beside: B) => ComponentChildren;
}

interface TableProps<T, B, C extends string> {
  /** Names the style of the columns. */
  kind: string;
  caption: string;
  columns: readonly Column<T, B, C>[];
  sorted: Sorted<T>;
  items: ReadonlyMap<string, T>;
  /** What else a row is drawn from; the row is drawn again only when it or the item is another object. */
  beside: (item: T) => B;
  sort: C;
  descending: boolean;
  onSort: (column: C) => void;
}

/** Below this width a row is a card. */
const CARDS_REM = 40;
const ROW_REM = { table: 2.75, card: 8.75 };
/** Rows stay where they are for this long after the pointer was last moved above them. */
const HOLD_MS = 1500;

/** A table of any length, of which only the rows in view are in the document. */
export function Table<T, B, C extends string>(props: TableProps<T, B, C>): VNode {
  const { kind, caption, columns, sorted, beside } = props;
  const frame = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const width_rem = useWidth_rem(frame);
  const cards = width_rem !== null && width_rem < CARDS_REM;
  const height_px = (cards ? ROW_REM.card : ROW_REM.table) * rem_px();
  const rows = sorted.rows;
  const shown = useSpan(body, height_px, rows.length);
  const focused = useFocusedRow(body);
  const hold = useHold(sorted, props.items);

  const indices: number[] = [];
  for (let index = shown.first; index < Math.min(shown.last, rows.length); index += 1) indices.push(index);
  // A row that is scrolled away stays while it has the focus, or the focus would be lost.
  const pinned = focused === null ? -1 : rows.findIndex((row) => row.id === focused);
  if (pinned >= 0 && (pinned < shown.first || pinned >= shown.last)) indices.push(pinned);

  return (
    <div ref={frame} class="table-frame">
      <table
        role="table"
        class={`${kind} ${cards ? 'cards' : 'lines'}`}
        aria-label={caption}
        aria-rowcount={rows.length + 1}
      >
        <thead role="rowgroup">
          <tr role="row" aria-rowindex={1} class="row">
            {columns.map((column) => (
              <Header key={column.id} column={column} cards={cards} {...props} />
            ))}
          </tr>
        </thead>
        <tbody
          role="rowgroup"
          ref={body}
          style={{ height: `${rows.length * height_px}px` }}
          onPointerMove={hold.hold}
          onPointerLeave={hold.release}
        >
          {indices.map((index) => {
            const row = rows[index]!;
            return (
              <Line
                key={row.id}
                row={row}
                item={row.item}
                over={row.over}
                beside={beside(row.item)}
                index={index}
                top_px={index * height_px}
                height_px={height_px}
                columns={columns as readonly Column<unknown, unknown, string>[]}
              />
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

interface HeaderProps<T, B, C extends string> extends TableProps<T, B, C> {
  column: Column<T, B, C>;
  cards: boolean;
}

function Header<T, B, C extends string>(props: HeaderProps<T, B, C>): VNode {
  const { column, cards, sort, descending, onSort } = props;
  const { id, title } = column;
  if (id === 'actions') {
    return (
      <th role="columnheader" scope="col" class="col-actions">
        {title}
      </th>
    );
  }
  const order = sort !== id ? 'none' : descending ? 'descending' : 'ascending';
  return (
    <th role="columnheader" scope="col" class={`col-${id}`} aria-sort={order}>
      {cards ? (
        title
      ) : (
        <button type="button" class="sort" onClick={() => onSort(id)}>
          {title}
        </button>
      )}
    </th>
  );
}

interface LineProps {
  row: Row<unknown>;
  item: unknown;
  over: boolean;
  beside: unknown;
  index: number;
  top_px: number;
  height_px: number;
  columns: readonly Column<unknown, unknown, string>[];
}

class Line extends Component<LineProps> {
  override shouldComponentUpdate(next: LineProps): boolean {
    const now = this.props;
    return (
      next.item !== now.item ||
      next.over !== now.over ||
      next.beside !== now.beside ||
      next.top_px !== now.top_px ||
      next.height_px !== now.height_px ||
      next.columns !== now.columns
    );
  }

  override render({ row, item, over, beside, index, top_px, height_px, columns }: LineProps): VNode {
    return (
      <tr
        role="row"
        aria-rowindex={index + 2}
        class={`row ${index % 2 === 1 ? 'odd' : ''} ${over ? 'over' : ''}`}
        data-id={row.id}
        style={{ transform: `translateY(${top_px}px)`, height: `${height_px}px` }}
      >
        {columns.map(({ id, title, cell }) => (
          <td key={id} role="cell" class={`col-${id}`} data-label={title}>
            {over && id === 'actions' ? texts.over : cell(item, beside)}
          </td>
        ))}
      </tr>
    );
  }
}

/** The rows in view, followed while the page is scrolled or becomes another size. */
function useSpan(body: RefObject<HTMLElement>, row_px: number, count: number): Span {
  const [at, setAt] = useState<Span>({ first: 0, last: 40 });
  const measure = useRef(() => {});
  measure.current = () => {
    if (body.current === null) return;
    const next = span(body.current.getBoundingClientRect().top, innerHeight, row_px, count);
    if (next.first !== at.first || next.last !== at.last) setAt(next);
  };
  useLayoutEffect(() => measure.current(), [row_px, count]);
  useEffect(() => {
    let frame = 0;
    const moved = (): void => {
      if (frame !== 0) return;
      frame = requestAnimationFrame(() => {
        frame = 0;
        measure.current();
      });
    };
    addEventListener('scroll', moved, { passive: true });
    addEventListener('resize', moved);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener('scroll', moved);
      removeEventListener('resize', moved);
    };
  }, []);
  return { first: Math.min(at.first, count), last: Math.min(at.last, count) };
}

/** The id of the row that has the focus. */
function useFocusedRow(body: RefObject<HTMLElement>): string | null {
  const [id, setId] = useState<string | null>(null);
  useEffect(() => {
    const element = body.current;
    if (element === null) return;
    const focus = (event: FocusEvent): void => {
      const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-id]') : null;
      setId(row?.dataset['id'] ?? null);
    };
    const blur = (): void => setId(null);
    element.addEventListener('focusin', focus);
    element.addEventListener('focusout', blur);
    return () => {
      element.removeEventListener('focusin', focus);
      element.removeEventListener('focusout', blur);
    };
  }, []);
  return id;
}

/** Holds the order of rows while somebody points at them. */
function useHold<T>(
  sorted: Sorted<T>,
  items: ReadonlyMap<string, T>,
): { hold: () => void; release: () => void } {
  const again = useAgain();
  const timer = useRef<ReturnType<typeof setTimeout>>();
  const release = (): void => {
    clearTimeout(timer.current);
    if (!sorted.held) return;
    sorted.release(items);
    again();
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  const hold = (): void => {
    sorted.hold();
    clearTimeout(timer.current);
    timer.current = setTimeout(release, HOLD_MS);
  };
  return { hold, release };
}
