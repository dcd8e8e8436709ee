// Replicas in one process over one memory store, without sockets: what the account room is made of, wired as server.ts
// wires it, with a clock and a seed of the test's own.
import { seededRandom, silent } from '../../src/base/index.ts';
import type { Clock, Flag, Logger, Random } from '../../src/base/index.ts';
import { Administration, BlobCache, DeliveredWords, Logins, MailReceiver, RecordCache, SpoolBudget, Upkeep, Users } from '../../src/account/index.ts';
import type { AccountMutations, MemoryBudget, Replica, SearchMemory } from '../../src/account/index.ts';
import { Directory } from '../../src/directory/index.ts';
import type { DirectoryOp, StoredWrap, UserRecord } from '../../src/directory/index.ts';
import type { Session } from '../../src/imap/session.ts';
import type { Authenticator, ReplicaIdentity } from '../../src/log/index.ts';
import { createAppPassword, createRootKey, createUserSecrets, encodeUserPublic, mac, sealRing, verifyMac, wrapInfo, wrapWithToken } from '../../src/seal/index.ts';
import { DIRECTORY_LOG, MemoryWorld } from '../../src/store/index.ts';
import type { MemoryStore } from '../../src/store/index.ts';
import { WorldClock, quiet } from '../log/world.ts';
import { knownCluster, knownPublic, knownRoot, frozen, KNOWN_USER } from '../seal/known.ts';

const keys = knownCluster();
const authenticator: Authenticator = {
  mac: (name, bytes) => mac(keys, name, bytes[0], ...bytes.slice(1)),
  verify: (name, bytes, made) => void verifyMac(keys, made, name, bytes[0], ...bytes.slice(1)),
};
export const DOMAIN = 'x.test';

/** An account of the world: `password` is an app password, which costs no Argon2. */
export interface Account {
  id: string;
  address: string;
  password: string;
  /** Id of that app password. */
  wrap: string;
}

export interface ReplicaOptions {
  mutations?: AccountMutations;
  logger?: Logger;
  search?: SearchMemory;
  /** Takes the words of mail for users who are away; needs `search`. */
  words?: boolean;
  /** What the replica keeps in memory; without it nothing has to go. */
  memory?: MemoryBudget;
  /** With whom it shares the work in the background; alone without. */
  members?: Replica['members'];
}

/** One replica: stop it with `stop`, or drop it with `die`, as a kill does. */
export class TestReplica {
  readonly world: AccountWorld;
  /** Its way to users' objects, and to the directory: apart, so that requests are counted apart. */
  readonly mail: MemoryStore;
  readonly home: MemoryStore;
  readonly identity: ReplicaIdentity & { slot: number };
  readonly directory: Directory;
  readonly replica: Replica;
  readonly logins: Logins;
  readonly users: Users;
  readonly upkeep: Upkeep;
  readonly words: DeliveredWords | undefined;
  readonly receiver: MailReceiver;
  readonly admin: Administration;
  alive = true;

  constructor(world: AccountWorld, slot: number, options: ReplicaOptions) {
    this.world = world;
    const { clock, random } = world;
    this.mail = world.store.client();
    this.home = world.store.client();
    this.identity = { slot, mayWrite: () => this.alive, spent: new Map() };
    const logger = options.logger ?? silent;
    this.directory = new Directory({ store: this.home, keys, identity: this.identity, authenticator, clock, random, logger, onAppended: (name, bytes) => world.tell(this, DIRECTORY_LOG, name, bytes) });
    const stores = { bucket: () => this.mail, home: this.home, names: [null], place: 'here', close: async () => {} };
    this.words = options.words ? new DeliveredWords({ stores, directory: this.directory, keys, clock, random, logger, search: options.search!, memory: options.memory }) : undefined;
    this.replica = {
      stores,
      keys,
      clock,
      random,
      logger,
      identity: this.identity,
      authenticator,
      directory: this.directory,
      blobs: new BlobCache(options.memory ?? 8 * 1024 * 1024),
      records: new RecordCache(options.memory ?? 8 * 1024 * 1024),
      memory: options.memory,
      members: options.members,
      search: options.search,
      words: this.words,
      spoolBudget: new SpoolBudget(2 ** 30),
      announce: (_bucket, root, name, bytes) => world.tell(this, root, name, bytes),
      peersComplete: () => world.hints,
      mutations: options.mutations ?? {},
    };
    this.logins = new Logins(this.directory, clock, random, keys.derive('scram salt'));
    this.users = new Users({ replica: this.replica, logins: this.logins, plaintextFromLoopback: true });
    this.upkeep = new Upkeep(this.replica, this.users);
    this.receiver = new MailReceiver({ replica: this.replica, logOf: (record) => this.users.logs.of(record), used: (user) => this.users.used(user) });
    this.admin = new Administration({ directory: this.directory, logins: this.logins, stores: this.replica.stores, clock, random });
  }

  login(account: Account): Promise<Session> {
    return this.users.login(account.address, account.password, '127.0.0.1');
  }

  /** One message to one or more addresses, as SMTP hands it over. Throws the first recipient's error. */
  async deliver(to: string | string[], message: string | Buffer, from = 'sender@far.test'): Promise<void> {
    const recipients = [];
    for (const address of [to].flat()) recipients.push(await this.receiver.recipient(address, null));
    const transaction = this.receiver.begin({ from, recipients, declaredBytes: null });
    const bytes = Buffer.from(message);
    for (let at = 0; at < bytes.length; at += 65_536) await transaction.write(bytes.subarray(at, at + 65_536));
    const outcomes = await transaction.commit(() => Buffer.from('Return-Path: <sender@far.test>\r\n'));
    for (const { error } of outcomes) if (error) throw error;
  }

