// Sequence sets (RFC 9051 §9 `sequence-set`): parsed in one pass to sorted, merged ranges. UIDs have gaps, so clients
// send sets of a megabyte; nothing here is worse than linear (unsorted sets: than a native sort).
import { Malformed } from '../../base/index.ts';

const COLON = 0x3a;
const COMMA = 0x2c;
const STAR = 0x2a;
const ZERO = 0x30;
const UINT32_MAX = 0xffffffff;

/** A set of sequence numbers or UIDs as the client wrote it: `*` is not yet replaced, `$` (RFC 5182) not yet looked up. */
export class SequenceSet {
  /** lo, hi, lo, hi, …: ascending, disjoint, not adjacent; both ends belong to the range. */
  readonly ranges: Uint32Array;
  /** The smallest n of all `n:*` and `*:n` in the set; Infinity for a bare `*`; null when there is no `*`. */
  readonly star: number | null;
  /** The set is `$`, the saved result of a search. */
  readonly saved: boolean;

  constructor(ranges: Uint32Array, star: number | null = null, saved = false) {
    this.ranges = ranges;
    this.star = star;
    this.saved = saved;
  }

  /** The ranges with `*` standing for `max`, the largest number in use (0: none; then `*` names nothing). */
  resolved(max: number): Uint32Array {
    if (this.star === null || max === 0) return this.ranges;
    const words = new Uint32Array(this.ranges.length + 2);
    words.set(this.ranges);
    words[words.length - 2] = Math.min(this.star, max);
    words[words.length - 1] = max;
    return merge(words);
  }

  /** The same as pairs in which 0 stands for `*`: what a View resolves. */
  get pairs(): Uint32Array {
    if (this.star === null) return this.ranges;
    const pairs = new Uint32Array(this.ranges.length + 2);
    pairs.set(this.ranges);
    if (this.star !== Infinity) pairs[pairs.length - 2] = this.star;
    return pairs;
  }

  /** Whether n is in the set when `max` is the largest number in use. */
  has(n: number, max: number): boolean {
    if (this.star !== null && n <= max && n >= Math.min(this.star, max)) return true;
    const { ranges } = this;
    let from = 0;
    let to = ranges.length >> 1;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (ranges[2 * middle + 1] < n) from = middle + 1;
      else to = middle;
    }
    return from < ranges.length >> 1 && ranges[2 * from] <= n;
  }

  /** The largest number that is named without `*`; 0 when there is none. */
  get last(): number {
    return this.ranges.length === 0 ? 0 : this.ranges[this.ranges.length - 1];
  }
}

export const SAVED_RESULT = new SequenceSet(new Uint32Array(0), null, true);

/** Reads a set that begins at `from`; returns it and where it ends. Throws Malformed. */
export function parseSequenceSet(text: string, from = 0): { set: SequenceSet; end: number } {
  if (text.charCodeAt(from) === 0x24) return { set: SAVED_RESULT, end: from + 1 };
  let words = new Uint32Array(16);
  let used = 0;
  let star: number | null = null;
  let at = from;
  // Zero stands for `*`: it is not a number that a set may hold.
  const number = (): number => {
    let c = text.charCodeAt(at);
    if (c === STAR) {
      at++;
      return 0;
    }
    let n = 0;
    const start = at;
    while (c >= ZERO && c <= 0x39) {
      n = n * 10 + (c - ZERO);
      if (n > UINT32_MAX) throw new Malformed('number in a sequence set is above 4294967295');
      c = text.charCodeAt(++at);
    }
    if (at === start) throw new Malformed('sequence set expected');
    if (n === 0) throw new Malformed('zero in a sequence set');
    return n;
  };
  for (;;) {
    let low = number();
    let high = low;
    if (text.charCodeAt(at) === COLON) {
      at++;
      high = number();
    }
    if (low === 0 || high === 0) {
      star = Math.min(star ?? Infinity, (low === 0 ? high : low) || Infinity);
    } else {
      if (low > high) [low, high] = [high, low];
      if (used > 0 && low >= words[used - 2] && low <= words[used - 1] + 1) {
        if (high > words[used - 1]) words[used - 1] = high;
      } else {
        if (used === words.length) {
          const bigger = new Uint32Array(used * 2);
          bigger.set(words);
          words = bigger;
        }
        words[used++] = low;
        words[used++] = high;
      }
    }
    if (text.charCodeAt(at) !== COMMA) break;
    at++;
  }
  return { set: new SequenceSet(merge(words.slice(0, used)), star), end: at };
}

/** Sorts and merges pairs of (low, high); gives the array back when it is in order already. */
function merge(words: Uint32Array): Uint32Array {
  let ordered = true;
  for (let i = 2; i < words.length && ordered; i += 2) ordered = words[i] > words[i - 1] + 1;
  if (ordered) return words;
  // A native sort of 64-bit words, low end in the upper half.
  const sorted = new BigUint64Array(words.length >> 1);
  const view = new DataView(sorted.buffer);
  const little = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  for (let i = 0; i < words.length; i += 2) {
    view.setUint32(i * 4 + (little ? 4 : 0), words[i], little);
    view.setUint32(i * 4 + (little ? 0 : 4), words[i + 1], little);
  }
  sorted.sort();
  const merged = new Uint32Array(words.length);
  let used = 0;
  for (let i = 0; i < words.length; i += 2) {
    const low = view.getUint32(i * 4 + (little ? 4 : 0), little);
    const high = view.getUint32(i * 4 + (little ? 0 : 4), little);
    if (used > 0 && low <= merged[used - 1] + 1) {
      if (high > merged[used - 1]) merged[used - 1] = high;
    } else {
      merged[used++] = low;
      merged[used++] = high;
    }
  }
  return merged.slice(0, used);
}

/** Ascending numbers as a set: `1:3,5`. */
export function formatSet(numbers: ArrayLike<number>): string {
  let text = '';
  for (let i = 0; i < numbers.length; ) {
    const low = numbers[i];
    let high = low;
    while (++i < numbers.length && numbers[i] === high + 1) high++;
    text += `${text === '' ? '' : ','}${low}${high === low ? '' : `:${high}`}`;
  }
  return text;
}
