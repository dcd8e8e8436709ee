// What reading one log's objects needs.
import { Unavailable, limits } from '../base/index.ts';
import type { Clock, Limits, Logger } from '../base/index.ts';
import type { Listed, ObjectStore } from '../store/index.ts';
import type { Authenticator } from './types.ts';

/** What reading a log's objects needs. */
export interface Reading {
  store: ObjectStore;
  root: string;
  authenticator: Authenticator;
  logger: Logger;
  limits: Limits;
}

/** Where a LIST of many pages begins, how many rows the first page has, what the store told before (ListOptions), and how many rows there may be. */
export interface ListFrom {
  startAfter?: string;
  keysFirst?: number;
  told?: number;
  rowsMax?: number;
}

/** All rows under a prefix. Throws Unavailable, also where the LIST goes on and on. `date` and `told`: of the first answer. */
export async function listAll(store: ObjectStore, prefix: string, maxKeys: number, from: ListFrom = {}): Promise<{ rows: Listed[]; date: number; told: number | undefined }> {
  const { told, rowsMax = limits.list_rows_max } = from;
  const first = await store.list({ prefix, startAfter: from.startAfter, maxKeys: from.keysFirst ?? maxKeys, told });
  const rows = [...first.objects];
  for (let page = first; page.truncated && page.objects.length > 0; ) {
    page = await store.list({ prefix, startAfter: page.objects[page.objects.length - 1].name, maxKeys, told });
    rows.push(...page.objects);
    if (rows.length > rowsMax) throw new Unavailable(`the store's LIST of ${prefix} does not end: more than ${rowsMax} rows`);
  }
  return { rows, date: first.date, told: first.told };
}

/** Reads side by side, but of large objects (whoever holds the bucket may make any number of them) only so many as fit into the memory. */
export async function readAll<R, T>(rows: readonly R[], bytesOf: (row: R) => number, bytesMax: number, read: (row: R) => T | Promise<T>): Promise<T[]> {
  const out: T[] = [];
  for (let from = 0, to = 0; from < rows.length; from = to) {
    let bytes = 0;
    do bytes += bytesOf(rows[to++]);
    while (to < rows.length && bytes + bytesOf(rows[to]) <= bytesMax);
    for (const one of await Promise.all(rows.slice(from, to).map(read))) out.push(one);
  }
  return out;
}

const HOUR_MS = 3_600_000;
const ERRORS_PER_HOUR = 100;

/** Says each error once an hour, and a hundred at most: what somebody put among the events is met at every LIST. */
export function sparing(logger: Logger, clock: Clock): Logger {
  const told = new Set<string>();
  let since = -Infinity;
  const error: Logger['error'] = (message, fields) => {
    if (clock.monotonic() - since > HOUR_MS) {
      told.clear();
      since = clock.monotonic();
    }
    const line = JSON.stringify([message, fields]);
    if (told.has(line) || told.size > ERRORS_PER_HOUR) return;
    told.add(line);
    if (told.size <= ERRORS_PER_HOUR) logger.error(message, fields);
    else logger.error('there are more errors of this log than are told', {});
  };
  return { debug: (...line) => logger.debug(...line), info: (...line) => logger.info(...line), warn: (...line) => logger.warn(...line), error, room: (name) => sparing(logger.room(name), clock) };
}
