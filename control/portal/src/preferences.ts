// Storage may be full, switched off or forbidden; then a choice lasts as long as the page.
const remembered = new Map<string, string>();

/** A choice of somebody's in this browser; null where they have made none. */
export function preference(name: string): string | null {
  try {
    return localStorage.getItem(`undertone.${name}`) ?? remembered.get(name) ?? null;
  } catch {
    return remembered.get(name) ?? null;
  }
}

/** Remembers a choice. */
export function prefer(name: string, value: string): void {
  remembered.set(name, value);
  try {
    localStorage.setItem(`undertone.${name}`, value);
  } catch {
    return;
  }
}
