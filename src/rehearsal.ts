// What a replica does once before it listens: a made-up account over a store in memory gets mail, and a mail app opens it, as
// if another replica had never seen it. The engine has read and compiled by then what the first log-in needs, and the
// compile cache keeps it (cli/serve.ts): the first SELECT of a large mailbox takes half of the time.
// The optimising compilers, and a larger space for young objects, stay away until it is over (bin/colombier.mjs).
import { once } from 'node:events';
import { connect } from 'node:net';
import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
import { BlobCache, Logins, MailReceiver, RecordCache, SpoolBudget, Users } from './account/index.ts';
import type { Replica } from './account/index.ts';
import { reason, silent, systemClock, systemRandom } from './base/index.ts';
import type { Logger } from './base/index.ts';
import { Directory } from './directory/index.ts';
import { ImapServer } from './imap/index.ts';
import { authenticatorOf } from './replica.ts';
import { ClusterKeys, createAppPassword, createClusterSecret, createPassingSecrets, createRootKey, encodeUserPublic, sealRing, wrapInfo, wrapWithToken } from './seal/index.ts';
import { MemoryWorld } from './store/index.ts';

const USER = 'rehearsal';
const DOMAIN = 'rehearsal.test';
const ADDRESS = `${USER}@${DOMAIN}`;
const DELIVERIES = 8;
/** Each doubles the mailbox. */
const COPIES = 8;
/** So often a mail app comes to a replica that knows nothing: the engine compiles what it has met more than once. */
const VISITS = 3;
/** Of the rehearsal as a whole: a machine that is so slow has better things to do. */
const REHEARSAL_MS_MAX = 2000;
const CACHE_BYTES = 1 << 20;

const message = (n: number): Buffer =>
  Buffer.from(
    `From: "Nobody ${n}" <nobody@${DOMAIN}>\r\nTo: ${ADDRESS}\r\nSubject: =?utf-8?q?Rehearsal_${n}?=\r\nDate: Mon, 1 Jan 2024 12:00:${10 + n} +0100\r\nMessage-ID: <${n}@${DOMAIN}>\r\n` +
      `MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${'a line of text\r\n'.repeat(20)}\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>text</p>\r\n--b--\r\n`,
  );

/** One replica of a cluster that ends with the process, over its store in memory. */
class Stage {
  readonly directory: Directory;
  readonly users: Users;
  readonly receiver: MailReceiver;
  readonly #logins: Logins;

