// The tail of an opened log: fetches what became known, waits until all that an event has seen is there, and applies it.
import { Unavailable } from '../base/index.ts';
import type { Clock, EventRef, Limits, Logger, Position } from '../base/index.ts';
import { eventLeaf } from '../store/index.ts';
import type { Withheld } from './acknowledged.ts';
import { DigestSet } from './digest.ts';
import type { Entry } from './entry.ts';
import { digestNumber, eventId, placeOps } from './event.ts';
import { Lateness } from './late.ts';
import type { Listing } from './listing.ts';
import { MessageRuns } from './message-runs.ts';
import type { LogMutations } from './mutations.ts';
import type { EventCodec, EventHeader, Fold, FoldSource, OpenedEvent } from './types.ts';

export interface TailOptions<Op> {
  listing: Listing;
  source: FoldSource<Op>;
  fold: Fold<Op>;
  codec: EventCodec<Op>;
  clock: Clock;
  limits: Limits;
  logger: Logger;
  mutations: LogMutations;
  base: { floor: Position; digest: bigint };
}

export class Tail<Op> {
  readonly #o: TailOptions<Op>;
  readonly fold: Fold<Op>;
  readonly applied: DigestSet<Entry>;
  readonly lateness: Lateness;
  /** Known and not applied yet. */
  readonly pending = new Map<string, Entry>();
  /** Applied, or covered by the snapshots that were loaded. */
  readonly #ids = new Set<string>();
  readonly #lost = new Set<string>();
  /** Events that others name and nobody finds, with the monotonic time since when. */
  readonly #missing = new Map<string, { ref: EventRef; since: number }>();
  /** Set when the fold threw: it may be half changed, so nothing of it is shown again. */
  #broken: unknown = null;
  #settling: Promise<void> | null = null;
  /** Events applied that no snapshot here covers. */
  uncovered = 0;

  constructor(options: TailOptions<Op>) {
    this.#o = options;
    this.fold = options.fold;
    this.applied = new DigestSet(options.base.floor, options.base.digest);
    this.lateness = new Lateness(this.applied, options.mutations);
  }

  /** An event that a loaded snapshot has in it. */
  cover(entry: Entry, snapshots: ReadonlySet<number>, settledIn: ReadonlySet<number>): void {
    entry.applied = true;
    if (!entry.inBase) this.applied.add(entry);
    this.#ids.add(entry.id);
    if (entry.summary?.lost) this.#lost.add(eventId(entry.summary.lost.writer, entry.summary.lost.seq));
    this.lateness.add(entry, entry.summary!, snapshots, settledIn);
  }

