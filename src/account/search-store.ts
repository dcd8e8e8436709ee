// Parts of one user's search index as objects in the store: sealed for the user alone, under random names, so a name
// says nothing and any replica may write one without asking another. Those under words/ are made by who delivers
// (words-object.ts), and used as all others. Nothing here is needed by anything but a search.
import { setImmediate } from 'node:timers/promises';
import { Corrupt, Unavailable, limits, randomId, reason } from '../base/index.ts';
import type { Logger, Random } from '../base/index.ts';
import { listAll } from '../log/index.ts';
import { searchName, wordsName } from '../store/index.ts';
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
  /** The same of an object under words/. Throws Corrupt, OtherRules. */
  openWords(name: string, bytes: Buffer): Promise<Buffer>;
  /** A part that is in this process, not in the store, and is given once; null: none. Throws Corrupt. */
  atHand?(): Promise<Buffer | null>;
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

  /** Ids of all parts: their names below the user's root. Unavailable. */
  async list(): Promise<string[]> {
    const { root, store } = this.#o;
    const lists = await Promise.all([searchName, wordsName].map((named) => listAll(store, named(root, ''), limits.list_keys_max)));
    return lists.flatMap(({ rows }) => rows.map((row) => row.name.slice(root.length)));
  }

  /** What deliveries have gathered in this process. Null: nothing, or nothing of use. */
  async atHand(): Promise<Buffer | null> {
    try {
      const bytes = (await this.#o.atHand?.()) ?? null;
      if (bytes !== null) checkPart(bytes);
      return bytes;
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      this.logger.warn('words of delivered mail are damaged, they are taken again', { why: reason(e) });
      return null;
    }
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
    const { root, store } = this.#o;
    const name = root + id;
    try {
      const object = await store.get(name);
      if (!object) return 'gone';
      const bytes = name.startsWith(wordsName(root, '')) ? await this.#o.openWords(name, object.bytes) : this.#o.open(name, object.bytes);
      checkPart(bytes);
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
    const name = searchName(this.#o.root, randomId(this.#o.random, NAME_BITS));
    await this.#o.store.put(name, this.#o.seal(name, plain));
    return name.slice(this.#o.root.length);
  }

  /** Whether it succeeds matters to nobody: it would only be looked at again. */
  async delete(id: string): Promise<void> {
    try {
      await this.#o.store.delete(this.#o.root + id);
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
    }
  }
}

/** Throws Corrupt, OtherRules. */
function checkPart(bytes: Buffer): void {
  for (const entry of entriesOf(bytes)) void entry;
}
