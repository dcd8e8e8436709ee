// What a text has in it, in a tenth of its size: a filter that says of any text whether it can't be in it. It is never
// wrong when it says no; when it says maybe, whoever asks reads the text.
//
// A text's grams are its windows of three and of four characters (of two and three where a writing has thousands of
// them) without white space, in the loose reading of words-fold.ts, so one filter serves exact and fuzzy searches. Each
// gram is one bit of a filter whose size follows the number of grams. Every gram of a text is one of every text
// that contains it, whatever stands around it: that is all that "never wrong" needs.
//
// Filters are stored: what is said here, in words-fold.ts and words-texts.ts, and in text.ts and words.ts that they call, can't change
// without another SEARCH_RULES.
import { setImmediate } from 'node:timers/promises';
import { loosely } from './words-fold.ts';

/** Which rules made a filter. Filters made by other rules are of no use. */
export const SEARCH_RULES = 3;

/** A gram's hash, and the largest filter in bits. */
const SPACE_BITS = 18;
const SPACE = 1 << SPACE_BITS;
/** Of eight bits, how many each gram gets: with 2.5 bits, an absent word of eight letters leaves about fifty of 10,000 messages to be read. */
const EIGHTHS_PER_GRAM = 20;
/** Of a text's bytes: what many grams in a short text may take at most; but some bytes anyone gets. */
const SHARE_MAX = 0.11;
const BYTES_MIN = 16;
/** From here on a character says as much as two or three letters: CJK, kana, emoji. */
const LARGE = 0x2e80;
/** Characters between two turns of the event loop: some milliseconds. */
const TURN_CHARS = 128 * 1024;
const STEP_CHARS = 16 * 1024;
/** Characters of a text that is looked for whose grams are asked for. */
const ASKED_CHARS = 200;

function mixed(h: number): number {
  return Math.imul(h ^ (h >>> 15), 0x2c1b3c6d) >>> (32 - SPACE_BITS);
}

/** Writes the hash of each gram that begins in [from, to), three at most for each character; answers how many. */
function hashes(text: string, from: number, to: number, out: Uint32Array): number {
  const { length } = text;
  let n = 0;
  let b = text.charCodeAt(from);
  let c = from + 1 < length ? text.charCodeAt(from + 1) : 0;
  let d = from + 2 < length ? text.charCodeAt(from + 2) : 0;
  for (let i = from; i < to; i++) {
    const a = b;
    b = c;
    c = d;
    d = i + 3 < length ? text.charCodeAt(i + 3) : 0;
    if (a <= 32 || b <= 32) continue;
    const two = Math.imul(Math.imul(a, 0x9e3779b1) ^ b, 0x85ebca77);
    const large = a >= LARGE && b >= LARGE;
    if (large) out[n++] = mixed(two);
    if (c <= 32) continue;
    const three = Math.imul(two ^ (two >>> 15) ^ c, 0xc2b2ae3d);
    out[n++] = mixed(three);
    if (d <= 32 || (large && c >= LARGE && d >= LARGE)) continue;
    out[n++] = mixed(Math.imul(three ^ (three >>> 15) ^ d, 0x27d4eb2f));
  }
  return n;
}

/** Collects the grams of one or more texts; may be used again after `filter`. */
export class GramSet {
  readonly #seen = new Uint8Array(SPACE / 8);
  readonly #hashes = new Uint32Array(3 * STEP_CHARS);
  #list = new Uint32Array(4096);
  #count = 0;
  #bytes = 0;

  /** A folded text. Gives way to others now and then. */
  async add(folded: string): Promise<void> {
    const text = loosely(folded);
    for (let at = 0; at < text.length; at += STEP_CHARS) {
      if (at > 0 && at % TURN_CHARS === 0) await setImmediate();
      this.#add(text, at, Math.min(text.length, at + STEP_CHARS));
    }
    this.#bytes += Buffer.byteLength(text);
  }

  #add(text: string, from: number, to: number): void {
    const seen = this.#seen;
    const all = this.#hashes;
    const n = hashes(text, from, to, all);
    if (this.#count + n > this.#list.length) {
      const longer = new Uint32Array((this.#count + n) * 2);
      longer.set(this.#list);
      this.#list = longer;
    }
    const list = this.#list;
    let count = this.#count;
    for (let i = 0; i < n; i++) {
      const hash = all[i];
      const bit = 1 << (hash & 7);
      if (seen[hash >> 3] & bit) continue;
      seen[hash >> 3] |= bit;
      list[count++] = hash;
    }
    this.#count = count;
  }

/** The filter of all that was added; the set is empty afterwards. No bytes: not one gram. */
  filter(): Buffer {
    const count = this.#count;
    const wanted = Math.min((count * EIGHTHS_PER_GRAM) / 64, Math.max(BYTES_MIN, this.#bytes * SHARE_MAX), SPACE / 8);
    const filter = Buffer.alloc(Math.ceil(wanted));
    const scale = (filter.length * 8) / SPACE;
    for (let i = 0; i < count; i++) {
      const hash = this.#list[i];
      this.#seen[hash >> 3] = 0;
      const bit = Math.floor(hash * scale);
      filter[bit >> 3] |= 1 << (bit & 7);
    }
    this.#count = 0;
    this.#bytes = 0;
    return filter;
  }
}

/** The grams of a text that is looked for, folded. None (too short, or half a character): every filter says maybe. */
export function gramsOf(folded: string): Uint32Array {
  if (!folded.isWellFormed()) return new Uint32Array(0);
  // Any of its grams rule a text out; these are enough.
  const text = loosely(folded).slice(0, ASKED_CHARS);
  const all = new Uint32Array(3 * text.length);
  return Uint32Array.from(new Set(all.subarray(0, hashes(text, 0, text.length, all))));
}

/** False: what the filter in bytes [from, to) was made of contains no text with these grams. */
export function mayHold(bytes: Uint8Array, from: number, to: number, grams: Uint32Array): boolean {
  if (grams.length === 0) return true;
  const scale = ((to - from) * 8) / SPACE;
  if (scale === 0) return false;
  for (let i = 0; i < grams.length; i++) {
    const bit = Math.floor(grams[i] * scale);
    if ((bytes[from + (bit >> 3)] & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}
