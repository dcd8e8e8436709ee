// The queue at one replica: its log, folded, kept fresh by hints and a poll; and the sealed messages that it names.
import { Unavailable, limits as defaultLimits, reason } from '../base/index.ts';
import type { Clock, Limits, Logger, Random } from '../base/index.ts';
import { Log, collect } from '../log/index.ts';
import type { Authenticator, Fold, LogMutations, OpenedEvent, ReplicaIdentity, SnapshotView } from '../log/index.ts';
import { openNamed, openRange, sealNamed, sealedRange } from '../seal/index.ts';
import { blobName, nothingPrefix, queueRoot } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { QueueState, isFinal, sentFrom } from './fold.ts';
import type { QueuedMessage } from './fold.ts';
import type { QueueKeys } from './keys.ts';
import { decodeQueueOps, encodeQueueOps } from './ops.ts';
import type { QueueOp } from './ops.ts';

export interface QueueOptions {
  store: ObjectStore;
  keys: QueueKeys;
  identity: ReplicaIdentity;
  authenticator: Authenticator;
  clock: Clock;
  random: Random;
  logger: Logger;
  limits?: Limits;
  mutations?: Partial<LogMutations>;
  onAppended?: (root: string, name: string, bytes: Uint8Array) => void;
}

const NOTHING = Buffer.alloc(0);
/** Of a message that is read back, at a time. */
const READ_BYTES = 512 * 1024;
/** A blob without an event: its writer died, or the event is about to come. */
const BLOB_KEPT_MS = 24 * 60 * 60 * 1000;
/** Of the messages that wait, and of the events that are known, so many part of events between two snapshots; of the latter not without end. */
const SNAPSHOT_SHARE = 8;
const SNAPSHOT_EVENTS_MAX = 1000;
const COLLECT_EVERY_MS = 6 * 60 * 60 * 1000;
/** Messages that are done with are removed together, so many at a time: a store that makes a folder durable does it once for all in it. */
const REMOVE_AFTER_MS = 5000;
const REMOVE_LANES = 8;

export class Queue {
  readonly root = queueRoot(0);
  readonly log: Log<QueueOp>;
  readonly store: ObjectStore;
  readonly keys: QueueKeys;
  readonly limits: Limits;
  state = new QueueState();
  readonly #o: QueueOptions;
  #folded = this.state;
  #attaching: Promise<void> | null = null;
  #events = 0;
  #stopped = false;
  #cancelPoll: () => void = () => {};
  #collectedAt: number;
  /** Names of messages that are done with, to be removed soon. */
  #gone: string[] = [];
  #cancelRemoval: (() => void) | null = null;
  readonly #listeners: (() => void)[] = [];

  constructor(options: QueueOptions) {
    this.#o = options;
    this.store = options.store;
    this.keys = options.keys;
    this.limits = options.limits ?? defaultLimits;
    this.#collectedAt = options.clock.monotonic();
    const { clock, random, logger, identity, authenticator, mutations } = options;
    this.log = new Log<QueueOp>({
      store: options.store,
      root: this.root,
      identity, clock, random, logger, authenticator, mutations,
      limits: options.limits,
      codec: {
        positions: () => 1,
        sizes: (ops) => ({ messages: ops.filter((op) => op.kind === 'Queued').length, bytes: 0 }),
        seal: (_kind, name, aad, ops) => sealNamed(options.keys.events[0], name, aad, encodeQueueOps(ops), random),
        open: (_kind, name, aad, sealed) => decodeQueueOps(openNamed(options.keys.events, name, aad, sealed)),
      },
      onAppended: (hint) => options.onAppended?.(hint.root, hint.name, hint.bytes),
    });
  }

  /** Calls back after each change, with the change in `state`. */
  onChanged(run: () => void): void {
    this.#listeners.push(run);
  }
  #changed(): void {
    for (const run of this.#listeners) run();
  }

  /** Reads all of it. Unavailable, Corrupt. */
  async open(): Promise<void> {
    await this.#attach();
    this.#poll();
  }

