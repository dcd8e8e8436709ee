// FLAGS of many messages, alone or with UID: what mail apps ask of a whole mailbox. Neighbours mostly have equal flags, and
// then their answers differ in numbers only. It is asked so seldom that the engine has mostly not compiled what answers it, and
// calls for each message took three times as long then: so nothing is called for each, and join() makes most of the text.
import type { View } from '../view.ts';
import type { Output } from '../wire/index.ts';
import type { Item } from './items.ts';
import { lowerBound } from './uidset.ts';

const SHORT = Array.from({ length: 1000 }, (_, n) => String(n));
const PADDED = SHORT.map((digits) => digits.padStart(3, '0'));

/** `* n` and `end`, for the numbers from `first` to `last`. */
export function numbered(first: number, last: number, end: string): string {
  let text = '';
  for (let n = first; n <= last; ) {
    const thousands = Math.floor(n / 1000);
    const to = Math.min(last, thousands * 1000 + 999);
    const begin = thousands === 0 ? '* ' : `* ${thousands}`;
    const digits = (thousands === 0 ? SHORT : PADDED).slice(n % 1000, (to % 1000) + 1);
    text += `${begin}${digits.join(`${end}${begin}`)}${end}`;
    n = to + 1;
  }
  return text;
}

export class Runs {
  readonly #view: View;
  /** Where the UID stands. Null: nowhere. */
  readonly #uid: 'first' | 'last' | null;

  private constructor(view: View, uid: 'first' | 'last' | null) {
    this.#view = view;
    this.#uid = uid;
  }

  /** Null when something else is asked for. */
  static of(view: View, items: readonly Item[]): Runs | null {
    const kinds = items.map((item) => item.kind).join(' ');
    if (view.uidonly) return null;
    if (kinds === 'FLAGS') return new Runs(view, null);
    return kinds === 'UID FLAGS' ? new Runs(view, 'first') : kinds === 'FLAGS UID' ? new Runs(view, 'last') : null;
  }

  /** The answers for `asked`, UIDs of the view in order. Null: they are not neighbours, or the view is not what is there. */
  text(out: Output, asked: Uint32Array): string | null {
    const view = this.#view;
    const { uids } = view;
    const n = asked.length;
    // The same array: a message's place is its number less one.
    if (n === 0 || uids !== view.index.uids) return null;
    const from = lowerBound(uids, view.count, asked[0]);
    const to = from + n;
    if (to > view.count || uids[from] !== asked[0] || uids[to - 1] !== asked[n - 1]) return null;
    const sets = view.index.flagSets(from, to);
    let text = '';
    for (let at = 0; at < n; ) {
      const set = sets[at];
      let end = at + 1;
      while (end < n && sets[end] === set) end++;
      view.announce(out, set);
      text += this.#run(from + at, from + end, view.flagsText(set), uids);
      at = end;
    }
    return text;
  }

  #run(from: number, to: number, flags: string, uids: Uint32Array): string {
    if (this.#uid === null) return numbered(from + 1, to, ` FETCH (FLAGS ${flags})\r\n`);
    const before = this.#uid === 'first' ? ' FETCH (UID ' : ` FETCH (FLAGS ${flags} UID `;
    const behind = this.#uid === 'first' ? ` FLAGS ${flags})\r\n` : ')\r\n';
    let text = '';
    for (let i = from; i < to; i++) text += `* ${i + 1}${before}${uids[i]}${behind}`;
    return text;
  }
}
