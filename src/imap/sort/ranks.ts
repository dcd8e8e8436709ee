// Messages as numbers that sort like what a criterion compares (RFC 5256 §3). Nothing of this changes while a message
// lives, so a mailbox keeps the numbers of all its messages once somebody sorted most of it: a second SORT reads no
// record and compares no text.
import { limits } from '../../base/index.ts';
import { Pace } from '../fetch/pace.ts';
import type { Searching } from '../search/run.ts';
import type { MailboxIndex, MessageRecord } from '../session.ts';
import { sortText } from './texts.ts';
import type { TextCriterion } from './texts.ts';

export type Criterion = TextCriterion | 'ARRIVAL' | 'DATE' | 'SIZE';

const RECORDS = 256;

/** Ranks by criterion for `uids`, the messages of the mailbox when they were worked out. */
interface Columns {
  uids: Uint32Array;
  count: number;
  ranks: Map<Criterion, Uint32Array>;
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
  const columns = current(index);
  const known = columns?.ranks.get(criterion);
  if (columns !== null && known !== undefined) return chosen(columns, known, uids);
  const most = uids.length * 2 >= index.count && index.count <= limits.sort_kept_messages_max;
  if (!most) return compute(context, criterion, uids);
  const all = index.uids.slice(0, index.count);
  const ranks = await compute(context, criterion, all);
  const now = current(index);
  if (now !== null && now.count === all.length && now.uids.every((uid, k) => uid === all[k])) now.ranks.set(criterion, ranks);
  else if (now === null) kept.set(index, { uids: all, count: all.length, ranks: new Map([[criterion, ranks]]) });
  return chosen({ uids: all, count: all.length, ranks: new Map() }, ranks, uids);
}

async function compute(context: Searching, criterion: TextCriterion | 'DATE', uids: Uint32Array): Promise<Uint32Array> {
  if (criterion !== 'DATE') {
    const texts = new Array<string>(uids.length);
    await eachRecord(context, uids, (record, k) => (texts[k] = record === null ? '' : sortText(record, criterion)));
    return dense(texts);
  }
  return dense(await datesOf(context, uids));
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

/** What is kept of a mailbox, brought in line with its messages; null when it knows not all of them. */
function current(index: MailboxIndex): Columns | null {
  const columns = kept.get(index);
  if (columns === undefined) return null;
  const { uids, count } = index;
  let same = columns.count === count;
  for (let k = 0; k < count && same; k++) same = columns.uids[k] === uids[k];
  if (same) return columns;
  // Of what is left the order stays; new messages need all texts once more.
  const places = new Uint32Array(count);
  let from = 0;
  for (let k = 0; k < count; k++) {
    while (from < columns.count && columns.uids[from] < uids[k]) from++;
    if (from === columns.count || columns.uids[from] !== uids[k]) {
      kept.delete(index);
      return null;
    }
    places[k] = from;
  }
  const ranks = new Map<Criterion, Uint32Array>();
  for (const [criterion, column] of columns.ranks) ranks.set(criterion, places.map((place) => column[place]));
  const moved: Columns = { uids: uids.slice(0, count), count, ranks };
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
