// What administrators ask of mail that goes out: a domain's keys and DNS records, and what waits in the queue.
import { createHash, X509Certificate } from 'node:crypto';
import { Refused, limits } from './base/index.ts';
import type { Clock, Random } from './base/index.ts';
import type { MailAdminMethods, QueueDetails, QueueSummary } from './cli/admin.ts';
import type { Config } from './config.ts';
import { candidatesFor, normaliseDomain } from './directory/index.ts';
import type { Directory } from './directory/index.ts';
import { checkDane, dnsOf, fetchTextBy, isFinal, parseStsPolicy, sentFrom, signedDnsOf, stsAllows, usableRecords } from './queue/index.ts';
import type { Outcome, Queue, QueuedMessage } from './queue/index.ts';
import { certificateChain } from './tls.ts';
import { checkRecords, createDomainKeys, publicRecord, recordsOf, signingKeys } from './verify/index.ts';
import type { DnsRecord, DomainFacts, Verdict } from './verify/index.ts';

const HTTPS = 443;
/** Ports as the world sees them (RFC 8314 §3): a firewall or a proxy leads them here. */
const WORLD = { imap: 143, imaps: 993, submission: 587, submissions: 465 };

export class MailAdmin implements MailAdminMethods {
  readonly #config: Config;
  readonly #directory: Directory;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #queue: () => Promise<Queue>;

