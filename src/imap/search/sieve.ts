// A search over many messages at once, by what is in memory of all of them: the index, and columns that were worked out
// of records before. Keys are asked one after the other for thousands of messages, which costs a tenth of asking
// each message for all keys. What needs more than that stays UNKNOWN, and is asked of each message (program.ts).
import type { Flag, Uid } from '../../base/index.ts';
import { foldedValue, oneSpaced } from '../../message/index.ts';
import { keptValues } from '../fetch/locate.ts';
import { gallop, lowerBound } from '../fetch/uidset.ts';
import { column, keptColumn } from '../kept.ts';
import type { MailboxIndex, MessageRecord } from '../session.ts';
import { eachRecord } from '../sort/ranks.ts';
import type { View } from '../view.ts';
import { finder } from './contains.ts';
import { fold, loosely } from './fold.ts';
import type { Key } from './keys.ts';
import { NO, UNKNOWN, YES, dayTest } from './program.ts';
import type { Answer } from './program.ts';
import type { Searching } from './run.ts';

/** Messages that are asked together. */
export interface Chunk {
  uids: Uint32Array;
  /** Their places in the index; -1: gone. */
  at: Int32Array;
  /** 1: still there. */
  there: Uint8Array;
  /** All are there, one behind the other. */
  inRow: boolean;
}
/** An answer for each message; those that are not `active` need none, and get NO. */
type Sieve = (chunk: Chunk, active: Uint8Array) => Uint8Array;

/** Fields that mail apps search again and again: their folded values are kept of all messages. */
const OFTEN = new Set(['subject', 'from', 'to', 'cc', 'message-id']);
const columnOf = (key: Key): string | null => {
  if (key.op === 'header' && OFTEN.has(key.name)) return `search ${key.name}`;
  return key.op === 'date' && key.of === 'sent' ? 'search sent' : null;
};

/** Names of the columns that a search would use and that are not there. */
export function missingColumns(key: Key, index: MailboxIndex): string[] {
  if (key.op === 'and' || key.op === 'or') return [...new Set(key.keys.flatMap((inner) => missingColumns(inner, index)))];
  if (key.op === 'not') return missingColumns(key.key, index);
  const name = columnOf(key);
  return name === null || keptColumn(index, name) !== null ? [] : [name];
}

/** Works a column out of the records. */
export async function makeColumn(context: Searching, name: string): Promise<void> {
  const { index } = context.view;
  if (name === 'search sent') {
    await column(index, name, async (uids) => {
      const days = new Float64Array(uids.length);
      await eachRecord(context, uids, (record, k) => (days[k] = record?.index.sentDay ?? NaN));
      return days;
    });
    return;
  }
  const field = name.slice('search '.length);
  await column(index, name, async (uids) => {
    const values = new Array<string | null>(uids.length).fill(null);
    await eachRecord(context, uids, (record, k) => {
      if (record !== null) values[k] = fieldText(record, field);
    });
    return values;
  });
}

/** In a column, at the beginning of what a record knows of a field that has more in the message itself. */
const MORE = '\0';

/** The folded values of a field, a line each (no value has a line end, so nothing is found across two); null: there is none. */
function fieldText(record: MessageRecord, field: string): string | null {
  let text = record.index.mayHaveMore(field) ? MORE : null;
  for (const value of keptValues(record, field)) text = text === null ? foldedValue(value) : `${text}\n${foldedValue(value)}`;
  return text;
}

