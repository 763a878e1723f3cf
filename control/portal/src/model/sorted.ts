/** What rows are sorted by: texts and figures are not mixed in one column; null stands last either way. */
export type Key = string | number | null;

/** A row of a sorted list; the same object for as long as the item is in the list. */
export interface Row<T> {
  readonly id: string;
  item: T;
  key: Key;
  /** The item is gone; the row stays until the order is no longer held. */
  over: boolean;
}

/** What is shown, and by what it is sorted. */
export interface Order<T> {
  shows: (item: T) => boolean;
  key: (item: T) => Key;
  descending: boolean;
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** A filtered and sorted list that takes changes in time proportional to their number, and one pass over the rows. */
export class Sorted<T> {
  #order: Order<T>;
  #rows: Row<T>[] = [];
  #byId = new Map<string, Row<T>>();
  #held = false;
  #awaiting = new Set<string>();

  constructor(order: Order<T>) {
    this.#order = order;
  }

  /** The rows in order; another array whenever the order is another. */
  get rows(): readonly Row<T>[] {
    return this.#rows;
  }

  /** Whether changes wait for `release`. */
  get held(): boolean {
    return this.#held;
  }

  /** Sorts and filters all items anew. */
  rebuild(items: ReadonlyMap<string, T>, order: Order<T> = this.#order): void {
    this.#order = order;
    this.#awaiting.clear();
    this.#rows = [];
    this.#byId = new Map();
    for (const [id, item] of items) {
      if (!order.shows(item)) continue;
      const row = { id, item, key: order.key(item), over: false };
      this.#rows.push(row);
      this.#byId.set(id, row);
    }
    this.#rows.sort(this.#compare);
  }

  /** Takes over the items of these ids. */
  update(ids: Iterable<string>, items: ReadonlyMap<string, T>): void {
    const moved: Row<T>[] = [];
    const removed = new Set<Row<T>>();
    for (const id of ids) this.#take(id, items.get(id), moved, removed);
    if (moved.length > 0 || removed.size > 0) this.#merge(moved, removed);
  }

  /** Keeps rows where they are, so that none moves away under the pointer. */
  hold(): void {
    this.#held = true;
  }

  /** Lets rows move again, and makes up for what was held. */
  release(items: ReadonlyMap<string, T>): void {
    this.#held = false;
    const awaiting = [...this.#awaiting];
    this.#awaiting.clear();
    this.update(awaiting, items);
  }

  #take(id: string, item: T | undefined, moved: Row<T>[], removed: Set<Row<T>>): void {
    const row = this.#byId.get(id);
    const shown = item !== undefined && this.#order.shows(item);
    const key = shown ? this.#order.key(item) : null;
    if (row !== undefined && shown && row.key === key) {
      row.item = item;
      row.over = false;
    } else if (this.#held) {
      this.#awaiting.add(id);
      if (row !== undefined && item !== undefined) row.item = item;
      if (row !== undefined) row.over = item === undefined;
    } else {
      if (row !== undefined) this.#remove(row, removed);
      if (shown) this.#add({ id, item, key, over: false }, moved);
    }
  }

  #remove(row: Row<T>, removed: Set<Row<T>>): void {
    removed.add(row);
    this.#byId.delete(row.id);
  }

  #add(row: Row<T>, moved: Row<T>[]): void {
    moved.push(row);
    this.#byId.set(row.id, row);
  }

  #merge(moved: Row<T>[], removed: ReadonlySet<Row<T>>): void {
    moved.sort(this.#compare);
    const merged: Row<T>[] = [];
    let next = 0;
    for (const row of this.#rows) {
      if (removed.has(row)) continue;
      for (; next < moved.length && this.#compare(moved[next]!, row) < 0; next += 1)
        merged.push(moved[next]!);
      merged.push(row);
    }
    for (; next < moved.length; next += 1) merged.push(moved[next]!);
    this.#rows = merged;
  }

  #compare = (a: Row<T>, b: Row<T>): number => {
    if (a.key !== b.key) {
      if (a.key === null) return 1;
      if (b.key === null) return -1;
      const order = compareKeys(a.key, b.key);
      if (order !== 0) return this.#order.descending ? -order : order;
    }
    return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  };
}

function compareKeys(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return collator.compare(String(a), String(b));
}
