import * as decode from './decode';
import type { AuditRow, AuditSearch, Mode, Monitor, Viewer } from './types';
import { texts } from '../texts';

const BASE = '/api/v1';

/** The daemon has refused something, or could not be asked: `status` is 0 then. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly error: string,
    readonly way: string,
    /** In how many seconds it makes sense to ask again; 0 where that is not said. */
    readonly retry_after_s = 0,
  ) {
    super(error);
  }
}

/** Asks who is signed in. */
export async function whoIs(): Promise<Viewer> {
  return decoded(await ask('GET', '/session'), decode.viewer);
}

/** Signs in. */
export async function signIn(user: string, password: string): Promise<Viewer> {
  return decoded(await ask('POST', '/session', { user, password }), decode.viewer);
}

/** Signs out. */
export async function signOut(): Promise<void> {
  await ask('DELETE', '/session');
}

/** Says that somebody is at the page, who is not to be signed out for doing nothing. */
export async function inUse(): Promise<void> {
  await ask('POST', '/session/use');
}

/** Has a telephone of the viewer's called, and the extension monitored with it, in Listen Only. */
export async function startMonitor(extension: string, phone: string | null): Promise<Monitor> {
  const body = { extension, mode: 'listen', ...(phone === null ? {} : { phone }) };
  return decoded(await ask('POST', '/monitors', body), decode.monitor);
}

/** Puts a session of the viewer's into another mode. */
export async function switchMonitor(id: string, mode: Mode): Promise<Monitor> {
  return decoded(await ask('PATCH', `/monitors/${encodeURIComponent(id)}`, { mode }), decode.monitor);
}

/** Ends a session of the viewer's. */
export async function endMonitor(id: string): Promise<void> {
  await ask('DELETE', `/monitors/${encodeURIComponent(id)}`);
}

/** Rows of the audit, newest first; `before` leaves out the row of that number and newer ones. */
export async function auditRows(
  search: AuditSearch,
  limit: number,
  before: number | null,
): Promise<AuditRow[]> {
  const parameters = auditParameters(search);
  parameters.set('limit', String(limit));
  if (before !== null) parameters.set('before', String(before));
  return decoded(await ask('GET', `/audit?${parameters}`), decode.auditRows);
}

/** Where the same rows are a file to save. */
export function auditFile(search: AuditSearch): string {
  const parameters = auditParameters(search).toString();
  return `${BASE}/audit.csv${parameters === '' ? '' : `?${parameters}`}`;
}

function auditParameters(search: AuditSearch): URLSearchParams {
  const parameters = new URLSearchParams();
  for (const key of ['since', 'until', 'user', 'extension'] as const) {
    if (search[key] !== '') parameters.set(key, search[key]);
  }
  return parameters;
}

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetched(method, path, body);
  const answer = await answered(response);
  if (response.ok) return answer;
  const said = decode.problem(answer) ?? texts.problems.unexplained(response.status);
  const seconds = Number.parseInt(response.headers.get('Retry-After') ?? '', 10);
  throw new Refused(response.status, said.error, said.way, seconds > 0 ? seconds : 0);
}

async function fetched(method: string, path: string, body?: object): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  try {
    return await fetch(BASE + path, {
      method,
      headers,
      credentials: 'same-origin',
      cache: 'no-store',
      body: body === undefined ? null : JSON.stringify(body),
    });
  } catch {
    throw unreachable();
  }
}

async function answered(response: Response): Promise<unknown> {
  let text;
  try {
    text = await response.text();
  } catch {
    throw unreachable();
  }
  try {
    return text === '' ? null : JSON.parse(text);
  } catch {
    return null;
  }
}

function unreachable(): Refused {
  const { error, way } = texts.problems.unreachable;
  return new Refused(0, error, way);
}

function decoded<T>(answer: unknown, decoder: (value: unknown) => T): T {
  try {
    return decoder(answer);
  } catch {
    const { error, way } = texts.problems.malformed;
    throw new Refused(0, error, way);
  }
}