/** `now`: ms since 1970, for OLDER and YOUNGER. */
export function sieve(key: Key, view: View, now: number): Sieve {
  const { index } = view;
  const by = (test: (i: number) => boolean): Sieve => ({ at }, active) => {
    const answers = new Uint8Array(active.length);
    for (let k = 0; k < answers.length; k++) if (active[k] === 1 && test(at[k])) answers[k] = YES;
    return answers;
  };
  switch (key.op) {
    case 'all':
      return (_chunk, active) => active.slice();
    case 'nothing':
      return (_chunk, active) => new Uint8Array(active.length);
    case 'and':
      return every(key.keys.map((inner) => sieve(inner, view, now)), YES);
    case 'or':
      return every(key.keys.map((inner) => sieve(inner, view, now)), NO);
    case 'not': {
      if (key.key.op === 'flag') return flagSieve(index, key.key.flag, false);
      const inner = sieve(key.key, view, now);
      return (chunk, active) => {
        const answers = inner(chunk, active);
        for (let k = 0; k < answers.length; k++) if (answers[k] !== UNKNOWN) answers[k] = active[k] === 1 && answers[k] === NO ? YES : NO;
        return answers;
      };
    }
    case 'flag':
      return flagSieve(index, key.flag, true);
    case 'seq':
    case 'uid':
      return key.set.saved ? memberSieve(view.saved) : rangeSieve(view.ranges(key.set, key.op === 'uid'));
    case 'larger':
      return by((i) => index.size(i) > key.bytes);
    case 'smaller':
      return by((i) => index.size(i) < key.bytes);
    case 'older':
      return by((i) => index.internalDate(i) <= now - key.seconds * 1000);
    case 'younger':
      return by((i) => index.internalDate(i) >= now - key.seconds * 1000);
    case 'modseq':
      return by((i) => index.modSeq(i) >= key.from);
    case 'emailid':
      return by((i) => index.emailId(i) === key.id);
    case 'threadid':
      return by((i) => index.threadId(i) === key.id);
    case 'date': {
      const test = dayTest(key);
      if (key.of === 'internal') return by((i) => test(index.internalDate(i) + index.zone(i) * 60_000));
      if (key.of === 'saved') return by((i) => test(index.saveDate(i)));
      return columnSieve<Float64Array>(index, 'search sent', (values) => (place) => (test(values[place]) ? YES : NO));
    }
    case 'header': {
      const name = columnOf(key);
      const wanted = oneSpaced(fold(key.text));
      if (name === null || wanted.includes('\n') || wanted.includes(MORE)) return unknown;
      const has = finder(wanted);
      const hasLoosely = key.fuzzy ? finder(loosely(wanted)) : null;
      return columnSieve<(string | null)[]>(index, name, (values) => (place) => {
        const text = values[place];
        if (text === null) return NO;
        if (has(text) && !(wanted === '' && text === MORE)) return YES;
        // What is alike only, is told apart by whoever looks at the message itself.
        return text.startsWith(MORE) || hasLoosely?.(loosely(text)) ? UNKNOWN : NO;
      });
    }
    case 'body':
    case 'text':
      return unknown;
  }
}

const unknown: Sieve = (_chunk, active) => {
  const answers = new Uint8Array(active.length);
  for (let k = 0; k < answers.length; k++) if (active[k] === 1) answers[k] = UNKNOWN;
  return answers;
};

/** `and`, or `or` when it goes on while the answers are NO. */
function every(sieves: Sieve[], goesOn: typeof YES | typeof NO): Sieve {
  return (chunk, active) => {
    // What is not active is 0, and so is NO; YES is 1, as active is.
    const answers = goesOn === YES ? active.slice() : new Uint8Array(active.length);
    let open = active;
    for (const one of sieves) {
      const next = one(chunk, open);
      let left = false;
      const still = new Uint8Array(open.length);
      for (let k = 0; k < next.length; k++) {
        if (open[k] === 0) continue;
        if (next[k] === UNKNOWN) answers[k] = UNKNOWN;
        else if (next[k] !== goesOn) {
          answers[k] = next[k];
          continue;
        }
        still[k] = 1;
        left = true;
      }
      if (!left) break;
      open = still;
    }
    return answers;
  };
}

