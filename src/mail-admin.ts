// What administrators ask of mail that goes out: a domain's keys and DNS records, and what waits in the queue.
import { Refused } from './base/index.ts';
import type { Clock } from './base/index.ts';
import type { MailAdminMethods, QueueDetails, QueueSummary } from './cli/admin.ts';
import type { Config } from './config.ts';
import { normaliseDomain } from './directory/index.ts';
import type { Directory } from './directory/index.ts';
import { dnsOf, isFinal, sentFrom } from './queue/index.ts';
import type { Queue, QueuedMessage } from './queue/index.ts';
import { checkRecords, createDomainKeys, publicRecord, recordsOf } from './verify/index.ts';
import type { DnsRecord, DomainFacts, Verdict } from './verify/index.ts';

/** Ports as the world sees them (RFC 8314 §3): a firewall or a proxy leads them here. */
const WORLD = { imap: 143, imaps: 993, submission: 587, submissions: 465 };

export class MailAdmin implements MailAdminMethods {
  readonly #config: Config;
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #queue: () => Promise<Queue>;

  /** `queue`: the process's own, or one that is opened for a moment. */
  constructor(config: Config, directory: Directory, clock: Clock, queue: () => Promise<Queue>) {
    this.#config = config;
    this.#directory = directory;
    this.#clock = clock;
    this.#queue = queue;
  }

  /** The domain as the directory has it, with keys; they are made where there are none. */
  async domainKeys(domain: string): Promise<string> {
    const name = normaliseDomain(domain);
    await this.#directory.caughtUp();
    if (!this.#directory.state.hasDomain(name)) throw new Refused(`No such domain: ${name}`, 'NONEXISTENT');
    if (this.#directory.state.keysOf(name).length > 0) return name;
    const at = this.#clock.now();
    const keys = await createDomainKeys(new Date(at).toISOString().slice(0, 10).replaceAll('-', ''));
    await this.#directory.write((state) => (state.keysOf(name).length > 0 ? [] : keys.map((key) => ({ kind: 'DomainKeyAdded', domain: name, key: { ...key, at } }))));
    return name;
  }

  async #facts(domain: string): Promise<DomainFacts> {
    const name = await this.domainKeys(domain);
    const { ports, hostname, sending } = this.#config;
    const world = (which: keyof typeof WORLD) => (ports[which] === 0 ? null : WORLD[which]);
    return {
      domain: name,
      hostname,
      keys: this.#directory.state.keysOf(name).map((k) => ({ selector: k.selector, record: publicRecord(k.algorithm, k.secret) })),
      ports: { imap: world('imap'), imaps: world('imaps'), submission: world('submission'), submissions: world('submissions') },
      smarthost: sending.smarthost?.host ?? null,
    };
  }

  async domainDns(domain: string): Promise<DnsRecord[]> {
    return recordsOf(await this.#facts(domain));
  }
  async domainCheck(domain: string): Promise<Verdict[]> {
    return checkRecords(await this.#facts(domain), dnsOf(this.#config.sending.dns));
  }

  async #fresh(): Promise<Queue> {
    const queue = await this.#queue();
    await queue.caughtUp();
    return queue;
  }
  async #message(queue: Queue, id: string): Promise<QueuedMessage> {
    const m = queue.state.messages.get(id);
    if (!m) throw new Refused(`No such message in the queue: ${id}`, 'NONEXISTENT');
    return m;
  }

  async queueList(): Promise<QueueSummary[]> {
    const queue = await this.#fresh();
    return [...queue.state.messages.values()].sort((a, b) => a.at - b.at).map((m) => summaryOf(m));
  }

  async queueShow(id: string): Promise<QueueDetails> {
    const m = await this.#message(await this.#fresh(), id);
    const recipients = m.recipients.map((r) => ({
      address: r.address,
      state: r.dropped ? 'dropped' : (r.said?.result ?? 'waiting'),
      status: r.said?.status ?? '',
      text: r.said?.text ?? '',
      host: r.said?.host ?? '',
      tries: r.said?.tries ?? 0,
      nextAt: isFinal(r) ? null : (r.said?.nextAt ?? sentFrom(m)),
    }));
    return { ...summaryOf(m), recipients };
  }

  async queueRetry(id: string): Promise<number> {
    const queue = await this.#fresh();
    if (id !== 'all') await this.#message(queue, id);
    let n = 0;
    await queue.write((state) => {
      const wanted = [...state.messages.keys()].filter((m) => id === 'all' || m === id);
      n = wanted.length;
      return wanted.map((message) => ({ kind: 'Retried', message, at: this.#clock.now() }));
    });
    return n;
  }
  async queueHold(id: string, on: boolean): Promise<void> {
    const queue = await this.#fresh();
    await this.#message(queue, id);
    await queue.write((state) => (state.messages.has(id) ? [{ kind: 'Held', message: id, on }] : []));
  }
  async queueDrop(id: string): Promise<void> {
    const queue = await this.#fresh();
    const m = await this.#message(queue, id);
    await queue.write((state) => (state.messages.has(id) ? [{ kind: 'Dropped', message: id }] : []));
    queue.forget(m);
  }
}

function summaryOf(m: QueuedMessage): QueueSummary {
  const waiting = m.recipients.filter((r) => !isFinal(r));
  const next = waiting.map((r) => r.said?.nextAt ?? sentFrom(m));
  return {
    id: m.id,
    from: m.from,
    waiting: waiting.map((r) => r.address),
    bytes: m.plainBytes,
    at: m.at,
    nextAt: next.length === 0 ? null : Math.min(...next),
    state: m.held.on ? 'held' : m.attempts.size > 0 ? 'sending' : waiting.length === 0 ? 'telling' : 'waiting',
    why: waiting.find((r) => r.said !== null)?.said?.text ?? '',
  };
}
