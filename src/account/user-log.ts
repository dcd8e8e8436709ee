// The logs of users at this replica, known by names alone until a user logs in. Kept while in use and some time after,
// because a log that was listed once needs only its tail the next time.
import type { UserRecord } from '../directory/index.ts';
import { Log } from '../log/index.ts';
import { decodeUserPublic } from '../seal/index.ts';
import type { UserPublic } from '../seal/index.ts';
import type { Op } from '../state/index.ts';
import { userRoot } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { userCodec } from './codec.ts';
import { confirmedOnce } from './confirmed.ts';
import type { UserCodec } from './codec.ts';
import type { Keeper } from './memory.ts';
import type { Replica } from './replica.ts';

/** Logs of users who are not logged in that stay known: each costs some kilobytes. */
const IDLE_LOGS_MAX = 2000;

export interface UserLog {
  /** As the directory has it now. */
  record: UserRecord;
  readonly root: string;
  readonly store: ObjectStore;
  readonly keys: UserPublic;
  readonly codec: UserCodec;
  readonly log: Log<Op>;
  /** Who is about to write through it: while there is anyone, it stays the user's only log in this process. */
  writers: number;
}

/** What a log takes of memory, and each name that it knows. */
const LOG_BYTES = 4096;
const NAME_BYTES = 450;

export class UserLogs implements Keeper {
  readonly name = 'logs';
  readonly anytime = false;
  #bytes = 0;
  readonly #replica: Replica;
  readonly #logs = new Map<string, UserLog>();
  /** True for users whose log must stay: they are logged in. */
  readonly #busy: (user: string) => boolean;

  constructor(replica: Replica, busy: (user: string) => boolean) {
    this.#replica = replica;
    this.#busy = busy;
  }

  /** The user's log; known from now on. Refused when the user's bucket isn't configured here. */
  of(record: UserRecord): UserLog {
    const known = this.#logs.get(record.id);
    if (known) {
      known.record = record;
      this.#logs.delete(record.id); // the most recently used stands last
      this.#logs.set(record.id, known);
      return known;
    }
    const r = this.#replica;
    const root = userRoot(record.id);
    const store = confirmedOnce(r.stores.bucket(record.bucket));
    const keys = decodeUserPublic(record.publicKeys);
    const codec = userCodec(keys, r.random);
    const log = new Log<Op>({
      store,
      root,
      identity: r.identity,
      clock: r.clock,
      random: r.random,
      logger: r.logger.room('log'),
      authenticator: r.authenticator,
      codec,
      mutations: r.logMutations,
      onAppended: (hint) => r.announce(record.bucket, root, hint.name, hint.bytes),
    });
    const entry: UserLog = { record, root, store, keys, codec, log, writers: 0 };
    this.#logs.set(record.id, entry);
    this.#evict();
    return entry;
  }

  /** Without making it known. */
  known(user: string): UserLog | null {
    return this.#logs.get(user) ?? null;
  }

  /** Unless it is in use. */
  forget(user: string): void {
    const entry = this.#logs.get(user);
    if (entry && !this.#inUse(user, entry)) this.#logs.delete(user);
  }

  // ——— as a keeper of memory ———

  get bytes(): number {
    return this.#bytes;
  }
  readonly spare = 0;
  measure(): void {
    let bytes = 0;
    for (const { log } of this.#logs.values()) bytes += LOG_BYTES + NAME_BYTES * log.known;
    this.#bytes = bytes;
  }
  /** The least recently used go first; only when nothing else can go, because a log that is forgotten must be listed as a whole again. */
  evict(before: number, bytes: number): number {
    let freed = 0;
    if (before <= this.#replica.clock.monotonic()) return freed;
    for (const [user, entry] of this.#logs) {
      if (freed >= bytes) break;
      if (this.#inUse(user, entry)) continue;
      this.#logs.delete(user);
      freed += LOG_BYTES + NAME_BYTES * entry.log.known;
    }
    this.#bytes -= freed;
    return freed;
  }

  #inUse(user: string, entry: UserLog): boolean {
    return this.#busy(user) || entry.writers > 0 || entry.log.submitting > 0;
  }

  all(): Iterable<UserLog> {
    return this.#logs.values();
  }

  #evict(): void {
    let over = this.#logs.size - IDLE_LOGS_MAX;
    for (const [user, entry] of this.#logs) {
      if (over <= 0) return;
      if (this.#inUse(user, entry)) continue;
      this.#logs.delete(user);
      over--;
    }
  }
}
