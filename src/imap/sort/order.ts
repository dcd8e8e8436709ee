// SORT's criteria (RFC 5256 §3, RFC 5957 §3; RELEVANCY: RFC 6203 §6) and the order that they make.
import { Malformed } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { Searching } from '../search/run.ts';
import type { Args } from '../wire/index.ts';
import { ranksOf } from './ranks.ts';
import type { Criterion } from './ranks.ts';

export interface SortKey {
  criterion: Criterion | 'RELEVANCY';
  reverse: boolean;
}

const CRITERIA = new Set<string>(['ARRIVAL', 'CC', 'DATE', 'FROM', 'SIZE', 'SUBJECT', 'TO', 'DISPLAYFROM', 'DISPLAYTO', 'RELEVANCY']);
/** More can only repeat: each criterion and its reverse. */
const KEYS_MAX = 2 * CRITERIA.size;

/** `(REVERSE DATE SUBJECT)`. Throws Malformed. */
export function parseOrder(args: Args): SortKey[] {
  const keys: SortKey[] = [];
  let reverse = false;
  args.list(() => {
    const word = args.keyword();
    if (word === 'REVERSE' && !reverse) {
      reverse = true;
      return;
    }
    if (!CRITERIA.has(word)) throw new Malformed(`unknown sort criterion ${word}`);
    keys.push({ criterion: word as SortKey['criterion'], reverse });
    reverse = false;
    if (keys.length > KEYS_MAX) throw new Malformed(`more than ${KEYS_MAX} sort criteria`);
  });
  if (reverse || keys.length === 0) throw new Malformed('a sort criterion expected');
  return keys;
}

const NOBODY: ReadonlySet<Uid> = new Set();

/** `uids` (ascending) in the order asked for; what is equal stays in the mailbox's order. `loose`: those that match less well. */
export async function sorted(context: Searching, uids: Uint32Array, keys: readonly SortKey[], loose: ReadonlySet<Uid> = NOBODY): Promise<Uint32Array> {
  if (uids.length < 2) return uids;
  // A criterion that came before decides nothing more when it comes again.
  const seen = new Set<SortKey['criterion']>();
  const wanted = keys.filter(({ criterion }) => !seen.has(criterion) && seen.add(criterion));
  const columns: { ranks: Uint32Array; reverse: boolean }[] = [];
  for (const { criterion, reverse } of wanted) {
    const ranks = criterion === 'RELEVANCY' ? uids.map((uid) => (loose.has(uid) ? 1 : 0)) : await ranksOf(context, criterion, uids);
    columns.push({ ranks, reverse });
  }
  return inOrder(columns, uids.length).map((k) => uids[k]);
}

/**
 * The places 0 … n-1 ordered by columns of ranks below 2^26, the first one counting most. From the last column to the
 * first, rank and place so far become one number, so that the engine's own sort of numbers does all.
 */
export function inOrder(columns: readonly { ranks: Uint32Array; reverse: boolean }[], n: number): Uint32Array {
  let order = Uint32Array.from({ length: n }, (_, k) => k);
  const packed = new Float64Array(n);
  for (let c = columns.length - 1; c >= 0; c--) {
    const { ranks, reverse } = columns[c];
    for (let place = 0; place < n; place++) packed[place] = (reverse ? n - ranks[order[place]] : ranks[order[place]]) * n + place;
    packed.sort();
    const before = order;
    order = new Uint32Array(n);
    for (let place = 0; place < n; place++) order[place] = before[packed[place] % n];
  }
  return order;
}
