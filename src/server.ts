// A replica: wires rooms together, listens, and leaves in order. Knows no protocol and no mail.
import { existsSync, readFileSync } from 'node:fs';
import { Administration, BlobCache, DeliveredWords, Logins, MailReceiver, MemoryBudget, RecordCache, SearchMemory, SpoolBudget, Upkeep, Users } from './account/index.ts';
import type { Replica } from './account/index.ts';
import { Admission, Refused, limits, systemWorkedMs } from './base/index.ts';
import type { Logger } from './base/index.ts';
import { LocalAdmin } from './admin.ts';
import type { Admin, Service } from './cli/admin.ts';
import type { Config } from './config.ts';
import { answerer, remoteAdmin } from './admin-channel.ts';
import { Leaving, connectionsMs } from './leaving.ts';
import { BEGINNERS, askReplica, openCore } from './replica.ts';
import type { Core, Trial } from './replica.ts';
import { WebPort } from './web-port.ts';
import type { Serving } from './web-port.ts';
import { MailAdmin } from './mail-admin.ts';
import type { Queue } from './queue/index.ts';
import { openReceiving } from './receiving.ts';
import type { Receiving } from './receiving.ts';
import { rehearse } from './rehearsal.ts';
import { Sending, queueOf } from './sending.ts';
import { openCertificate } from './tls.ts';

/** Of the release, from package.json. */
export const release: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version;

/** Of the memory that a replica has for mail, so much may be on its way; beyond it messages go through a file. */
const INFLIGHT = 1 / 2;

function replicaOf(core: Core, config: Config, trial: Trial = {}): Replica {
  const memory = new MemoryBudget(config.memory_bytes, core.clock);
  const spoolBudget = new SpoolBudget(config.memory_bytes * INFLIGHT, memory);
  return {
    stores: core.stores,
    keys: core.keys,
    clock: core.clock,
    random: core.random,
    logger: core.logger.room('account'),
    identity: core.presence,
    authenticator: core.authenticator,
    directory: core.directory,
    blobs: new BlobCache(memory),
    records: new RecordCache(memory),
    spoolBudget,
    memory,
    announce: (bucket, root, name, bytes) => core.peers.broadcast({ bucket, root, name, bytes: Buffer.from(bytes) }),
    peersComplete: () => core.peers.complete,
    members: () => ({ self: core.presence.id, others: core.presence.peers().map((p) => p.id) }),
    counts: { repairs: 0, lateEvents: 0, snapshots: 0, bundles: 0, collected: 0 },
    logMutations: trial.log,
    stateMutations: trial.state,
    mutations: trial.account ?? {},
  };
}

function administration(core: Core, logins: Logins): Administration {
  return new Administration({ directory: core.directory, logins, stores: core.stores, clock: core.clock, random: core.random });
}

/** The command line's way in: a running replica, or where none answers one for a moment, without ports. */
export async function admin(config: Config, logger: Logger, begins = true): Promise<Admin> {
  // A command in the wrong folder must not make a store there and say that nobody has mail.
  if (!begins && config.store.kind === 'disk' && !existsSync(config.store.path)) throw new Refused(`there is no store at ${config.store.path}: ${BEGINNERS}`);
  const asking = await askReplica(config, release, logger);
  if (asking) {
    logger.debug('a running replica is asked');
    return remoteAdmin(asking);
  }
  const core = await openCore(config, logger, { release, peerPort: null, begins, onUserHint: () => {} });
  const logins = new Logins(core.directory, core.clock, core.random, core.keys.derive('scram salt'));
  const replica = replicaOf(core, config);
  const users = new Users({ replica, logins, plaintextFromLoopback: false });
  let opened: Queue | null = null;
  const close = async () => {
    await opened?.stop();
    await users.stop();
    await logins.close();
    await core.close(users.unanswered);
  };
  const queue = async (): Promise<Queue> => {
    opened ??= queueOf(replica);
    if (!opened.log.attached) await opened.open();
    return opened;
  };
  return new LocalAdmin(administration(core, logins), new MailAdmin(config, core.directory, core, queue), replica, users, close);
}

