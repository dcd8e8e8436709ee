// Which replica this is, to all others: one object `replicas/<id>`, renewed every minute, that holds the slot from which
// positions are taken. Nothing here is exclusive by the store's means, so who finds the own slot in another's
// presence takes another, before its first write.
import { ByteReader, ByteWriter, Corrupt, Unavailable, limits as defaultLimits, randomId, reason } from '../base/index.ts';
import type { Clock, Limits, Logger, Position, Random, Writer } from '../base/index.ts';
import { REPLICAS, replicaName } from '../store/index.ts';
import type { Listed, ObjectStore } from '../store/index.ts';
import { listAll, sparing } from './reading.ts';
import { noMutations } from './mutations.ts';
import type { LogMutations } from './mutations.ts';
import type { ReplicaIdentity } from './types.ts';

const PRESENCE_VERSION = 1;
/** A presence that was not renewed for so long is removed by whoever sees it. */
const STALE_MS = 24 * 60 * 60 * 1000;

const TIME_STEP_MS = 2000;
/** Who holds its slot for certain reads others' presences again only so often: nobody who sees it renewed takes that slot. */
const READ_AGAIN_MS = 10 * 60 * 1000;

/** What a presence object says. */
export interface PresenceRecord {
  slot: number;
  /** Where peers reach it, `host:port`; empty when they don't. */
  address: string;
  version: string;
  /** When the process started, ms since 1970 by its own clock. */
  since: number;
  /** It is gone, but a PUT of it may still land. */
  left: boolean;
}

export interface Peer extends PresenceRecord {
  id: Writer;
  /** The store's own time of its last renewal, ms. */
  seen: number;
}

export interface PresenceOptions {
  store: ObjectStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  address: string;
  version: string;
  /**
   * Seals or authenticates the record under the object's name; `open` throws Corrupt, whatever it meets. The seal is of format 1
   * for ever, so that every release can tell whether a record is of this cluster before it looks at the record's version.
   */
  seal(name: string, plain: Buffer): Buffer;
  open(name: string, sealed: Buffer): Buffer;
  /**
   * Asked before the first write and after a long silence, when the presence is stored: throws what keeps this process from
   * writing at all. Whoever wants that must store its reason first and then look at the presences.
   */
  admit?(): Promise<void>;
  limits?: Limits;
  mutations?: Partial<LogMutations>;
}

export function encodePresence(p: PresenceRecord): Buffer {
  return new ByteWriter().u8(PRESENCE_VERSION).varint(p.slot).string(p.address).string(p.version).varint(p.since).u8(p.left ? 1 : 0).done();
}

/** Throws Corrupt. */
export function decodePresence(bytes: Uint8Array): PresenceRecord {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== PRESENCE_VERSION) throw new Corrupt(version > PRESENCE_VERSION ? 'a presence was written by a newer version' : 'a presence has an unknown version');
  return { slot: r.varint(), address: r.string(), version: r.string(), since: r.varint(), left: r.u8() === 1 };
}

/** The bytes of an object among the presences, as stored; null when it is gone. Corrupt for what is none, of any size. Unavailable. */
export async function presenceBytes(store: ObjectStore, { name, bytes }: Listed): Promise<Buffer | null> {
  if (bytes > defaultLimits.presence_bytes_max) throw new Corrupt(`${bytes} bytes are no presence`);
  return (await store.get(name))?.bytes ?? null;
}

export class Presence implements ReplicaIdentity {
  readonly #o: PresenceOptions;
  readonly #limits: Limits;
  readonly #mutations: LogMutations;
  readonly id: Writer;
  readonly since: number;
  readonly spent = new Map<string, Position>();
  #slot: number | null = null;
  /** Both clocks when the last acknowledged PUT began. */
  #acked: { mono: number; wall: number } | null = null;
  #known = new Map<string, { modified: number; settled: boolean; read: number; record: PresenceRecord }>();
  #peers: Peer[] = [];
  /** Objects among the presences that are not authentic, with the time of each as it was when it was read. */
  readonly #strangers = new Map<string, number>();
  #cancel: (() => void) | null = null;
  #left = false;
  #held = false;
  #renewing: Promise<void> | null = null;

  constructor(options: PresenceOptions) {
    this.#o = { ...options, logger: sparing(options.logger, options.clock) };
    this.#limits = options.limits ?? defaultLimits;
    this.#mutations = { ...noMutations, ...options.mutations };
    this.id = randomId(options.random, 65);
    this.since = options.clock.now();
  }

