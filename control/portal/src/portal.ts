import { Refused, signOut as askSignOut, whoIs } from './api/client';
import { Live } from './api/live';
import type { Connection } from './api/live';
import type { Viewer } from './api/types';
import { Cell } from './model/cell';
import { DaemonClock } from './model/duration';
import { afterSignIn, signInFor } from './model/address';
import { Store } from './model/store';
import type { Differences } from './model/store';
import type { Problem } from './model/box';
import { herePage, place, replace } from './place';
import { texts } from './texts';

/** Whether somebody is signed in, as far as it is known. */
export type Session =
  | { kind: 'asking' }
  | { kind: 'out'; why: 'signed-out' | 'expired' | null }
  | { kind: 'in'; viewer: Viewer }
  | { kind: 'unknown'; problem: Problem };

export const session = new Cell<Session>({ kind: 'asking' });
export const connection = new Cell<Connection>('connecting');
export const store = new Store();
export const clock = new DaemonClock();
/** What assistive technology is told of, politely; another object each time, so that the same words count again. */
export const announcement = new Cell<{ text: string }>({ text: '' });

const observers = new Set<(differences: Differences) => void>();
let frame = 0;

const live = new Live({
  data(message) {
    clock.take(message.now_ms, performance.now());
    if (message.kind === 'snapshot') store.snapshot(message);
    else store.change(message);
    changed();
  },
  connection(state) {
    if (state === 'reconnecting' && connection.value === 'connected') announce(texts.lost);
    if (state === 'connected' && connection.value === 'reconnecting') announce(texts.back);
    connection.value = state;
  },
  viewer(viewer) {
    session.value = { kind: 'in', viewer };
  },
  signedOut,
});

/** A screen that nobody operates has to come up by itself when the daemon is later than it. */
const ASK_AGAIN_MS = 5_000;
let askAgain: ReturnType<typeof setTimeout> | undefined;

/** Finds out who is signed in, and connects. */
export async function begin(): Promise<void> {
  clearTimeout(askAgain);
  try {
    signedIn(await whoIs());
  } catch (thrown) {
    if (thrown instanceof Refused && thrown.status === 401) signedOut(null);
    else {
      session.value = { kind: 'unknown', problem: problemOf(thrown) };
      askAgain = setTimeout(() => void begin(), ASK_AGAIN_MS);
    }
  }
}

/** Takes over who has signed in, and goes to where they wanted to go. */
export function signedIn(viewer: Viewer): void {
  session.value = { kind: 'in', viewer };
  if (herePage() === 'sign-in') replace(afterSignIn(place.value, location.origin));
  live.start();
}

/** Signs out. */
export async function signOut(): Promise<Problem | null> {
  try {
    await askSignOut();
  } catch (thrown) {
    if (!(thrown instanceof Refused && thrown.status === 401)) return problemOf(thrown);
  }
  signedOut('signed-out');
  return null;
}

/** Forgets everything, and asks to sign in. */
export function signedOut(why: 'signed-out' | 'expired' | null): void {
  live.stop();
  store.clear();
  changed();
  connection.value = 'connecting';
  session.value = { kind: 'out', why };
  const to = why === 'signed-out' ? { path: '/', query: new URLSearchParams() } : place.value;
  if (herePage() !== 'sign-in') replace(signInFor(to));
}

/** Says something to assistive technology. */
export function announce(text: string): void {
  announcement.value = { text };
}

/** Has `observer` told at most once per animation frame what has changed, until what is returned is called. */
export function observe(observer: (differences: Differences) => void): () => void {
  observers.add(observer);
  return () => observers.delete(observer);
}

/** Has the observers told with the next frame. */
export function changed(): void {
  if (frame !== 0) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    const differences = store.differences();
    for (const observer of [...observers]) observer(differences);
  });
}

/** What to say of something thrown. */
export function problemOf(thrown: unknown): Problem {
  if (thrown instanceof Refused) return { error: thrown.error, way: thrown.way };
  return texts.problems.malformed;
}
