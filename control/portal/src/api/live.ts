import { whoIs, Refused } from './client';
import { backoff_ms } from './backoff';
import { message } from './decode';
import type { Change, Snapshot, Viewer } from './types';

/** How the live connection is. */
export type Connection = 'connecting' | 'connected' | 'reconnecting';

/** Who is told what the live connection brings. */
export interface Listener {
  data(message: Snapshot | Change): void;
  connection(state: Connection): void;
  viewer(viewer: Viewer): void;
  signedOut(why: 'signed-out' | 'expired'): void;
}

/** After this long without a message it is asked whether the daemon is still there. */
const SILENCE_MS = 30_000;
/** A connection that has lasted this long was a good one: the next attempt after it comes at once. */
const GOOD_MS = 5_000;

/** The live connection: opened, kept open, and opened again when it is lost. */
export class Live {
  #socket: WebSocket | null = null;
  #attempt = 0;
  #opened_ms = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #stopped = true;

  constructor(readonly listener: Listener) {}

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#attempt = 0;
    addEventListener('online', this.#now);
    this.listener.connection('connecting');
    this.#open();
  }

  /** Closes the connection, and does not open it again. */
  stop(): void {
    this.#stopped = true;
    removeEventListener('online', this.#now);
    clearTimeout(this.#retry);
    this.#drop();
  }

  #open(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/api/v1/live`);
    this.#socket = socket;
    this.#opened_ms = performance.now();
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = () => this.#lost();
    this.#listen();
  }

  #take(data: unknown): void {
    this.#listen();
    let taken;
    try {
      taken = typeof data === 'string' ? message(data) : null;
    } catch {
      return this.#lost();
    }
    if (taken === null) return;
    if (taken.kind === 'end') return this.#end(taken.why);
    this.listener.data(taken);
    if (taken.kind === 'snapshot') this.listener.connection('connected');
  }

  #end(why: 'signed-out' | 'expired' | 'rights-changed'): void {
    if (why === 'rights-changed') {
      this.#drop();
      void this.#again();
    } else {
      this.stop();
      this.listener.signedOut(why);
    }
  }

  #lost(): void {
    const lasted_ms = performance.now() - this.#opened_ms;
    this.#drop();
    if (this.#stopped) return;
    if (lasted_ms > GOOD_MS) this.#attempt = 0;
    this.listener.connection('reconnecting');
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#again(), backoff_ms(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  #now = (): void => {
    if (this.#socket !== null) return;
    clearTimeout(this.#retry);
    void this.#again();
  };

  /** Asks who is signed in before it connects: a refused WebSocket does not say why. */
  async #again(): Promise<void> {
    try {
      const viewer = await whoIs();
      if (this.#stopped || this.#socket !== null) return;
      this.listener.viewer(viewer);
      this.#open();
    } catch (refused) {
      if (this.#stopped || this.#socket !== null) return;
      if (refused instanceof Refused && refused.status === 401) this.#end('expired');
      else this.#lost();
    }
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => void this.#probe(), SILENCE_MS);
  }

  /** A connection whose other end has vanished says nothing; one on which nothing happens neither. */
  async #probe(): Promise<void> {
    const socket = this.#socket;
    try {
      await whoIs();
      if (socket !== null && socket === this.#socket) this.#listen();
    } catch (refused) {
      if (this.#stopped || socket !== this.#socket) return;
      if (refused instanceof Refused && refused.status === 401) this.#end('expired');
      else this.#lost();
    }
  }

  #drop(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }
}