  record(account: Account): UserRecord {
    return this.directory.state.users.get(account.id)!;
  }

  /** A kill: nothing of it reaches the store any more. */
  die(): void {
    this.alive = false;
    this.mail.faults.cut = true;
    this.home.faults.cut = true;
    this.world.replicas.splice(this.world.replicas.indexOf(this), 1);
  }

  async stop(): Promise<void> {
    await this.upkeep.stop();
    await this.words?.stop();
    await this.users.stop();
    await this.logins.close();
    await this.directory.stop();
    const at = this.world.replicas.indexOf(this);
    if (at >= 0) this.world.replicas.splice(at, 1);
  }
}

export class AccountWorld {
  readonly clock: WorldClock & Clock;
  readonly random: Random;
  readonly store: MemoryWorld;
  readonly replicas: TestReplica[] = [];
  /** False: replicas hear nothing of each other. */
  hints = true;
  #slots = 0;

  constructor(seed = 1) {
    this.clock = new WorldClock();
    this.random = seededRandom(seed);
    this.store = new MemoryWorld(this.clock, this.random);
  }

  async replica(options: ReplicaOptions = {}): Promise<TestReplica> {
    const replica = new TestReplica(this, this.#slots++ % 64, options);
    await this.settled(replica.directory.open());
    this.replicas.push(replica);
    return replica;
  }

  tell(from: TestReplica, root: string, name: string, bytes: Uint8Array): void {
    if (!this.hints) return;
    for (const other of this.replicas) {
      if (other === from) continue;
      if (root === DIRECTORY_LOG) other.directory.hint(name, Buffer.from(bytes));
      else other.users.hint(root, name, Buffer.from(bytes));
    }
  }

  /** A user with an app password; the first one has frozen keys. */
  async account(at: TestReplica, name: string, quotaBytes = 0): Promise<Account> {
    const { random, clock } = this;
    const known = at.directory.state.users.size === 0;
    const secrets = known ? null : await createUserSecrets(random, clock.now());
    const id = known ? KNOWN_USER : `u${name}`;
    const root = known ? knownRoot() : createRootKey(random);
    const ring = secrets ? sealRing(root, id, secrets.ring, random) : frozen('ring');
    const token = createAppPassword(random);
    const bytes = wrapWithToken(root, id, token, random);
    const wrap: StoredWrap = { ...wrapInfo(bytes), label: '', bytes };
    const address = `${name}@${DOMAIN}`;
    if (!at.directory.state.hasDomain(DOMAIN)) await this.settled(at.directory.write(() => [{ kind: 'DomainAdded', domain: DOMAIN }]));
    const ops: DirectoryOp[] = [
      { kind: 'UserAdded', user: id, at: clock.now(), publicKeys: encodeUserPublic(secrets?.public ?? knownPublic()), ring, bucket: '', quotaBytes },
      { kind: 'WrapAdded', user: id, wrap },
    ];
    await this.settled(at.directory.claim(address, id, true, () => ops));
    return { id, address, password: token.text(), wrap: wrap.id };
  }

  /** Waits for what may have to wait for the clock: moves it from one timer to the next until the promise is settled. */
  async settled<T>(promise: Promise<T>, msMax = 10 * 60_000): Promise<T> {
    let done = false;
    const end = () => void (done = true);
    promise.then(end, end);
    const latest = this.clock.now() + msMax;
    for (;;) {
      for (let i = 0; i < 4 && !done; i++) await quiet();
      if (done) return promise;
      if (this.clock.now() > latest) throw new Error('not settled within the time of the world');
      await this.clock.advance(50);
    }
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (let i = 0; i < 8; i++) await quiet();
  }

  async stop(): Promise<void> {
    for (const replica of [...this.replicas]) await this.settled(replica.stop());
  }
}

let serial = 0;
/** A small message with its own Message-ID. */
export function mail(subject: string, body = 'Hello.\r\n'): string {
  return `From: Ann <ann@far.test>\r\nTo: bob@x.test\r\nSubject: ${subject}\r\nMessage-ID: <m${++serial}@far.test>\r\nDate: Mon, 6 Jan 2025 10:00:00 +0000\r\n\r\n${body}`;
}

/** APPEND of one or more messages. */
export async function append(session: Session, mailbox: string, messages: (string | Buffer)[], flags: Flag[] = []): Promise<{ uidValidity: number; uids: number[] }> {
  const appender = await session.append(mailbox);
  try {
    for (const message of messages) {
      const bytes = Buffer.from(message);
      appender.begin(flags, null, bytes.length);
      await appender.write(bytes);
      await appender.end();
    }
    return await appender.commit();
  } catch (e) {
    appender.abort();
    throw e;
  }
}

/** All messages of a mailbox as a client would see them, in clear and in order. */
export async function contents(session: Session, mailbox: string): Promise<{ uid: number; flags: string[]; modSeq: number; emailId: string; threadId: string; date: number; saved: number; text: string }[]> {
  const selected = await session.select(mailbox, true);
  const { index } = selected;
  const rows = [];
  for (const uid of index.uids.slice(0, index.count)) {
    const i = index.find(uid);
    const text = (await selected.read(uid, 0, Infinity))!.toString();
    rows.push({ uid, flags: [...index.flagsOf(index.flagSet(i))].sort(), modSeq: index.modSeq(i), emailId: index.emailId(i), threadId: index.threadId(i), date: index.internalDate(i), saved: index.saveDate(i), text });
  }
  selected.close();
  return rows;
}

export const subjects = (rows: { text: string }[]): string[] => rows.map((r) => /^Subject: (.*)\r$/m.exec(r.text)?.[1] ?? '');
