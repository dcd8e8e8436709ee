// Where the entries of a search index are: fingerprints to parts and offsets, about 30 bytes a message.
import type { Fingerprint } from './search-part.ts';

const SMALLEST = 64;

/** An open hash table. Part numbers begin at 1. */
export class SearchTable {
  #hi = new Uint32Array(SMALLEST);
  #lo = new Uint32Array(SMALLEST);
  #offset = new Uint32Array(SMALLEST);
  /** 0: free. */
  #part = new Uint32Array(SMALLEST);
  #used = 0;

  get size(): number {
    return this.#used;
  }

  #slot(hi: number, lo: number): number {
    const mask = this.#part.length - 1;
    for (let i = (lo ^ Math.imul(hi, 0x9e3779b1)) & mask; ; i = (i + 1) & mask) {
      if (this.#part[i] === 0 || (this.#lo[i] === lo && this.#hi[i] === hi)) return i;
    }
  }

  /** The slot of an entry, or -1; good until the next `put` or `drop`. */
  find(print: Fingerprint): number {
    const slot = this.#slot(print.hi, print.lo);
    return this.#part[slot] === 0 ? -1 : slot;
  }
  part(slot: number): number {
    return this.#part[slot];
  }
  offset(slot: number): number {
    return this.#offset[slot];
  }

  put(print: Fingerprint, part: number, offset: number): void {
    if ((this.#used + 1) * 2 > this.#part.length) this.#rehash(this.#part.length * 2, 0);
    const slot = this.#slot(print.hi, print.lo);
    if (this.#part[slot] === 0) this.#used++;
    this.#hi[slot] = print.hi;
    this.#lo[slot] = print.lo;
    this.#offset[slot] = offset;
    this.#part[slot] = part;
  }

  /** Forgets all entries of a part. */
  drop(part: number): void {
    this.#rehash(this.#part.length, part);
  }

  #rehash(size: number, without: number): void {
    const [hi, lo, offset, part] = [this.#hi, this.#lo, this.#offset, this.#part];
    this.#hi = new Uint32Array(size);
    this.#lo = new Uint32Array(size);
    this.#offset = new Uint32Array(size);
    this.#part = new Uint32Array(size);
    this.#used = 0;
    for (let i = 0; i < part.length; i++) {
      if (part[i] === 0 || part[i] === without) continue;
      const slot = this.#slot(hi[i], lo[i]);
      this.#hi[slot] = hi[i];
      this.#lo[slot] = lo[i];
      this.#offset[slot] = offset[i];
      this.#part[slot] = part[i];
      this.#used++;
    }
  }
}
