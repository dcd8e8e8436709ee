// What SEARCH and SORT give back: RETURN options and the ESEARCH answer (RFC 9051 §6.4.4, §7.3.4; RFC 4731; SORT: RFC
// 5267 §3; PARTIAL: RFC 9394 §3.1; UPDATE and CONTEXT: RFC 5267 §4; RELEVANCY: RFC 6203 §4).
import { Malformed } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import { parseItems } from '../fetch/items.ts';
import type { Item } from '../fetch/items.ts';
import type { View } from '../view.ts';
import { formatSet } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { parsePartial, within } from './partial.ts';
import type { Partial } from './partial.ts';

export type Option = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE' | 'UPDATE' | 'CONTEXT' | 'RELEVANCY';
const OPTIONS = new Set<string>(['MIN', 'MAX', 'ALL', 'COUNT', 'SAVE', 'UPDATE', 'CONTEXT', 'RELEVANCY']);

export interface Returned {
  options: Set<Option>;
  partial: Partial | null;
  /** UPDATE: what to give of new messages that come into the result (RFC 5465 §7). */
  items: Item[];
  /** Of the command, with all that is kept with the search. */
  bytes: number;
}

/** What is given back where nobody says what (RFC 9051 §6.4.4). */
export const allOf = (): Returned => ({ options: new Set(['ALL']), partial: null, items: [], bytes: 0 });

/** What was found: UIDs ascending, and in the order to be told (the same where nothing sorts). */
export interface Found {
  uids: Uint32Array;
  ordered: Uint32Array;
  /** UIDs that only a fuzzy reading found. */
  loose: ReadonlySet<Uid>;
}

/** `(MIN PARTIAL 1:10)`; nothing stands for ALL. Throws Malformed. */
export function parseReturn(args: Args): Returned {
  const options = new Set<Option>();
  let partial: Partial | null = null;
  let items: Item[] = [];
  args.list(() => {
    const option = args.keyword();
    if (option === 'PARTIAL') {
      if (partial !== null) throw new Malformed('PARTIAL twice');
      args.sp();
      partial = parsePartial(args);
    } else if (OPTIONS.has(option)) {
      options.add(option as Option);
      // The standard's grammar has no space there, its example has one.
      if (option === 'UPDATE' && (args.peek() === '(' || args.looking(' ('))) {
        args.skip(' ');
        items = parseItems(args);
      }
    } else throw new Malformed(`unknown RETURN option ${option}`);
  });
  // RFC 9394 §3.1.
  if (partial !== null && options.has('ALL')) throw new Malformed('ALL and PARTIAL exclude each other');
  const tells = partial !== null || [...options].some((option) => option !== 'UPDATE' && option !== 'CONTEXT' && option !== 'RELEVANCY');
  if (!tells) options.add('ALL');
  return { options, partial, items, bytes: args.bytes };
}

/** UIDs ascending that SAVE keeps, and whose MODSEQs count (RFC 5182 §2.4, RFC 7162 §3.1.10, RFC 9394 §3.2). */
export function named({ uids, ordered }: Found, { options, partial }: Returned): Uint32Array {
  if (options.has('ALL') || options.has('COUNT') || uids.length === 0) return uids;
  const some = new Set<Uid>();
  if (options.has('MIN')) some.add(ordered[0]);
  if (options.has('MAX')) some.add(ordered[ordered.length - 1]);
  if (partial !== null) for (const uid of within(ordered, partial)) some.add(uid);
  return some.size === 0 && partial === null && !options.has('MIN') && !options.has('MAX') ? uids : Uint32Array.from(some).sort();
}

/** The data of an ESEARCH answer behind the tag; `name` gives the number to tell for a UID. */
export function resultText(found: Found, wanted: Returned, name: (uid: Uid) => number): string {
  const { options, partial } = wanted;
  const { ordered } = found;
  const numbers = (uids: Uint32Array) => uids.map(name);
  let text = '';
  if (ordered.length > 0) {
    if (options.has('MIN')) text += ` MIN ${name(ordered[0])}`;
    if (options.has('MAX')) text += ` MAX ${name(ordered[ordered.length - 1])}`;
    if (options.has('ALL')) text += ` ALL ${formatSet(numbers(ordered))}`;
  }
  if (options.has('COUNT')) text += ` COUNT ${ordered.length}`;
  let shown = ordered;
  if (partial !== null) {
    shown = within(ordered, partial);
    text += ` PARTIAL (${partial.text} ${shown.length === 0 ? 'NIL' : formatSet(numbers(shown))})`;
  }
  // RFC 6203 §4: one score for each result of ALL or PARTIAL, in their order.
  if (options.has('RELEVANCY') && shown.length > 0) text += ` RELEVANCY (${Array.from(shown, (uid) => (found.loose.has(uid) ? 50 : 100)).join(' ')})`;
  return text;
}

/** `* ESEARCH (TAG "A1") UID …`, without MODSEQ. `correlator`: `TAG "A1"`. */
export function esearch(correlator: string, byUid: boolean, text: string): string {
  return `* ESEARCH (${correlator})${byUid ? ' UID' : ''}${text}`;
}

export function highestModSeq(view: View, uids: Uint32Array): number {
  let highest = 1;
  for (const uid of uids) {
    const i = view.index.find(uid);
    if (i >= 0) highest = Math.max(highest, view.index.modSeq(i));
  }
  return highest;
}
