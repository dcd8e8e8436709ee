// Writing: one PUT in flight, what arrives meanwhile goes into the next event together, and nobody is answered whose
// minute is over.
import { Refused, Unavailable, randomId } from '../base/index.ts';
import type { Clock, Limits, Logger, Position, Random, Writer } from '../base/index.ts';
import { eventLeaf, logPrefix } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { digestBytes, encodeEvent, eventId, placeOps } from './event.ts';
import type { StoredEvent } from './event.ts';
import type { Listing, ListTime } from './listing.ts';
import type { LogMutations } from './mutations.ts';
import type { Tail } from './tail.ts';
import type { Authenticator, Estimate, EventCodec, EventHeader, EventKind, Hint, Made, ReplicaIdentity, Seen, Submitted } from './types.ts';

/** Called right before sealing, possibly again when it didn't fit; `first` is the position of its first operation. */
export type Build<Op> = (first: Position) => Made<Op> | null;

interface Job<Op> {
  build: Build<Op>;
  estimate: Estimate;
  resolve(done: Submitted | null): void;
  reject(e: unknown): void;
}

/** What one submission became while the event was built. */
interface Built<Op> {
  job: Job<Op>;
  first: Position;
  ops: Op[];
  after: Promise<unknown> | null;
  behind: readonly string[];
}

export interface AppenderOptions<Op> {
  store: ObjectStore;
  root: string;
  identity: ReplicaIdentity;
  clock: Clock;
  random: Random;
  logger: Logger;
  authenticator: Authenticator;
  codec: EventCodec<Op>;
  limits: Limits;
  mutations: LogMutations;
  listing: Listing;
  tail(): Tail<Op> | null;
  onAppended(hint: Hint & { root: string }): void;
}

/** Bits of a writer's id: never used again in one log. */
const WRITER_BITS = 65;
/** A LIST that is older when all is fetched is made once more. */
const LIST_OLD_MS = 10_000;
/** Up to here no position is used: an empty mailbox says HIGHESTMODSEQ 1 (RFC 7162 wants a positive one), so 1 is not new to anyone. */
const NEVER_USED: Position = 1;
const RESEND_MS = [50, 250, 1000, 4000];

export class Appender<Op> {
  readonly #o: AppenderOptions<Op>;
  readonly #queues = new Map<EventKind, Job<Op>[]>();
  #turn: EventKind | null = null;
  #pumping = false;
  #writer: Writer;
  #seq = 0;
  #spent: Position;

  constructor(options: AppenderOptions<Op>) {
    this.#o = options;
    this.#writer = randomId(options.random, WRITER_BITS);
    this.#spent = options.identity.spent.get(options.root) ?? 0;
  }

