// What users leave behind who were removed: no key opens it any more. It goes a month after the last of it was written, when
// nobody can have removed the user by mistake and want to come to an arrangement with a backup of the directory.
import { Unavailable, limits } from '../base/index.ts';
import { userRoot } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import type { Replica } from './replica.ts';

/** Objects that are deleted at one go. */
const AT_ONCE = 1000;
/** Between two looks at what may not go yet, or is gone. */
const LOOK_MS = 24 * 60 * 60 * 1000;

export class Leavings {
  readonly #replica: Replica;
  /** When it was looked at, ms of the monotonic clock. */
  readonly #looked = new Map<string, number>();

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /**
   * One step: up to a thousand objects of one removed user. Only who the directory says was removed, for users who are merely
   * not in it may be in a newer one. True when there was something to do. Unavailable.
   */
  async step(isMine: (id: string) => boolean): Promise<boolean> {
    const { clock, directory, stores } = this.#replica;
    const now = clock.monotonic();
    for (const id of directory.state.removedUsers ?? []) {
      if (now - (this.#looked.get(id) ?? -Infinity) < LOOK_MS || !isMine(id)) continue;
      this.#looked.set(id, now);
      for (const bucket of stores.names) if (await this.#clear(stores.bucket(bucket), id)) return true;
      return true;
    }
    return false;
  }

  async #clear(store: ObjectStore, id: string): Promise<boolean> {
    const { counts, logger } = this.#replica;
    const prefix = userRoot(id);
    const names: string[] = [];
    let rows = 0;
    for (let startAfter: string | undefined; ; ) {
      const page = await store.list({ prefix, startAfter, maxKeys: limits.list_keys_max });
      // The youngest of all decides: a writer elsewhere may not have heard of it yet.
      if (page.objects.some((o) => page.date - o.modified < limits.blob_kept_ms)) return false;
      for (const o of page.objects) if (names.length < AT_ONCE) names.push(o.name);
      if (!page.truncated || page.objects.length === 0) break;
      if ((rows += page.objects.length) > limits.list_blobs_max) throw new Unavailable(`the store's LIST of ${prefix} does not end: more than ${limits.list_blobs_max} rows`);
      startAfter = page.objects[page.objects.length - 1].name;
    }
    for (const name of names) await store.delete(name);
    if (names.length === 0) return false;
    if (counts) counts.collected += names.length;
    logger.info('collected what a removed user left', { user: id, objects: names.length });
    // The rest at the next step.
    this.#looked.delete(id);
    return true;
  }
}
