// The disk store: one folder of one machine, shared by any number of processes.
//
//   format     one line of text: which version wrote this folder
//   tmp/       files being written; renamed into place when they are complete
//   objects/   the objects (disk-path.ts says where)
//   journal/   what was made durable there first (disk-journal.ts)
//
// PUT: make the bytes durable, then rename the finished file, so that a name never shows half-written bytes, to no process and
// after no power cut. A small object of a process that writes often is made durable by the journal; any other by an fdatasync
// of its file and an fsync of its folder (and of new folders above it). An object of the latter kind found by LIST may still lack
// the folder's fsync: `confirm` does it. Time is the machine's: `modified` is the file's mtime, `date` the clock.
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { Corrupt, Unavailable, limits, randomId, reason } from '../base/index.ts';
import type { Clock, Logger, Random, Refused } from '../base/index.ts';
import { checkName, checkPrefix, checkRange, pageSize } from './check-name.ts';
import { DiskCache } from './disk-cache.ts';
import { codeOf, diskError, isAbsent } from './disk-error.ts';
import { TRAILER_BYTES, readTrailer, trailer } from './disk-file.ts';
import { DiskFolders } from './disk-folders.ts';
import { DiskIo, SYNC_READ_BYTES_MAX, fdatasync, openNew, readAll, readAllSync, writeAll, writeAllSync } from './disk-io.ts';
import { DiskJournal } from './disk-journal.ts';
import { DiskList } from './disk-list.ts';
import { bootId, prepareFolder } from './disk-open.ts';
import { placeOf } from './disk-path.ts';
import { DiskShow, touchIfLate } from './disk-show.ts';
import { Gate } from './gate.ts';
import { checkMaySend, checkSignal, comeBefore, gaveUp } from './give-up.ts';
import { recover } from './journal-recovery.ts';
import type { ListOptions, ListPage, ObjectStore, PutOptions, StoredObject } from './object-store.ts';

/** Bytes written to the page cache here and now; more goes through libuv's pool. */
const SYNC_WRITE_BYTES_MAX = 256 * 1024;
/** After so many PUTs a process gets a journal: one that comes for a command or two needs none. */
const PUTS_BEFORE_JOURNAL = 8;
/** How often a process looks for journals that others left when they died. */
const LOOK_MS = 60_000;

type Source = Uint8Array[] | (() => AsyncIterable<Uint8Array> | Uint8Array[]);
/** A file on its way to its name. */
interface Temp {
  readonly path: string;
  readonly name: string;
  readonly folder: string;
  readonly leaf: string;
  /** When its last byte was written, by the clock. */
  wrote: number;
}
/** Over when the caller got an error already. */
interface Call {
  over: boolean;
  /** Asked before the file is written, and again before it appears under its name. */
  maySend?: () => boolean;
}

export class DiskStore implements ObjectStore {
  readonly counts = { put: 0, get: 0, list: 0, delete: 0 };
  readonly preparesPuts = true;
  readonly #clock: Clock;
  readonly #what: string;
  readonly #objects: string;
  readonly #format: string;
  readonly #journals: string;
  readonly #temp: string;
  readonly #io: DiskIo;
  readonly #shows: DiskShow;
  readonly #cache: DiskCache;
  readonly #folders: DiskFolders;
  readonly #list: DiskList;
  readonly #gate = new Gate(limits.store_concurrency_max);
  readonly #logger: Logger;
  readonly #id: string;
  #n = 0;
  #journal: DiskJournal | null = null;
  #beginning: Promise<void> | null = null;
  /** Recovery under way; `#closed` cuts it short. */
  #recovery: Promise<void> | null = null;
  #look: (() => void) | null = null;
  #closed = false;
  /** Why it is for reading alone. */
  #refused: Refused | null = null;

