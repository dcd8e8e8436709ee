// What is worked out of each message of a mailbox by its record and does not change while it lives: kept for all of
// them once somebody asked for most, so that a second SEARCH or SORT reads no record, and after new mail only that is read.
import { limits } from '../base/index.ts';
import type { MailboxIndex } from './session.ts';

export type Values = Float64Array | unknown[];

/** Of the first messages of a mailbox; what follows from the values when they are known of all. */
export interface Column<V extends Values = Values> {
  values: V;
  ranks: Uint32Array | null;
}
/** Columns of `uids`, the messages of the mailbox when it was last looked at. */
interface Columns {
  uids: Uint32Array;
  count: number;
  columns: Map<string, Column>;
}
export interface KeptColumn<V extends Values = Values> {
  /** The messages that it is of: those of the mailbox when it was worked out. */
  uids: Uint32Array;
  column: Column<V>;
}
const kept = new WeakMap<MailboxIndex, Columns>();

/** Whether a question about so many messages of a mailbox is worth keeping answers for all of them. */
export function worthKeeping(index: MailboxIndex, asked: number): boolean {
  return asked * 2 >= index.count && index.count <= limits.sort_kept_messages_max;
}

/** What is kept under that name of all messages, or null. */
export function keptColumn<V extends Values>(index: MailboxIndex, name: string): KeptColumn<V> | null {
  const there = current(index);
  const column = there?.columns.get(name);
  return there !== null && column !== undefined && column.values.length === there.count ? { uids: there.uids, column: column as Column<V> } : null;
}

/** The column of all messages; `compute` gives the values of those that are not known yet. */
export async function column<V extends Values>(index: MailboxIndex, name: string, compute: (uids: Uint32Array) => Promise<V>): Promise<KeptColumn<V>> {
  const there = keptColumn<V>(index, name);
  if (there !== null) return there;
  const all = index.uids.slice(0, index.count);
  // Messages only ever come at the end: what is known stays, and new ones are read alone.
  const before = current(index)?.columns.get(name)?.values as V | undefined;
  const made: Column<V> = { values: joined(before, await compute(all.subarray(before?.length ?? 0))), ranks: null };
  const now = current(index);
  if (now === null) kept.set(index, { uids: all, count: all.length, columns: new Map([[name, made]]) });
  else if (now.count === all.length && now.uids.every((uid, k) => uid === all[k])) now.columns.set(name, made);
  return { uids: all, column: made };
}

function joined<V extends Values>(before: V | undefined, behind: V): V {
  if (before === undefined || before.length === 0) return behind;
  if (Array.isArray(behind)) return (before as unknown[]).concat(behind) as V;
  const all = new Float64Array(before.length + behind.length);
  all.set(before as Float64Array);
  all.set(behind as Float64Array, before.length);
  return all as V;
}

/** What is kept of a mailbox, brought in line with its messages; null when nothing is. */
function current(index: MailboxIndex): Columns | null {
  const columns = kept.get(index);
  if (columns === undefined) return null;
  const { uids, count } = index;
  let same = columns.count === count;
  for (let k = 0; k < count && same; k++) same = columns.uids[k] === uids[k];
  if (same) return columns;
  // The places of the messages that were known before, up to the first new one.
  const places: number[] = [];
  for (let k = 0, from = 0; k < count; k++) {
    while (from < columns.count && columns.uids[from] < uids[k]) from++;
    if (from === columns.count || columns.uids[from] !== uids[k]) break;
    places.push(from);
  }
  const moved: Columns = { uids: uids.slice(0, count), count, columns: new Map() };
  for (const [name, { values, ranks }] of columns.columns) {
    const known = places.filter((place) => place < values.length);
    moved.columns.set(name, {
      values: Array.isArray(values) ? known.map((place) => values[place]) : Float64Array.from(known, (place) => values[place]),
      // Of what is left the order stays.
      ranks: ranks !== null && known.length === count ? Uint32Array.from(known, (place) => ranks[place]) : null,
    });
  }
  kept.set(index, moved);
  return moved;
}
