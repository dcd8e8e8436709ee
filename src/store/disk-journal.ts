// The disk store's journal: what makes a small PUT durable with one fdatasync of a file that exists already.
//
// Without it a PUT fsyncs the new file and its folder, each a commit of the file system's own journal; that is most of the
// time of a delivery. With it the object's bytes are appended here and made durable together with those of all other PUTs under
// way; the file is written meanwhile, and then renamed, in the page cache only: first durable, then visible, then acknowledged. A message and
// its event need one fdatasync for both: a file of the journal is read from its beginning to the first record that is not
// whole, so what stands behind another is never found without it.
// Later a checkpoint fsyncs the files and folders, mostly after the kernel has written them anyway, and the journal's file
// begins anew. After a power cut journal-recovery.ts brings back what the kernel had not written.
//
//   journal/<id>.sock   a socket of the process: who can connect knows that it lives
//   journal/<id>-<n>    its files, SEGMENT_BYTES each; the form is in journal-record.ts
import fs from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import type { DiskFolders } from './disk-folders.ts';
import { fdatasync, fsync, writeAllAtSync } from './disk-io.ts';
import { BLOCK, encodeHead, encodeRecord, spaceOf } from './journal-record.ts';
import type { Kind } from './journal-record.ts';
import { live, remove, segmentPath } from './journal-owner.ts';
import type { Alive } from './journal-owner.ts';
import { settle } from './journal-settle.ts';

/** Of one file of a journal. */
const SEGMENT_BYTES = 16 * 1024 * 1024;
const SEGMENTS_MAX = 8;
/** A segment that has waited so long is checkpointed: by then the kernel has written most of it (it does after 5 to 30 s). */
const REST_MS = 20_000;
/** After so long quiet it is noted that all was shown. */
const MARK_MS = 100;
/** A process that leaves waits so long for its last checkpoint; else the next one to start makes it. */
const CLOSE_MS = 2000;

interface Segment {
  readonly fd: number;
  readonly path: string;
  generation: number;
  /** Where the next record goes. */
  tail: number;
  began: number;
  /** Files, and the folders that they are in, that a checkpoint makes durable. */
  readonly files: Set<string>;
  readonly folders: Set<string>;
  /** Of the last PUT of each name, its sequence number. */
  readonly names: Map<string, number>;
  /** Records whose objects were neither shown nor given up. */
  open: number;
  running: Promise<void> | null;
  next: Promise<void> | null;
}

export interface Entry {
  readonly name: string;
  readonly segment: Segment;
  readonly sequence: number;
  /** Resolves when the record is durable. */
  readonly durable: Promise<void>;
  /** Records that stand before this one because it must never be found without them. */
  readonly before: readonly Entry[];
  /** Those that must never be found without this one. */
  readonly behind: Entry[];
  /** The object has its name. */
  shown: boolean;
}

export interface JournalOptions {
  /** The store's folder `journal`. */
  folder: string;
  id: string;
  boot: string;
  folders: DiskFolders;
  clock: Clock;
  logger: Logger;
}

export class DiskJournal {
  readonly #o: JournalOptions;
  readonly #alive: Alive;
  #segments = 0;
  #active: Segment;
  #free: Segment[] = [];
  /** Segments that take nothing more, oldest first. */
  #full: Segment[] = [];
  #sequence = 0;
  /** Sequence numbers of records that are open, ascending. */
  readonly #open = new Set<number>();
  /** The open records by their names. */
  readonly #under = new Map<string, Entry>();
  #marked = 0;
  #growing: Promise<void> | null = null;
  #checkpoint: Promise<void> | null = null;
  #tick: (() => void) | null = null;
  #mark: (() => void) | null = null;
  #broken = false;
  /** When a checkpoint is given up, by the monotonic clock. */
  #deadline = Infinity;
  #closed = false;

  /** Null where there can be none (no socket in this file system, no room): then PUTs go without. */
  static async start(o: JournalOptions): Promise<DiskJournal | null> {
    let alive: Alive | null = null;
    try {
      alive = await live(o.folder, o.id);
      return new DiskJournal(o, alive, await newSegment(o, 0));
    } catch (e) {
      await alive?.end();
      o.logger.info('the disk store works without a journal', { why: reason(e) });
      return null;
    }
  }

  private constructor(o: JournalOptions, alive: Alive, first: Segment) {
    this.#o = o;
    this.#alive = alive;
    this.#active = first;
    this.#segments = 1;
  }

