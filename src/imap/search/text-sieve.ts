// SEARCH BODY and TEXT ask what is known of messages before they read any: a message that can't have a text is not read.
import { fold, gramsOf } from '../../message/index.ts';
import type { Selected, Sifted } from '../session.ts';
import type { Key } from './keys.ts';

type TextKey = Key & { op: 'body' | 'text' };

function* textKeys(key: Key): Generator<TextKey> {
  if (key.op === 'and' || key.op === 'or') for (const inner of key.keys) yield* textKeys(inner);
  else if (key.op === 'not') yield* textKeys(key.key);
  else if (key.op === 'body' || key.op === 'text') yield key;
}

export class TextSieve {
  readonly #sifted: Sifted;
  readonly #absent = new Map<Key, Uint8Array>();
  /** Place among those asked about, by place among all that are searched. */
  readonly #at: Int32Array;

  private constructor(sifted: Sifted, keys: readonly TextKey[], open: readonly number[], count: number) {
    this.#sifted = sifted;
    keys.forEach((key, n) => this.#absent.set(key, sifted.absent[n]));
    this.#at = new Int32Array(count).fill(-1);
    open.forEach((k, n) => (this.#at[k] = n));
  }

  /** `open`: places in `uids` of the messages that are not decided yet. Null when nothing is known of any. */
  static async of(selected: Selected, key: Key, uids: Uint32Array, open: readonly number[]): Promise<TextSieve | null> {
    if (selected.sift === undefined) return null;
    const keys = [...textKeys(key)];
    const texts = keys.map((one) => ({ grams: gramsOf(fold(one.text)), header: one.op === 'text' }));
    const sifted = await selected.sift(Uint32Array.from(open, (k) => uids[k]), texts);
    return sifted === null ? null : new TextSieve(sifted, keys, open, uids.length);
  }

  /** True only when the message at that place has the key's text nowhere. */
  absent(key: Key, place: number): boolean {
    const at = this.#at[place];
    return at >= 0 && this.#absent.get(key)?.[at] === 1;
  }

  /** False: what is read of the message is worth telling (`Selected.learn`). */
  knows(place: number): boolean {
    const at = this.#at[place];
    return at < 0 || this.#sifted.known[at] === 1;
  }
}
