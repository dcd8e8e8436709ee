// Runs a search in passes: all messages by the index, what stays undecided by records, then by headers, then by
// bodies. Gives way to others every few milliseconds, ends when the client has gone or the time is over.
import { Refused, limits } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import { Pace } from '../fetch/pace.ts';
import { both } from '../fetch/uidset.ts';
import type { MessageRecord } from '../session.ts';
import { eachRecord } from '../sort/ranks.ts';
import type { View } from '../view.ts';
import { quote } from '../wire/index.ts';
import { worthKeeping } from '../kept.ts';
import { sizeOf, uses } from './keys.ts';
import type { Key } from './keys.ts';
import { WHOLE_BYTES, bodyBytes, loadBody, loadHeader } from './load.ts';
import { Candidate, NO, UNKNOWN, YES, compile } from './program.ts';
import type { Level, Test } from './program.ts';
import { chunkOf, makeColumn, missingColumns, sieve } from './sieve.ts';
import { TextSieve } from './text-sieve.ts';

const RECORDS = 256;
/** Messages that the index is asked for at once: about a millisecond. Fewer where the program is long. */
const TOGETHER = 16_384;
const TOGETHER_MIN = 16;
/** Up to so many keys a program is a short one. */
const KEYS_FEW = 8;

/** What a search needs of its connection: also of a mailbox that is not the selected one. */
export type Searching = Pick<Context, 'view' | 'selected' | 'out' | 'clock' | 'tag'>;

/** UIDs that match, ascending. `among` (ascending): only these are looked at. `loose` takes those that FUZZY alone found. */
export async function search(context: Searching, key: Key, among: Uint32Array | null = null, loose: Set<Uid> | null = null): Promise<Uint32Array> {
  const run = new Run(context, key, among, loose);
  await run.byIndex();
  await run.bySieve();
  await run.byRecord();
  await run.byBytes(2);
  await run.byBytes(3);
  return run.found();
}

class Run {
  #context: Searching;
  #loose: Set<Uid> | null;
  #view: View;
  #test: Test;
  #uids: Uint32Array;
  /** By place in #uids. */
  #matches: Uint8Array;
  #open: number[] = [];
  #pace: Pace;
  #began: number;
  #toldAt: number;
  /** Messages that are not decided, as far as this pass has come. */
  #left: number;
  /** There are BODY or TEXT keys. */
  #bodies: boolean;
  #key: Key;
  #sieve: TextSieve | null = null;

  constructor(context: Searching, key: Key, among: Uint32Array | null, loose: Set<Uid> | null) {
    this.#context = context;
    this.#loose = loose;
    this.#key = key;
    this.#view = context.view;
    this.#test = compile(key, context.view, context.clock.now());
    this.#bodies = uses(key, 'body') || uses(key, 'text');
    this.#uids = among ?? universe(key, context.view);
    this.#matches = new Uint8Array(this.#uids.length);
    this.#pace = new Pace(context.clock);
    this.#began = this.#toldAt = context.clock.monotonic();
    this.#left = this.#uids.length;
  }

  found(): Uint32Array {
    const uids = this.#uids;
    const matches = this.#matches;
    const found = new Uint32Array(uids.length);
    let n = 0;
    for (let k = 0; k < uids.length; k++) if (matches[k] === 1) found[n++] = uids[k];
    return found.subarray(0, n);
  }

