// What a replica knows of a log by names alone: no secret needed. LISTs it, makes certain what LISTs show, and moves
// `closed`, the position up to which all that can still matter has been listed.
import { Corrupt, Unavailable, reason } from '../base/index.ts';
import type { Clock, EventRef, Position } from '../base/index.ts';
import { afterPosition, logPrefix, parseEventLeaf } from '../store/index.ts';
import type { Listed, StoredObject } from '../store/index.ts';
import { Acknowledged } from './acknowledged.ts';
import type { Withheld } from './acknowledged.ts';
import type { Bundle } from './bundle.ts';
import { Arrivals } from './arrivals.ts';
import { DigestSet } from './digest.ts';
import { Entry, Remembered } from './entry.ts';
import { eventId, readEvent } from './event.ts';
import type { StoredEvent } from './event.ts';
import { Guard, NotListed, authentic } from './guard.ts';
import { readCovers } from './hollow.ts';
import type { LogMutations } from './mutations.ts';
import { listAll, readAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { covers, needed } from './snapshot.ts';
import type { Manifest } from './snapshot.ts';

export interface ListingOptions extends Reading {
  clock: Clock;
  mutations: LogMutations;
  /** Hears of every event that becomes known and is not in a snapshot. */
  onLearned(entry: Entry): void;
  /** Twelve hours went by: all is forgotten. */
  onForgotten(): void;
}

/** When a LIST began, by both clocks, and the store's own time of its answer. */
export interface ListTime {
  mono: number;
  wall: number;
  date: number;
}

interface Running {
  began: number;
  full: boolean;
  promise: Promise<void>;
}

export class Listing {
  readonly #o: ListingOptions;
  entries = new Map<string, Entry>();
  names = new DigestSet<Entry>();
  closed: Position = 0;
  /** The greatest position that is listed or covered. */
  greatest: Position = 0;
  /** Snapshots that were read at the start and count. */
  manifests: Manifest[] = [];
  /** Names of snapshots of which a part was found gone: they don't count. `leftOut`: those that are there still. */
  readonly hollow = new Set<string>();
  leftOut: Manifest[] = [];
  bundles: Bundle[] = [];
  listed: ListTime | null = null;
  /** Monotonic time at which the last whole LIST began. */
  fullAt = -Infinity;
  /** The own event whose PUT has no answer yet. A LIST that shows it makes it certain like any other, but needs no GET. */
  putting: { id: string; bytes: Buffer } | null = null;
  /** Sessions want a whole LIST now and then. */
  attached = false;
  started = false;
  /** How often all was forgotten. */
  restarts = 0;
  /** Messages added and their bytes, of the events that were read and that no snapshot lists. */
  counted = { messages: 0, bytes: 0 };
  #generation = 0;
  /** What the store told last, where it can leave out what it told: all of that was taken. */
  #told: number | undefined;
  #leaves = new Map<string, Entry>();
  readonly #sure = new Acknowledged();
  #arrivals = new Arrivals();
  #running: Running | null = null;
  #next: Running | null = null;
  #kept = new Remembered();

  constructor(options: ListingOptions) {
    this.#o = options;
  }

  /** Knows what a LIST begun at most `maxAgeMs` ago shows; 0: begun from now on. Throws Unavailable, Corrupt. */
  refresh(maxAgeMs: number, full = false): Promise<void> {
    const now = this.#o.clock.monotonic();
    if (this.attached && !this.#running && now - this.fullAt >= this.#o.limits.full_list_ms) full = true;
    if (!full && maxAgeMs > 0) {
      if (this.listed && now - this.listed.mono <= maxAgeMs) return Promise.resolve();
      if (this.#running && now - this.#running.began <= maxAgeMs) return this.#running.promise;
    }
    // Between the end of one and the beginning of the next there is a moment in which none runs.
    if (!this.#running && !this.#next) return this.#begin(full).promise;
    if (!this.#next) {
      const next: Running = { began: Infinity, full, promise: Promise.resolve() };
      this.#next = next;
      next.promise = this.#running!.promise.then(noop, noop).then(() => {
        this.#next = null;
        return this.#begin(next.full).promise;
      });
    }
    this.#next.full ||= full;
    return this.#next.promise;
  }

  #begin(full: boolean): Running {
    const running: Running = { began: this.#o.clock.monotonic(), full, promise: Promise.resolve() };
    this.#running = running;
    running.promise = this.#list(full).finally(() => {
      if (this.#running === running) this.#running = null;
    });
    // Whoever shares it hears of a failure; nobody else needs to.
    running.promise.catch(noop);
    return running;
  }

  /** Forgets all but what is known to be acknowledged; the next LIST begins with the snapshots. */
  restart(): void {
    this.restarts++;
    for (const { id, ref } of this.entries.values()) this.#sure.add(id, ref);
    this.entries = new Map();
    this.#leaves = new Map();
    this.names = new DigestSet();
    this.closed = 0;
    this.manifests = [];
    this.bundles = [];
    this.listed = null;
    this.fullAt = -Infinity;
    this.started = false;
    this.#told = undefined;
    this.#arrivals = new Arrivals();
    this.#kept = new Remembered();
    this.counted = { messages: 0, bytes: 0 };
  }

  /** An event is known to be acknowledged, at a time when nothing else is known: the first LIST will show it. */
  sure(id: string, ref: EventRef): void {
    this.#sure.add(id, ref);
  }
  /** Events that were known or told of, and that whole LISTs did not show since then. */
  get withheld(): Withheld[] {
    return this.#sure.withheld((id) => this.entries.has(id));
  }

  /** For quota: what an event that no snapshot lists has added. */
  count(header: { messages: number; bytes: number }): void {
    this.counted.messages += header.messages;
    this.counted.bytes += header.bytes;
  }

  async #list(full: boolean): Promise<void> {
    const { clock, store, root, limits, mutations } = this.#o;
    const began = { mono: clock.monotonic(), wall: clock.now() };
    if (!this.started) await this.#start();
    const closes = this.#arrivals.greatestAt(began.mono - (mutations.noWindow ? 0 : limits.put_window_ms));
    const from = mutations.listFromGreatest ? closes : this.closed;
    const { rows, date, told } = await listAll(store, logPrefix(root), limits.list_keys_max, full ? {} : { startAfter: afterPosition(root, from), keysFirst: limits.list_tail_keys_max, told: this.#told });
    if (this.listed && date - this.listed.date > limits.forget_ms && !mutations.neverForget) {
      this.restart();
      this.#sure.clear();
      this.#o.onForgotten();
      return this.#list(true);
    }
    const generation = full ? ++this.#generation : this.#generation;
    const taken = await this.#take(rows, generation);
    if (taken === 'all') this.#told = told;
    this.listed = { ...began, date };
    if (closes > this.closed) this.closed = closes;
    if (!full) return;
    if (this.#o.authenticator instanceof Guard) this.#o.authenticator.forget();
    this.fullAt = began.mono;
    this.#sure.listed((id, { position }) => position <= this.names.base || this.entries.has(id), began.mono);
    if (this.attached) await this.#vanished(generation, began.mono);
  }

  /** A replica that knows nothing starts from the snapshots' floor and digest, and from what is in bundles. */
  async #start(): Promise<void> {
    const { manifests, leftOut, bundles } = await readCovers(this.#o, this.hollow);
    Object.assign(this, { manifests, leftOut, bundles });
    const base = manifests.at(-1);
    this.names = new DigestSet(base?.floor ?? 0, base?.digestNumber ?? 0n);
    this.closed = base?.floor ?? 0;
    for (const m of manifests) {
      this.greatest = Math.max(this.greatest, m.position, m.floor);
      for (const e of m.covers) {
        const id = eventId(e.ref.writer, e.ref.seq);
        this.#sure.add(id, e.ref);
        const below = e.ref.position <= base!.floor;
        // Not in the greatest snapshot by name: it was collected before that one, or that one has passed it over. If it is
        // still there, a whole LIST shows it.
        if (this.entries.has(id) || (below && !base!.named.has(id))) continue;
        const entry = new Entry(this.#o.root, e.ref, e.modified, this.#generation);
        entry.inBase = below;
        this.#add(entry);
      }
    }
    for (const bundle of bundles) {
      for (const e of bundle.events) {
        const id = eventId(e.ref.writer, e.ref.seq);
        const known = this.entries.get(id);
        if (known) known.bundled = true;
        else this.learn(e.ref, e.modified, await this.#read(logPrefix(this.#o.root) + e.leaf, e.bytes), true);
      }
    }
    this.started = true;
  }

  #add(entry: Entry): void {
    this.entries.set(entry.id, entry);
    this.#leaves.set(entry.leaf, entry);
    if (!entry.inBase) this.names.add(entry);
    if (entry.last > this.greatest) this.greatest = entry.last;
    entry.since = this.#o.clock.monotonic();
    this.#arrivals.add(entry.since, entry.last);
  }

  /** An event that is known to be acknowledged. */
  learn(ref: EventRef, modified: number, stored: StoredEvent | null, bundled = false, leaf?: string): Entry {
    const id = eventId(ref.writer, ref.seq);
    const known = this.entries.get(id);
    if (known) return known;
    const entry = new Entry(this.#o.root, ref, modified, this.#generation, leaf);
    entry.bundled = bundled;
    if (stored) {
      this.count(stored.header);
      if (this.attached) entry.stored = stored;
    }
    if (ref.position <= this.closed || (stored && this.#landedLate(stored, modified))) entry.over = true;
    this.#add(entry);
    if (stored) this.keep(entry, stored.bytes);
    this.#o.onLearned(entry);
    return entry;
  }

  /** Its writer had given up when it landed: nobody was told OK, and floors may have passed it. */
  #landedLate(stored: StoredEvent, modified: number): boolean {
    return modified - stored.header.born > this.#o.limits.put_window_ms;
  }

  /** Sessions remember the newest bytes, to PUT them again should the object vanish. */
  keep(entry: Entry, bytes: Buffer): void {
    if (this.attached && !entry.kept) this.#kept.keep(entry, bytes, this.#o.limits.log_remembered_bytes_max);
  }

  /** Some: a GET did not show what the LIST did. Throws Unavailable when something that the LIST shows could not be made certain. */
  async #take(rows: readonly Listed[], generation: number): Promise<'all' | 'some'> {
    const fresh = new Map<string, { row: Listed; ref: EventRef; leaf: string }[]>();
    const prefix = logPrefix(this.#o.root).length;
    for (const row of rows) {
      const leaf = row.name.slice(prefix);
      const known = this.#leaves.get(leaf);
      if (known) {
        known.generation = generation;
        if (known.modified === 0) known.modified = row.modified;
        continue;
      }
      let ref: EventRef;
      try {
        ref = parseEventLeaf(leaf);
      } catch (e) {
        this.#o.logger.error('a stranger among the events', { name: row.name, reason: reason(e) });
        continue;
      }
      if (!fresh.has(ref.writer)) fresh.set(ref.writer, []);
      fresh.get(ref.writer)!.push({ row, ref, leaf });
    }
    if (fresh.size === 0) return 'all';
    const sure: { ref: EventRef; leaf: string; modified: number; stored: StoredEvent | null }[] = [];
    const largest = (list: { row: Listed }[]) => list.reduce((most, { row }) => Math.max(most, row.bytes), 0);
    const all = await readAll([...fresh.values()], largest, this.#o.limits.log_read_bytes_max, (list) => this.#certain(list, sure));
    sure.sort((a, b) => a.ref.position - b.ref.position || (a.leaf < b.leaf ? -1 : 1));
    for (const { ref, leaf, modified, stored } of sure) {
      if (ref.position > this.greatest + this.#o.limits.position_jump_max) {
        this.#o.logger.error('an event lies too far beyond the log and is refused', { name: leaf });
        throw new Corrupt(`an event lies too far beyond the log: ${leaf}`);
      }
      this.learn(ref, modified, stored, false, leaf).generation = generation;
    }
    const failed = all.find((why) => why !== null);
    if (failed) throw new Unavailable(`an event that is not known to be acknowledged could not be stored again: ${failed}`);
    return sure.length === [...fresh.values()].reduce((n, list) => n + list.length, 0) ? 'all' : 'some';
  }

  /** One writer's new names, from the last to the first: that a later one was sent proves that those before were acknowledged. Resolves with why one could not be stored again, or null. */
  async #certain(list: { row: Listed; ref: EventRef; leaf: string }[], sure: { ref: EventRef; leaf: string; modified: number; stored: StoredEvent | null }[]): Promise<string | null> {
    let failed: string | null = null;
    list.sort((a, b) => b.ref.seq - a.ref.seq);
    let later: number | null = null;
    for (const { row, ref, leaf } of list) {
      const id = eventId(ref.writer, ref.seq);
      if (later === ref.seq + 1 || this.entries.has(eventId(ref.writer, ref.seq + 1)) || this.entries.has(id) || this.#sure.has(id) || this.#o.mutations.noSecondPut) {
        sure.push({ ref, leaf, modified: row.modified, stored: null });
        later = ref.seq;
        continue;
      }
      try {
        const stored = await this.#confirm(row, this.putting?.id === id ? this.putting.bytes : null);
        // Shown by the LIST and not by a GET: not acknowledged, so it doesn't count yet.
        if (!stored) continue;
        sure.push({ ref, leaf, ...stored });
        later = ref.seq;
      } catch (e) {
        if (e instanceof Corrupt) {
          this.#o.logger.error('an event is not what was written', { name: row.name, reason: reason(e) });
          if (this.attached && !(e instanceof NotListed)) throw e;
          continue;
        }
        failed = reason(e);
        later = ref.seq;
      }
    }
    return failed;
  }

  #read(name: string, bytes: Buffer): Promise<StoredEvent> {
    const { root, authenticator, mutations } = this.#o;
    return authentic(this.#o, () => readEvent(authenticator, root, name, bytes, mutations.firstPositionInName));
  }

  /** PUTs the same bytes again, with the first time that was seen. */
  async #confirm(row: Listed, own: Buffer | null): Promise<{ modified: number; stored: StoredEvent } | null> {
    const { store } = this.#o;
    const object: Pick<StoredObject, 'bytes' | 'modified' | 'firstModified'> | null = own ? { bytes: own, modified: row.modified, firstModified: null } : await store.get(row.name);
    if (!object) return null;
    const stored = await this.#read(row.name, object.bytes);
    const modified = object.firstModified ?? object.modified;
    await store.confirm(row.name, object.bytes, modified);
    return { modified, stored };
  }

  /** GETs and verifies an event; null when it is not there. Says whether it landed after its window. */
  async fetch(entry: Entry): Promise<StoredEvent | null> {
    const object = await this.#o.store.get(entry.name);
    if (!object) return null;
    const stored = await this.#read(entry.name, object.bytes);
    if (this.#landedLate(stored, object.firstModified ?? object.modified)) entry.over = true;
    this.keep(entry, stored.bytes);
    this.count(stored.header);
    return stored;
  }

  /** What a whole LIST didn't show though it is known: collected, or lost and then stored again. */
  async #vanished(generation: number, began: number): Promise<void> {
    const { store, logger } = this.#o;
    const gone = [...this.entries.values()].filter((e) => e.since < began && e.generation !== generation && !e.bundled && e.id !== this.putting?.id);
    if (gone.length === 0) return;
    const { manifests, bundles } = await readCovers(this.#o, this.hollow);
    const floor = manifests.at(-1)?.floor ?? 0;
    for (const e of gone) {
      if (bundles.some((b) => b.named.has(e.id))) e.bundled = true;
      else if (manifests.some((m) => covers(m, e.id, false, e.last))) continue;
      else if (e.kept) {
        logger.error('an event is gone from the store and is stored again', { name: e.name });
        await store.put(e.name, e.kept, { firstModified: e.modified || (e.summary?.born ?? this.listed!.date) });
        e.generation = generation;
      } else logger.error('an event is gone from the store', { name: e.name });
    }
    const left = [...this.entries.values()].filter((e) => e.generation === generation || e.bundled).reduce((least, e) => Math.min(least, e.last), Infinity);
    this.prunable = Math.min(floor, this.closed, left - 1);
  }

  /** All at or below it is covered and gone from the store: its names need not stay in memory. */
  prunable: Position = 0;

  /** Keeps digests and drops names at or below `floor`. */
  prune(floor: Position): void {
    if (floor <= this.names.base) return;
    this.names.rebase(floor);
    for (const [id, e] of this.entries) {
      if (e.last > floor) continue;
      this.entries.delete(id);
      this.#leaves.delete(e.leaf);
    }
  }

  /** The snapshots that a reader has to join. */
  neededManifests(): Manifest[] {
    return needed(this.manifests, (id) => this.inLog(id));
  }

  /** In the log or in a bundle, as the last whole LIST showed. */
  inLog(id: string): boolean {
    const entry = this.entries.get(id);
    return entry !== undefined && (entry.bundled || entry.generation === this.#generation);
  }

  /** Ends when no LIST was under way for a moment; another may have begun when the caller hears of it (`busy`). */
  async quiet(): Promise<void> {
    for (let last = this.#next ?? this.#running; last; last = this.#next ?? this.#running) await last.promise.then(noop, noop);
  }
  /** A LIST is under way, or begins as soon as those who waited for the last one hear of its end. */
  get busy(): boolean {
    return this.#running !== null || this.#next !== null;
  }
}

function noop(): void {}
