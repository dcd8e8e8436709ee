// One user's search index at this replica: what is known of messages without reading them. It is a cache of facts that
// never change (a message's text is for ever what it is), so parts written by other replicas are as good as own ones, in
// any order, twice or not at all; what is missing is learnt again when a search or the background reads the message.
import { setImmediate } from 'node:timers/promises';
import { Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Sifted, TextAsked } from '../imap/session.ts';
import type { SearchMemory } from './search-memory.ts';
import { PART_HEAD, entriesOf, entryMayHold, fingerprint } from './search-part.ts';
import type { Fingerprint } from './search-part.ts';
import { SearchParts } from './search-parts.ts';
import type { Part } from './search-parts.ts';
import type { ReadPart, SearchStore } from './search-store.ts';

/** A LIST for what other replicas wrote is of no use more often. */
const LIST_EVERY_MS = 60_000;
/** What was learnt is written when nothing more was for a while, sooner when it is much. */
const WRITE_AFTER_MS = 5_000;
const WRITE_FEW_AFTER_MS = 5 * 60_000;
const FEW_ENTRIES = 32;
/** Parts under half of a full one are written anew together when there are so many. */
const SMALL_PARTS_MAX = 8;
/** Answers in one turn of the event loop. */
const TURN_ANSWERS = 50_000;

export class SearchIndex {
  readonly #store: SearchStore;
  readonly #memory: SearchMemory;
  readonly #clock: Clock;
  /** About the size of a full part. */
  readonly #partBytes: number;
  readonly #parts: SearchParts;
  /** Made by other rules: not read again. */
  readonly #others = new Set<string>();
  /** What is learnt now. */
  #growing: Part | null = null;
  readonly #learning = new Set<string>();
  #listing: Promise<boolean> | null = null;
  #listedAt = -Infinity;
  #writing: Promise<void> = Promise.resolve();
  #cancelWrite: () => void = () => {};
  #grownSince = -Infinity;
  #closed = false;

  constructor(store: SearchStore, memory: SearchMemory, clock: Clock, partBytes = limits.search_index_part_bytes) {
    this.#partBytes = partBytes;
    this.#store = store;
    this.#memory = memory;
    this.#parts = new SearchParts(memory);
    this.#clock = clock;
  }

  /** Messages that it knows, and bytes of the parts that know them; parts that are stored, other releases' too. */
  get size(): { messages: number; bytes: number; stored: number } {
    return { messages: this.#parts.messages, bytes: this.#parts.bytes, stored: this.#parts.ids.length + this.#others.size };
  }

  // ---- asking ----

  /** What the store has is read once. False: it does not answer now. */
  async opened(): Promise<boolean> {
    return this.#listedAt > -Infinity || this.#list();
  }

  knows(emailId: string): boolean {
    return this.#learning.has(emailId) || this.#parts.knows(fingerprint(emailId, { hi: 0, lo: 0 }));
  }

  /** As `Selected.sift`, of messages by their EMAILIDs. */
  async sift(count: number, emailId: (k: number) => string, texts: readonly TextAsked[]): Promise<Sifted | null> {
    if (!(await this.opened())) return null;
    let places = this.#parts.locate(count, emailId);
    if (places.found < count && this.#clock.monotonic() - this.#listedAt >= LIST_EVERY_MS && (await this.#list())) places = this.#parts.locate(count, emailId);
    const sifted: Sifted = { known: new Uint8Array(count), absent: texts.map(() => new Uint8Array(count)) };
    let answers = 0;
    for (const [part, { ks, offsets }] of places.byPart) {
      for (let from = 0; from < ks.length; ) {
        // What can be evicted or deleted meanwhile is asked for again after each turn.
        const bytes = part.bytes ?? (await this.#read(part));
        if (bytes === null) break;
        const to = Math.min(ks.length, from + Math.max(1, Math.floor(TURN_ANSWERS / Math.max(1, texts.length))));
        this.#answer(bytes, ks, offsets, from, to, texts, sifted);
        answers += (to - from) * texts.length;
        from = to;
        if (answers < TURN_ANSWERS) continue;
        answers = 0;
        await setImmediate();
      }
    }
    return sifted;
  }

  #answer(bytes: Buffer, ks: number[], offsets: number[], from: number, to: number, texts: readonly TextAsked[], sifted: Sifted): void {
    for (let n = from; n < to; n++) sifted.known[ks[n]] = 1;
    texts.forEach(({ grams, header }, t) => {
      if (grams.length === 0) return;
      const absent = sifted.absent[t];
      for (let n = from; n < to; n++) if (!entryMayHold(bytes, offsets[n], grams, header)) absent[ks[n]] = 1;
    });
  }

  /** Null: its messages are not known any more. */
  async #read(part: Part): Promise<Buffer | null> {
    if (part.id === null || !this.#parts.has(part)) return part.bytes;
    try {
      const read = await this.#store.read(part.id);
      if (typeof read === 'string' || 'other' in read || read.bytes.length !== part.length) {
        this.#parts.remove(part);
        if (read === 'damaged') await this.#store.delete(part.id);
        return null;
      }
      part.bytes = read.bytes;
      this.#memory.hold(part);
      return part.bytes;
    } catch (e) {
      if (!isPassing(e)) throw e;
      return null;
    }
  }

  // ---- what others wrote ----

  #list(): Promise<boolean> {
    this.#listing ??= this.#listNow().finally(() => (this.#listing = null));
    return this.#listing;
  }

  async #listNow(): Promise<boolean> {
    const before = this.#parts.ids;
    try {
      const atHand = await this.#store.atHand();
      if (atHand !== null) this.#keep(atHand);
      const ids = await this.#store.list();
      const there = new Set(ids);
      const vanished = new Set(before.filter((id) => !there.has(id)));
      const unknown = ids.filter((id) => this.#parts.byId(id) === null && !this.#others.has(id));
      const damaged: string[] = [];
      await this.#store.readAll(unknown, (id, read) => {
        if (read === 'damaged') damaged.push(id);
        else if (read !== 'gone') this.#take(id, read, vanished);
      });
      for (const part of this.#parts.stored) if (vanished.has(part.id!)) this.#parts.remove(part);
      for (const id of damaged) await this.#store.delete(id);
      this.#listedAt = this.#clock.monotonic();
      return true;
    } catch (e) {
      if (!isPassing(e)) throw e;
      this.#store.logger.debug('the search index is not read now', { why: reason(e) });
      return false;
    }
  }

