// What every process of Colombier has, a serving one or the command line: stores, keys, a place among the replicas, and
// the directory.
import { networkInterfaces } from 'node:os';
import type { AccountMutations } from './account/index.ts';
import { Corrupt, Malformed, Refused, Unavailable, limits, listenFault, reason, systemClock, systemRandom } from './base/index.ts';
import type { Clock, Logger, Random } from './base/index.ts';
import { clusterSecret } from './cluster-secret.ts';
import type { Config } from './config.ts';
import { Directory } from './directory/index.ts';
import { Presence, decodePresence, presenceBytes, wasReplaced } from './log/index.ts';
import type { Authenticator, LogMutations } from './log/index.ts';
import { Asking, Peers } from './peers/index.ts';
import type { Answerer, Hint } from './peers/index.ts';
import { ClusterKeys, mac, macKeyId, openNamed, sealNamed, verifyMac } from './seal/index.ts';
import type { StateMutations } from './state/index.ts';
import { DIRECTORY_LOG, REPLICAS, openStores } from './store/index.ts';
import type { ObjectStore, StoreSettings, Stores } from './store/index.ts';

const NOTHING = Buffer.alloc(0);

export interface Core {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stores: Stores;
  readonly keys: ClusterKeys;
  readonly authenticator: Authenticator;
  readonly presence: Presence;
  readonly peers: Peers;
  readonly directory: Directory;
  /** 0: takes no calls. */
  readonly peerPort: number;
  readonly secretMade: boolean;
  /** Leaves; presence stays marked when a PUT has no answer. */
  close(unanswered: boolean): Promise<void>;
}

/** What only a test gives a replica: another clock, and rules switched off to see that they are needed. */
export interface Trial {
  clock?: Clock;
  log?: LogMutations;
  state?: StateMutations;
  account?: AccountMutations;
}

/** What to do where nothing is yet. */
export const BEGINNERS = 'start, serve and domain add make one; else this is the wrong folder, or --config is missing';

export interface CoreOptions {
  release: string;
  /** Null: takes no calls of peers, as the command line. */
  peerPort: number | 'auto' | null;
  /** False: Refused where nobody has begun yet, instead of a new cluster secret. */
  begins?: boolean;
  /** A hint for a user's log. */
  onUserHint: (hint: Hint) => void;
  /** Counts what goes to the store. */
  measure?: (stores: Stores) => Stores;
  /** What the command line asks over the peer channel. */
  onRequest?: Answerer;
  trial?: Trial;
}

function storeSettings(config: Config): StoreSettings {
  const s = config.store;
  return s.kind === 'disk' ? { store: `disk:${s.path}` } : { store: `s3:${s.buckets.join(',')}`, s3: s };
}

/** Of a machine that listens everywhere: its first address that is not only its own, else its name. */
function outwardAddress(config: Config): string {
  try {
    const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    return all.find((a) => !a.internal && !a.address.startsWith('fe80:'))?.address ?? config.hostname;
  } catch {
    return config.hostname; // A service may be forbidden to ask for them: they come over a socket of its own kind (netlink).
  }
}