  #attach(): Promise<void> {
    this.#attaching ??= this.#read().finally(() => (this.#attaching = null));
    return this.#attaching;
  }

  async #read(): Promise<void> {
    const { keys, random, logger } = this.#o;
    await this.log.attach({
      open: (_kind, name, aad, sealed) => decodeQueueOps(openNamed(keys.events, name, aad, sealed)),
      load: (snapshots, fetch) => this.#load(snapshots, fetch),
      box: {
        seal: (name, plain) => sealNamed(keys.events[0], name, NOTHING, plain, random),
        open: (name, sealed) => openNamed(keys.events, name, NOTHING, sealed),
      },
      onApplied: () => {
        // A snapshot lists the log and writes all that waits: the more that is, the rarer.
        const much = Math.max(this.#folded.messages.size, Math.min(this.log.known, SNAPSHOT_SHARE * SNAPSHOT_EVENTS_MAX)) / SNAPSHOT_SHARE;
        if (++this.#events >= Math.max(this.limits.queue_snapshot_events, much)) this.#snapshot();
        if (this.state === this.#folded) this.#changed();
      },
      onForgotten: () => {
        this.#attach().catch((e) => logger.warn('the queue could not be read anew', { why: reason(e) }));
      },
    });
    this.state = this.#folded;
    this.#changed();
  }

  async #load(snapshots: SnapshotView[], fetch: (id: string) => Promise<Buffer>): Promise<Fold<QueueOp>> {
    const state = new QueueState();
    const joined: SnapshotView[] = [];
    for (const snapshot of snapshots) {
      const had = (ref: QueuedMessage['ref']) => joined.some((s) => s.covers(ref));
      for (const part of snapshot.parts) state.join(await fetch(part.id), had, (ref) => snapshot.covers(ref));
      joined.push(snapshot);
    }
    this.#folded = state;
    return {
      apply: (event: OpenedEvent<QueueOp>) => state.apply(event),
      effects: () => ({ effects: [], repaired: [], lost: null, restored: false }),
    };
  }

  /** All that was acknowledged before the call is in `state` afterwards. Unavailable, Corrupt. */
  async caughtUp(): Promise<void> {
    if (!this.log.attached || this.#attaching) await this.#attach();
    await this.log.caughtUp();
    if (this.#attaching) await this.#attaching;
  }

  /**
   * Appends what `build` returns, decided on the newest state; false when it gave nothing. `blob`: a message that it names, on
   * its way to the store: the event appears only when that is there. `must`: see `Estimate`. Unavailable: it may be there or not.
   */
  async write(build: (state: QueueState) => QueueOp[], bytes = 200, blob?: { put: Promise<unknown>; name: string }, must = true): Promise<boolean> {
    if (!this.log.attached || this.#attaching) await this.#attach();
    const submitted = await this.log.submit('session', () => {
      const ops = build(this.#folded);
      return ops.length > 0 ? { ops, after: blob?.put, behind: blob && [blob.name] } : null;
    }, { bytes, must });
    return submitted !== null;
  }

  hint(name: string, bytes: Uint8Array): void {
    this.log.hint({ name, bytes });
  }

  /** How much waits, by state: `later` was put off, or is for later. `now`: ms since 1970. */
  waiting(now: number): { states: Record<'due' | 'later' | 'sending' | 'held', number>; bytes: number; oldest_ms: number } {
    const states = { due: 0, later: 0, sending: 0, held: 0 };
    let [bytes, oldest_ms] = [0, 0];
    for (const m of this.state.messages.values()) {
      bytes += m.plainBytes;
      oldest_ms = Math.max(oldest_ms, now - sentFrom(m));
      const next = m.recipients.filter((r) => !isFinal(r)).map((r) => r.said?.nextAt ?? sentFrom(m));
      states[m.held.on ? 'held' : m.attempts.size > 0 ? 'sending' : next.length > 0 && Math.min(...next) > now ? 'later' : 'due']++;
    }
    return { states, bytes, oldest_ms };
  }

  /** The store's own time, ms since 1970: what attempts are judged by. Unavailable. */
  async storeTime(): Promise<number> {
    return (await this.store.list({ prefix: nothingPrefix(this.root), maxKeys: 1 })).date;
  }

  /** The message as it goes out, in pieces: what stands before it, then its bytes. Unavailable, Corrupt. */
  async *read(m: QueuedMessage, bytesMax = Infinity): AsyncGenerator<Buffer> {
    yield Buffer.from(m.prefix, 'latin1');
    const contentKey = Buffer.from(m.contentKey, 'latin1');
    const name = blobName(this.root, m.blob);
    const end = Math.min(m.plainBytes, bytesMax);
    for (let from = 0; from < end; from += READ_BYTES) {
      const to = Math.min(from + READ_BYTES, end);
      const range = sealedRange(from, to, m.plainBytes);
      const object = await this.store.get(name, range);
      if (!object) throw new Unavailable(`${name}: the message is not there`);
      yield openRange(contentKey, object.bytes, range.from, from, to);
    }
  }

  /** Removes the bytes of a message that is done with, if it is, within seconds. What stays when this replica ends, collection finds. */
  forget(m: QueuedMessage): void {
    if (m.blob === '' || this.state.messages.has(m.id) || this.#stopped) return;
    this.#gone.push(blobName(this.root, m.blob));
    this.#cancelRemoval ??= this.#o.clock.after(REMOVE_AFTER_MS, () => void this.#remove());
  }

  async #remove(): Promise<void> {
    // In order of names, so in order of folders.
    const names = this.#gone.sort();
    this.#gone = [];
    let next = 0;
    const lane = async () => {
      while (next < names.length) await this.store.delete(names[next++]).catch((e) => this.#o.logger.debug('a sent message is not removed yet', { why: reason(e) }));
    };
    await Promise.all(Array.from({ length: Math.min(REMOVE_LANES, names.length) }, lane));
    this.#cancelRemoval = this.#gone.length > 0 && !this.#stopped ? this.#o.clock.after(REMOVE_AFTER_MS, () => void this.#remove()) : null;
  }

  /** Writes all that waits anew, under the cluster secret in use; false: not now. Unavailable. */
  async snapshot(): Promise<boolean> {
    await this.caughtUp();
    return this.#write();
  }

  #write(): Promise<boolean> {
    this.#events = 0;
    return this.log.writeSnapshot({ encode: () => ({ parts: [{ key: 'queue', bytes: this.#folded.encode() }], kept: [], messages: this.#folded.messages.size, bytes: 0 }) });
  }

  #snapshot(): void {
    this.#write().catch((e) => this.#o.logger.warn('snapshot of the queue not written', { why: reason(e) }));
  }

  #poll(): void {
    const wait = this.limits.queue_poll_ms * (0.9 + 0.2 * this.#o.random.unit());
    this.#cancelPoll = this.#o.clock.after(wait, () => {
      if (this.#stopped) return;
      this.caughtUp()
        .then(() => (this.#o.clock.monotonic() - this.#collectedAt > COLLECT_EVERY_MS ? this.collect() : undefined))
        .catch((e) => this.#o.logger.debug('poll of the queue failed', { why: reason(e) }));
      this.#poll();
    });
  }

  /** One pass over events, snapshots and blobs that nothing needs any more. Unavailable, Corrupt. */
  async collect(): Promise<void> {
    this.#collectedAt = this.#o.clock.monotonic();
    const referenced = async () => {
      await this.caughtUp();
      return new Set([...this.#folded.messages.values()].map((m) => m.blob));
    };
    const { joinNeeded } = await collect({ ...this.log.reading, limits: { ...this.limits, blob_kept_ms: BLOB_KEPT_MS }, random: this.#o.random, referenced, mutations: this.#o.mutations });
    if (joinNeeded) this.#snapshot();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    this.#cancelRemoval?.();
  }
}