  get writer(): Writer {
    return this.#writer;
  }
  /** Submissions that have no answer yet. */
  get waiting(): number {
    let n = this.#pumping ? 1 : 0;
    for (const jobs of this.#queues.values()) n += jobs.length;
    return n;
  }

  submit(kind: EventKind, build: Build<Op>, estimate: Estimate): Promise<Submitted | null> {
    return new Promise((resolve, reject) => {
      const job: Job<Op> = { build, estimate, resolve, reject };
      const queue = this.#queues.get(kind);
      if (queue) queue.push(job);
      else this.#queues.set(kind, [job]);
      if (!this.#pumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    try {
      for (let kind = this.#nextKind(); kind; kind = this.#nextKind()) {
        this.#turn = kind;
        await this.#write(kind);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** The queues take turns. */
  #nextKind(): EventKind | null {
    let found: EventKind | null = null;
    for (const [kind, jobs] of this.#queues) {
      if (jobs.length === 0) continue;
      if (kind !== this.#turn) return kind;
      found = kind;
    }
    return found;
  }

  async #write(kind: EventKind): Promise<void> {
    const queue = this.#queues.get(kind)!;
    const before = queue.length;
    let listed: ListTime;
    try {
      listed = await this.#ready(kind);
      // The log may have been closed, or opened and so forgotten, since: then nothing true can be said of what was seen.
      if (!this.#o.listing.started || (kind !== 'delivered' && !this.#o.tail())) return;
    } catch (e) {
      for (const job of queue.splice(0, before)) job.reject(e);
      return;
    }
    if (this.#o.listing.entries.size >= this.#o.limits.log_events_max) this.#refuse(kind, queue);
    const built = this.#build(queue);
    if (built.length === 0) return;
    const after = comesAfter(built);
    try {
      await this.#append(kind, built, listed, after);
    } catch (e) {
      if (after.failed.size === 0) {
        for (const { job } of built) job.reject(e);
        return;
      }
      // Nothing was sent: those whose blob is stored go into the next event.
      for (const { job } of built) if (after.failed.has(job)) job.reject(after.failed.get(job));
      queue.unshift(...built.map((b) => b.job).filter((job) => !after.failed.has(job)));
    }
  }

  /** A log that nobody could open any more must not come to be: what is too much for a day is refused. */
  #refuse(kind: EventKind, queue: Job<Op>[]): void {
    const { limits, listing } = this.#o;
    let length = 0;
    for (const id of listing.entries.keys()) if (listing.inLog(id)) length++;
    if (length < limits.log_events_max) return;
    const full = length >= limits.log_events_full;
    const error = full ? new Unavailable('the log is full, until a day has passed') : new Refused('Too many changes within a day', 'LIMIT', '452 4.3.1');
    for (const job of queue.splice(0)) {
      if (!full && (kind !== 'session' || job.estimate.must)) queue.push(job);
      else job.reject(error);
    }
  }

  /** Lists, and for what sessions write applies all that is ready. */
  async #ready(kind: EventKind): Promise<ListTime> {
    const { listing, clock, limits, mutations } = this.#o;
    for (let tries = 0; ; tries++) {
      this.#checkIdentity();
      // What snapshots list may be collected since: where that decides whether anything is written, all is listed now and then.
      const whole = listing.entries.size >= limits.log_events_max && clock.monotonic() - listing.fullAt >= limits.full_list_ms;
      if (!mutations.noListBeforeWrite || !listing.listed) await listing.refresh(limits.list_age_ms_max, whole);
      const tail = this.#o.tail();
      if (kind !== 'delivered') {
        if (!tail) throw new Unavailable('the log is not open');
        await tail.settle();
      }
      this.#checkIdentity();
      const { listed } = listing;
      if (mutations.noListBeforeWrite) return { mono: clock.monotonic(), wall: clock.now(), date: clock.now() };
      if (listed && (clock.monotonic() - listed.mono < LIST_OLD_MS || tries === 2)) return listed;
    }
  }

  #checkIdentity(): void {
    const { identity } = this.#o;
    if (identity.slot === null || !identity.mayWrite()) throw new Unavailable('this replica holds no slot at the moment');
  }

  /** The smallest position of the own slot above all that is listed or spent. */
  #nextPosition(jump: number): Position {
    const { identity, listing, limits } = this.#o;
    const greatest = Math.max(NEVER_USED, this.#spent, identity.spent.get(this.#o.root) ?? 0, listing.greatest) + jump;
    const p = Math.floor(greatest / limits.slots) * limits.slots + identity.slot!;
    return p > greatest ? p : p + limits.slots;
  }

  /** Takes from the queue what goes into one event, and builds it in order. */
  #build(queue: Job<Op>[]): Built<Op>[] {
    const { limits, codec } = this.#o;
    const built: Built<Op>[] = [];
    const first = this.#nextPosition(queue[0]?.estimate.jump ?? 0);
    let next = first;
    let bytes = 0;
    while (queue.length > 0) {
      const job = queue[0];
      const { positions = 1, bytes: jobBytes = 0, jump = 0 } = job.estimate;
      const alone = jump > 0 || built[0]?.job.estimate.jump;
      if (built.length > 0 && (alone || (next - first) / limits.slots + positions > limits.event_batch_positions_max || bytes + jobBytes > limits.event_batch_bytes_max)) break;
      queue.shift();
      try {
        const made = job.build(next);
        if (!made || made.ops.length === 0) {
          job.resolve(null);
          continue;
        }
        let n = 0;
        for (const op of made.ops) n += codec.positions(op);
        if (n * limits.slots > limits.event_positions_span_max) throw new Refused('the command is too large for one event', 'LIMIT');
        if (next + n * limits.slots - first > limits.event_positions_span_max) {
          queue.unshift(job);
          break;
        }
        built.push({ job, first: next, ops: made.ops, after: made.after ?? null, behind: made.behind ?? [] });
        next += n * limits.slots;
        bytes += jobBytes;
      } catch (e) {
        job.reject(e);
      }
    }
    return built;
  }

  async #append(kind: EventKind, built: Built<Op>[], listed: ListTime, before: Before): Promise<void> {
    const { codec, limits, root, authenticator, mutations } = this.#o;
    const ops = built.length === 1 ? built[0].ops : built.flatMap((b) => b.ops);
    const first = built[0].first;
    let last = first - limits.slots;
    for (const op of ops) last += codec.positions(op) * limits.slots;
    const ref = { position: last, writer: this.#writer, seq: this.#seq + 1 };
    const header: EventHeader = { ref, first, kind, seen: this.#seen(kind), born: listed.date, ...codec.sizes(ops) };
    const leaf = eventLeaf(mutations.firstPositionInName ? { ...ref, position: first } : ref);
    const name = logPrefix(root) + leaf;
    const stored = encodeEvent(authenticator, name, header, (clear) => codec.seal(kind, name, clear, ops));
    this.#seq++;
    if (!mutations.positionsNotSpent) this.#spent = last;
    const modified = await this.#put(name, stored.bytes, eventId(ref.writer, ref.seq), last, listed, before);
    this.#acknowledged(stored, leaf, modified, ops);
    this.#o.onAppended({ root, name, bytes: stored.bytes });
    for (const b of built) b.job.resolve({ ref, first: b.first });
  }

  #acknowledged(stored: StoredEvent, leaf: string, modified: number, ops: Op[]): void {
    const { listing, codec, limits, mutations } = this.#o;
    const { header } = stored;
    const { ref } = header;
    const named = mutations.firstPositionInName ? { ...ref, position: header.first } : ref;
    const tail = this.#o.tail();
    const id = eventId(ref.writer, ref.seq);
    if (!listing.started) return listing.sure(id, named);
    let entry = listing.entries.get(id);
    if (!entry && !tail) listing.count(header);
    if (!entry) entry = listing.learn(named, modified, tail ? stored : null, false, leaf);
    if (mutations.firstPositionInName && header.kind !== 'delivered') this.#spent = Math.max(this.#spent, ref.position);
    if (!tail || entry.applied) return;
    entry.opened = placeOps(header, ops, codec.positions, limits.slots);
    if (header.kind === 'delivered') tail.advance();
    else tail.applyOwn(entry);
  }

  /** What this replica knows: names alone for a delivery, else what is applied. */
  #seen(kind: EventKind): Seen {
    const { listing } = this.#o;
    const tail = kind === 'delivered' ? null : this.#o.tail()!;
    const set = tail?.applied ?? listing.names;
    let floor = listing.closed;
    if (tail) for (const p of tail.pending.values()) floor = Math.min(floor, p.last - 1);
    // Below the base no digest can be told; what waits there is not in the base's, so that is no lie.
    floor = Math.max(floor, set.base);
    return { floor, digest: digestBytes(set.digest(floor)!), above: set.above(floor) };
  }

  /**
   * Resolves with the store's time when the PUT was acknowledged within the minute. Otherwise its outcome is unknown for
   * ever: a new writer id, the position stays spent, Unavailable.
   */
  async #put(name: string, bytes: Buffer, id: string, last: Position, listed: ListTime, { all: after, behind }: Before): Promise<number> {
    const { store, clock, limits, identity, listing, logger, random, mutations } = this.#o;
    const inTime = () => clock.monotonic() - listed.mono < limits.give_up_ms && clock.now() - listed.wall < limits.give_up_ms;
    const maySend = () => inTime() && identity.mayWrite();
    const over = new AbortController();
    const late = () => new Unavailable('the store did not acknowledge the event in time');
    // A store may say that nobody should wait so long: giving up earlier breaks no rule.
    const patience = (store.patience_ms ?? Infinity) + bytes.length / limits.store_bytes_per_ms_min;
    const cancel = clock.after(Math.max(0, Math.min(patience, limits.give_up_ms - (clock.monotonic() - listed.mono))), () => over.abort(late()));
    const ended = new Promise<never>((_, reject) => over.signal.addEventListener('abort', () => reject(late()), { once: true }));
    ended.catch(noop);
    // What must be stored before was not: no resend can change that.
    after?.catch((e) => over.abort(e));
    listing.putting = { id, bytes };
    try {
      for (let sends = 0; ; sends++) {
        if (!maySend()) throw late();
        try {
          const { date } = await Promise.race([store.put(name, bytes, { signal: over.signal, maySend, after, behind }), ended]);
          if (!maySend()) throw late();
          return date;
        } catch (e) {
          if (!(e instanceof Unavailable) || e.lasting || !maySend()) throw e;
          const pause = RESEND_MS[Math.min(sends, RESEND_MS.length - 1)];
          await Promise.race([clock.sleep(pause * (0.5 + random.unit()), over.signal), ended]);
        }
      }
    } catch (e) {
      if (!mutations.positionsNotSpent) identity.spent.set(this.#o.root, Math.max(last, identity.spent.get(this.#o.root) ?? 0));
      this.#writer = randomId(random, WRITER_BITS);
      this.#seq = 0;
      logger.warn('an event got no acknowledgement in time', { name, why: e instanceof Error ? e.message : String(e) });
      throw e instanceof Unavailable || e instanceof Refused ? e : new Unavailable(`the event could not be stored: ${String(e)}`, { cause: e });
    } finally {
      cancel();
      listing.putting = null;
    }
  }
}

/** What must be stored before an event, and the names of it where all are known. */
interface Before {
  all: Promise<unknown> | undefined;
  behind: readonly string[] | undefined;
}

/** What all of one event wait for, and in the end whose part of it failed. */
function comesAfter<Op>(built: Built<Op>[]): Before & { failed: Map<Job<Op>, unknown> } {
  const failed = new Map<Job<Op>, unknown>();
  const waits = built.filter((b) => b.after !== null).map(({ job, after }) => after!.catch((e) => void failed.set(job, e)));
  if (waits.length === 0) return { all: undefined, behind: undefined, failed };
  const all = Promise.all(waits).then(() => {
    if (failed.size > 0) throw new Unavailable('what an event tells of could not be stored');
  });
  all.catch(noop);
  const named = built.every((b) => b.after === null || b.behind.length > 0);
  return { all, behind: named ? built.flatMap((b) => b.behind) : undefined, failed };
}

function noop(): void {}
