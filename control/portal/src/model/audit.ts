import type { AuditSearch } from '../api/types';

/** The search that stands in an address; times there are as in the form, in the reader's own time. */
export function searchOf(query: URLSearchParams): AuditSearch {
  const of = (key: string): string => query.get(key)?.trim() ?? '';
  return { user: of('user'), extension: of('extension'), since: of('since'), until: of('until') };
}

/** Writes a search as a query. */
export function searchQuery(search: AuditSearch): URLSearchParams {
  const query = new URLSearchParams();
  for (const key of ['user', 'extension', 'since', 'until'] as const) {
    if (search[key] !== '') query.set(key, search[key]);
  }
  return query;
}

/** The search as the daemon wants it: times as RFC 3339 in UTC; one that is none is left out. */
export function searchAsked(search: AuditSearch): AuditSearch {
  return { ...search, since: instant(search.since), until: instant(search.until) };
}

/** A time of the audit in the reader's own time, to the second. */
export function localTime(at: string): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  const two = (figure: number): string => String(figure).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

function instant(local: string): string {
  const time = new Date(local);
  return local === '' || Number.isNaN(time.getTime()) ? '' : time.toISOString();
}
