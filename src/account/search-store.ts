// Parts of one user's search index as objects in the store: sealed for the user alone, under random names, so a name
// says nothing and any replica may write one without asking another. Nothing here is needed by anything but a search.
import { setImmediate } from 'node:timers/promises';
import { Corrupt, Unavailable, limits, randomId, reason } from '../base/index.ts';
import type { Logger, Random } from '../base/index.ts';
import { listAll } from '../log/index.ts';
import { searchName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { OtherRules, entriesOf } from './search-part.ts';

const NAME_BITS = 130;
const READS_AT_ONCE = 8;

export interface SearchStoreOptions {
  store: ObjectStore;
  root: string;
  random: Random;
  logger: Logger;
  /** Throws Refused when the user's secret is gone from memory. */
  seal(name: string, plain: Buffer): Buffer;
  /** Throws Corrupt. */
  open(name: string, sealed: Buffer): Buffer;
}

/** `damaged`: it is of no use to anyone. `other`: other releases may use it. */
export type ReadPart = { bytes: Buffer } | 'gone' | 'damaged' | { other: OtherRules };

export class SearchStore {
  readonly #o: SearchStoreOptions;
  constructor(options: SearchStoreOptions) {
    this.#o = options;
  }

  get logger(): Logger {
    return this.#o.logger;
  }

  /** Ids of all parts. Unavailable. */
  async list(): Promise<string[]> {
    const prefix = searchName(this.#o.root, '');
    const { rows } = await listAll(this.#o.store, prefix, limits.list_keys_max);
    return rows.map((row) => row.name.slice(prefix.length));
  }

  /** Parts in the order of `ids`, each given to `take` when it is there. Unavailable. */
  async readAll(ids: readonly string[], take: (id: string, part: ReadPart) => void): Promise<void> {
    for (let i = 0; i < ids.length; i += READS_AT_ONCE) {
      const some = ids.slice(i, i + READS_AT_ONCE);
      const parts = await Promise.all(some.map((id) => this.read(id)));
      for (let n = 0; n < some.length; n++) {
        if (n > 0) await setImmediate();
        take(some[n], parts[n]);
      }
    }
  }

  /** Verified to its end. Unavailable; whatever else is wrong is in the answer. */
  async read(id: string): Promise<ReadPart> {
    const name = searchName(this.#o.root, id);
    try {
      const object = await this.#o.store.get(name);
      if (!object) return 'gone';
      const bytes = this.#o.open(name, object.bytes);
      for (const entry of entriesOf(bytes)) void entry;
      return { bytes };
    } catch (e) {
      if (e instanceof OtherRules) return { other: e };
      if (!(e instanceof Corrupt)) throw e;
      this.logger.warn('a part of a search index is damaged, it is made again', { name, why: reason(e) });
      return 'damaged';
    }
  }

  /** Seals before it returns. Resolves with the id. Unavailable, Refused (the key is gone). */
  async write(plain: Buffer): Promise<string> {
    const id = randomId(this.#o.random, NAME_BITS);
    const name = searchName(this.#o.root, id);
    await this.#o.store.put(name, this.#o.seal(name, plain));
    return id;
  }

  /** Whether it succeeds matters to nobody: it would only be looked at again. */
  async delete(id: string): Promise<void> {
    try {
      await this.#o.store.delete(searchName(this.#o.root, id));
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
    }
  }
}