  /** `vanished`: parts that are no more, because others take their place. */
  #take(id: string, read: Exclude<ReadPart, string>, vanished: ReadonlySet<string>): void {
    if (this.#closed || this.#parts.byId(id) !== null) return;
    if ('other' in read) return void this.#others.add(id);
    this.#parts.add(id, read.bytes, vanished);
  }

  // ---- learning ----

  /** What was read of a message: its folded header, and the folded texts of its body. */
  async learn(emailId: string, header: string, texts: readonly string[]): Promise<void> {
    if (this.#closed || this.knows(emailId)) return;
    this.#learning.add(emailId);
    try {
      const entry = await this.#memory.entry(emailId, header, texts);
      if (!this.#closed) this.#grow(fingerprint(emailId, { hi: 0, lo: 0 }), entry);
    } finally {
      this.#learning.delete(emailId);
    }
  }

  /** All entries of a part that is not stored. */
  #keep(part: Buffer): void {
    if (!this.#closed) for (const entry of entriesOf(part)) this.#grow(entry, part.subarray(entry.at, entry.end));
  }

  #grow(print: Fingerprint, entry: Buffer): void {
    if (this.#parts.knows(print)) return;
    let part = this.#growing;
    if (part === null) {
      part = this.#growing = this.#parts.begin(PART_HEAD);
      this.#grownSince = this.#clock.monotonic();
    }
    this.#parts.append(part, print, entry);
    if (part.length >= this.#partBytes) void this.write();
    else this.#writeSoon();
  }

  #writeSoon(): void {
    this.#cancelWrite();
    this.#cancelWrite = this.#clock.after(WRITE_AFTER_MS, () => {
      const part = this.#growing;
      if (part === null) return;
      if (part.entries >= FEW_ENTRIES || this.#clock.monotonic() - this.#grownSince >= WRITE_FEW_AFTER_MS) void this.write();
      else this.#writeSoon();
    });
  }

  /** Stores what was learnt. Never rejects for want of a store: it stays in memory, or is learnt again. */
  write(): Promise<void> {
    this.#cancelWrite();
    const part = this.#growing;
    if (part === null) return this.#writing;
    this.#growing = null;
    part.bytes = part.bytes!.subarray(0, part.length);
    // Sealed now: when a user leaves, the key goes too.
    const stored = this.#store.write(part.bytes);
    this.#writing = Promise.all([this.#writing, this.#stored(part, stored)]).then(async () => {
      if (!this.#closed) await this.#mergeSmall();
    }).catch((e) => this.#store.logger.info('the search index is not written now', { why: reason(e) }));
    return this.#writing;
  }

  async #stored(part: Part, stored: Promise<string>): Promise<void> {
    try {
      const id = await stored;
      if (!this.#closed && this.#parts.has(part)) this.#parts.nowStored(part, id);
    } catch (e) {
      this.#parts.remove(part);
      throw e;
    }
  }

  // ---- tidying ----

  /** After much was learnt: stores it, and looks what others have stored meanwhile. What is there twice goes. */
  async settle(): Promise<void> {
    await this.write();
    if (this.#closed || !(await this.#list())) return;
    this.#writing = this.#writing.then(() => this.#mergeSmall()).catch((e) => this.#store.logger.info('the search index is not put in order now', { why: reason(e) }));
    await this.#writing;
  }

  async #mergeSmall(): Promise<void> {
    const all = this.#parts.stored;
    const small = all.filter((part) => part.length < this.#partBytes / 2).sort((a, b) => a.length - b.length);
    const wanted = new Set(all.filter((part) => part.entries * 2 < part.all));
    if (small.length >= SMALL_PARTS_MAX) for (const part of small) wanted.add(part);
    if (wanted.size > 0 && !this.#closed) await this.#merge([...wanted], () => true);
  }

  /**
   * Leaves out entries that `kept` does not want, parts that others have made needless or that are half empty, and parts
   * of older rules, and joins small ones. Run it now and then, by any replica. Unavailable.
   */
  async tidy(kept: ReadonlySet<string>): Promise<void> {
    if (this.#closed || !(await this.#list())) return;
    const wanted = new Set<string>();
    for (const emailId of kept) wanted.add(keyOf(fingerprint(emailId, { hi: 0, lo: 0 })));
    const loose: Part[] = [];
    for (const part of this.#parts.stored) {
      const bytes = part.bytes ?? (await this.#read(part));
      if (bytes === null) continue;
      let all = 0;
      let used = 0;
      for (const entry of entriesOf(bytes)) {
        all++;
        if (this.#parts.isAt(entry, part) && wanted.has(keyOf(entry))) used++;
      }
      if (used * 4 < all * 3 || used === 0) loose.push(part);
      await setImmediate();
    }
    await this.#merge(loose, (entry) => wanted.has(keyOf(entry)));
    for (const id of this.#others) {
      const read = await this.#store.read(id);
      if (typeof read !== 'string' && 'other' in read && read.other.older) await this.#store.delete(id);
      if (typeof read === 'string' || !('other' in read) || read.other.older) this.#others.delete(id);
    }
    await this.#mergeSmall();
  }

  /** Writes parts anew as fewer; the old ones go when the new ones are stored. Unavailable: all stays as it was. */
  async #merge(parts: readonly Part[], keep: (entry: Fingerprint) => boolean): Promise<void> {
    const of = new Set(parts);
    let pieces: Buffer[] = [PART_HEAD];
    let bytes = 0;
    const full = async () => {
      const plain = Buffer.concat(pieces);
      pieces = [PART_HEAD];
      bytes = 0;
      const id = await this.#store.write(plain);
      if (!this.#closed) this.#parts.replace(id, plain, of);
    };
    for (const part of parts) {
      const old = part.bytes ?? (await this.#read(part));
      if (old === null) continue;
      for (const entry of entriesOf(old)) {
        if (!this.#parts.isAt(entry, part) || !keep(entry)) continue;
        pieces.push(old.subarray(entry.at, entry.end));
        bytes += entry.end - entry.at;
      }
      if (bytes >= this.#partBytes) await full();
    }
    if (pieces.length > 1) await full();
    for (const part of parts) {
      if (part.id === null || this.#closed) continue;
      this.#parts.remove(part);
      await this.#store.delete(part.id);
    }
  }

  /** The user leaves: what was learnt is still sent, and not waited for. */
  close(): void {
    if (this.#closed) return;
    if (this.#growing !== null && this.#growing.entries >= FEW_ENTRIES / 4) void this.write();
    this.#cancelWrite();
    this.#closed = true;
    this.#parts.close();
  }
}

/** The store does not answer now, or the user has just left: no search fails for that. */
const isPassing = (e: unknown): boolean => e instanceof Unavailable || e instanceof Refused;
const keyOf = (print: Fingerprint): string => `${print.hi},${print.lo}`;
