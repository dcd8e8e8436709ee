// What SEARCH and SORT have in common: run, SAVE, ESEARCH, and keeping the result up to date.
import { Malformed } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import { takeAll, taken, withCode } from '../message-limit.ts';
import { sorted } from '../sort/order.ts';
import type { SortKey } from '../sort/order.ts';
import { quote } from '../wire/index.ts';
import { saveNothing } from './criteria.ts';
import { uses } from './keys.ts';
import type { Key } from './keys.ts';
import { esearch, highestModSeq, named, resultText } from './result.ts';
import type { Found, Returned } from './result.ts';
import { search, universe } from './run.ts';

export interface Request {
  tag: string;
  /** Null: the answer of old. */
  returned: Returned | null;
  key: Key;
  /** SORT. */
  order: readonly SortKey[] | null;
}

/** Runs it, writes the answer, and gives the text of the tagged OK. */
export async function find(context: Context, request: Request, byUid: boolean): Promise<string> {
  try {
    return await answered(context, request, byUid);
  } catch (e) {
    saveNothing(context, request.returned, e);
    throw e;
  }
}

async function answered(context: Context, request: Request, byUid: boolean): Promise<string> {
  const { view, out } = context;
  const { tag, returned, key, order } = request;
  const updating = returned?.options.has('UPDATE') === true;
  // RFC 5267 §4.3.1: a tag names one result as long as it is kept.
  if (updating && view.contexts.has(tag)) throw new Malformed('this tag names a search that is kept up to date');
  const { version } = view.index;
  const all = universe(key, view);
  // RFC 9738 §3.1: a part of a search says how far it came; an order of a part would be another order.
  if (order !== null) takeAll(all, context.limits);
  const part = taken(all, context.limits);
  const found = await run(context, request, part.uids);
  const name = byUid ? (uid: Uid) => uid : (uid: Uid) => view.seqOf(uid);
  const byModSeq = uses(key, 'modseq');
  if (returned === null) {
    const modSeq = byModSeq && found.uids.length > 0 ? ` (MODSEQ ${highestModSeq(view, found.uids)})` : '';
    const numbers = byUid ? found.ordered : order === null ? view.numbers(found.ordered) : found.ordered.map(name);
    out.line(`* ${order === null ? 'SEARCH' : 'SORT'}${numbers.length > 0 ? ` ${numbers.join(' ')}` : ''}${modSeq}`);
    return withCode('', order === null ? 'SEARCH' : 'SORT', part, (line) => out.line(line));
  }
  const { options, partial } = returned;
  const correlator = `TAG ${quote(tag)}`;
  if (options.has('SAVE')) view.saved = named(found, returned);
  const silent = partial === null && !['MIN', 'MAX', 'ALL', 'COUNT'].some((option) => options.has(option as 'ALL'));
  if (!silent) {
    let text = resultText(found, returned, name);
    if (byModSeq && found.uids.length > 0) text += ` MODSEQ ${highestModSeq(view, named(found, returned))}`;
    out.line(esearch(correlator, byUid, text));
  }
  if (updating && !view.contexts.add(view, { tag, correlator, byUid, key, order, items: returned.items, bytes: returned.bytes }, version, found)) out.line(`* NO [NOUPDATE ${quote(tag)}] this search is not kept up to date`);
  return withCode('', order === null ? 'SEARCH' : 'SORT', part, (line) => out.line(line));
}

async function run(context: Context, { key, order }: Request, among: Uint32Array): Promise<Found> {
  const loose = new Set<Uid>();
  const uids = await search(context, key, among, loose);
  return { uids, ordered: order === null ? uids : await sorted(context, uids, order, loose), loose };
}
