// The messages of one mailbox in columns, in order of arrival, found by (writer, seq, index).
import { Corrupt } from '../base/index.ts';
import type { MessageRef, Position } from '../base/index.ts';
import { grown } from './grow.ts';
import type { WriterDictionary } from './message-set.ts';

/** Bits of a row. */
export const EXPUNGED = 1;
/** Its record is forgotten; kept in memory only so that the row numbers stay. */
export const DROPPED = 2;
/** The event that made it is applied. Without it the row only holds what later events said of it. */
export const ADDED = 4;
/** A copy whose source isn't known yet, so neither is its content. */
export const AWAITING = 8;
/** A message is there when, of these, it is only added. */
export const LIVE_BITS = EXPUNGED | DROPPED | ADDED | AWAITING;
/** Shares its delivery key with another message (in memory only). */
export const GROUPED = 16;

/** No content yet. */
export const NO_CHUNK = 0xffffffff;

export class Rows {
  n = 0;
  writer = new Uint32Array(0);
  seq = new Uint32Array(0);
  index = new Uint32Array(0);
  /** The greatest position assigned as UID; 0: none yet. */
  position = new Float64Array(0);
  modSeq = new Float64Array(0);
  size = new Uint32Array(0);
  /** INTERNALDATE and SAVEDATE, ms since 1970. */
  date = new Float64Array(0);
  saved = new Float64Array(0);
  zone = new Int16Array(0);
  /** Address in Texts. */
  ids = new Uint32Array(0);
  /** Flags that it was added with, what registers it has, and what shows. */
  base = new Uint32Array(0);
  registers = new Uint32Array(0);
  shown = new Uint32Array(0);
  bits = new Uint8Array(0);
  chunk = new Uint32Array(0);
  entry = new Uint16Array(0);
  /** When expunged, ms since 1970; as long as `n` only when any is. */
  goneAt = new Float64Array(0);
  /** Positions assigned as UIDs before the current one, ascending. */
  readonly older = new Map<number, Position[]>();
  #table = new Int32Array(16);
  /** Rows that are in the table. Those of a mailbox that was just read come there when somebody looks for a message. */
  #indexed = 0;

  reserve(n: number): void {
    this.writer = grown(this.writer, n);
    this.seq = grown(this.seq, n);
    this.index = grown(this.index, n);
    this.position = grown(this.position, n);
    this.modSeq = grown(this.modSeq, n);
    this.size = grown(this.size, n);
    this.date = grown(this.date, n);
    this.saved = grown(this.saved, n);
    this.zone = grown(this.zone, n);
    this.ids = grown(this.ids, n);
    this.base = grown(this.base, n);
    this.registers = grown(this.registers, n);
    this.shown = grown(this.shown, n);
    this.bits = grown(this.bits, n);
    this.chunk = grown(this.chunk, n);
    this.entry = grown(this.entry, n);
  }
  /** `n` rows more, for the caller to fill, each with another message. */
  append(n: number): void {
    this.reserve(this.n + n);
    this.n += n;
  }
  /** Puts all rows into the table, and makes room for `n`. */
  #index(n: number): void {
    if (n * 1.4 > this.#table.length) {
      let size = 16;
      while (size < n * 1.5) size *= 2;
      this.#table = new Int32Array(size);
      this.#indexed = 0;
    }
    for (; this.#indexed < this.n; this.#indexed++) {
      const row = this.#indexed;
      const slot = this.#slot(this.writer[row], this.seq[row], this.index[row]);
      if (this.#table[slot] !== 0) throw new Corrupt('stored rows name a message twice');
      this.#table[slot] = row + 1;
    }
  }
  /** Where the message is in the table, or the free place where it belongs. */
  #slot(writer: number, seq: number, index: number): number {
    const mask = this.#table.length - 1;
    let h = Math.imul(writer + 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seq, 0xc2b2ae35) ^ Math.imul(index, 0x27d4eb2f);
    h ^= h >>> 15;
    h = Math.imul(h, 0x2c1b3c6d);
    for (let i = (h ^ (h >>> 13)) & mask; ; i = (i + 1) & mask) {
      const row = this.#table[i] - 1;
      if (row < 0 || (this.seq[row] === seq && this.index[row] === index && this.writer[row] === writer)) return i;
    }
  }
  /** The row of a message, or -1. Throws Corrupt when the stored rows name one twice. */
  find(writer: number, seq: number, index: number): number {
    if (this.#indexed < this.n) this.#index(this.n);
    return this.#table[this.#slot(writer, seq, index)] - 1;
  }
  /** A new, empty row; -1 when the message has one. */
  add(writer: number, seq: number, index: number): number {
    const row = this.n;
    if (row === this.writer.length) this.reserve(row + 1);
    if (this.#indexed < row || row * 1.4 > this.#table.length) this.#index(row + 1);
    const slot = this.#slot(writer, seq, index);
    if (this.#table[slot] !== 0) return -1;
    this.writer[row] = writer;
    this.seq[row] = seq;
    this.index[row] = index;
    this.chunk[row] = NO_CHUNK;
    this.#table[slot] = row + 1;
    this.#indexed = ++this.n;
    return row;
  }
  gone(row: number): number {
    return row < this.goneAt.length ? this.goneAt[row] : 0;
  }
  setGone(row: number, at: number): void {
    this.goneAt = grown(this.goneAt, Math.max(row + 1, this.n));
    this.goneAt[row] = at;
  }
  isLive(row: number): boolean {
    return (this.bits[row] & LIVE_BITS) === ADDED;
  }
  /** The position that it was added at, which its first flags have. */
  firstPosition(row: number): Position {
    const older = this.older.get(row);
    return older ? Math.min(older[0], this.position[row]) : this.position[row];
  }
  /** All positions that were its UIDs, the current one last. */
  uids(row: number): Position[] {
    const older = this.older.get(row) ?? [];
    return this.position[row] === 0 ? older : [...older, this.position[row]];
  }
  ref(row: number, writers: WriterDictionary): MessageRef {
    return { writer: writers.writers[this.writer[row]], seq: this.seq[row], index: this.index[row] };
  }
}
