// One user's search index at this replica: what is known of messages without reading them. It is a cache of facts that
// never change (a message's text is for ever what it is), so parts written by other replicas are as good as own ones, in
// any order, twice or not at all; what is missing is learnt again when a search or the background reads the message.
//
// An entry that two parts have counts in the one with the smaller id: so all replicas agree which part is needless, and
// two that tidy at once don't each delete the other's.
import { setImmediate } from 'node:timers/promises';
import { Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { Sifted, TextAsked } from '../imap/session.ts';
import type { SearchMemory } from './search-memory.ts';
import { PART_HEAD, encodeEntry, entriesOf, entryMayHold, fingerprint } from './search-part.ts';
import type { Fingerprint } from './search-part.ts';
import type { ReadPart, SearchStore } from './search-store.ts';
import { SearchTable } from './search-table.ts';

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

interface Part {
  number: number;
  /** Null: not stored yet. */
  id: string | null;
  /** Null: not in memory. */
  bytes: Buffer | null;
  length: number;
  entries: number;
}

export class SearchIndex {
  readonly #store: SearchStore;
  readonly #memory: SearchMemory;
  readonly #clock: Clock;
  /** About the size of a full part. */
  readonly #partBytes: number;
  readonly #table = new SearchTable();
  readonly #parts = new Map<number, Part>();
  readonly #byId = new Map<string, Part>();
  /** Made by other rules: not read again. */
  readonly #others = new Set<string>();
  #numbers = 0;
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
    this.#clock = clock;
  }

  /** Messages that it knows, and bytes of the parts that know them; parts that are stored, other releases' too. */
  get size(): { messages: number; bytes: number; stored: number } {
    let bytes = 0;
    for (const part of this.#parts.values()) bytes += part.length;
    return { messages: this.#table.size, bytes, stored: this.#byId.size + this.#others.size };
  }

  // ---- asking ----

  /** What the store has is read once. False: it does not answer now. */
  async opened(): Promise<boolean> {
    return this.#listedAt > -Infinity || this.#list();
  }

  knows(emailId: string): boolean {
    return this.#learning.has(emailId) || this.#table.find(fingerprint(emailId, { hi: 0, lo: 0 })) >= 0;
  }

  /** As `Selected.sift`, of messages by their EMAILIDs. */
  async sift(count: number, emailId: (k: number) => string, texts: readonly TextAsked[]): Promise<Sifted | null> {
    if (!(await this.opened())) return null;
    let places = this.#locate(count, emailId);
    if (places.found < count && this.#clock.monotonic() - this.#listedAt >= LIST_EVERY_MS && (await this.#list())) places = this.#locate(count, emailId);
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

  #locate(count: number, emailId: (k: number) => string): { found: number; byPart: Map<Part, { ks: number[]; offsets: number[] }> } {
    const byPart = new Map<Part, { ks: number[]; offsets: number[] }>();
    const print: Fingerprint = { hi: 0, lo: 0 };
    let found = 0;
    let last: Part | null = null;
    let here = { ks: [] as number[], offsets: [] as number[] };
    for (let k = 0; k < count; k++) {
      const slot = this.#table.find(fingerprint(emailId(k), print));
      if (slot < 0) continue;
      found++;
      const part = this.#parts.get(this.#table.part(slot))!;
      if (part !== last) {
        last = part;
        here = byPart.get(part) ?? { ks: [], offsets: [] };
        byPart.set(part, here);
      }
      here.ks.push(k);
      here.offsets.push(this.#table.offset(slot));
    }
    return { found, byPart };
  }

  /** Null: its messages are not known any more. */
  async #read(part: Part): Promise<Buffer | null> {
    if (part.id === null || !this.#parts.has(part.number)) return part.bytes;
    try {
      const read = await this.#store.read(part.id);
      if (typeof read === 'string' || 'other' in read || read.bytes.length !== part.length) {
        this.#remove(part);
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
    const before = new Set(this.#byId.keys());
    try {
      const ids = await this.#store.list();
      const there = new Set(ids);
      const vanished = new Set([...before].filter((id) => !there.has(id)));
      const unknown = ids.filter((id) => !this.#byId.has(id) && !this.#others.has(id));
      const damaged: string[] = [];
      await this.#store.readAll(unknown, (id, read) => {
        if (read === 'damaged') damaged.push(id);
        else if (read !== 'gone') this.#take(id, read, vanished);
      });
      for (const id of vanished) if (this.#byId.has(id)) this.#remove(this.#byId.get(id)!);
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
    if (this.#closed || this.#byId.has(id)) return;
    if ('other' in read) return void this.#others.add(id);
    this.#add(id, read.bytes, vanished);
  }

  #add(id: string, bytes: Buffer, vanished: ReadonlySet<string>): void {
    const part: Part = { number: ++this.#numbers, id, bytes, length: bytes.length, entries: 0 };
    this.#parts.set(part.number, part);
    this.#byId.set(id, part);
    for (const entry of entriesOf(bytes)) {
      const slot = this.#table.find(entry);
      const other = slot < 0 ? null : this.#parts.get(this.#table.part(slot))!;
      if (other !== null && other.id !== null && other.id <= id && !vanished.has(other.id)) continue;
      if (other !== null) other.entries--;
      this.#table.put(entry, part.number, entry.at);
      part.entries++;
    }
    this.#memory.hold(part);
  }

  #remove(part: Part): void {
    if (!this.#parts.delete(part.number)) return;
    if (part.id !== null) this.#byId.delete(part.id);
    if (part.entries > 0) this.#table.drop(part.number);
    this.#memory.forget(part);
    if (this.#growing === part) this.#growing = null;
  }

  // ---- learning ----

  /** What was read of a message: its folded header, and the folded texts of its body. */
  async learn(emailId: string, header: string, texts: readonly string[]): Promise<void> {
    if (this.#closed || this.knows(emailId)) return;
    this.#learning.add(emailId);
    try {
      const inHeader = await this.#memory.filter([header]);
      const inBody = await this.#memory.filter(texts);
      if (!this.#closed) this.#grow(emailId, encodeEntry(emailId, inHeader, inBody));
    } finally {
      this.#learning.delete(emailId);
    }
  }

  #grow(emailId: string, entry: Buffer): void {
    const print = fingerprint(emailId, { hi: 0, lo: 0 });
    if (this.#table.find(print) >= 0) return;
    let part = this.#growing;
    if (part === null) {
      part = this.#growing = { number: ++this.#numbers, id: null, bytes: Buffer.allocUnsafe(16 * 1024), length: PART_HEAD.length, entries: 0 };
      part.bytes!.set(PART_HEAD);
      this.#parts.set(part.number, part);
      this.#grownSince = this.#clock.monotonic();
    }
    if (part.length + entry.length > part.bytes!.length) {
      const longer = Buffer.allocUnsafe(Math.max(part.bytes!.length * 2, part.length + entry.length));
      longer.set(part.bytes!.subarray(0, part.length));
      part.bytes = longer;
    }
    part.bytes!.set(entry, part.length);
    this.#table.put(print, part.number, part.length);
    part.length += entry.length;
    part.entries++;
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
      if (this.#closed || !this.#parts.has(part.number)) return;
      part.id = id;
      this.#byId.set(id, part);
      this.#memory.hold(part);
    } catch (e) {
      this.#remove(part);
      throw e;
    }
  }

  // ---- tidying ----

  async #mergeSmall(): Promise<void> {
    const small = [...this.#byId.values()].filter((part) => part.length < this.#partBytes / 2).sort((a, b) => a.length - b.length);
    if (small.length >= SMALL_PARTS_MAX) await this.#merge(small, () => true);
  }

  /**
   * Leaves out entries that `kept` does not want, parts that others have made needless or that are half empty, and parts
   * of older rules. Run it now and then, by any replica. Unavailable.
   */
  async tidy(kept: ReadonlySet<string>): Promise<void> {
    if (this.#closed || !(await this.#list())) return;
    const wanted = new Set<string>();
    for (const emailId of kept) wanted.add(keyOf(fingerprint(emailId, { hi: 0, lo: 0 })));
    const loose: Part[] = [];
    for (const part of [...this.#byId.values()]) {
      const bytes = part.bytes ?? (await this.#read(part));
      if (bytes === null) continue;
      let all = 0;
      let used = 0;
      for (const entry of entriesOf(bytes)) {
        all++;
        if (this.#isAt(entry, part) && wanted.has(keyOf(entry))) used++;
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
  }

  #isAt(print: Fingerprint, part: Part): boolean {
    const slot = this.#table.find(print);
    return slot >= 0 && this.#table.part(slot) === part.number;
  }

  /** Writes parts anew as fewer; the old ones go when the new ones are stored. Unavailable: all stays as it was. */
  async #merge(parts: readonly Part[], keep: (entry: Fingerprint) => boolean): Promise<void> {
    let pieces: Buffer[] = [PART_HEAD];
    let bytes = 0;
    const full = async () => {
      const plain = Buffer.concat(pieces);
      pieces = [PART_HEAD];
      bytes = 0;
      const id = await this.#store.write(plain);
      if (!this.#closed) this.#replace(id, plain, parts);
    };
    for (const part of parts) {
      const old = part.bytes ?? (await this.#read(part));
      if (old === null) continue;
      for (const entry of entriesOf(old)) {
        if (!this.#isAt(entry, part) || !keep(entry)) continue;
        pieces.push(old.subarray(entry.at, entry.end));
        bytes += entry.end - entry.at;
      }
      if (bytes >= this.#partBytes) await full();
    }
    if (pieces.length > 1) await full();
    for (const part of parts) {
      if (part.id === null || this.#closed) continue;
      this.#remove(part);
      await this.#store.delete(part.id);
    }
  }

  /** A new part takes over the entries of those that it was made of. */
  #replace(id: string, bytes: Buffer, of: readonly Part[]): void {
    const numbers = new Set(of.map((part) => part.number));
    const part: Part = { number: ++this.#numbers, id, bytes, length: bytes.length, entries: 0 };
    this.#parts.set(part.number, part);
    this.#byId.set(id, part);
    for (const entry of entriesOf(bytes)) {
      const slot = this.#table.find(entry);
      if (slot >= 0 && !numbers.has(this.#table.part(slot))) continue;
      if (slot >= 0) this.#parts.get(this.#table.part(slot))!.entries--;
      this.#table.put(entry, part.number, entry.at);
      part.entries++;
    }
    this.#memory.hold(part);
  }

  /** The user leaves: what was learnt is still sent, and not waited for. */
  close(): void {
    if (this.#closed) return;
    if (this.#growing !== null && this.#growing.entries >= FEW_ENTRIES / 4) void this.write();
    this.#cancelWrite();
    this.#closed = true;
    for (const part of this.#parts.values()) this.#memory.forget(part);
  }
}

/** The store does not answer now, or the user has just left: no search fails for that. */
const isPassing = (e: unknown): boolean => e instanceof Unavailable || e instanceof Refused;
const keyOf = (print: Fingerprint): string => `${print.hi},${print.lo}`;
