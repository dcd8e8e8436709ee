// Messages as numbers that sort like what a criterion compares (RFC 5256 §3). Nothing of this changes while a message
// lives, so a mailbox keeps values and numbers of all its messages once somebody sorted most of it: a second SORT reads
// no record and compares no text, and after new mail only that is read.
import { limits } from '../../base/index.ts';
import { Pace } from '../fetch/pace.ts';
import type { Searching } from '../search/run.ts';
import type { MailboxIndex, MessageRecord } from '../session.ts';
import { sortText } from './texts.ts';
import type { TextCriterion } from './texts.ts';

export type Criterion = TextCriterion | 'ARRIVAL' | 'DATE' | 'SIZE';

const RECORDS = 256;

type Values = Float64Array | string[];

/** What a criterion compares, of the first messages of a mailbox; the ranks when it knows all of them. */
interface Column {
  values: Values;
  ranks: Uint32Array | null;
}
/** Columns of `uids`, the messages of the mailbox when it was last looked at. */
interface Columns {
  uids: Uint32Array;
  count: number;
  columns: Map<Criterion, Column>;
}
const kept = new WeakMap<MailboxIndex, Columns>();

/** The records of `uids`, in blocks, the next one on its way; gives way to others between blocks. */
export async function eachRecord(context: Searching, uids: Uint32Array, use: (record: MessageRecord | null, k: number) => void): Promise<void> {
  const { selected, out, clock } = context;
  const pace = new Pace(clock);
  const ask = (at: number) => {
    const asked = selected.records(uids.subarray(at, at + RECORDS));
    asked.catch(() => {});
    return asked;
  };
  let next: Promise<(MessageRecord | null)[]> | null = uids.length > 0 ? ask(0) : null;
  for (let at = 0; next !== null; at += RECORDS) {
    const records: (MessageRecord | null)[] = await next;
    next = at + RECORDS < uids.length ? ask(at + RECORDS) : null;
    for (let k = 0; k < records.length; k++) use(records[k], at + k);
    if (pace.due) {
      // Throws when the client has gone.
      await out.drain();
      await pace.rest();
    }
  }
}

/** For each of `uids` (ascending) a number; equal numbers are equal in that criterion. */
export async function ranksOf(context: Searching, criterion: Criterion, uids: Uint32Array): Promise<Uint32Array> {
  const { index } = context.view;
  if (criterion === 'ARRIVAL' || criterion === 'SIZE') {
    const value = criterion === 'SIZE' ? (i: number) => index.size(i) : (i: number) => index.internalDate(i);
    return dense(fromIndex(index, uids, value));
  }
  const there = current(index);
  let column = there?.columns.get(criterion);
  if (there !== null && column?.ranks) return chosen(there, column.ranks, uids);
  const most = uids.length * 2 >= index.count && index.count <= limits.sort_kept_messages_max;
  if (!most) return dense(await compute(context, criterion, uids));
  // Messages only ever come at the end: what is known stays, and new ones are read alone.
  const all = index.uids.slice(0, index.count);
  const before = column?.values ?? [];
  const values = joined(before, await compute(context, criterion, all.subarray(before.length)));
  column = { values, ranks: dense(values) };
  const now = current(index);
  if (now === null) kept.set(index, { uids: all, count: all.length, columns: new Map([[criterion, column]]) });
  else if (now.count === all.length && now.uids.every((uid, k) => uid === all[k])) now.columns.set(criterion, column);
  return chosen({ uids: all, count: all.length, columns: new Map() }, column.ranks!, uids);
}

function concatenated(a: Float64Array, b: Float64Array): Float64Array {
  const all = new Float64Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function joined(before: Values, behind: Values): Values {
  if (before.length === 0) return behind;
  return Array.isArray(behind) ? (before as string[]).concat(behind) : concatenated(before as Float64Array, behind);
}

async function compute(context: Searching, criterion: TextCriterion | 'DATE', uids: Uint32Array): Promise<Values> {
  if (criterion !== 'DATE') {
    const texts = new Array<string>(uids.length);
    await eachRecord(context, uids, (record, k) => (texts[k] = record === null ? '' : sortText(record, criterion)));
    return texts;
  }
  return datesOf(context, uids);
}

/** Date fields in UTC; INTERNALDATE where there is none that can be read (RFC 5256 §2.2). */
export async function datesOf(context: Searching, uids: Uint32Array): Promise<Float64Array> {
  const { index } = context.view;
  const arrival = fromIndex(index, uids, (i) => index.internalDate(i));
  await eachRecord(context, uids, (record, k) => {
    const sent = record?.index.sentAt ?? null;
    if (sent !== null) arrival[k] = sent;
  });
  return arrival;
}

function fromIndex(index: MailboxIndex, uids: Uint32Array, value: (i: number) => number): Float64Array {
  const values = new Float64Array(uids.length);
  let i = -1;
  for (let k = 0; k < uids.length; k++) {
    i = i + 1 < index.count && index.uids[i + 1] === uids[k] ? i + 1 : index.find(uids[k]);
    values[k] = i < 0 ? 0 : value(i);
  }
  return values;
}

/** The place of each value among the different values in ascending order. */
export function dense(values: Float64Array | string[]): Uint32Array {
  const different = new Set<number | string>(values);
  // Without a comparison of ours: texts by their units, numbers as numbers.
  const sorted = Array.isArray(values) ? ([...different] as string[]).sort() : Float64Array.from(different as Set<number>).sort();
  const places = new Map<number | string, number>();
  for (let place = 0; place < sorted.length; place++) places.set(sorted[place], place);
  const ranks = new Uint32Array(values.length);
  for (let k = 0; k < values.length; k++) ranks[k] = places.get(values[k])!;
  return ranks;
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
  for (const [criterion, { values, ranks }] of columns.columns) {
    const known = places.filter((place) => place < values.length);
    moved.columns.set(criterion, {
      values: Array.isArray(values) ? known.map((place) => values[place]) : Float64Array.from(known, (place) => values[place]),
      // Of what is left the order stays.
      ranks: ranks !== null && known.length === count ? Uint32Array.from(known, (place) => ranks[place]) : null,
    });
  }
  kept.set(index, moved);
  return moved;
}

/** The elements of a column for `uids`; what is not in it (gone meanwhile) comes first. */
function chosen(columns: Columns, column: Uint32Array, uids: Uint32Array): Uint32Array {
  const ranks = new Uint32Array(uids.length);
  let from = 0;
  for (let k = 0; k < uids.length; k++) {
    while (from < columns.count && columns.uids[from] < uids[k]) from++;
    if (from < columns.count && columns.uids[from] === uids[k]) ranks[k] = column[from];
  }
  return ranks;
}
