// What reading one log's objects needs.
import type { Limits, Logger } from '../base/index.ts';
import type { ListPage, Listed, ObjectStore } from '../store/index.ts';
import type { Authenticator } from './types.ts';

/** What reading a log's objects needs. */
export interface Reading {
  store: ObjectStore;
  root: string;
  authenticator: Authenticator;
  logger: Logger;
  limits: Limits;
}

/** All rows under a prefix. Throws Unavailable. `date`: the store's own time of the first answer. */
export async function listAll(store: ObjectStore, prefix: string, maxKeys: number): Promise<{ rows: Listed[]; date: number }> {
  const rows: Listed[] = [];
  let date: number | null = null;
  for (let startAfter: string | undefined; ; ) {
    const page: ListPage = await store.list({ prefix, startAfter, maxKeys });
    date ??= page.date;
    rows.push(...page.objects);
    if (!page.truncated || page.objects.length === 0) return { rows, date };
    startAfter = page.objects[page.objects.length - 1].name;
  }
}
