// A search as one function over a candidate. What a message's place in the index tells is asked first, then its record,
// then its header, then its body: a key above the level that is loaded answers "unknown", and only messages that stay
// unknown go on to the next level.
import type { Flag } from '../../base/index.ts';
import { foldedHeader, foldedValue, oneSpaced } from '../../message/index.ts';
import type { KeptField } from '../../message/index.ts';
import { keptValues } from '../fetch/locate.ts';
import { lowerBound } from '../fetch/uidset.ts';
import type { MailboxIndex, MessageRecord } from '../session.ts';
import type { View } from '../view.ts';
import { finder } from './contains.ts';
import { fold, loosely } from './fold.ts';
import type { Key } from './keys.ts';
import type { TextSieve } from './text-sieve.ts';

export type Answer = 0 | 1 | 2;
export const NO = 0;
export const YES = 1;
export const UNKNOWN = 2;

/** What is loaded: 0 the index only, 1 the record, 2 the whole header, 3 the body's texts. */
export type Level = 0 | 1 | 2 | 3;

/** One message that is looked at. Later levels' members are set from that level on. */
export class Candidate {
  level: Level = 0;
  i = 0;
  seq = 0;
  uid = 0;
  record: MessageRecord | null = null;
  header: readonly KeptField[] | null = null;
  /** Folded texts of the body's parts and their headers. */
  texts: readonly string[] | null = null;
  /** Some text matched in its fuzzy reading only. */
  loose = false;
  /** What is known of it without reading it, and its place there. */
  sieve: TextSieve | null = null;
  place = 0;
  #fields = new Map<string, string[]>();
  #headerText: string | null = null;

  /** Folded values of the fields of one name, from what is loaded when it is first asked. */
  values(name: string): string[] {
    let values = this.#fields.get(name);
    if (values === undefined) this.#fields.set(name, (values = this.#read(name)));
    return values;
  }

  #read(name: string): string[] {
    const values = this.header?.filter((field) => field.name === name).map((field) => field.value);
    return (values ?? keptValues(this.record!, name)).map(foldedValue);
  }

  /** All of the header, folded: names, colons and decoded values, a field a line. */
  get headerText(): string {
    return (this.#headerText ??= foldedHeader(this.header!));
  }
}

export type Test = (c: Candidate) => Answer;

/** The lowest level at which a key may be decided: cheap keys are asked first. */
function cost(key: Key): number {
  switch (key.op) {
    case 'and':
    case 'or':
      return Math.max(...key.keys.map(cost));
    case 'not':
      return cost(key.key);
    case 'date':
      return key.of === 'sent' ? 1 : 0;
    case 'header':
      return 1;
    case 'text':
    case 'body':
      return 3;
    default:
      return 0;
  }
}

/** `now`: ms since 1970, for OLDER and YOUNGER. */
export function compile(key: Key, view: View, now: number): Test {
  const { index } = view;
  switch (key.op) {
    case 'all':
      return () => YES;
    case 'nothing':
      return () => NO;
    case 'and':
    case 'or': {
      const costs = new Map(key.keys.map((inner) => [inner, cost(inner)]));
      const tests = [...key.keys].sort((a, b) => costs.get(a)! - costs.get(b)!).map((inner) => compile(inner, view, now));
      return key.op === 'and' ? every(tests, NO, YES) : every(tests, YES, NO);
    }
    case 'not': {
      const test = compile(key.key, view, now);
      return (c) => {
        const answer = test(c);
        return answer === UNKNOWN ? UNKNOWN : answer === YES ? NO : YES;
      };
    }
    case 'flag':
      return flagTest(index, key.flag);
    case 'seq': {
      if (key.set.saved) return savedTest(view.saved);
      const { count } = view;
      return (c) => (key.set.has(c.seq, count) ? YES : NO);
    }
    case 'uid': {
      if (key.set.saved) return savedTest(view.saved);
      const last = view.count > 0 ? view.uidOf(view.count) : 0;
      return (c) => (key.set.has(c.uid, last) ? YES : NO);
    }
    case 'larger':
      return (c) => (index.size(c.i) > key.bytes ? YES : NO);
    case 'smaller':
      return (c) => (index.size(c.i) < key.bytes ? YES : NO);
    case 'older':
      return (c) => (index.internalDate(c.i) <= now - key.seconds * 1000 ? YES : NO);
    case 'younger':
      return (c) => (index.internalDate(c.i) >= now - key.seconds * 1000 ? YES : NO);
    case 'modseq':
      return (c) => (index.modSeq(c.i) >= key.from ? YES : NO);
    case 'emailid':
      return (c) => (index.emailId(c.i) === key.id ? YES : NO);
    case 'threadid':
      return (c) => (index.threadId(c.i) === key.id ? YES : NO);
    case 'date':
      return dateTest(key, index);
    case 'header':
      return headerTest(key.name, matcher(key, true));
    case 'body':
    case 'text':
      return textTest(key, matcher(key, true), matcher(key, false));
  }
}

