// One log of one user at one replica: what the rest of the program sees.
import { Corrupt, Unavailable, limits as defaultLimits, reason } from '../base/index.ts';
import type { Clock, EventRef, Limits, Logger, Position, Random, Writer } from '../base/index.ts';
import { partName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { Appender } from './appender.ts';
import type { Build } from './appender.ts';
import { writeBundle } from './bundle.ts';
import type { BundledEvent } from './bundle.ts';
import { eventId, readEvent } from './event.ts';
import { authentic, guarded } from './guard.ts';
import { isElsewhere } from './hollow.ts';
import { Listing } from './listing.ts';
import { noMutations } from './mutations.ts';
import type { LogMutations } from './mutations.ts';
import { sparing } from './reading.ts';
import type { Reading } from './reading.ts';
import { covers } from './snapshot.ts';
import type { Manifest, NamedParts } from './snapshot.ts';
import { readPrivateHalf } from './snapshot-format.ts';
import { writeSnapshot } from './snapshot-writer.ts';
import { Tail } from './tail.ts';
import type { Authenticator, Estimate, EventCodec, EventKind, Fold, FoldSource, Hint, LateEvent, ReplicaIdentity, SnapshotSource, SnapshotView, Submitted } from './types.ts';

const FORGOTTEN = 'the log was not listed for long, and is read anew';

/** A part of a snapshot that was collected meanwhile: detach, and attach again. */
export class PartGone extends Unavailable {}

export interface LogOptions<Op> {
  store: ObjectStore;
  /** `userRoot(user)` or DIRECTORY_LOG. */
  root: string;
  identity: ReplicaIdentity;
  clock: Clock;
  random: Random;
  logger: Logger;
  authenticator: Authenticator;
  /** `open` may be null: opening is the source's affair (`attach`). */
  codec: EventCodec<Op>;
  limits?: Limits;
  mutations?: Partial<LogMutations>;
  /** After each own event is acknowledged, before its submissions resolve: for peers. */
  onAppended?(hint: Hint & { root: string }): void;
}

export class Log<Op> {
  readonly root: string;
  readonly #o: LogOptions<Op>;
  readonly #limits: Limits;
  readonly #mutations: LogMutations;
  readonly #listing: Listing;
  readonly #appender: Appender<Op>;
  #tail: Tail<Op> | null = null;
  #source: FoldSource<Op> | null = null;
  #attaching: Promise<Fold<Op>> | null = null;
  #settlesSoon = false;
  readonly #partsOf = new Map<string, NamedParts>();

  constructor(options: LogOptions<Op>) {
    options = { ...options, authenticator: guarded(options.authenticator), logger: sparing(options.logger, options.clock) };
    this.#o = options;
    this.root = options.root;
    this.#limits = options.limits ?? defaultLimits;
    this.#mutations = { ...noMutations, ...options.mutations };
    this.#listing = new Listing({
      ...this.reading,
      clock: options.clock,
      mutations: this.#mutations,
      onLearned: (entry) => {
        this.#tail?.learned(entry);
        if (this.#tail && !entry.stored) this.#settleSoon();
      },
      onForgotten: () => this.#forgotten(),
    });
    this.#appender = new Appender({
      store: options.store,
      root: options.root,
      identity: options.identity,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      authenticator: options.authenticator,
      codec: options.codec,
      limits: this.#limits,
      mutations: this.#mutations,
      listing: this.#listing,
      tail: () => this.#tail,
      onAppended: (hint) => options.onAppended?.(hint),
    });
  }

  /** What reads this log's objects: for `collect` and `check`. */
  get reading(): Reading {
    const { store, root, authenticator, logger } = this.#o;
    return { store, root, authenticator, logger, limits: this.#limits };
  }

  // ——— names alone ———

  /** Knows what a LIST begun at most `maxAgeMs` ago shows (0: begun from now on; `whole`: from the first name). Throws Unavailable, Corrupt. */
  refresh(maxAgeMs: number, whole = false): Promise<void> {
    if (this.#mutations.noListBeforeWrite && maxAgeMs > 0 && this.#listing.listed) return Promise.resolve();
    return this.#listing.refresh(maxAgeMs, whole);
  }

  /** The greatest position that is listed or covered. */
  get greatest(): Position {
    return this.#listing.greatest;
  }
  get closed(): Position {
    return this.#listing.closed;
  }
  /** Names in memory. */
  get known(): number {
    return this.#listing.entries.size;
  }
  get writer(): Writer {
    return this.#appender.writer;
  }
  /** Submissions without an answer. */
  get submitting(): number {
    return this.#appender.waiting;
  }

  /**
   * Messages and their bytes as told in clear by snapshots, bundles and those events that were read: near enough for
   * quota, and never asks the store. Call `refresh` first.
   */
  totals(): { messages: number; bytes: number } {
    const { manifests, counted } = this.#listing;
    const newest = manifests.at(-1);
    return { messages: (newest?.messages ?? 0) + counted.messages, bytes: (newest?.bytes ?? 0) + counted.bytes };
  }

  /**
   * Appends what `build` returns. `build` runs synchronously after a LIST, and for sessions after all ready events were
   * applied, right before sealing; when the event has no room left it runs again for the next one. Resolves when the
   * event is acknowledged (and applied, for sessions); null when `build` gave nothing; a `build` that throws rejects
   * its own submission only. Throws Unavailable: the event may be there or not, or come later.
   */
  submit(queue: EventKind, build: Build<Op>, estimate: Estimate = {}): Promise<Submitted | null> {
    return this.#appender.submit(queue, build, estimate);
  }

  /** A peer's event: it is acknowledged. What isn't authentic is logged and dropped. */
  hint(hint: Hint): void {
    try {
      const stored = readEvent(this.#o.authenticator, this.root, hint.name, hint.bytes, this.#mutations.firstPositionInName);
      const { ref } = stored.header;
      const id = eventId(ref.writer, ref.seq);
      // At or below the base it may have been collected long ago: only a LIST can tell.
      if (!this.#listing.started || ref.position <= this.#listing.names.base) return this.#listing.sure(id, ref);
      if (this.#listing.entries.has(id)) return;
      if (ref.position > this.#listing.greatest + this.#limits.position_jump_max) return;
      const named = this.#mutations.firstPositionInName ? { ...ref, position: stored.header.first } : ref;
      const entry = this.#listing.learn(named, 0, this.#tail ? stored : null);
      if (!this.#tail) this.#listing.count(stored.header);
      else if (!entry.applied && this.#tail.advance()) this.#settleSoon();
    } catch (e) {
      this.#o.logger.warn('a hint was dropped', { name: hint.name, reason: reason(e) });
    }
  }

  /** Something waits for what this replica doesn't know: looks for it in the background. */
  #settleSoon(): void {
    if (this.#settlesSoon) return;
    this.#settlesSoon = true;
    const tail = this.#tail!;
    // Not at once: a LIST makes known one event after the other.
    Promise.resolve()
      .then(() => {
        this.#settlesSoon = false;
        return tail.settle();
      })
      .catch((e) => this.#o.logger.info('an event waits', { root: this.root, reason: reason(e) }));
  }

  // ——— with the user's secret ———

  get attached(): boolean {
    return this.#tail !== null;
  }
  get fold(): Fold<Op> | null {
    return this.#tail?.fold ?? null;
  }

  /**
   * Opens the log: reads snapshots and bundles, lists all, makes the state and applies the tail. Until it resolves the
   * log goes on to work by names. Throws Unavailable, Corrupt, and then can be called again.
   */
  attach(source: FoldSource<Op>): Promise<Fold<Op>> {
    if (this.#tail) throw new TypeError('the log is open already');
    this.#attaching ??= this.#attach(source).finally(() => (this.#attaching = null));
    return this.#attaching;
  }

  async #attach(source: FoldSource<Op>): Promise<Fold<Op>> {
    const listing = this.#listing;
    // A LIST that goes on while all is forgotten would leave the log listed and yet not begun.
    do await listing.quiet();
    while (listing.busy);
    listing.attached = true;
    listing.restart();
    const began = listing.restarts;
    try {
      // Manifests before the LIST: what a manifest names and the LIST doesn't show was collected.
      await listing.refresh(0, true);
      for (const m of listing.leftOut) {
        if (!isElsewhere(m, listing.manifests, (id) => listing.inLog(id))) throw new Corrupt(`a part of a snapshot is gone, and what was in it is nowhere else: ${m.name}`);
        this.#o.logger.warn('a snapshot without all its parts is left out', { name: m.name });
      }
      const manifests = this.#mutations.noCoversInJoin ? listing.manifests : listing.neededManifests();
      const inLog = new Set([...listing.entries.keys()].filter((id) => listing.inLog(id)));
      const views = manifests.map((m) => this.#view(m, source, inLog));
      const fold = await source.load(views, (id) => this.#part(id, source));
      // What was known then is forgotten meanwhile: the listing starts from other snapshots now.
      if (listing.restarts !== began) throw new Unavailable(FORGOTTEN);
      const base = listing.manifests.at(-1);
      const tail = new Tail<Op>({
        listing,
        source,
        fold,
        codec: this.#o.codec,
        clock: this.#o.clock,
        limits: this.#limits,
        logger: this.#o.logger,
        mutations: this.#mutations,
        base: { floor: base?.floor ?? 0, digest: base?.digestNumber ?? 0n },
      });
      this.#cover(tail, manifests);
      for (const entry of listing.entries.values()) if (!entry.applied) tail.learned(entry);
      this.#source = source;
      this.#tail = tail;
      await tail.settle();
      if (this.#tail !== tail) throw new Unavailable(FORGOTTEN);
      tail.uncovered = [...listing.entries.values()].filter((e) => e.applied && !manifests.some((m) => m.named.has(e.id))).length;
      return fold;
    } catch (e) {
      this.detach();
      throw e;
    }
  }

  /** `inLog` is of the time of opening, for ever: what is collected later was in the log then. */
  #view(m: Manifest, source: FoldSource<Op>, inLog: ReadonlySet<string>): SnapshotView {
    if (!source.box) throw new TypeError('a log with snapshots needs a box to open them');
    const parts = readPrivateHalf(source.box.open(m.name, m.sealed), m);
    const positions = new Map([...this.#listing.entries].map(([id, e]) => [id, e.last]));
    return {
      name: m.name,
      floor: m.floor,
      parts,
      messages: m.messages,
      bytes: m.bytes,
      covers: ({ writer, seq }) => {
        if (this.#mutations.noCoversInJoin) return false;
        const id = eventId(writer, seq);
        // What became known after the opening is no part of any snapshot that was read then.
        if (!positions.has(id) && this.#listing.entries.has(id)) return false;
        return covers(m, id, inLog.has(id), positions.get(id) ?? null);
      },
    };
  }

  async #part(id: string, source: FoldSource<Op>): Promise<Buffer> {
    const name = partName(this.root, id);
    const object = await this.#o.store.get(name);
    if (object) return source.box!.open(name, object.bytes);
    // Collected because another snapshot says the same, or hollow: whoever opens the log again finds what counts.
    for (const m of this.#listing.manifests) if (m.partIds.includes(id)) this.#listing.hollow.add(m.name);
    throw new PartGone(`a part of a snapshot is gone: ${name}`);
  }

  /** Tells the tail what the snapshots have in them, by name. */
  #cover(tail: Tail<Op>, manifests: readonly Manifest[]): void {
    const events = new Map(manifests.flatMap((m) => m.covers.map((e) => [eventId(e.ref.writer, e.ref.seq), e] as const)));
    const sorted = [...events].sort(([, a], [, b]) => a.ref.position - b.ref.position);
    // Equal sets are one: most events are in the same snapshots.
    const sets = new Map<string, ReadonlySet<number>>();
    const setOf = (snapshots: number[]): ReadonlySet<number> => {
      const key = snapshots.join();
      let set = sets.get(key);
      if (!set) sets.set(key, (set = new Set(snapshots)));
      return set;
    };
    for (const [id, event] of sorted) {
      const entry = this.#listing.entries.get(id);
      if (!entry) continue;
      const have: number[] = [];
      const settled: number[] = [];
      manifests.forEach((m, i) => {
        if (m.named.has(id)) {
          have.push(i);
          if (event.ref.position <= m.floor) settled.push(i);
          // A snapshot without it whose floor lies above: its readers may have been shown a mailbox without it.
        } else if (event.ref.position <= m.floor && this.#listing.inLog(id)) entry.over = true;
      });
      entry.summary = event;
      entry.stored = null;
      tail.cover(entry, setOf(have), setOf(settled));
    }
  }

  /** Lets go of the state and of all that needs a secret. Names stay known. */
  detach(): void {
    this.#tail = null;
    this.#source = null;
    this.#listing.attached = false;
    for (const entry of this.#listing.entries.values()) {
      entry.stored = entry.opened = entry.summary = entry.kept = null;
      entry.applied = false;
    }
  }

  #forgotten(): void {
    const source = this.#source;
    if (!source) return;
    this.#o.logger.warn('the log was not listed for long and is forgotten', { root: this.root });
    this.detach();
    source.onForgotten?.();
  }

  #open(): Tail<Op> {
    if (!this.#tail) throw new Unavailable('the log is not open');
    return this.#tail;
  }

  /** Everything that was acknowledged before the call is applied. Throws Unavailable while an event waits. */
  async caughtUp(): Promise<void> {
    this.#open();
    await this.#listing.refresh(0, this.#listing.withheld.length > 0);
    const tail = this.#open();
    await tail.settle();
    tail.check();
    if (this.#listing.prunable > tail.applied.base) tail.prune(this.#listing.prunable);
  }

  /** Known events that are not applied yet: while there are any, the state isn't shown. */
  get pending(): number {
    return this.#open().pending.size;
  }

  /** In order of positions; cheap when there are none. An event with `passedOver` is repaired before its scopes are shown. */
  late(): LateEvent[] {
    return this.#open().lateness.late();
  }

  /** Events that others have seen and that nobody found for an hour: a session may write EventLost for them. Call after `caughtUp` failed. */
  lost(waitedMs = this.#limits.event_lost_ms): EventRef[] {
    return this.#open().missing(waitedMs);
  }

  // ——— in the background ———

  /** Applied events that no loaded or written snapshot covers. */
  get uncovered(): number {
    return this.#open().uncovered;
  }

  /** True when a snapshot was stored; false when something late keeps it from being written. Throws Unavailable. */
  async writeSnapshot(source: SnapshotSource): Promise<boolean> {
    const tail = this.#open();
    const { box } = this.#source!;
    if (!box) throw new TypeError('a snapshot needs a box to be sealed in');
    await this.#listing.refresh(0, true);
    await tail.settle();
    tail.check();
    if (this.#tail !== tail) return false;
    return writeSnapshot({ ...this.reading, random: this.#o.random, clock: this.#o.clock, listing: this.#listing, tail, box, partsOf: this.#partsOf, open: () => this.#tail === tail }, source);
  }

  /**
   * Writes the delivered events that nothing covers into bundles, when there are more than `least`. Needs no secret. The last one's
   * name; null when there are too few. Throws Unavailable, Corrupt.
   */
  async writeBundle(least = this.#limits.bundle_events): Promise<string | null> {
    await this.#listing.refresh(0, true);
    const { manifests, entries } = this.#listing;
    const wanted = [...entries.values()].filter((e) => !e.bundled && !manifests.some((m) => m.named.has(e.id)));
    if (wanted.length <= least) return null;
    let [name, bytes, events]: [string | null, number, BundledEvent[]] = [null, 0, []];
    const write = async (): Promise<void> => {
      name = await writeBundle(this.reading, events);
      for (const e of events) entries.get(eventId(e.ref.writer, e.ref.seq))!.bundled = true;
      [bytes, events] = [0, []];
    };
    for (const entry of wanted) {
      const object = await this.#o.store.get(entry.name);
      if (!object) continue;
      const { header } = await authentic(this.reading, () => readEvent(this.#o.authenticator, this.root, entry.name, object.bytes, this.#mutations.firstPositionInName));
      if (header.kind !== 'delivered') continue;
      events.push({ leaf: entry.leaf, ref: entry.ref, modified: object.firstModified ?? object.modified, bytes: object.bytes });
      if ((bytes += object.bytes.length) >= this.#limits.bundle_bytes_max) await write();
    }
    if (name === null ? events.length > least : events.length > 0) await write();
    return name;
  }
}