  async byIndex(): Promise<void> {
    await this.#sift();
    const missing = this.#open.length === 0 ? [] : missingColumns(this.#key, this.#view.index);
    if (missing.length === 0 || !worthKeeping(this.#view.index, 4 * this.#open.length)) return;
    for (const name of missing) await makeColumn(this.#context, name);
    await this.#sift();
  }

  /** Asks the index and what is kept. */
  async #sift(): Promise<void> {
    const { index } = this.#view;
    const ask = sieve(this.#key, this.#view, this.#context.clock.now());
    const together = Math.max(TOGETHER_MIN, Math.floor(TOGETHER / Math.ceil(sizeOf(this.#key) / KEYS_FEW)));
    this.#open = [];
    this.#left = this.#uids.length;
    for (let from = 0; from < this.#uids.length; from += together) {
      const chunk = chunkOf(index, this.#uids.subarray(from, from + together));
      const answers = ask(chunk, chunk.there);
      for (let k = answers.indexOf(UNKNOWN); k >= 0; k = answers.indexOf(UNKNOWN, k + 1)) {
        this.#open.push(from + k);
        answers[k] = NO;
      }
      // What is left is YES or NO, and so 1 or 0.
      this.#matches.set(answers, from);
      this.#left = this.#uids.length - from - answers.length + this.#open.length;
      if (this.#pace.due) await this.#rest();
    }
  }

  /** Leaves out what is known not to have the texts of BODY and TEXT, without reading it. */
  async bySieve(): Promise<void> {
    if (!this.#bodies || this.#open.length === 0) return;
    this.#sieve = await TextSieve.of(this.#context.selected, this.#key, this.#uids, this.#open);
    if (this.#sieve === null) return;
    const undecided = this.#open;
    this.#open = [];
    const c = new Candidate();
    c.sieve = this.#sieve;
    for (let n = 0; n < undecided.length; n++) {
      const k = undecided[n];
      c.uid = this.#uids[k];
      c.i = this.#view.index.find(c.uid);
      if (c.i >= 0) {
        c.seq = this.#view.seqOf(c.uid);
        c.place = k;
        c.loose = false;
        this.#decide(c, k, this.#open);
      }
      if (this.#pace.due) await this.#rest();
    }
  }

  async byRecord(): Promise<void> {
    if (this.#open.length === 0) return;
    const undecided = this.#open;
    this.#open = [];
    const look = (record: MessageRecord | null, n: number) => {
      const c = this.#candidate(undecided[n], record, 1);
      if (c !== null) this.#decide(c, undecided[n], this.#open);
    };
    await eachRecord(this.#context, Uint32Array.from(undecided, (k) => this.#uids[k]), look, this.#pace, () => this.#rest());
  }

  /** Headers (2) or bodies (3), some messages ahead within a bound of bytes. */
  async byBytes(level: 2 | 3): Promise<void> {
    if (this.#open.length === 0) return;
    const { selected } = this.#context;
    const open: number[] = [];
    const ahead: { k: number; c: Candidate; loaded: Promise<boolean>; bytes: number }[] = [];
    let bytes = 0;
    const take = async () => {
      const { k, c, loaded, bytes: held } = ahead.shift()!;
      const there = await loaded;
      bytes -= held;
      const i = there ? this.#view.index.find(c.uid) : -1;
      if (i >= 0) {
        c.i = i;
        this.#decide(c, k, open);
        // What was read once need not be read for the next search.
        if (level === 3 && this.#sieve !== null && !this.#sieve.knows(k)) await selected.learn?.(c.uid, c.headerText, c.texts!);
      }
      if (this.#pace.due) await this.#rest();
    };
    for (let at = 0; at < this.#open.length; at += RECORDS) {
      const block = this.#open.slice(at, at + RECORDS);
      const records = await selected.records(Uint32Array.from(block, (k) => this.#uids[k]));
      for (let n = 0; n < block.length; n++) {
        const c = this.#candidate(block[n], records[n], 1);
        if (c === null) continue;
        // One read of a small message gives its header too.
        if (level === 2 && this.#bodies && c.record!.index.size <= WHOLE_BYTES) {
          open.push(block[n]);
          continue;
        }
        const held = level === 3 ? bodyBytes(c) : Math.min(c.record!.index.headerBytes, limits.header_bytes_max);
        while (ahead.length > 0 && (ahead.length >= limits.fetch_ahead_messages_max || bytes + held > limits.fetch_ahead_bytes_max)) await take();
        const loaded = level === 3 ? loadBody(selected, c) : loadHeader(selected, c);
        loaded.catch(() => {});
        ahead.push({ k: block[n], c, loaded, bytes: held });
        bytes += held;
      }
    }
    while (ahead.length > 0) await take();
    this.#open = open;
  }

  #candidate(k: number, record: MessageRecord | null, level: Level): Candidate | null {
    const uid = this.#uids[k];
    const i = record === null ? -1 : this.#view.index.find(uid);
    if (i < 0) return null;
    const c = new Candidate();
    c.i = i;
    c.uid = uid;
    c.seq = this.#view.seqOf(uid);
    c.record = record;
    c.level = level;
    c.sieve = this.#sieve;
    c.place = k;
    return c;
  }

  #decide(c: Candidate, k: number, undecided: number[]): void {
    const answer = this.#test(c);
    if (answer === YES) {
      this.#matches[k] = 1;
      if (c.loose) this.#loose?.add(c.uid);
    }
    if (answer !== UNKNOWN) this.#left--;
    else undecided.push(k);
  }

  /** RFC 9585: how many messages are decided, of how many. */
  #tellProgress(): void {
    const { out, clock, tag } = this.#context;
    const now = clock.monotonic();
    if (tag === '' || now - this.#toldAt < limits.imap_progress_ms) return;
    this.#toldAt = now;
    out.line(`* OK [INPROGRESS (${quote(tag)} ${Math.max(0, this.#uids.length - this.#left)} ${this.#uids.length})] still searching`);
  }

  async #rest(): Promise<void> {
    // Throws when the client has gone.
    await this.#context.out.drain();
    this.#tellProgress();
    if (this.#context.clock.monotonic() - this.#began > limits.search_ms_max) throw new Refused('The search takes too long', 'LIMIT');
    await this.#pace.rest();
  }
}

/** Sets of one program that narrow it from the beginning; further ones are keys like others. */
const NARROWING_MAX = 16;

/** The messages to look at: those of the sets that all must be in, else all. */
export function universe(key: Key, view: View): Uint32Array {
  const keys = key.op === 'and' ? key.keys : [key];
  let some: Uint32Array | null = null;
  let sets = 0;
  for (const one of keys) {
    if ((one.op !== 'uid' && one.op !== 'seq') || ++sets > NARROWING_MAX) continue;
    const named = view.resolve(one.set, one.op === 'uid', true);
    some = some === null ? named : both(some, named);
  }
  return some ?? view.uids.slice(0, view.count);
}
