// Reading messages: one Range GET for the chunks that hold what is asked, opened with the content key of the event.
// What was opened is kept in memory for a while: small messages whole, because clients ask for them part by part, of
// large ones pieces, because clients ask for those in slices.
import { Corrupt, owned } from '../base/index.ts';
import { chunkBegins, chunkOf, openRange, sealedRange } from '../seal/index.ts';
import { blobName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { Cache, MemoryBudget } from './memory.ts';

/** Messages up to this size are read and kept whole. */
export const WHOLE_BYTES_MAX = 256 * 1024;
/** Chunks of larger ones. Who asks for more at once reads on and won't ask again: such a read is neither kept nor found. */
const CHUNKS_MAX = 4;

export interface BlobRef {
  blob: string;
  contentKey: Uint8Array;
  plainBytes: number;
}

/** Opened messages of all users, oldest use out first, within one budget of bytes. */
export class BlobCache {
  readonly #kept: Cache<Buffer>;
  readonly #reading = new Map<string, Promise<Buffer>>();
  /** How often something was forgotten: what was asked for before may be of who has gone since, and is not kept. */
  #forgotten = 0;
  /** Within a budget that it shares, or of its own. */
  constructor(budget: MemoryBudget | number) {
    this.#kept = new Cache('messages', typeof budget === 'number' ? new MemoryBudget(budget) : budget);
  }
  get bytes(): number {
    return this.#kept.bytes;
  }

  /** Forgets what was opened of one user: after the last session of that user has gone. */
  forget(root: string): void {
    this.#forgotten++;
    const prefix = blobName(root, '');
    this.#kept.forget((key) => key.startsWith(prefix));
  }

  /** A small message whose text is at hand, of a user who is logged in here: mail apps and the search index ask for new mail at once. */
  hold(root: string, blob: string, plain: Buffer): void {
    if (plain.length <= WHOLE_BYTES_MAX) this.#kept.set(blobName(root, blob), plain, plain.length);
  }

  /** The whole of a small message, if it is kept. */
  held(root: string, blob: string): Buffer | null {
    return this.#kept.get(blobName(root, blob)) ?? null;
  }

  /** Bytes [from, to) of the message as received. Corrupt when the blob is gone or altered; Unavailable. */
  async read(store: ObjectStore, root: string, ref: BlobRef, from: number, to: number): Promise<Buffer> {
    const end = Math.min(to, ref.plainBytes);
    if (from >= end) return Buffer.alloc(0);
    const name = blobName(root, ref.blob);
    if (ref.plainBytes <= WHOLE_BYTES_MAX) return (this.#kept.get(name) ?? (await this.#whole(store, name, ref))).subarray(from, end);
    const first = chunkOf(from, ref.plainBytes);
    const last = chunkOf(end - 1, ref.plainBytes);
    if (last - first >= CHUNKS_MAX) return this.#range(store, name, ref, from, end);
    const found: Buffer[] = [];
    for (let chunk = first; chunk <= last; chunk++) {
      const kept = this.#kept.get(`${name}#${chunk}`);
      if (!kept) break;
      found.push(kept);
    }
    if (first + found.length <= last) found.push(...(await this.#chunks(store, name, ref, first + found.length, last)));
    const begins = chunkBegins(first, ref.plainBytes);
    return (found.length === 1 ? found[0] : Buffer.concat(found)).subarray(from - begins, end - begins);
  }

  async #range(store: ObjectStore, name: string, ref: BlobRef, from: number, end: number): Promise<Buffer> {
    const range = sealedRange(from, end, ref.plainBytes);
    const object = await store.get(name, range);
    if (!object) throw new Corrupt(`${name}: the blob is missing`);
    return openRange(ref.contentKey, object.bytes, range.from, from, end);
  }

  async #chunks(store: ObjectStore, name: string, ref: BlobRef, first: number, last: number): Promise<Buffer[]> {
    const forgotten = this.#forgotten;
    const edges = Array.from({ length: last - first + 2 }, (_, i) => Math.min(ref.plainBytes, chunkBegins(first + i, ref.plainBytes)));
    const opened = await this.#range(store, name, ref, edges[0], edges[edges.length - 1]);
    return edges.slice(1).map((edge, i) => {
      // A copy, or one chunk would hold them all.
      const bytes = owned(opened.subarray(edges[i] - edges[0], edge - edges[0]));
      this.#keep(`${name}#${first + i}`, bytes, forgotten);
      return bytes;
    });
  }

  #whole(store: ObjectStore, name: string, ref: BlobRef): Promise<Buffer> {
    let reading = this.#reading.get(name);
    if (!reading) this.#reading.set(name, (reading = this.#fetch(store, name, ref)));
    return reading;
  }
  async #fetch(store: ObjectStore, name: string, ref: BlobRef): Promise<Buffer> {
    const forgotten = this.#forgotten;
    try {
      const object = await store.get(name);
      if (!object) throw new Corrupt(`${name}: the blob is missing`);
      // What stands around the chunks (the head, the final tag) says nothing that the event's content key does not say.
      const plain = owned(openRange(ref.contentKey, object.bytes, 0, 0, ref.plainBytes));
      this.#keep(name, plain, forgotten);
      return plain;
    } finally {
      this.#reading.delete(name);
    }
  }

  #keep(key: string, bytes: Buffer, forgotten: number): void {
    if (forgotten === this.#forgotten) this.#kept.set(key, bytes, bytes.length);
  }
}