  /** Something became known. Applied at once where its bytes are here; else `settle` fetches it. */
  learned(entry: Entry): void {
    if (this.#ids.has(entry.id)) return;
    if (this.#lost.has(entry.id)) entry.over = true;
    this.pending.set(entry.id, entry);
  }

  /** Opens what has come with its bytes and applies what is ready. True when something waits for a whole LIST. */
  advance(): boolean {
    for (const entry of this.pending.values()) if (entry.stored && !entry.opened) this.#open(entry);
    return this.#drain(false);
  }

  /** All that is known is fetched and, where ready, applied. Throws Unavailable, Corrupt. */
  async settle(): Promise<void> {
    // One at a time; who comes later needs a run that begins later.
    while (this.#settling) await this.#settling.then(noop, noop);
    if (this.#broken) throw this.#broken;
    if (this.pending.size === 0) return;
    const run = this.#settle().finally(() => (this.#settling = null));
    this.#settling = run;
    return run;
  }

  async #settle(): Promise<void> {
    await this.#fetch();
    if (!this.#drain(false)) return;
    await this.#o.listing.refresh(0, true);
    await this.#fetch();
    this.#drain(true);
    this.#note();
  }

  async #fetch(): Promise<void> {
    const wanted = [...this.pending.values()].filter((e) => !e.opened);
    if (wanted.length === 0) return;
    let next = 0;
    const lane = async () => {
      while (next < wanted.length) {
        const entry = wanted[next++];
        if (entry.opened || entry.applied) continue;
        entry.stored ??= await this.#o.listing.fetch(entry);
        if (!entry.stored) throw new Unavailable(`an event is listed and not there: ${entry.leaf}`);
        this.#open(entry);
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#o.limits.event_fetches_max, wanted.length) }, lane));
  }

  #open(entry: Entry): void {
    const { header, clear, sealed, name } = entry.stored!;
    const ops = this.#o.source.open(header.kind, name, clear, sealed);
    entry.opened = placeOps(header, ops, this.#o.codec.positions, this.#o.limits.slots);
    // All that is known is fetched before it is applied: the sealed bytes of a long tail need not wait for that.
    entry.stored = null;
  }

  /** In the store's order of positions, again and again, until nothing moves. */
  #drain(afterFull: boolean): boolean {
    let stuck = false;
    for (let moved = true; moved && this.pending.size > 0; ) {
      moved = false;
      stuck = false;
      const order = this.pending.size === 1 ? this.pending.values() : [...this.pending.values()].sort((a, b) => a.last - b.last);
      for (const entry of order) {
        if (entry.opened && this.#ready(entry) && this.#fits(entry, afterFull)) {
          this.#apply(entry);
          moved = true;
        } else stuck = true;
      }
    }
    return stuck;
  }

  #has(id: string, position: Position): boolean {
    return this.#ids.has(id) || this.#lost.has(id) || (position <= this.applied.base && !this.#o.listing.entries.has(id));
  }

  #digestFits(seen: EventHeader['seen']): boolean {
    const mine = this.applied.digest(seen.floor);
    return mine === null || mine === digestNumber(seen.digest);
  }

  #ready(entry: Entry): boolean {
    return this.#waitsFor(entry.opened!) === null;
  }

  /** The first event that this one has seen and that is neither applied nor covered; null when all are. */
  #waitsFor(event: EventHeader): EventRef | null {
    const { seen, ref } = event;
    for (const [writer, { position, seq }] of seen.above) if (!this.#has(eventId(writer, seq), position)) return { writer, seq, position };
    if (ref.seq === 1) return null;
    const before = seen.above.get(ref.writer);
    if (before?.seq === ref.seq - 1) return null;
    const id = eventId(ref.writer, ref.seq - 1);
    if (this.#ids.has(id) || this.#lost.has(id)) return null;
    // It lies at or below the floor, so a digest that fits proves that it was collected.
    if (!this.#o.listing.entries.has(id) && this.#digestFits(seen)) return null;
    return { writer: ref.writer, seq: ref.seq - 1, position: seen.floor };
  }

  #fits(entry: Entry, afterFull: boolean): boolean {
    if (this.#o.mutations.noDigest) return true;
    const { seen } = entry.opened!;
    const mine = this.applied.digest(seen.floor);
    if (mine === null) return true;
    const d = mine ^ digestNumber(seen.digest);
    if (d === 0n) return true;
    // What lies below goes first.
    for (const p of this.pending.values()) if (p !== entry && p.last <= seen.floor && p.opened && this.#ready(p)) return false;
    if (this.lateness.explains(d, seen.floor)) return true;
    if (afterFull) this.#o.logger.warn('an event has seen something else below its floor', { event: entry.leaf });
    return afterFull;
  }

  #apply(entry: Entry): void {
    const event = entry.opened as OpenedEvent<Op>;
    this.pending.delete(entry.id);
    const { effects: all, repaired, lost } = this.#fold(event);
    const effects = all.map((e) => ({ ...e, messages: MessageRuns.of(e.messages) }));
    entry.applied = true;
    entry.summary = { ref: event.ref, first: event.first, kind: event.kind, seen: event.seen, born: event.born, messages: event.messages, bytes: event.bytes, effects, repaired, lost };
    entry.stored = null;
    entry.opened = null;
    this.#ids.add(entry.id);
    this.#missing.delete(entry.id);
    this.applied.add(entry);
    this.uncovered++;
    if (lost) {
      this.#lost.add(eventId(lost.writer, lost.seq));
      this.#missing.delete(eventId(lost.writer, lost.seq));
    }
    this.lateness.add(entry, entry.summary);
    this.#o.source.onApplied?.(event);
  }

  #fold(event: OpenedEvent<Op>): ReturnType<Fold<Op>['effects']> {
    try {
      this.fold.apply(event);
      return this.fold.effects(event);
    } catch (e) {
      this.#broken = e;
      throw e;
    }
  }

  /** An own event whose PUT was acknowledged: all that it has seen was applied when it was built. */
  applyOwn(entry: Entry): void {
    if (entry.applied) return;
    this.pending.delete(entry.id);
    this.#apply(entry);
  }

  /** Remembers what is waited for, and since when. */
  #note(): void {
    const now = this.#o.clock.monotonic();
    const still = new Set<string>();
    for (const entry of this.pending.values()) {
      const ref = entry.opened && this.#waitsFor(entry.opened);
      if (!ref) continue;
      const id = eventId(ref.writer, ref.seq);
      if (this.#o.listing.entries.has(id)) continue;
      still.add(id);
      if (!this.#missing.has(id)) this.#missing.set(id, { ref, since: now });
    }
    for (const id of this.#missing.keys()) if (!still.has(id)) this.#missing.delete(id);
  }

  /** Known to be acknowledged, shown by no LIST since, and not given up. */
  #withheld(): Withheld[] {
    const { withheld } = this.#o.listing;
    return withheld.filter(({ ref }) => !this.#lost.has(eventId(ref.writer, ref.seq)));
  }

  /** Events that others have seen or that this replica knew, that the last whole LIST didn't show, and that were waited for `ms`. */
  missing(ms: number): EventRef[] {
    const now = this.#o.clock.monotonic();
    const waited = new Map(this.#missing);
    for (const m of this.#withheld()) waited.set(eventId(m.ref.writer, m.ref.seq), m);
    return [...waited.values()].filter((m) => now - m.since >= ms).map((m) => m.ref);
  }

  /** Throws what keeps the state from being shown: Unavailable while an event waits, or what broke the fold. */
  check(): void {
    if (this.#broken) throw this.#broken;
    const [withheld] = this.#withheld();
    if (withheld) throw new Unavailable(`the store does not show an event that was there: ${eventLeaf(withheld.ref)}`);
    if (this.pending.size === 0) return;
    const first = this.pending.values().next().value!;
    throw new Unavailable(`${this.pending.size} events wait for another, the first is ${first.leaf}`);
  }

  /** Forgets the names at or below what is covered and gone from the store. */
  prune(floor: Position): void {
    if (floor <= this.applied.base || !this.lateness.prune(floor)) return;
    for (const e of this.applied.rebase(floor)) this.#ids.delete(e.id);
    this.#o.listing.prune(floor);
  }
}

function noop(): void {}