  get slot(): number | null {
    return this.#slot;
  }

  mayWrite(): boolean {
    const { clock } = this.#o;
    if (this.#slot === null || !this.#acked || this.#left) return false;
    const most = this.#limits.presence_valid_ms;
    const wall = clock.now() - this.#acked.wall;
    return clock.monotonic() - this.#acked.mono < most && wall < most;
  }

  /** Others that were seen within `slot_free_ms`, as of the last renewal. */
  peers(): Peer[] {
    return this.#peers;
  }

  /** How many objects among the presences are not of this cluster: they count for nothing. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /**
   * Takes a slot; waits, a renewal's time each, while none is free. Renews until `leave`. Throws Unavailable when the
   * store doesn't answer, and then can be called again; Refused when this process must not write (`admit`).
   */
  async join(): Promise<void> {
    for (;;) {
      await this.renew();
      if (this.#slot !== null) break;
      this.#o.logger.warn('no slot is free: waiting');
      // Not all at the same time, or those who wait would find only each other.
      await this.#o.clock.sleep(this.#limits.presence_renew_ms * (0.5 + this.#o.random.unit() / 2));
      if (this.#left) throw new Unavailable('this replica has left');
    }
    this.#schedule();
  }

  #schedule(): void {
    this.#cancel?.();
    if (this.#left) return;
    this.#cancel = this.#o.clock.after(this.#limits.presence_renew_ms, () => {
      this.renew().then(
        () => this.#schedule(),
        (e) => {
          this.#o.logger.warn('presence could not be renewed', { reason: reason(e) });
          this.#schedule();
        },
      );
    });
  }

  /** PUT, then LIST; again with another slot while the own one is another's too. Throws Unavailable. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    const { clock } = this.#o;
    // Who was silent for long may have lost its slot: nothing is written before the LIST says otherwise.
    let sure = this.mayWrite();
    let slot = this.#slot;
    if (slot === null) {
      const taken = await this.#read();
      slot = this.#free(taken);
    }
    let put = false;
    for (let tries = 0; slot !== null && tries <= this.#limits.slots; tries++) {
      if (this.#left) return;
      const began = { mono: clock.monotonic(), wall: clock.now() };
      put = true;
      await this.#put(slot, false);
      if (sure) this.#acked = began;
      else await this.#admitted();
      const taken = await this.#read(sure, true);
      if (!taken.has(slot)) {
        this.#held = true;
        this.#slot = slot;
        this.#acked = began;
        return;
      }
      this.#slot = null;
      sure = false;
      this.#o.logger.info('the slot is another replica\'s too', { slot });
      slot = this.#free(taken);
    }
    this.#slot = null;
    // Nothing was ever written under a slot that was never held: others need not wait for it.
    if (put && !this.#held) await this.#o.store.delete(replicaName(this.id));
  }

  async #admitted(): Promise<void> {
    try {
      await this.#o.admit?.();
    } catch (e) {
      if (!this.#held) await this.#o.store.delete(replicaName(this.id)).catch(() => {});
      throw e;
    }
  }

  async #put(slot: number, left: boolean): Promise<void> {
    const name = replicaName(this.id);
    const { address, version } = this.#o;
    const plain = encodePresence({ slot, address, version, since: this.since, left });
    await this.#o.store.put(name, this.#o.seal(name, plain));
  }

  /** A slot that nobody has; any of them, so that two that start at once rarely take the same. */
  #free(taken: ReadonlySet<number>): number | null {
    if (this.#mutations.slotsReusedAtOnce) {
      const mine = this.#former();
      if (mine !== null) return mine;
    }
    const free: number[] = [];
    for (let s = 0; s < this.#limits.slots; s++) if (!taken.has(s)) free.push(s);
    return free.length > 0 ? free[Math.floor(this.#o.random.unit() * free.length)] : null;
  }

  /** The slot of the process that had this address before. */
  #former(): number | null {
    for (const [name, { record }] of this.#known) if (name !== replicaName(this.id) && record.address === this.#o.address) return record.slot;
    return null;
  }

  /**
   * Right after its PUT the own presence is there, and young. Where the store shows it not at all, or as one that is about to lose
   * its slot, the others' slots can't be told either. Throws Unavailable.
   */
  #checkTimes(rows: readonly Listed[], date: number): void {
    const own = rows.find((row) => row.name === replicaName(this.id));
    if (!own) throw new Unavailable('the store does not show what it has just acknowledged');
    const ago = date - own.modified;
    const { put_window_ms, slot_free_ms, presence_valid_ms } = this.#limits;
    if (Math.abs(ago) < put_window_ms / 2) return;
    this.#o.logger.error("the store's own times contradict each other (Date and LastModified): look at the clocks of its machines, and of a proxy before it", { minutes: Math.round(ago / 60_000) });
    if (ago >= slot_free_ms - presence_valid_ms) throw new Unavailable('by the times that the store tells nobody knows which replicas are there');
  }

  /** Reads all presences; the slots of others that were seen within `slot_free_ms`. `put`: the own one was just stored. */
  async #read(sure = false, put = false): Promise<Set<number>> {
    const { store, logger } = this.#o;
    const { rows, date } = await listAll(store, REPLICAS, this.#limits.list_keys_max, { rowsMax: this.#limits.list_replicas_max });
    if (put) this.#checkTimes(rows, date);
    const fresh = rows.filter((row) => row.name !== replicaName(this.id) && date - row.modified < this.#limits.slot_free_ms);
    const read = await Promise.all(fresh.map((row) => this.#record(row, date, sure)));
    const names = new Set(rows.map((row) => row.name));
    for (const seen of [this.#known, this.#strangers]) for (const name of seen.keys()) if (!names.has(name)) seen.delete(name);
    for (const row of rows) {
      if (date - row.modified > STALE_MS && row.name !== replicaName(this.id)) store.delete(row.name).catch((e) => logger.debug('a stale presence stays', { reason: reason(e) }));
    }
    const taken = new Set<number>();
    this.#peers = [];
    read.forEach((record, i) => {
      if (!record) return;
      if (this.#mutations.slotsReusedAtOnce && record.address === this.#o.address) return;
      taken.add(record.slot);
      if (!record.left) this.#peers.push({ ...record, id: fresh[i].name.slice(REPLICAS.length), seen: fresh[i].modified });
    });
    return taken;
  }

  async #record(row: Listed, date: number, sure: boolean): Promise<PresenceRecord | null> {
    const known = this.#known.get(row.name);
    if (known?.settled && (known.modified === row.modified || (sure && date - known.read < READ_AGAIN_MS))) return known.record;
    if (this.#strangers.get(row.name) === row.modified && date - row.modified > TIME_STEP_MS) return null;
    let plain: Buffer;
    try {
      const bytes = await presenceBytes(this.#o.store, row);
      if (!bytes) return null;
      plain = this.#o.open(row.name, bytes);
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      // Not a replica of this cluster, so it takes no position; whatever version it claims to be of.
      if (!this.#strangers.has(row.name)) this.#o.logger.error('a presence is not authentic', { name: row.name, reason: reason(e) });
      this.#strangers.set(row.name, row.modified);
      return null;
    }
    this.#strangers.delete(row.name);
    try {
      const record = decodePresence(plain);
      // Stores tell times in seconds: what was young when it was read may have been written again in the same one.
      this.#known.set(row.name, { modified: row.modified, settled: date - row.modified > TIME_STEP_MS, read: date, record });
      return record;
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      // It may have the own slot: whoever can't tell writes nothing.
      if (/newer version/.test(e.message)) throw new Unavailable(`${e.message}: ${row.name}; this release is too old to work beside it`);
      this.#o.logger.error('a presence can not be read', { name: row.name, reason: reason(e) });
      return null;
    }
  }

  /**
   * Writes nothing any more. With a PUT unanswered the presence stays, marked, so that the slot is free only when that
   * PUT can do no harm; else it is removed. Errors of the store are logged: the presence ends by itself.
   */
  async leave({ unanswered }: { unanswered: boolean }): Promise<void> {
    const slot = this.#slot;
    this.#left = true;
    this.#cancel?.();
    await this.#renewing?.catch(() => {});
    try {
      if (slot !== null && (unanswered || this.spent.size > 0)) await this.#put(slot, true);
      else await this.#o.store.delete(replicaName(this.id));
    } catch (e) {
      this.#o.logger.warn('the presence could not be ended', { reason: reason(e) });
    }
  }
}