/** Serves until `stop`. Rejects with one of the four kinds of error when it can't. `trial` is for tests. */
export async function serve(config: Config, logger: Logger, trial: Trial = {}): Promise<Service> {
  let users: Users | null = null;
  let sending: Sending | null = null;
  const web = config.ports.http === 0 ? null : await WebPort.load(config, logger, release);
  let own: Admin | null = null;
  const core = await openCore(config, logger, {
    release,
    peerPort: config.ports.peer,
    onUserHint: (hint) => void (sending?.hint(hint.root, hint.name, hint.bytes) || users?.hint(hint.root, hint.name, hint.bytes)),
    measure: (stores) => web?.measure(stores) ?? stores,
    onRequest: answerer(() => own, logger.room('admin')),
    trial,
  });
  const receiving = await openReceiving(config, core, (seen) => sending?.reports?.record(seen));
  const kept = replicaOf(core, config, trial);
  const search = new SearchMemory(limits.search_index_bytes_max, systemWorkedMs, kept.memory);
  const words = new DeliveredWords({ ...kept, search });
  const replica: Replica = { ...kept, search, words, learn: receiving.inbound?.learn ?? undefined };
  const logins = new Logins(core.directory, core.clock, core.random, core.keys.derive('scram salt'));
  users = new Users({ replica, logins, plaintextFromLoopback: config.plaintextLogin === 'loopback', scram: config.scram !== 'off' });
  const upkeep = new Upkeep(replica, users);
  const stopping: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    web?.draining();
    const leaving = new Leaving(config.drain_ms, core.clock, logger);
    // Nothing new goes out while the last connections end.
    const sent = sending?.stop();
    sent?.catch(() => {});
    await Promise.all(stopping.map((drain) => drain()));
    receiving.inbound?.stop();
    const ended = await leaving.background(Promise.all([sent, upkeep.stop(), users!.stop(), words.stop()]));
    await logins.close();
    const left = await leaving.leave(core.close(!ended || users!.unanswered || (sending?.queue.log.submitting ?? 0) > 0));
    if (!left) await core.stores.close();
    await web?.stop();
  };
  try {
    const certificate = await openCertificate(config, core.clock, core.random, logger);
    stopping.push(async () => certificate.close());
    const receiver = new MailReceiver({ replica, logOf: (record) => users!.logs.of(record), used: (user) => users!.used(user) });
    sending = new Sending({ config: { ...config, drain_ms: connectionsMs(config.drain_ms) }, replica, logins, receiver, plaintextAllowed: (remote) => users!.plaintextAllowed(remote) });
    await sending.start();
    await rehearse(logger);
    const serving: Serving = {};
    const ports = await listen(config, core, users, sending, receiving, () => certificate.context(), stopping, serving);
    if (web) ports.http = await web.listen({ core, replica, users, receiver, serving, receiving, sending });
    const notices: string[] = [];
    if (core.secretMade && 'file' in config.clusterSecret) notices.push(`A cluster secret was made: ${config.clusterSecret.file}. Without this file nobody can read the store: keep a copy elsewhere.`);
    if (certificate.made) notices.push(`A certificate was made, signed by itself. Mail apps will ask whether to trust it; SHA-256 ${certificate.fingerprint}`);
    const mail = new MailAdmin(config, core.directory, core, async () => sending!.queue);
    own = new LocalAdmin(administration(core, logins), mail, replica, users, async () => {});
    return { stop, ports, admin: own, notices };
  } catch (e) {
    await stop().catch(() => {});
    throw e;
  }
}

async function listen(config: Config, core: Core, users: Users, sending: Sending, { inbound, proxies }: Receiving, context: () => import('node:tls').SecureContext, stopping: (() => Promise<unknown>)[], serving: Serving): Promise<{ -readonly [k in keyof Service['ports']]: number }> {
  const { clock, random, logger } = core;
  const { smtp, lmtp, imap, imaps, submission, submissions } = config.ports;
  const ports: { -readonly [k in keyof Service['ports']]: number } = {};
  const admission = new Admission(limits);
  const mail = { receiver: sending.receiver, hostname: config.hostname, tls: context, clock, random, logger, admission, proxies };
  if (smtp || lmtp) {
    const { LmtpServer, SmtpServer } = await import('./smtp/index.ts');
    if (smtp) {
      const server = (serving.smtp = new SmtpServer({ ...mail, screen: inbound?.screen ?? undefined }));
      stopping.push(() => server.drain(connectionsMs(config.drain_ms)));
      for (const host of config.listen) ports.smtp = await server.listen(host, smtp);
    }
    if (lmtp) {
      const server = (serving.lmtp = new LmtpServer(mail));
      stopping.push(() => server.drain(connectionsMs(config.drain_ms)));
      for (const host of config.listen) ports.lmtp = await server.listen(host, lmtp);
    }
  }
  if (submission || submissions) {
    const { SubmissionServer } = await import('./smtp/index.ts');
    const to = { ...mail, submitter: sending.outbox, hideClient: config.sending.hideClient };
    for (const [name, port] of [['submission', submission], ['submissions', submissions]] as const) {
      if (!port) continue;
      const server = (serving[name] = new SubmissionServer({ ...to, implicitTls: name === 'submissions' }));
      stopping.push(() => server.drain(connectionsMs(config.drain_ms)));
      for (const host of config.listen) ports[name] = await server.listen(host, port);
    }
  }
  if (imap || imaps) {
    const { ImapServer } = await import('./imap/index.ts');
    const server = (serving.imap = new ImapServer({ backend: users, secureContext: context, logger: logger.room('imap'), clock, hostname: config.hostname, proxies, withheld: config.imapWithheld }));
    stopping.push(() => server.drain(connectionsMs(config.drain_ms)));
    for (const host of config.listen) {
      if (imap) ports.imap = await server.listen(imap, host);
      if (imaps) ports.imaps = await server.listen(imaps, host, { implicitTls: true });
    }
  }
  if (core.peerPort) ports.peer = core.peerPort;
  return ports;
}