  /**
   * Appends an object's file; call `end` when it was shown, or never will be. Null when there is no room just now, or where the
   * objects `before` are not under way in the same file of the journal: only there one fdatasync is enough for all, and only
   * there what comes first is always found first.
   */
  append(name: string, file: string, folder: string, pieces: readonly Uint8Array[], bytes: number, before: readonly string[] = []): Entry | null {
    const segment = this.#roomFor(spaceOf(name, bytes));
    if (!segment) return null;
    const first: Entry[] = [];
    for (const other of before) {
      const entry = this.#under.get(other);
      if (entry?.segment !== segment) return null;
      first.push(entry);
    }
    const sequence = this.#write(segment, 'put', name, pieces);
    if (sequence === null) return null;
    this.#open.add(sequence);
    segment.open++;
    segment.files.add(file);
    segment.folders.add(folder);
    segment.names.set(name, sequence);
    const entry: Entry = { name, segment, sequence, durable: this.#flush(segment), before: first, behind: [], shown: false };
    for (const other of first) other.behind.push(entry);
    this.#under.set(name, entry);
    return entry;
  }

  /** `shown`: whether the object has its name now. */
  end(entry: Entry, shown: boolean): void {
    entry.shown = shown;
    if (!shown) this.giveUp(entry).catch(noop);
    this.#open.delete(entry.sequence);
    if (this.#under.get(entry.name) === entry) this.#under.delete(entry.name);
    entry.segment.open--;
    this.#mark ??= this.#o.clock.after(MARK_MS, () => this.#noteShown());
  }

  /** What is given up must not come back, unless it was stored by another try since. First what must not be found without it. */
  async giveUp({ name, sequence, behind }: Entry): Promise<void> {
    if (behind.length > 0) await Promise.all(behind.map((other) => this.giveUp(other)));
    const last = Math.max(...[this.#active, ...this.#full].map((segment) => segment.names.get(name) ?? 0));
    if (last === sequence) await this.forget(name);
  }

  /** The object is about to be deleted, or replaced by a PUT that goes without the journal. Null when the journal says nothing of it. */
  forget(name: string): Promise<void> | null {
    if (![this.#active, ...this.#full].some((segment) => segment.names.has(name))) return null;
    const segment = this.#roomFor(spaceOf(name, 0)) ?? this.#active;
    if (this.#write(segment, 'forget', name, []) === null) return null;
    return this.#flush(segment);
  }

  /** Makes all durable in its own place, and removes the journal, or leaves it where that takes long. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#tick?.();
    this.#mark?.();
    this.#deadline = this.#o.clock.monotonic() + CLOSE_MS;
    const { clock, folder, id, logger } = this.#o;
    const settled = this.#settleAll().then(
      () => true,
      (e) => (logger.info('the journal of the disk store is left for the next start', { why: reason(e) }), false),
    );
    let late = (): void => {};
    const done = await Promise.race([settled, new Promise<boolean>((resolve) => (late = clock.after(CLOSE_MS, () => resolve(false))))]);
    late();
    const all = [...this.#full, this.#active, ...this.#free];
    if (done) remove(folder, id, all.map((segment) => segment.path));
    if (done) for (const { fd } of all) fs.closeSync(fd);
    await this.#alive.end();
  }

  async #settleAll(): Promise<void> {
    await this.#growing;
    await this.#checkpoint;
    const all = [...this.#full, this.#active];
    const merge = (of: (segment: Segment) => Set<string>) => all.flatMap((segment) => [...of(segment)]);
    await settle(merge((s) => s.files), merge((s) => s.folders), this.#o.folders, () => this.#o.clock.monotonic() < this.#deadline);
  }

  #roomFor(space: number): Segment | null {
    if (this.#broken || this.#closed || BLOCK + space > SEGMENT_BYTES) return null;
    if (this.#active.tail + space <= SEGMENT_BYTES) {
      if (this.#active.tail > SEGMENT_BYTES / 2 && this.#free.length === 0) this.#grow();
      return this.#active;
    }
    return this.#rotate() ? this.#active : null;
  }

  #rotate(): boolean {
    const next = this.#free.pop();
    if (!next) {
      this.#grow();
      return false;
    }
    this.#full.push(this.#active);
    this.#active = next;
    next.began = this.#o.clock.monotonic();
    if (this.#full.length >= SEGMENTS_MAX / 2) this.#settleOldest();
    return true;
  }

  #grow(): void {
    if (this.#growing || this.#closed) return;
    if (this.#segments >= SEGMENTS_MAX) return this.#settleOldest();
    this.#growing = newSegment(this.#o, this.#segments)
      .then((segment) => {
        this.#segments++;
        this.#free.push(segment);
      })
      .catch((e) => this.#o.logger.info('the journal of the disk store does not grow', { why: reason(e) }))
      .finally(() => (this.#growing = null));
  }

  /** The record's sequence number; null when the file can't be written: then the journal takes nothing more. */
  #write(segment: Segment, kind: Kind, name: string, pieces: readonly Uint8Array[]): number | null {
    const sequence = ++this.#sequence;
    const [first] = this.#open;
    const complete = (first ?? sequence) - 1;
    const head = encodeRecord({ sequence, complete, time: this.#o.clock.now(), kind, name }, segment.generation, pieces);
    try {
      segment.tail = Math.ceil(writeAllAtSync(segment.fd, [head, ...pieces], segment.tail) / BLOCK) * BLOCK;
    } catch (e) {
      this.#fail(e);
      return null;
    }
    this.#marked = Math.max(this.#marked, complete);
    this.#tick ??= this.#o.clock.after(REST_MS, () => this.#rest());
    return sequence;
  }

  /** One fdatasync serves all that was written before it began; a message and its event come one right after the other. */
  #flush(segment: Segment): Promise<void> {
    return (segment.next ??= (segment.running ?? setImmediate()).catch(noop).then(() => (segment.running = this.#sync(segment))));
  }

  async #sync(segment: Segment): Promise<void> {
    segment.next = null;
    try {
      await fdatasync(segment.fd);
    } catch (e) {
      this.#fail(e);
      throw e;
    } finally {
      // Whoever waits for the next begins it in a microtask of this one.
      if (segment.next === null) segment.running = null;
    }
  }

  #fail(e: unknown): void {
    if (!this.#broken) this.#o.logger.warn('the journal of the disk store can not be written: PUTs go without', { why: reason(e) });
    this.#broken = true;
  }

  #noteShown(): void {
    this.#mark = null;
    if (this.#closed || this.#broken || this.#open.size > 0 || this.#marked >= this.#sequence) return;
    const segment = this.#roomFor(BLOCK);
    if (!segment || this.#write(segment, 'mark', '', []) === null) return;
    this.#marked = this.#sequence;
    this.#flush(segment).catch(() => {});
  }

  #rest(): void {
    this.#tick = null;
    const now = this.#o.clock.monotonic();
    const used = this.#active.tail > BLOCK;
    if (used && now - this.#active.began >= REST_MS) this.#rotate();
    this.#settleOldest();
    if (used || this.#full.length > 0) this.#tick = this.#o.clock.after(REST_MS, () => this.#rest());
  }

  /** In the background, one at a time. */
  #settleOldest(): void {
    if (this.#checkpoint || this.#closed) return;
    // The oldest only: what a later one says of a name (replaced, forgotten) must not go before what an earlier one says.
    const [segment] = this.#full;
    if (!segment || segment.open > 0) return;
    this.#checkpoint = this.#settle(segment)
      .then(() => void this.#free.push(this.#full.shift()!))
      .catch((e) => this.#o.logger.warn('a checkpoint of the disk store is put off', { why: reason(e) }))
      .finally(() => (this.#checkpoint = null));
  }

  /** Fsyncs the files and folders, then begins the segment anew. */
  async #settle(segment: Segment): Promise<void> {
    if (segment.tail === BLOCK) return;
    await settle([...segment.files], [...segment.folders], this.#o.folders, () => this.#o.clock.monotonic() < this.#deadline);
    segment.files.clear();
    segment.folders.clear();
    segment.names.clear();
    segment.generation++;
    segment.tail = BLOCK;
    fs.writeSync(segment.fd, encodeHead({ generation: segment.generation, boot: this.#o.boot }), 0, BLOCK, 0);
    await fdatasync(segment.fd);
  }
}

/** A file of its full size, durable, so that an fdatasync of it changes nothing but data. */
async function newSegment({ folder, id, boot, clock }: JournalOptions, n: number): Promise<Segment> {
  const path = segmentPath(folder, id, n);
  const handle = await fs.promises.open(path, 'wx', 0o600);
  try {
    const zeros = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < SEGMENT_BYTES; at += zeros.length) await handle.write(zeros, 0, zeros.length, at);
    await handle.write(encodeHead({ generation: 1, boot }), 0, BLOCK, 0);
    await handle.sync();
    await syncFolder(folder);
  } catch (e) {
    await handle.close();
    fs.rmSync(path, { force: true });
    throw e;
  }
  await handle.close();
  return { fd: fs.openSync(path, 'r+'), path, generation: 1, tail: BLOCK, began: clock.monotonic(), files: new Set(), folders: new Set(), names: new Map(), open: 0, running: null, next: null };
}

function noop(): void {}

async function syncFolder(folder: string): Promise<void> {
  const fd = fs.openSync(folder, 'r');
  try {
    await fsync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
