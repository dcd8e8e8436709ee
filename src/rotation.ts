// Another cluster secret, to the end (src/log/guard.ts): what in each log is under a former one, the lists that stand for it, and
// snapshots of what is sealed under it too: the directory and the queue.
import { readingOf } from './account/index.ts';
import type { Replica } from './account/index.ts';
import { Corrupt, Refused, limits, reason, silent } from './base/index.ts';
import type { SecretLog, SecretSummary } from './cli/admin.ts';
import { Directory } from './directory/index.ts';
import type { UserRecord } from './directory/index.ts';
import { declareReplaced, decodePresence, formerKeys, listAll, listFormerKeys, presenceBytes } from './log/index.ts';
import type { Reading, ReplicaIdentity } from './log/index.ts';
import type { Queue } from './queue/index.ts';
import { authenticatorOf } from './replica.ts';
import { openNamed, sealedKeyId } from './seal/index.ts';
import { queueOf } from './sending.ts';
import { REPLICAS } from './store/index.ts';

/** Logs that are read at once. */
const LOGS_AT_ONCE = 8;
const NOTHING = Buffer.alloc(0);
/** Reads, and can write nothing. */
const nobody = (): ReplicaIdentity => ({ slot: null, mayWrite: () => false, spent: new Map() });

export class Rotation {
  readonly #replica: Replica;
  readonly #queue: () => Promise<Queue>;
  constructor(replica: Replica, queue: () => Promise<Queue>) {
    this.#replica = replica;
    this.#queue = queue;
  }

  /** What needs a former secret. Unavailable. */
  status(records: readonly UserRecord[]): Promise<SecretSummary> {
    return this.#all(records, false);
  }

  /**
   * Lists what is under former secrets, and writes anew what is sealed under them. Refused while a replica writes under a former
   * one: what that one writes would count for nothing afterwards. Unavailable; can be run again.
   */
  async renew(records: readonly UserRecord[]): Promise<SecretSummary> {
    const { keys } = this.#replica;
    if (keys.ids.length === 1) throw new Refused('Only one cluster secret is set: put the new one before it first (see `secret new`)');
    await this.#checkWriters();
    // Who comes back from a long silence, or starts, finds this or is seen: see Presence.
    await declareReplaced(this.#replica.stores.home, this.#replica.authenticator, keys.ids.slice(1));
    await this.#checkWriters();
    return this.#all(records, true);
  }

  async #checkWriters(): Promise<void> {
    const writers = await this.#writers();
    if (writers.length > 0) throw new Refused(`These replicas write under a former secret still: ${writers.map((w) => w.address || w.id).join(', ')}. Put the new one first there, and start them again`);
  }

  async #all(records: readonly UserRecord[], renew: boolean): Promise<SecretSummary> {
    const { keys, directory } = this.#replica;
    const queue = await this.#queue();
    const writers = await this.#writers();
    const sealed = [
      await this.#sealed('directory', directory.log.reading, renew, () => this.#readAlone(this.#directoryAlone()), () => directory.snapshot()),
      await this.#sealed('queue', queue.log.reading, renew, () => this.#readAlone(this.#queueAlone()), () => queue.snapshot()),
    ];
    const users: SecretLog[] = new Array(records.length);
    let next = 0;
    const lane = async () => {
      while (next < records.length) {
        const at = next++;
        users[at] = await this.#log(records[at].id, () => readingOf(this.#replica, records[at]), renew);
      }
    };
    await Promise.all(Array.from({ length: LOGS_AT_ONCE }, lane));
    const logs = [...sealed, ...users];
    return { writing: keys.id, former: keys.ids.slice(1), writers, total: logs.length, logs: logs.filter((l) => l.former > 0 || l.needed || l.problem !== null) };
  }

  /** A log whose events only its readers' own keys open: MACs alone are of the cluster secret. */
  async #log(log: string, reading: () => Reading, renew: boolean): Promise<SecretLog> {
    const row: SecretLog = { log, former: 0, unlisted: 0, needed: false, problem: null };
    try {
      const listed = renew ? await listFormerKeys(reading()).catch((e) => {
        if (!(e instanceof Refused)) throw e;
        row.problem = e.message;
        return null;
      }) : null;
      if (listed) for (const n of listed.values()) row.former += n;
      else Object.assign(row, await formerKeys(reading()));
      row.needed = row.unlisted > 0;
    } catch (e) {
      row.problem = reason(e);
      row.needed = true;
    }
    return row;
  }

  /** A log that is sealed under the cluster secret too. */
  async #sealed(log: string, reading: Reading, renew: boolean, alone: () => Promise<string | null>, snapshot: () => Promise<boolean>): Promise<SecretLog> {
    const row = await this.#log(log, () => reading, renew);
    if (row.needed || row.problem !== null) return row;
    try {
      let why = await alone();
      if (why !== null && renew) {
        if (await snapshot()) why = await alone();
        row.problem = why;
      }
      row.needed = why !== null;
    } catch (e) {
      row.problem = reason(e);
      row.needed = true;
    }
    return row;
  }

  /** Null: the new secret alone is enough. */
  async #readAlone(log: { open(): Promise<void>; stop(): Promise<void> }): Promise<string | null> {
    try {
      await log.open();
      return null;
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      return e.message;
    } finally {
      await log.stop();
    }
  }

  #directoryAlone(): Directory {
    const { stores, clock, random } = this.#replica;
    const keys = this.#replica.keys.alone;
    return new Directory({ store: stores.home, keys, identity: nobody(), authenticator: authenticatorOf(keys), clock, random, logger: silent });
  }

  #queueAlone(): Queue {
    const keys = this.#replica.keys.alone;
    return queueOf({ ...this.#replica, keys, identity: nobody(), authenticator: authenticatorOf(keys), logger: silent });
  }

  /** Replicas that write under a former secret. */
  async #writers(): Promise<{ id: string; address: string }[]> {
    const { stores, keys } = this.#replica;
    const { rows, date } = await listAll(stores.home, REPLICAS, limits.list_keys_max, { rowsMax: limits.list_replicas_max });
    const read = await Promise.all(rows.filter((row) => date - row.modified < limits.slot_free_ms).map(async (row) => {
      try {
        const bytes = await presenceBytes(stores.home, row);
        if (!bytes || sealedKeyId(bytes) === keys.directory[0].id) return null;
        const { address, left } = decodePresence(openNamed(keys.directory, row.name, NOTHING, bytes));
        return left ? null : { id: row.name.slice(REPLICAS.length), address };
      } catch (e) {
        if (!(e instanceof Corrupt)) throw e;
        return null; // not a replica of this cluster
      }
    }));
    return read.filter((w) => w !== null);
  }
}
