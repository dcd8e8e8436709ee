// Reading messages: one Range GET for the chunks that hold what is asked, opened with the content key of the event.
// Small messages are kept in memory for a while, whole and opened, because clients ask for them part by part.
import { Corrupt } from '../base/index.ts';
import { openBlob, openRange, sealedRange } from '../seal/index.ts';
import { blobName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';

/** Messages up to this size are read and kept whole. */
const WHOLE_BYTES_MAX = 256 * 1024;

export interface BlobRef {
  blob: string;
  contentKey: Uint8Array;
  plainBytes: number;
}

/** Opened messages of all users, oldest use out first, within one budget of bytes. */
export class BlobCache {
  readonly #kept = new Map<string, Buffer>();
  readonly #reading = new Map<string, Promise<Buffer>>();
  #bytes = 0;
  readonly #bytesMax: number;
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  get bytes(): number {
    return this.#bytes;
  }

  #keep(name: string, plain: Buffer): void {
    if (this.#kept.has(name)) return;
    this.#kept.set(name, plain);
    this.#bytes += plain.length;
    for (const [old, bytes] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#kept.delete(old);
      this.#bytes -= bytes.length;
    }
  }

  /** Forgets what was opened of one user: after the last session of that user has gone. */
  forget(root: string): void {
    const prefix = blobName(root, '');
    for (const [name, bytes] of this.#kept) {
      if (!name.startsWith(prefix)) continue;
      this.#kept.delete(name);
      this.#bytes -= bytes.length;
    }
  }

  /** Bytes [from, to) of the message as received. Corrupt when the blob is gone or altered; Unavailable. */
  async read(store: ObjectStore, root: string, ref: BlobRef, from: number, to: number): Promise<Buffer> {
    const end = Math.min(to, ref.plainBytes);
    if (from >= end) return Buffer.alloc(0);
    const name = blobName(root, ref.blob);
    const kept = this.#kept.get(name);
    if (kept) {
      this.#kept.delete(name); // the most recently used stands last
      this.#kept.set(name, kept);
      return kept.subarray(from, end);
    }
    if (ref.plainBytes <= WHOLE_BYTES_MAX) return (await this.#whole(store, name, ref)).subarray(from, end);
    const range = sealedRange(from, end, ref.plainBytes);
    const object = await store.get(name, range);
    if (!object) throw new Corrupt(`${name}: the blob is missing`);
    return openRange(ref.contentKey, object.bytes, range.from, from, end);
  }

  async #whole(store: ObjectStore, name: string, ref: BlobRef): Promise<Buffer> {
    let reading = this.#reading.get(name);
    if (!reading) {
      reading = (async () => {
        const object = await store.get(name);
        if (!object) throw new Corrupt(`${name}: the blob is missing`);
        const plain = openBlob(ref.contentKey, object.bytes);
        this.#keep(name, plain);
        return plain;
      })().finally(() => this.#reading.delete(name));
      this.#reading.set(name, reading);
    }
    return reading;
  }
}