/** Decided as soon as one test says `deciding`; `else` when all are known and none did. */
function every(tests: Test[], deciding: Answer, otherwise: Answer): Test {
  return (c) => {
    let answer: Answer = otherwise;
    for (const test of tests) {
      const one = test(c);
      if (one === deciding) return deciding;
      if (one === UNKNOWN) answer = UNKNOWN;
    }
    return answer;
  };
}

/** Keywords are equal in any case; worked out once for each set of flags. */
function flagTest(index: MailboxIndex, flag: Flag): Test {
  const name = flag.toLowerCase();
  const known: (Answer | undefined)[] = [];
  return (c) => {
    const set = index.flagSet(c.i);
    return (known[set] ??= index.flagsOf(set).some((one) => one.toLowerCase() === name) ? YES : NO);
  };
}

function savedTest(saved: Uint32Array): Test {
  return (c) => (saved[lowerBound(saved, saved.length, c.uid)] === c.uid ? YES : NO);
}

const DAY_MS = 86_400_000;

/** Whether a moment (ms since 1970 as in UTC) lies on, before or since the key's day; NaN does not. */
export function dayTest({ is, day: wanted }: Key & { op: 'date' }): (at: number) => boolean {
  return (at) => {
    const day = Math.floor(at / DAY_MS) * DAY_MS;
    return is === 'before' ? day < wanted : is === 'on' ? day === wanted : day >= wanted;
  };
}

/** Calendar days, time and zone disregarded (RFC 9051 §6.4.4): INTERNALDATE's in its own zone. */
function dateTest(key: Key & { op: 'date' }, index: MailboxIndex): Test {
  const test = dayTest(key);
  const compare = (at: number): Answer => (test(at) ? YES : NO);
  switch (key.of) {
    case 'internal':
      return (c) => compare(index.internalDate(c.i) + index.zone(c.i) * 60_000);
    case 'saved':
      return (c) => compare(index.saveDate(c.i));
    case 'sent':
      return (c) => {
        if (c.level < 1) return UNKNOWN;
        const day = c.record!.index.sentDay;
        return day === null ? NO : compare(day);
      };
  }
}

/** Whether a folded text holds the key's; a fuzzy match that an exact one isn't is noted on the candidate. */
type Matcher = (text: string, c: Candidate) => boolean;

function matcher(key: Key & { op: 'header' | 'body' | 'text' }, inHeader: boolean): Matcher {
  const wanted = inHeader ? oneSpaced(fold(key.text)) : fold(key.text);
  const has = finder(wanted);
  if (!key.fuzzy) return has;
  const hasLoosely = finder(loosely(wanted));
  return (text, c) => {
    if (has(text)) return true;
    if (!hasLoosely(loosely(text))) return false;
    c.loose = true;
    return true;
  };
}

/** An empty text asks for the field's presence (RFC 9051 §6.4.4 HEADER). */
function headerTest(name: string, matches: Matcher): Test {
  return (c) => {
    if (c.level < 1) return UNKNOWN;
    if (c.values(name).some((value) => matches(value, c))) return YES;
    return c.level < 2 && c.record!.index.mayHaveMore(name) ? UNKNOWN : NO;
  };
}

function textTest(key: Key & { op: 'body' | 'text' }, matchesHeader: Matcher, matches: Matcher): Test {
  const header = key.op === 'text';
  // Nothing is in everything, also in what has no text.
  const nothing = loosely(fold(key.text)) === '';
  return (c) => {
    if (nothing && matches('', c)) return YES;
    if (header && c.level >= 2 && matchesHeader(c.headerText, c)) return YES;
    if (c.level < 3) return c.sieve?.absent(key, c.place) ? NO : UNKNOWN;
    return c.texts!.some((one) => matches(one, c)) ? YES : NO;
  };
}