  constructor(world: MemoryWorld, keys: ClusterKeys, slot: number) {
    const clock = systemClock;
    const random = systemRandom;
    const store = world.client();
    const identity = { slot, mayWrite: () => true, spent: new Map() };
    const authenticator = authenticatorOf(keys);
    this.directory = new Directory({ store, keys, identity, authenticator, clock, random, logger: silent });
    const stores = { bucket: () => store, home: store, names: [null], place: 'rehearsal', close: async () => {} };
    const replica: Replica = {
      stores, keys, clock, random, logger: silent, identity, authenticator,
      directory: this.directory,
      blobs: new BlobCache(CACHE_BYTES),
      records: new RecordCache(CACHE_BYTES),
      spoolBudget: new SpoolBudget(CACHE_BYTES),
      announce: () => {},
      peersComplete: () => true,
      mutations: {},
    };
    this.#logins = new Logins(this.directory, clock, random);
    this.users = new Users({ replica, logins: this.#logins, plaintextFromLoopback: true });
    this.receiver = new MailReceiver({ replica, logOf: (record) => this.users.logs.of(record), used: (user) => this.users.used(user) });
  }

  async stop(): Promise<void> {
    await this.users.stop();
    await this.#logins.close();
    await this.directory.stop();
  }
}

/** Never throws: a replica serves without it too. */
export async function rehearse(logger: Logger): Promise<void> {
  const begun = systemClock.monotonic();
  const late = () => systemClock.monotonic() - begun > REHEARSAL_MS_MAX;
  try {
    const keys = ClusterKeys.parse([createClusterSecret(systemRandom)]);
    const world = new MemoryWorld(systemClock, systemRandom);
    const password = await fill(new Stage(world, keys, 0));
    for (let i = 1; i <= VISITS && !late(); i++) await visit(new Stage(world, keys, i), password);
    logger.debug('rehearsed', { ms: Math.round(systemClock.monotonic() - begun) });
  } catch (e) {
    logger.warn('the rehearsal failed; the first log-ins take longer', { why: reason(e) });
  } finally {
    // What it leaves would bring the collector, and its threads, into the midst of the first log-in.
    collect();
    for (const flag of ['--semi-space-growth-factor=2', '--opt', '--maglev']) v8.setFlagsFromString(flag);
  }
}

/** Collects garbage: the way to the engine's own function where the process was not started with --expose-gc. */
function collect(): void {
  v8.setFlagsFromString('--expose-gc');
  (runInNewContext('globalThis.gc') as (() => void) | undefined)?.();
  v8.setFlagsFromString('--no-expose-gc');
}

/** Makes the account, with a mailbox that is worth a snapshot; gives the password. */
async function fill(stage: Stage): Promise<string> {
  const random = systemRandom;
  await stage.directory.open();
  const root = createRootKey(random);
  const secrets = createPassingSecrets(random);
  const token = createAppPassword(random);
  const bytes = wrapWithToken(root, USER, token, random);
  const record = { user: USER, at: systemClock.now(), publicKeys: encodeUserPublic(secrets.public), ring: sealRing(root, USER, secrets.ring, random), bucket: '', quotaBytes: 0 };
  await stage.directory.write(() => [{ kind: 'DomainAdded', domain: DOMAIN }]);
  await stage.directory.claim(ADDRESS, USER, true, () => [{ kind: 'UserAdded', ...record }, { kind: 'WrapAdded', user: USER, wrap: { ...wrapInfo(bytes), label: '', bytes } }]);
  for (let i = 0; i < DELIVERIES; i++) {
    const delivery = stage.receiver.begin({ from: `nobody@${DOMAIN}`, recipients: [await stage.receiver.recipient(ADDRESS, null)], declaredBytes: null });
    await delivery.write(message(i));
    for (const { error } of await delivery.commit(() => Buffer.from(`Return-Path: <nobody@${DOMAIN}>\r\n`))) if (error) throw error;
  }
  const session = await stage.users.login(ADDRESS, token.text(), '127.0.0.1');
  // Two snapshots: who opens the account looks at what the older one lists, too.
  await stage.users.find(USER)!.snapshot();
  const inbox = await session.select('INBOX', false);
  for (let i = 0; i < COPIES; i++) await inbox.copy(inbox.index.uids.slice(0, inbox.index.count), 'INBOX');
  await stage.users.find(USER)!.snapshot();
  session.close();
  await stage.stop();
  return token.text();
}

/** What a mail app asks first. */
async function visit(stage: Stage, password: string): Promise<void> {
  await stage.directory.open();
  const imap = new ImapServer({ backend: stage.users, secureContext: () => null, logger: silent, clock: systemClock, hostname: 'localhost' });
  const port = await imap.listen(0, '127.0.0.1');
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  try {
    const commands = [`LOGIN ${ADDRESS} ${password}`, 'ENABLE QRESYNC', 'LIST "" "*" RETURN (SPECIAL-USE)', 'SELECT INBOX', 'UID FETCH 1:* (FLAGS)', 'FETCH 1:20 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (REFERENCES)])', 'SELECT INBOX', 'LOGOUT'];
    socket.write(commands.map((command, i) => `a${i} ${command}\r\n`).join(''));
    socket.resume();
    await once(socket, 'end', { signal: AbortSignal.timeout(REHEARSAL_MS_MAX) });
  } finally {
    socket.destroy();
    await imap.drain(0);
    await stage.stop();
  }
}