  /** Opens the folder, or makes it; another user's for reading alone. Malformed: none can be there; Unavailable: not writable; Corrupt: damaged, too new. */
  static async open(folder: string, clock: Clock, random: Random, logger: Logger): Promise<DiskStore> {
    const root = path.resolve(folder);
    const store = new DiskStore(root, clock, random, logger);
    try {
      store.#refused = prepareFolder(root, clock, random, logger);
      if (!store.#refused) await store.#recover();
    } catch (e) {
      throw diskError(e, root);
    }
    return store;
  }

  private constructor(root: string, clock: Clock, random: Random, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#id = randomId(random, 80);
    this.#what = root;
    this.#objects = `${root}/objects`;
    this.#format = `${root}/format`;
    this.#journals = `${root}/journal`;
    this.#temp = `${root}/tmp/${process.pid}-${this.#id}-`;
    this.#io = new DiskIo(clock);
    this.#cache = new DiskCache(clock, this.#io);
    this.#folders = new DiskFolders(this.#objects);
    this.#shows = new DiskShow(clock, this.#folders, () => this.#temp + this.#n++);
    this.#list = new DiskList(this.#objects, this.#io, this.#cache);
  }

  put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    const pieces = Array.isArray(bytes) ? bytes : [bytes];
    let size = 0;
    for (const piece of pieces) size += piece.length;
    if (size > SYNC_WRITE_BYTES_MAX) return this.#put(name, size, () => pieces, options);
    return this.#put(name, size, pieces, options);
  }

  putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }> {
    return this.#put(name, bytes, source, options);
  }

  async #put(name: string, size: number, source: Source, options: PutOptions | undefined): Promise<{ date: number }> {
    checkName(name);
    checkSignal(options?.signal);
    if (this.#refused) throw this.#refused;
    this.counts.put++;
    const call: Call = { over: false, maySend: options?.maySend };
    const { folder, leaf } = placeOf(name);
    const file: Temp = { path: this.#temp + this.#n++, name, folder: folder === '' ? this.#objects : `${this.#objects}/${folder}`, leaf, wrote: 0 };
    const first = options?.firstModified ?? null;
    if (this.counts.put === PUTS_BEFORE_JOURNAL) this.#beginJournal();
    const store = () => this.#inLine(file, async () => (await this.#journaled(file, size, source, first, call)) ?? this.#direct(file, size, source, first, call));
    const after = options?.after;
    const together = async (): Promise<{ date: number } | null> => (options?.behind ? this.#inLine(file, () => this.#journaled(file, size, source, first, call, options)) : null);
    // What waits for another keeps no place in line.
    const work = after ? together().then((done) => done ?? comeBefore(after).then(store)) : store();
    return this.#bounded(work, size, call, options?.signal);
  }

  /** Null when the journal does not take it; with `after` and `behind`, when it does not take it together with those. */
  async #journaled(file: Temp, size: number, source: Source, first: number | null, call: Call, { after, behind }: PutOptions = {}): Promise<{ date: number } | null> {
    const journal = this.#journal;
    if (!journal || !Array.isArray(source)) return null;
    this.#check(call);
    const { folder, leaf, name } = file;
    const place = `${folder}/${leaf}`;
    const pieces = [...source, trailer(size, first)];
    const entry = journal.append(name, place, folder, pieces, size + TRAILER_BYTES, behind);
    if (!entry) return null;
    let shown = false;
    // While the disk is busy with the journal.
    const unnamed = setImmediate().then(() => this.#shows.prepare(pieces));
    unnamed.catch(noop); // awaited below, unless something else throws
    try {
      if (after) {
        // At once: whoever waits for the same may write something else in its place.
        after.catch(() => journal.giveUp(entry).catch(noop));
        entry.durable.catch(noop); // awaited below, unless this one throws
        await comeBefore(after);
      }
      await entry.durable;
      // One was given up, and stored in another try: that record stands behind this one.
      if (!entry.before.every((other) => other.shown)) return null;
      const file = await unnamed;
      this.#check(call);
      const done = this.#shows.show(file, folder, leaf);
      if (done) await done;
      shown = true;
    } finally {
      if (!shown) unnamed.then((file) => this.#shows.drop(file)).catch(noop);
      journal.end(entry, shown);
    }
    this.#cache.forget(folder, leaf);
    return { date: this.#clock.now() };
  }

  async #direct(file: Temp, size: number, source: Source, first: number | null, call: Call): Promise<{ date: number }> {
    await this.#journal?.forget(file.name);
    await this.#write(file, size, source, first, call);
    return this.#show(file, call);
  }

  /** Whoever gave up must not be surprised by the object later, where that can be helped. */
  #check(call: Call): void {
    if (call.over) throw new Unavailable('given up');
    checkMaySend(call.maySend);
  }

  /** A place in line is kept until the disk has answered, also when the caller no longer waits. */
  async #inLine<T>(file: Temp, work: () => Promise<T>): Promise<T> {
    const busy = this.#gate.enter();
    if (busy) await busy;
    try {
      return await work();
    } catch (e) {
      // Where it was renamed already there is none.
      fs.rmSync(file.path, { force: true });
      throw diskError(e, this.#what);
    } finally {
      this.#gate.leave();
    }
  }

  /** Complete and durable, still under a temporary name. What may wait for the journal goes through the pool. */
  async #write(file: Temp, size: number, source: Source, first: number | null, call: Call): Promise<void> {
    this.#check(call);
    // A new folder, and its name in those above, becomes durable beside the file.
    const ready = this.#folders.known(file.folder) ? null : this.#folders.make(file.folder).catch(noop);
    const fd = await openNew(file.path);
    try {
      if (Array.isArray(source)) {
        writeAllSync(fd, [...source, trailer(size, first)]);
      } else {
        let left = size;
        for await (const piece of source()) {
          left -= piece.length;
          if (left < 0 || call.over) break;
          await writeAll(fd, piece);
        }
        if (left !== 0) throw new Unavailable(`the source of ${file.name} did not give ${size} bytes`);
        await writeAll(fd, trailer(size, first));
      }
      file.wrote = this.#clock.now();
      await fdatasync(fd);
    } finally {
      fs.closeSync(fd);
    }
    await ready;
  }

  async #show(file: Temp, call: Call): Promise<{ date: number }> {
    this.#check(call);
    const { folder, leaf } = file;
    touchIfLate(this.#clock, file.path, file.wrote);
    await this.#folders.rename(file.path, folder, leaf);
    touchIfLate(this.#clock, `${folder}/${leaf}`, file.wrote);
    this.#cache.forget(folder, leaf);
    await this.#folders.sync(folder);
    return { date: this.#clock.now() };
  }

  async get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null> {
    checkName(name);
    checkRange(options?.from, options?.to);
    checkSignal(options?.signal);
    this.counts.get++;
    const { folder, leaf } = placeOf(name);
    const file = folder === '' ? `${this.#objects}/${leaf}` : `${this.#objects}/${folder}/${leaf}`;
    let fd: number | null = null;
    try {
      const opened = this.#io.run(
        () => fs.openSync(file, 'r'),
        () => new Promise<number>((resolve, reject) => fs.open(file, 'r', (e, f) => (e ? reject(e) : resolve(f)))),
      );
      fd = typeof opened === 'number' ? opened : await opened;
      const stat = fs.fstatSync(fd);
      if (!stat.isFile()) return null;
      return await this.#read(fd, name, stat, options?.from ?? 0, options?.to ?? Infinity);
    } catch (e) {
      if (isAbsent(e) && fs.existsSync(this.#format)) return null;
      throw diskError(e, this.#what);
    } finally {
      if (fd !== null) fs.closeSync(fd);
    }
  }

  /** Reads [from, to) and the trailer: in one go where the one follows the other. */
  async #read(fd: number, name: string, stat: fs.Stats, from: number, to: number): Promise<StoredObject> {
    const size = stat.size - TRAILER_BYTES;
    if (size < 0) throw new Corrupt(`the file of ${name} is damaged: it is too short`);
    const start = Math.min(from, size);
    const end = Math.min(to, size);
    if (end - start > limits.object_bytes_max) throw new Corrupt(`${name} is too large to be read as a whole: ${size} bytes`);
    const want = end - start;
    const buffer = Buffer.allocUnsafe(want + TRAILER_BYTES);
    const joined = end === size;
    const part = joined ? buffer : buffer.subarray(0, want);
    let n = want <= SYNC_READ_BYTES_MAX && this.#io.quick ? this.#io.run(() => readAllSync(fd, part, start), () => readAll(fd, part, start)) : readAll(fd, part, start);
    if (typeof n !== 'number') n = await n;
    if (!joined) n += readAllSync(fd, buffer.subarray(want), size);
    if (n !== buffer.length) throw new Corrupt(`the file of ${name} ended while it was read`);
    const { firstModified } = readTrailer(buffer, want, size, name);
    return { bytes: buffer.subarray(0, want), size, modified: Math.floor(stat.mtimeMs), firstModified, date: this.#clock.now() };
  }

  async list(options: ListOptions): Promise<ListPage> {
    checkPrefix(options.prefix);
    if (options.startAfter) checkPrefix(options.startAfter);
    const max = pageSize(options.maxKeys);
    checkSignal(options.signal);
    this.counts.list++;
    try {
      const told = this.#cache.found;
      const rows = await this.#list.rows({ prefix: options.prefix, startAfter: options.startAfter ?? '', told: options.told ?? -1 }, max + 1);
      // Of a disk that was unmounted nothing is there, which is not to say that there is nothing.
      fs.accessSync(this.#format);
      const truncated = rows.length > max;
      if (truncated) rows.pop();
      return { objects: rows, truncated, date: this.#clock.now(), told };
    } catch (e) {
      throw diskError(e, this.#what);
    }
  }

  async delete(name: string, options?: { signal?: AbortSignal }): Promise<void> {
    checkName(name);
    checkSignal(options?.signal);
    if (this.#refused) throw this.#refused;
    this.counts.delete++;
    const { folder, leaf } = placeOf(name);
    const full = folder === '' ? this.#objects : `${this.#objects}/${folder}`;
    try {
      await this.#journal?.forget(name);
      fs.unlinkSync(`${full}/${leaf}`);
      this.#cache.forget(full, leaf);
      // Durable, so that no power cut brings back what collection has taken.
      await this.#bounded(this.#folders.sync(this.#folders.prune(full)), 0, { over: false }, options?.signal);
    } catch (e) {
      // A folder of that name is no object: there is nothing to delete.
      if (!isAbsent(e) && codeOf(e) !== 'EISDIR') throw diskError(e, this.#what);
    }
  }

  async confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void> {
    checkName(name);
    const { folder, leaf } = placeOf(name);
    const full = folder === '' ? this.#objects : `${this.#objects}/${folder}`;
    try {
      // The file's own bytes were fsynced before it had this name.
      if (fs.existsSync(`${full}/${leaf}`)) return await this.#folders.sync(full);
    } catch (e) {
      throw diskError(e, this.#what);
    }
    await this.put(name, bytes, { firstModified });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#look?.();
    await this.#beginning;
    await this.#recovery;
    this.#shows.close();
    await this.#journal?.close();
  }

  #beginJournal(): void {
    const boot = bootId();
    if (boot === '') return;
    this.#beginning = DiskJournal.start({ folder: this.#journals, id: this.#id, boot, folders: this.#folders, clock: this.#clock, logger: this.#logger }).then((journal) => {
      this.#journal = journal;
      if (journal && !this.#closed) this.#lookLater();
    });
  }

  /** Shows what dead processes made durable; the rest of the work goes on in the background. */
  async #recover(): Promise<void> {
    const rest = await recover({ folder: this.#journals, objects: this.#objects, temp: `${this.#temp}recovered`, boot: bootId(), folders: this.#folders, clock: this.#clock, logger: this.#logger });
    this.#recovery = rest && rest(() => !this.#closed).finally(() => (this.#recovery = null));
  }

  #lookLater(): void {
    this.#look = this.#clock.after(LOOK_MS, () => {
      const looked = this.#recovery ?? this.#recover();
      looked.catch((e) => this.#logger.warn('journals of dead processes could not be read', { why: reason(e) })).finally(() => this.#closed || this.#lookLater());
    });
  }

  /** Ends the waiting, not the work, when the disk hangs or the caller gives up. */
  #bounded<T>(work: Promise<T>, bytes: number, call: Call, signal: AbortSignal | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const aborted = () => {
        call.over = true;
        end();
        reject(gaveUp(signal!));
      };
      const cancel = this.#clock.after(limits.store_request_ms_max + bytes / limits.store_bytes_per_ms_min, () => {
        call.over = true;
        end();
        reject(new Unavailable(`disk store ${this.#what}: the disk gives no answer`));
      });
      const end = () => {
        cancel();
        signal?.removeEventListener('abort', aborted);
      };
      signal?.addEventListener('abort', aborted, { once: true });
      work.then(
        (value) => (end(), resolve(value)),
        (e) => (end(), reject(e)),
      );
    });
  }
}

function noop(): void {}