/** How others reach this machine: the first address that it listens on, unless the settings say another. */
function addressOf(config: Config, port: number): string {
  if (port === 0) return '';
  if (config.peerAddress) return config.peerAddress;
  const host = ['0.0.0.0', '::'].includes(config.listen[0]) ? outwardAddress(config) : config.listen[0];
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** What proves who wrote an object. */
export function authenticatorOf(keys: ClusterKeys): Authenticator {
  return {
    mac: (name, bytes) => mac(keys, name, bytes[0], ...bytes.slice(1)),
    verify: (name, bytes, made) => void verifyMac(keys, made, name, bytes[0], ...bytes.slice(1)),
    keys: { writing: keys.id, of: macKeyId },
  };
}

/** Opens the store, finds a slot, reads the directory. Malformed, Refused, Unavailable, Corrupt: each a clear line. */
export async function openCore(config: Config, logger: Logger, options: CoreOptions): Promise<Core> {
  const clock = options.trial?.clock ?? systemClock;
  const random = systemRandom;
  const opened = await openStores(storeSettings(config), clock, random, logger.room('store'));
  const stores = options.measure?.(opened) ?? opened;
  const undo: (() => Promise<unknown>)[] = [() => stores.close()];
  try {
    const empty = async () => (await stores.home.list({ prefix: DIRECTORY_LOG, maxKeys: 1 })).objects.length === 0;
    const mayMake = async () => {
      if (!(await empty())) return false;
      if (options.begins === false) throw new Refused(`the store is empty, and there is no cluster secret: ${BEGINNERS}`);
      return true;
    };
    const { secret, made } = await clusterSecret(config, random, mayMake);
    const keys = ClusterKeys.parse(secret.split(/[\s,]+/));
    const authenticator = authenticatorOf(keys);
    const directoryHint = (hint: Hint) => directory.hint(hint.name, hint.bytes);
    const peers: Peers = new Peers({
      writer: () => presence.id,
      release: options.release,
      key: keys.peerKey(),
      place: stores.place,
      clock,
      random,
      logger: logger.room('peers'),
      members: () => presence.peers().map((p) => ({ writer: p.id, address: p.address || null })),
      onHint: (hint) => (hint.root === DIRECTORY_LOG ? directoryHint(hint) : options.onUserHint(hint)),
      onRequest: options.onRequest,
    });
    const wanted = options.peerPort === 'auto' ? 0 : options.peerPort;
    const peerPort = await peers.start(config.listen[0], wanted === 0 && options.peerPort !== 'auto' ? null : wanted).catch((e) => {
      throw new Refused(`the peer channel cannot listen on ${config.listen[0]}${wanted ? ` port ${wanted}` : ''}: ${listenFault(e)}`);
    });
    undo.push(() => peers.stop());
    const presence = new Presence({
      store: stores.home,
      clock,
      random,
      logger: logger.room('presence'),
      address: addressOf(config, peerPort),
      version: options.release,
      seal: (name, plain) => sealNamed(keys.directory[0], name, NOTHING, plain, random),
      open: (name, sealed) => openNamed(keys.directory, name, NOTHING, sealed),
      admit: async () => {
        if (!(await wasReplaced(stores.home, authenticator))) return;
        throw new Refused('the cluster secret that stands first was replaced, and nothing that is written under it counts any more: put the newer one first, or alone');
      },
      mutations: options.trial?.log,
    });
    await presence.join();
    undo.push(() => presence.leave({ unanswered: false }));
    const directory: Directory = new Directory({
      store: stores.home,
      keys,
      identity: presence,
      authenticator,
      clock,
      random,
      logger: logger.room('directory'),
      mutations: options.trial?.log,
      onAppended: (name, bytes) => peers.broadcast({ bucket: null, root: DIRECTORY_LOG, name, bytes: Buffer.from(bytes) }),
    });
    await directory.open();
    peers.dial();
    const close = async (unanswered: boolean) => {
      await directory.stop();
      await presence.leave({ unanswered });
      await peers.stop();
      await stores.close();
    };
    return { clock, random, logger, stores, keys, authenticator, presence, peers, directory, peerPort, secretMade: made, close };
  } catch (e) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw e;
  }
}

/** Addresses at which replicas say that they are reached, the last seen first. Unavailable. */
async function replicaAddresses(store: ObjectStore, keys: ClusterKeys): Promise<string[]> {
  const { objects, date } = await store.list({ prefix: REPLICAS });
  const fresh = objects.filter((row) => date - row.modified < limits.slot_free_ms).sort((a, b) => b.modified - a.modified);
  const read = await Promise.all(fresh.map(async (row) => {
    try {
      const bytes = await presenceBytes(store, row);
      const record = bytes && decodePresence(openNamed(keys.directory, row.name, NOTHING, bytes));
      return record && !record.left ? record.address : '';
    } catch (e) {
      if (e instanceof Corrupt) return ''; // not a replica of this cluster
      throw e;
    }
  }));
  return read.filter((address) => address !== '');
}

/** A connection to a running replica, or null when none answers. Malformed, Refused, Unavailable, Corrupt. */
export async function askReplica(config: Config, release: string, logger: Logger): Promise<Asking | null> {
  const clock = systemClock;
  const stores = await openStores(storeSettings(config), clock, systemRandom, logger.room('store'));
  try {
    // Without a secret there is no replica yet: the command itself makes it, or says what is missing.
    const found = await clusterSecret(config, systemRandom, async () => false).catch((e) => {
      if (e instanceof Malformed) return null;
      throw e;
    });
    if (!found) return null;
    const keys = ClusterKeys.parse(found.secret.split(/[\s,]+/));
    for (const address of await replicaAddresses(stores.home, keys)) {
      try {
        return await Asking.open({ address, key: keys.peerKey(), place: stores.place, release, clock, logger: logger.room('peers') });
      } catch (e) {
        if (!(e instanceof Unavailable)) throw e;
        logger.debug('a replica does not answer', { address, why: reason(e) });
      }
    }
    return null;
  } finally {
    await stores.close();
  }
}
