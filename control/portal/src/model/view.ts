/** What a list shows and how, as it stands in the address. */
export interface View<S extends string, C extends string> {
  text: string;
  /** The only state that is shown; '' for all. */
  state: S | '';
  sort: C;
  descending: boolean;
}

/** The states and columns that a list has, and what it is sorted by unless somebody chooses. */
export interface Choices<S extends string, C extends string> {
  states: readonly S[];
  columns: readonly C[];
  sort: C;
  descending: boolean;
}

/** Reads a view from the address; what it does not know is as if it was not there. */
export function viewOf<S extends string, C extends string>(
  query: URLSearchParams,
  choices: Choices<S, C>,
): View<S, C> {
  const state = choices.states.find((name) => name === query.get('state')) ?? '';
  const chosen = choices.columns.find((name) => name === query.get('sort'));
  const order = query.get('order');
  const untold = chosen === undefined || chosen === choices.sort ? choices.descending : false;
  return {
    text: query.get('q') ?? '',
    state,
    sort: chosen ?? choices.sort,
    descending: order === 'descending' || (order !== 'ascending' && untold),
  };
}

/** Writes a view as a query: only what is not as it is unless somebody chooses. */
export function queryOf<S extends string, C extends string>(
  view: View<S, C>,
  choices: Choices<S, C>,
): URLSearchParams {
  const query = new URLSearchParams();
  if (view.text !== '') query.set('q', view.text);
  if (view.state !== '') query.set('state', view.state);
  if (view.sort !== choices.sort) query.set('sort', view.sort);
  const untold = view.sort === choices.sort ? choices.descending : false;
  if (view.descending !== untold) query.set('order', view.descending ? 'descending' : 'ascending');
  return query;
}

/** The view after a column's header was pressed: by that column, or the other way round. */
export function sortedBy<S extends string, C extends string>(view: View<S, C>, column: C): View<S, C> {
  if (view.sort === column) return { ...view, descending: !view.descending };
  return { ...view, sort: column, descending: false };
}

/** Whether a view leaves anything out. */
export function isFiltered<S extends string, C extends string>(view: View<S, C>): boolean {
  return view.text.trim() !== '' || view.state !== '';
}
