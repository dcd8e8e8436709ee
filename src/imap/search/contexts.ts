// Searches whose results are kept up to date (RFC 5267 §4.3): after each change only the messages that it touched are
// looked at again. REMOVEFROM of expunged messages comes before their EXPUNGE, while their numbers still mean them.
import { Malformed, limits } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import { FetchAnswers, unasked } from '../fetch/answer.ts';
import type { Item } from '../fetch/items.ts';
import { lowerBound, sortedUnique, without } from '../fetch/uidset.ts';
import { sorted } from '../sort/order.ts';
import type { SortKey } from '../sort/order.ts';
import type { View } from '../view.ts';
import { formatSet } from '../wire/index.ts';
import type { Output } from '../wire/index.ts';
import { uses } from './keys.ts';
import type { Key } from './keys.ts';
import { esearch } from './result.ts';
import type { Found } from './result.ts';
import { search } from './run.ts';

const NO_UIDS = new Uint32Array(0);

/** A search as it was asked for. */
interface Asked {
  tag: string;
  /** What its answers say that they belong to. */
  correlator: string;
  byUid: boolean;
  key: Key;
  /** Null: SEARCH, whose positions are always 0. */
  order: readonly SortKey[] | null;
  /** Of new messages that come into the result (RFC 5465 §7); empty: nothing. */
  items: readonly Item[];
  /** Of its command. */
  bytes: number;
}

interface Updating extends Asked {
  uids: Uint32Array;
  ordered: Uint32Array;
  /** Of the mailbox's index: what changed up to there is in the result. */
  version: number;
  /** Messages above this UID are new. */
  last: Uid;
}

export class Contexts {
  #all = new Map<string, Updating>();

  get empty(): boolean {
    return this.#all.size === 0;
  }

  has(tag: string): boolean {
    return this.#all.has(tag);
  }

  /** False when this search can't be kept up to date: too many are, it is too long, or it changes with the clock, with numbers or with how well messages match. */
  add(view: View, asked: Asked, version: number, found: Found): boolean {
    const moving = (['older', 'younger', 'seq'] as const).some((op) => uses(asked.key, op));
    const weighed = asked.order?.some(({ criterion }) => criterion === 'RELEVANCY') === true;
    const tooMuch = this.#all.size >= limits.search_contexts_max || asked.bytes > limits.search_context_bytes_max;
    if (moving || weighed || tooMuch) return false;
    this.#all.set(asked.tag, { ...asked, uids: found.uids, ordered: found.ordered, version, last: lastUid(view) });
    return true;
  }

  /** Throws Malformed when there is no such context; then all stay. */
  cancel(tags: string[]): void {
    for (const tag of tags) if (!this.#all.has(tag)) throw new Malformed('no search is kept up to date under that tag');
    for (const tag of tags) this.#all.delete(tag);
  }

  /** Before EXPUNGE or VANISHED is written of `gone` (ascending). */
  leave(view: View, out: Output, gone: Uint32Array): void {
    for (const one of this.#all.values()) {
      const left = gone.filter((uid) => contains(one.uids, uid));
      if (left.length > 0) this.#write(view, out, one, left, NO_UIDS);
    }
  }

  /** Looks again at what changed, and tells what came into the results and what left them. `made`: by this client. */
  async update(context: Context, made: ReadonlySet<Uid>): Promise<void> {
    const { view, out } = context;
    const { index } = view;
    for (const one of this.#all.values()) {
      if (one.version === index.version) continue;
      const changes = index.changesSince(one.version);
      one.version = index.version;
      const touched = changes === null ? view.uids.slice(0, view.count) : sortedUnique(changes.filter((change) => change.kind !== 'expunged').map((change) => change.uid));
      const known = touched.filter((uid) => view.seqOf(uid) > 0 && index.find(uid) >= 0);
      if (known.length === 0) continue;
      const matching = await search(context, one.key, known);
      const left = without(known, matching).filter((uid) => contains(one.uids, uid));
      const come = matching.filter((uid) => !contains(one.uids, uid));
      if (left.length === 0 && come.length === 0) continue;
      const all = sortedUnique([...without(one.uids, left), ...come]);
      const ordered = one.order === null ? all : await sorted(context, all, one.order);
      const fresh = one.items.length === 0 ? NO_UIDS : come.filter((uid) => uid > one.last && !made.has(uid));
      one.last = lastUid(view);
      if (fresh.length > 0) await new FetchAnswers(context, unasked(one.items, context.enabled), fresh).write();
      this.#write(view, out, one, left, come, ordered);
    }
  }

  #write(view: View, out: Output, one: Updating, left: Uint32Array, come: Uint32Array, ordered: Uint32Array | null = null): void {
    const name = (uid: Uid) => (one.byUid ? uid : view.seqOf(uid));
    const sortedOnes = one.order !== null;
    let text = '';
    if (left.length > 0) text += ` REMOVEFROM (${sortedOnes ? removals(one.ordered, left, name) : `0 ${formatSet(left.map(name))}`})`;
    one.ordered = one.ordered.filter((uid) => !contains(left, uid));
    one.uids = without(one.uids, left);
    if (ordered !== null && come.length > 0) {
      text += ` ADDTO (${sortedOnes ? additions(ordered, come, name) : `0 ${formatSet(come.map(name))}`})`;
      one.ordered = ordered;
      one.uids = sortedUnique(ordered.slice().sort());
    }
    out.line(esearch(one.correlator, one.byUid, text));
  }
}

function lastUid(view: View): Uid {
  return view.count === 0 ? 0 : view.uidOf(view.count);
}

function contains(sortedUids: Uint32Array, uid: Uid): boolean {
  return sortedUids[lowerBound(sortedUids, sortedUids.length, uid)] === uid;
}

/** From the last to the first, so that each position is right when its turn comes. */
function removals(ordered: Uint32Array, left: Uint32Array, name: (uid: Uid) => number): string {
  const pairs: string[] = [];
  for (let k = ordered.length - 1; k >= 0; k--) if (contains(left, ordered[k])) pairs.push(`${k + 1} ${name(ordered[k])}`);
  return pairs.join(' ');
}

/** From the first to the last: the place that each has in the end is the one where it is put. */
function additions(ordered: Uint32Array, come: Uint32Array, name: (uid: Uid) => number): string {
  const pairs: string[] = [];
  ordered.forEach((uid, k) => contains(come, uid) && pairs.push(`${k + 1} ${name(uid)}`));
  return pairs.join(' ');
}
