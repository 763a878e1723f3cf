/** The pages that there are, by path. */
export type Page = 'calls' | 'agents' | 'audit' | 'sign-in';

const PATHS: Record<string, Page> = {
  '/': 'calls',
  '/agents': 'agents',
  '/audit': 'audit',
  '/sign-in': 'sign-in',
};

/** Where somebody is on the portal: a path and a query. */
export interface Address {
  path: string;
  query: URLSearchParams;
}

/** The page of an address; null where there is none. */
export function pageOf(address: Address): Page | null {
  return PATHS[address.path] ?? null;
}

/** Whether an address asks for the large figures. */
export function isWallboard(address: Address): boolean {
  return address.query.has('wallboard') && pageOf(address) !== 'sign-in';
}

/** An address as text. */
export function written({ path, query }: Address): string {
  const text = query.toString().replace(/=(?=&|$)/gu, '');
  return text === '' ? path : `${path}?${text}`;
}

/** Reads an address of the portal; null for anything that leads elsewhere. */
export function read(text: string, origin: string): Address | null {
  let url;
  try {
    url = new URL(text, origin);
  } catch {
    return null;
  }
  if (url.origin !== origin) return null;
  const address = { path: url.pathname, query: url.searchParams };
  return pageOf(address) === null ? null : address;
}

/** The sign-in page that leads back to where somebody wanted to go. */
export function signInFor(address: Address): Address {
  const query = new URLSearchParams();
  const to = written(address);
  if (to !== '/' && pageOf(address) !== 'sign-in') query.set('to', to);
  return { path: '/sign-in', query };
}

/** Where to go after sign-in. */
export function afterSignIn(address: Address, origin: string): Address {
  const wanted = read(address.query.get('to') ?? '/', origin);
  if (wanted === null || pageOf(wanted) === 'sign-in') return { path: '/', query: new URLSearchParams() };
  return wanted;
}
