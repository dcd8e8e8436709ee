// The ids of messages (EMAILID, THREADID, blob, words) as bytes in segments: 1,000,000 messages have four million.
import { ByteReader, Corrupt } from '../base/index.ts';

const SEGMENT_BITS = 20;
const SEGMENT_BYTES = 1 << SEGMENT_BITS;
/** Of the first segment; it doubles until it is as large as the others. Most mailboxes are small. */
const FIRST_BYTES = 1 << 13;
/** Stands for "the same as the first". */
const SAME = 255;

export interface MessageIds {
  emailId: string;
  threadId: string;
  blob: string;
  words: string | null;
}

/** Records of four texts each, every one a length byte and UTF-8; addressed by 32 bits. */
export class Texts {
  readonly #segments: Buffer[] = [];
  #used = SEGMENT_BYTES;

  #room(n: number): number {
    if (this.#used + n > SEGMENT_BYTES) {
      this.#segments.push(Buffer.allocUnsafeSlow(this.#segments.length === 0 ? FIRST_BYTES : SEGMENT_BYTES));
      this.#used = 0;
    }
    const last = this.#segments.length - 1;
    const at = last * SEGMENT_BYTES + this.#used;
    this.#used += n;
    if (this.#used > this.#segments[last].length) this.#grow();
    return at;
  }
  #grow(): void {
    const old = this.#segments[0];
    let bytes = old.length;
    while (bytes < this.#used) bytes *= 2;
    this.#segments[0] = Buffer.allocUnsafeSlow(bytes);
    this.#segments[0].set(old);
  }
  add(ids: MessageIds): number {
    const texts = [ids.emailId, ids.threadId, ids.blob, ids.words ?? ''];
    let n = 4;
    for (const t of texts) {
      const bytes = Buffer.byteLength(t);
      if (bytes >= SAME) throw new TypeError('id of a message is too long');
      n += bytes;
    }
    const address = this.#room(n);
    const segment = this.#segments[address >>> SEGMENT_BITS];
    let at = address & (SEGMENT_BYTES - 1);
    const from = at;
    for (let i = 0; i < 4; i++) {
      if (i > 0 && texts[i] === texts[0]) {
        segment[at++] = SAME;
        continue;
      }
      const n = segment.write(texts[i], at + 1, 'utf8');
      segment[at] = n;
      at += 1 + n;
    }
    this.#used -= n - (at - from);
    return address;
  }
  /** One record as `bytes` has it at the reader; checks that it is one. Throws Corrupt. */
  read(r: ByteReader): number {
    // By hand, since this runs for every message of a mailbox that is opened.
    const bytes = r.buffer;
    const from = r.at;
    let at = from;
    for (let i = 0; i < 4; i++) {
      if (at >= r.end) throw new Corrupt('stored bytes end too soon');
      const n = bytes[at++];
      if (n !== SAME) at += n;
      else if (i === 0) throw new Corrupt('stored ids of a message are wrong');
    }
    if (at > r.end) throw new Corrupt('stored bytes end too soon');
    r.at = at;
    const address = this.#room(at - from);
    bytes.copy(this.#segments[address >>> SEGMENT_BITS], address & (SEGMENT_BYTES - 1), from, at);
    return address;
  }
  /** So many records, as `read` does; `addresses` from `from` on get where they are. One copy, not one for each message of a mailbox. */
  readAll(r: ByteReader, n: number, addresses: Uint32Array, from: number): void {
    const bytes = r.buffer;
    const begin = r.at;
    let at = begin;
    for (let k = from; k < from + n; k++) {
      addresses[k] = at - begin;
      let length = bytes[at];
      if (length === SAME) throw new Corrupt('stored ids of a message are wrong');
      at += 1 + length;
      length = bytes[at];
      at += length === SAME ? 1 : 1 + length;
      length = bytes[at];
      at += length === SAME ? 1 : 1 + length;
      length = bytes[at];
      at += length === SAME ? 1 : 1 + length;
    }
    // Beyond the end of the bytes it is not a number.
    if (!(at <= r.end)) throw new Corrupt('stored bytes end too soon');
    if (at - begin > SEGMENT_BYTES) {
      for (let k = from; k < from + n; k++) addresses[k] = this.read(r);
      return;
    }
    r.at = at;
    const base = this.#room(at - begin);
    bytes.copy(this.#segments[base >>> SEGMENT_BITS], base & (SEGMENT_BYTES - 1), begin, at);
    if (base !== 0) for (let k = from; k < from + n; k++) addresses[k] += base;
  }
  /** A record of another mailbox. */
  copy(from: Texts, address: number): number {
    return this.read(new ByteReader(from.record(address)));
  }
  /** The record's bytes, for `read`. */
  record(address: number): Buffer {
    const segment = this.#segments[address >>> SEGMENT_BITS];
    const from = address & (SEGMENT_BYTES - 1);
    let at = from;
    for (let i = 0; i < 4; i++) at += 1 + (segment[at] === SAME ? 0 : segment[at]);
    return segment.subarray(from, at);
  }
  /** The k-th text: 0 EMAILID, 1 THREADID, 2 blob, 3 words (empty: none). */
  text(address: number, k: number): string {
    const segment = this.#segments[address >>> SEGMENT_BITS];
    let at = address & (SEGMENT_BYTES - 1);
    const first = at;
    for (let i = 0; i < k; i++) at += 1 + (segment[at] === SAME ? 0 : segment[at]);
    if (segment[at] === SAME) at = first;
    return segment.toString('utf8', at + 1, at + 1 + segment[at]);
  }
}