  /** `queue`: the process's own, or one that is opened for a moment. */
  constructor(config: Config, directory: Directory, { clock, random }: { clock: Clock; random: Random }, queue: () => Promise<Queue>) {
    this.#config = config;
    this.#directory = directory;
    this.#clock = clock;
    this.#random = random;
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

  /**
   * New keys, which sign from two days on: until then their records come into DNS. Keys that have not signed for a week go.
   * Refused while others are still to come.
   */
  async domainDkimRotate(domain: string): Promise<{ selectors: string[]; signsAtMs: number; removed: string[] }> {
    const name = await this.domainKeys(domain);
    const now = this.#clock.now();
    const all = this.#directory.state.keysOf(name);
    if (all.some((k) => k.at > now)) throw new Refused(`${name} has new keys already: they sign from ${new Date(all[0].at).toISOString().slice(0, 16)}Z on`, 'INUSE');
    const at = now + limits.dkim_announce_ms;
    const day = new Date(at).toISOString().slice(0, 10).replaceAll('-', '');
    const taken = (suffix: string) => all.some((k) => k.selector === `r${day}${suffix}`);
    let suffix = '';
    while (taken(suffix)) suffix = `${suffix}x`;
    const keys = await createDomainKeys(`${day}${suffix}`);
    // The newest that signs now stays; older ones were followed by a newer one at some time.
    const dates = [...new Set(all.map((k) => k.at))].sort((a, b) => b - a);
    const gone = all.filter((k) => dates.indexOf(k.at) > 0 && dates[dates.indexOf(k.at) - 1] < now - limits.dkim_overlap_ms);
    await this.#directory.write((state) => (state.keysOf(name).some((k) => k.at > now) ? [] : [
      ...keys.map((key) => ({ kind: 'DomainKeyAdded' as const, domain: name, key: { ...key, at } })),
      ...gone.map((k) => ({ kind: 'DomainKeyRemoved' as const, domain: name, selector: k.selector })),
    ]));
    return { selectors: keys.map((k) => k.selector), signsAtMs: at, removed: gone.map((k) => k.selector) };
  }

  #keys(name: string): DomainFacts['keys'] {
    const all = this.#directory.state.keysOf(name);
    const signing = signingKeys(all, this.#clock.now());
    const date = (ms: number) => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    const note = (at: number) => (at === signing[0]?.at ? undefined : at > this.#clock.now() ? `signs from ${date(at)} on: to be there by then` : 'signs no more; what it has signed is still on its way');
    return all.map((k) => ({ selector: k.selector, record: publicRecord(k.algorithm, k.secret), note: note(k.at) }));
  }

  async #facts(domain: string): Promise<DomainFacts> {
    const name = await this.domainKeys(domain);
    const { ports, hostname, sending } = this.#config;
    const world = (which: keyof typeof WORLD) => (ports[which] === 0 ? null : WORLD[which]);
    return {
      domain: name,
      hostname,
      keys: this.#keys(name),
      ports: { imap: world('imap'), imaps: world('imaps'), submission: world('submission'), submissions: world('submissions') },
      smarthost: sending.smarthost?.host ?? null,
      tlsa: ports.smtp === 0 ? null : await this.#tlsa(),
    };
  }

  /** RFC 7672 §3.1.1: the key alone, so that a certificate that is renewed with it needs no other record. */
  async #tlsa(): Promise<DomainFacts['tlsa']> {
    const chain = await certificateChain(this.#config);
    if (chain.length === 0) return null;
    const key = new X509Certificate(chain[0]).publicKey.export({ type: 'spki', format: 'der' });
    return {
      value: `3 1 1 ${createHash('sha256').update(key).digest('hex')}`,
      fits: (records) => checkDane(chain, usableRecords(records), [this.#config.hostname], this.#clock.now()),
    };
  }

  async domainDns(domain: string): Promise<DnsRecord[]> {
    return recordsOf(await this.#facts(domain));
  }
  async domainCheck(domain: string): Promise<Verdict[]> {
    const facts = await this.#facts(domain);
    const { dns, stsPort } = this.#config.sending;
    const asked = dnsOf(dns);
    const read = fetchTextBy(asked, stsPort || HTTPS, this.#config.hostname, this.#clock);
    const allows = async (name: string, host: string) => {
      const policy = parseStsPolicy(await read(`mta-sts.${name}`, '/.well-known/mta-sts.txt'));
      return policy.mode !== 'enforce' || stsAllows(policy, host);
    };
    // What a resolver says of signatures is for people here: whether it may be believed is asked when mail goes out.
    const signed = signedDnsOf(dns, true, this.#clock, this.#random);
    const verdicts = await checkRecords(facts, { ...asked, stsAllows: allows, tlsa: async (name) => (await signed?.ask(name, 'TLSA')) ?? { signed: false, tlsa: [] } });
    return [...verdicts, this.#postmaster(facts.domain)];
  }

  #postmaster(domain: string): Verdict {
    const { state } = this.#directory;
    const address = `postmaster@${domain}`;
    const there = candidatesFor(address).some((name) => state.owner(name) !== null || state.elsewhereOf(name) !== null);
    const text = `nobody has it: RFC 5321 asks for it, and there come reports of others and what of forwarded mail fails; address add ${address} USER`;
    return { name: address, type: 'address', ...(there ? { state: 'ok', text: '' } : { state: 'missing', text }) };
  }

  /** The process's queue, with all that was acknowledged. Unavailable. */
  queue(): Promise<Queue> {
    return this.#fresh();
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
    if (id !== 'all' && (await this.#message(queue, id)).held.on) throw new Refused(`${id} is held: queue hold ${id} --off lets it go on`, 'INUSE');
    let n = 0;
    await queue.write((state) => {
      const wanted = [...state.messages.values()].filter((m) => (id === 'all' || m.id === id) && !m.held.on).map((m) => m.id);
      n = wanted.length;
      return wanted.map((message) => ({ kind: 'Retried', message, at: this.#clock.now() }));
    });
    return n;
  }
  /** Holds all that waits; how many. The backup knew them as waiting, and some were sent since. */
  async queueHoldAll(on = true): Promise<number> {
    const queue = await this.#fresh();
    let n = 0;
    await queue.write((state) => {
      const wanted = [...state.messages.values()].filter((m) => m.held.on !== on);
      n = wanted.length;
      return wanted.map((m) => ({ kind: 'Held', message: m.id, on }));
    });
    return n;
  }
  async queueHold(id: string, on: boolean): Promise<void> {
    if (id === 'all') return void (await this.queueHoldAll(on));
    const queue = await this.#fresh();
    await this.#message(queue, id);
    await queue.write((state) => (state.messages.has(id) ? [{ kind: 'Held', message: id, on }] : []));
  }
  async queueDrop(id: string, silent: boolean): Promise<void> {
    const queue = await this.#fresh();
    const m = await this.#message(queue, id);
    const now = this.#clock.now();
    await queue.write((state) => {
      const there = state.messages.get(id);
      if (!there) return [];
      // Asked right before the write, as attempts are: what another server takes at this moment has not failed.
      if (!silent && [...there.attempts.values()].some((a) => a.until + queue.limits.queue_margin_ms > now)) throw new Refused(`${id} is being sent right now: hold it, and drop it then`, 'INUSE');
      return [silent ? { kind: 'Dropped', message: id } : { kind: 'Attempted', message: id, attempt: '', at: now, by: this.#config.hostname, outcomes: givenUp(there) }];
    });
    queue.forget(m);
  }
}

/** What a sender reads of an administrator's decision: the queue's own word, no other server's. */
const givenUp = (m: QueuedMessage): Outcome[] =>
  m.recipients.flatMap((r, recipient) => (isFinal(r) ? [] : [{ recipient, result: 'failed', status: '5.3.0', text: 'an administrator has taken the message out of the queue', host: '', nextAt: 0 }]));

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