/** Keywords are equal in any case; worked out once for each set of flags. */
function flagSieve(index: MailboxIndex, flag: Flag, on: boolean): Sieve {
  const name = flag.toLowerCase();
  const known: (number | undefined)[] = [];
  const answer = (set: number): number => (known[set] ??= index.flagsOf(set).some((one) => one.toLowerCase() === name) === on ? YES : NO);
  return ({ at, inRow }, active) => {
    const answers = new Uint8Array(active.length);
    const sets = inRow && at.length > 0 ? index.flagSets(at[0], at[0] + at.length) : null;
    let last = -1;
    let same = 0;
    for (let k = 0; k < answers.length; k++) {
      if (active[k] === 0) continue;
      const set = sets === null ? index.flagSet(at[k]) : sets[k];
      if (set !== last) same = answer((last = set));
      answers[k] = same;
    }
    return answers;
  };
}

/** Both ascending. */
function memberSieve(members: Uint32Array): Sieve {
  return ({ uids }, active) => {
    const answers = new Uint8Array(active.length);
    let from = 0;
    for (let k = 0; k < answers.length; k++) {
      if (active[k] === 0) continue;
      from = gallop(members, members.length, uids[k], from);
      if (members[from] === uids[k]) answers[k] = YES;
    }
    return answers;
  };
}

/** Lowest and highest UID of each range, ascending. */
function rangeSieve(ranges: Uint32Array): Sieve {
  return ({ uids }, active) => {
    const answers = new Uint8Array(active.length);
    let r = -1;
    for (let k = 0; k < answers.length; k++) {
      if (active[k] === 0) continue;
      // The first range that does not end before this message, whichever end of a range is met first.
      if (r < 0) r = lowerBound(ranges, ranges.length, uids[k]) & ~1;
      else if (r < ranges.length && ranges[r + 1] < uids[k]) r = gallop(ranges, ranges.length, uids[k], r) & ~1;
      if (r < ranges.length && ranges[r] <= uids[k]) answers[k] = YES;
    }
    return answers;
  };
}

/** By what is kept; a message that came later is UNKNOWN. */
function columnSieve<V extends Float64Array | (string | null)[]>(index: MailboxIndex, name: string, testOf: (values: V) => (place: number) => Answer): Sieve {
  const kept = keptColumn<V>(index, name);
  if (kept === null) return unknown;
  const test = testOf(kept.column.values);
  const all = kept.uids;
  return ({ uids }, active) => {
    const answers = new Uint8Array(active.length);
    let place = 0;
    for (let k = 0; k < answers.length; k++) {
      if (active[k] === 0) continue;
      place = all[place] === uids[k] ? place : gallop(all, all.length, uids[k], place);
      answers[k] = all[place] !== uids[k] ? UNKNOWN : test(place);
      place++;
    }
    return answers;
  };
}

/** Messages of an ascending list with their places in the index now. */
export function chunkOf(index: MailboxIndex, uids: Uint32Array): Chunk {
  const from = uids.length === 0 ? -1 : index.find(uids[0]);
  if (from >= 0 && from + uids.length <= index.count && equal(uids, index.uids.subarray(from, from + uids.length))) {
    return { uids, at: placesFrom(from, uids.length), there: new Uint8Array(uids.length).fill(1), inRow: true };
  }
  const at = new Int32Array(uids.length);
  const alive = new Uint8Array(uids.length);
  const there: ArrayLike<Uid> = index.uids;
  const { count } = index;
  let i = -1;
  for (let k = 0; k < uids.length; k++) {
    i = i + 1 < count && there[i + 1] === uids[k] ? i + 1 : index.find(uids[k]);
    at[k] = i;
    if (i >= 0) alive[k] = 1;
  }
  return { uids, at, there: alive, inRow: false };
}

/** 0, 1, 2, … as far as anybody asked. */
let places = new Int32Array(0);

/** `from`, `from` + 1, …: not to be changed. */
function placesFrom(from: number, n: number): Int32Array {
  if (places.length < from + n) places = Int32Array.from({ length: from + n + 16_384 }, (_, k) => k);
  return places.subarray(from, from + n);
}

function equal(a: Uint32Array, b: Uint32Array): boolean {
  const bytes = (words: Uint32Array) => Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  return bytes(a).equals(bytes(b));
}
