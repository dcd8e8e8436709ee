// Mail out: the queue, the worker that empties it, and what submission asks of the accounts, wired together.
import { createServer } from 'node:net';
import { Malformed } from './base/index.ts';
import type { Logger } from './base/index.ts';
import type { Replica } from './account/index.ts';
import { Spool } from './account/index.ts';
import type { Logins } from './account/index.ts';
import type { Config } from './config.ts';
import { candidatesFor } from './directory/index.ts';
import type { Directory } from './directory/index.ts';
import { DailyReports, Forwarder, Mailroom, Outbox, Queue, Route, StsPolicies, Worker, dnsOf, fetchTextBy, policyShelf, queueKeys, SevenBitForms, signedDnsOf } from './queue/index.ts';
import type { Onward, Senders } from './queue/index.ts';
import type { Receiver } from './smtp/index.ts';
import { readSecret, signingKeys } from './verify/index.ts';
import type { SigningKey } from './verify/index.ts';
import { queueRoot } from './store/index.ts';

/** The queue of a process; a command opens it for a moment. */
export function queueOf(replica: Replica): Queue {
  const { stores, keys, identity, authenticator, clock, random, logger, announce } = replica;
  return new Queue({ store: stores.home, keys: queueKeys(keys), identity, authenticator, clock, random, logger: logger.room('queue'), onAppended: (root, name, bytes) => announce(null, root, name, bytes) });
}

export interface SendingOptions {
  config: Config;
  replica: Replica;
  logins: Logins;
  receiver: Receiver;
  plaintextAllowed: (remote: string) => boolean;
}

const ownerOf = (directory: Directory, address: string): string | null => {
  for (const name of candidatesFor(address)) {
    const record = directory.state.owner(name);
    if (record) return record.id;
  }
  return null;
};

/** Whether a connection can leave by it. */
const isHere = (address: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });

export class Sending {
  readonly queue: Queue;
  readonly outbox: Outbox;
  readonly worker: Worker;
  /** The accounts' own, and in front of it what leads elsewhere. */
  readonly receiver: Receiver;
  /** Counts for reports to other domains; null: none are sent. */
  readonly reports: DailyReports | null;
  readonly #drain_ms: number;
  readonly #outgoing: readonly string[];
  readonly #logger: Logger;

  constructor({ config, replica, logins, receiver, plaintextAllowed }: SendingOptions) {
    const { clock, random, directory } = replica;
    const logger = replica.logger.room('queue');
    const { smarthost, mxPort, stsPort, outgoing } = config.sending;
    this.#drain_ms = config.drain_ms;
    this.#outgoing = outgoing.map((o) => o.address);
    this.#logger = logger;
    this.queue = queueOf(replica);
    const dns = dnsOf(config.sending.dns);
    const { store, root, keys: sealing } = this.queue;
    const policies = stsPort === 0 ? null : new StsPolicies({ dns, fetch: fetchTextBy(dns, stsPort, config.hostname, clock), shelf: policyShelf(store, root, sealing, random), clock, logger });
    const own = (domain: string) => outgoing.filter((o) => o.domain === domain).map((o) => o.address);
    const route = new Route({
      smarthost, dns, mxPort, hostname: config.hostname, clock, random, logger,
      signed: smarthost ? null : signedDnsOf(config.sending.dns, config.sending.dnssec, clock, random),
      sts: policies && ((domain) => policies.policyOf(domain)),
      from: (domain) => [...own(domain), ...own('')],
      onSession: (session) => this.reports?.session(session),
    });
    const hasDomain = (domain: string) => directory.state.hasDomain(domain);
    // Reports are from the domain that this server is of, else from the first that is here.
    const reporter = () => {
      const domain = directory.state.domains.find((d) => config.hostname === d || config.hostname.endsWith(`.${d}`)) ?? directory.state.domains[0];
      return domain === undefined ? null : { domain, keys: senders.keysOf(domain) };
    };
    this.reports = config.sending.reports ? new DailyReports({ queue: this.queue, dns, hostname: config.hostname, sender: reporter, clock, random, logger }) : null;
    const forwardOf = (address: string) => {
      for (const alias of candidatesFor(address)) {
        const target = directory.state.elsewhereOf(alias);
        if (target !== null) return { alias, target };
        if (directory.state.owner(alias)) return null;
      }
      return null;
    };
    const postmasters = (domain: string) => [...new Set([domain, reporter()?.domain ?? ''])].filter((d) => d !== '').map((d) => `postmaster@${d}`);
    const spool = () => new Spool(random, replica.spoolBudget);
    const onward: Onward = { onQueued: (id) => this.worker.own(id), plan: (spec) => this.worker.plan(spec) };
    this.receiver = new Forwarder({ receiver, queue: this.queue, forwardOf, hasDomain, postmasters, keysOf: (domain) => senders.keysOf(domain), hostname: config.hostname, spool, clock, random, ...onward });
    const mailroom = new Mailroom({ receiver: this.receiver, hasDomain, owns: (user, address) => senders.owns(user, address), hostname: config.hostname, logger, reports: this.reports ?? undefined });
    const sevenBits = new SevenBitForms({ queue: this.queue, keysOf: (domain) => senders.keysOf(domain), clock, memory: replica.spoolBudget });
    this.worker = new Worker({ queue: this.queue, sender: route, mailroom, hostname: config.hostname, sevenBits, clock, random, logger });
    let keys = { state: directory.state, version: -1, of: new Map<string, (SigningKey & { at: number })[]>() };
    const senders: Senders = {
      login: async (user, password, remote) => {
        const { record, wrap } = await logins.login(user, password, remote);
        const address = directory.state.addressesOf(record.id)[0]?.address ?? user;
        return { user: record.id, address, holds: () => directory.state.users.get(record.id)?.wraps.has(wrap) ?? false };
      },
      plaintextAllowed,
      owns: async (user, address) => {
        try {
          if (ownerOf(directory, address) === user) return true;
          await directory.ask(); // a "no" is never given from memory
          return ownerOf(directory, address) === user;
        } catch (e) {
          if (e instanceof Malformed) return false;
          throw e;
        }
      },
      hasDomain,
      keysOf: (domain) => {
        const { state } = directory;
        if (keys.version !== state.version || keys.state !== state) keys = { state, version: state.version, of: new Map() };
        let found = keys.of.get(domain);
        if (!found) keys.of.set(domain, (found = state.keysOf(domain).map((k) => ({ domain, selector: k.selector, algorithm: k.algorithm, secret: readSecret(k.secret), at: k.at }))));
        return signingKeys(found, clock.now());
      },
    };
    this.outbox = new Outbox({ queue: this.queue, senders, receiver: this.receiver, spool, clock, random, ...onward });
  }

  /** Reads the queue and begins to empty it. Unavailable, Corrupt. */
  async start(): Promise<void> {
    await this.queue.open();
    // It may be given to this machine later.
    for (const address of this.#outgoing) if (!(await isHere(address))) this.#logger.warn('this machine does not have the outgoing address: what is to leave by it waits', { address });
    this.worker.start();
    this.reports?.start();
  }

  /** True when it was for the queue. */
  hint(root: string, name: string, bytes: Buffer): boolean {
    if (root !== queueRoot(0)) return false;
    this.queue.hint(name, bytes);
    return true;
  }

  async stop(): Promise<void> {
    await this.worker.stop(this.#drain_ms);
    await this.reports?.stop();
    await this.queue.stop();
  }
}
