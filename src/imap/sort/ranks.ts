// Messages as numbers that sort like what a criterion compares (RFC 5256 §3). A mailbox keeps values and numbers of all
// its messages once somebody sorted most of it: a second SORT reads no record and compares no text.
import { Pace } from '../fetch/pace.ts';
import { column, keptColumn, worthKeeping } from '../kept.ts';
import type { Searching } from '../search/run.ts';
import type { MailboxIndex, MessageRecord } from '../session.ts';
import { sortText } from './texts.ts';
import type { TextCriterion } from './texts.ts';

export type Criterion = TextCriterion | 'ARRIVAL' | 'DATE' | 'SIZE';

const RECORDS = 256;
/** What is stored of messages lies in parts of a thousand or more: those of so many messages are fetched side by side. */
const GATHERED = 16 * RECORDS;

/** The records of `uids`, to be looked at and let go; gives way to others now and then. */
export async function eachRecord(
  context: Searching,
  uids: Uint32Array,
  use: (record: MessageRecord | null, k: number) => void,
  pace = new Pace(context.clock),
  rest = async () => {
    // Throws when the client has gone.
    await context.out.drain();
    await pace.rest();
  },
): Promise<void> {
  const { selected } = context;
  const gather = (at: number) => {
    const gathered = selected.gather(uids.subarray(at, at + GATHERED));
    gathered.catch(() => {});
    return gathered;
  };
  let next = gather(0);
  for (let at = 0; at < uids.length; at += RECORDS) {
    if (at % GATHERED === 0) {
      await next;
      next = gather(at + GATHERED);
    }
    const records = await selected.skim(uids.subarray(at, at + RECORDS));
    for (let k = 0; k < records.length; k++) {
      use(records[k], at + k);
      if (pace.due) await rest();
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
  const there = keptColumn<Float64Array | string[]>(index, criterion);
  if (there === null && !worthKeeping(index, uids.length)) return dense(await compute(context, criterion, uids));
  const { uids: all, column: kept } = there ?? (await column(index, criterion, (some) => compute(context, criterion, some)));
  return chosen(all, (kept.ranks ??= dense(kept.values)), uids);
}

async function compute(context: Searching, criterion: TextCriterion | 'DATE', uids: Uint32Array): Promise<Float64Array | string[]> {
  if (criterion !== 'DATE') {
    const texts = new Array<string>(uids.length);
    await eachRecord(context, uids, (record, k) => (texts[k] = record === null ? '' : sortText(record.index, criterion)));
    return texts;
  }
  return datesOf(context, uids);
}

/** Date fields in UTC; INTERNALDATE where there is none that can be read (RFC 5256 §2.2). */
async function datesOf(context: Searching, uids: Uint32Array): Promise<Float64Array> {
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

/** The elements of a column for `uids`; what is not in it (gone meanwhile) comes first. */
function chosen(all: Uint32Array, column: Uint32Array, uids: Uint32Array): Uint32Array {
  const ranks = new Uint32Array(uids.length);
  let from = 0;
  for (let k = 0; k < uids.length; k++) {
    while (from < all.length && all[from] < uids[k]) from++;
    if (from < all.length && all[from] === uids[k]) ranks[k] = column[from];
  }
  return ranks;
}
