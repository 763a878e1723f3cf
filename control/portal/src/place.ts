import { Cell } from './model/cell';
import { pageOf, read, written } from './model/address';
import type { Address } from './model/address';

/** Where somebody is on the portal. */
export const place = new Cell<Address>(here());

addEventListener('popstate', () => {
  place.value = here();
});

/** Goes to an address, as a link would. */
export function go(address: Address): void {
  history.pushState(null, '', written(address));
  place.value = address;
}

/** Puts another address in the place of this one. */
export function replace(address: Address): void {
  try {
    history.replaceState(null, '', written(address));
  } catch {
    // Some browsers refuse when it is done too often; the page goes on without the address.
  }
  place.value = address;
}

/** Follows a click on a link of the portal's without loading the page again. */
export function follow(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (link === null || link.target !== '' || link.hasAttribute('download') || link.hash !== '') return;
  const address = read(link.href, location.origin);
  if (address === null) return;
  event.preventDefault();
  go(address);
}

function here(): Address {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

/** The page of where somebody is; null where there is none. */
export function herePage(): ReturnType<typeof pageOf> {
  return pageOf(place.value);
}
