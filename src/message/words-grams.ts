// What a text has in it, in a tenth of its size: a filter that says of any text whether it can't be in it. It is never
// wrong when it says no; when it says maybe, whoever asks reads the text.
//
// A text's grams are its windows of three and of four characters (of two and three where a writing has thousands of
// them) without white space, in the loose reading of words-fold.ts, so one filter serves exact and fuzzy searches. Each
// gram is one bit of a filter whose size follows the number of grams. Every gram of a text is one of every text
// that contains it, whatever stands around it: that is all that "never wrong" needs.
//
// Filters are stored: what is said here and in words-fold.ts and words-texts.ts can't change without another SEARCH_RULES.
import { setImmediate } from 'node:timers/promises';
import { loosely } from './words-fold.ts';

/** Which rules made a filter. Filters made by other rules are of no use. */
export const SEARCH_RULES = 1;

/** A gram's hash, and the largest filter in bits. */
const SPACE_BITS = 18;
const SPACE = 1 << SPACE_BITS;
/** Of eight bits, how many each gram gets: 2.5 bits leave about forty in 10,000 messages that an absent word of six letters doesn't rule out. */
const EIGHTHS_PER_GRAM = 20;
/** Of a text's bytes: what many grams in a short text may take at most. */
const SHARE_MAX = 0.11;
/** From here on a character says as much as two or three letters: CJK, kana, emoji. */
const LARGE = 0x2e80;
/** Characters between two turns of the event loop: some milliseconds. */
const TURN_CHARS = 128 * 1024;

function mixed(h: number): number {
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 13), 0x297a2d39);
  return (h ^ (h >>> 16)) >>> (32 - SPACE_BITS);
}

/** Calls `take` with the hash of each gram that begins in [from, to). */
function eachGram(text: string, from: number, to: number, take: (hash: number) => void): void {
  const { length } = text;
  for (let i = from; i < to; i++) {
    const a = text.charCodeAt(i);
    if (a <= 32 || i + 1 >= length) continue;
    const b = text.charCodeAt(i + 1);
    if (b <= 32) {
      i++;
      continue;
    }
    const two = Math.imul(Math.imul(a, 0x9e3779b1) ^ b, 0x85ebca77);
    const large = a >= LARGE && b >= LARGE;
    if (large) take(mixed(two));
    if (i + 2 >= length) continue;
    const c = text.charCodeAt(i + 2);
    if (c <= 32) continue;
    const three = Math.imul(two ^ (two >>> 15) ^ c, 0xc2b2ae3d);
    take(mixed(three));
    if (i + 3 >= length) continue;
    const d = text.charCodeAt(i + 3);
    if (d <= 32 || (large && c >= LARGE && d >= LARGE)) continue;
    take(mixed(Math.imul(three ^ (three >>> 15) ^ d, 0x27d4eb2f)));
  }
}

/** Collects the grams of one or more texts; may be used again after `filter`. */
export class GramSet {
  readonly #seen = new Uint8Array(SPACE / 8);
  #list = new Uint32Array(4096);
  #count = 0;
  #bytes = 0;

  /** A folded text. Gives way to others now and then. */
  async add(folded: string): Promise<void> {
    const text = loosely(folded);
    for (let at = 0; at < text.length; at += TURN_CHARS) {
      if (at > 0) await setImmediate();
      this.#add(text, at, Math.min(text.length, at + TURN_CHARS));
    }
  }

  #add(text: string, from: number, to: number): void {
    const seen = this.#seen;
    eachGram(text, from, to, (hash) => {
      const bit = 1 << (hash & 7);
      if (seen[hash >> 3] & bit) return;
      seen[hash >> 3] |= bit;
      if (this.#count === this.#list.length) {
        const longer = new Uint32Array(this.#count * 4);
        longer.set(this.#list);
        this.#list = longer;
      }
      this.#list[this.#count++] = hash;
    });
    let bytes = to - from;
    // As UTF-8 has it, near enough.
    for (let i = from; i < to; i++) {
      const c = text.charCodeAt(i);
      if (c >= 0x80) bytes += c >= 0x800 ? 2 : 1;
    }
    this.#bytes += bytes;
  }

  /** The filter of all that was added; the set is empty afterwards. No bytes: not one gram. */
  filter(): Buffer {
    const count = this.#count;
    const wanted = Math.min((count * EIGHTHS_PER_GRAM) / 64, this.#bytes * SHARE_MAX, SPACE / 8);
    const filter = Buffer.alloc(count === 0 ? 0 : Math.max(4, Math.ceil(wanted)));
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
  const found = new Set<number>();
  const text = loosely(folded);
  eachGram(text, 0, text.length, (hash) => void found.add(hash));
  return Uint32Array.from(found);
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
