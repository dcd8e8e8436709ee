// The door: who may connect, how often, and with what; each message gets its inspection.
import { Networks, Refused, networkOf, plainAddress } from '../../base/index.ts';
import type { Envelope, Inspection, Screen, Visit } from '../../smtp/screen.ts';
import type { Bench } from './bench.ts';
import { Greylist } from './greylist.ts';
import { MessageInspection } from './inspection.ts';
import type { Client } from './inspection.ts';
import { heloOf, listedBy, originOf } from './origin.ts';
import { Questions } from './questions.ts';
import { Rates } from './rates.ts';
import type { Scores } from './rspamd.ts';

export class InboundScreen implements Screen {
  readonly bench: Bench;
  readonly #exempt: Networks;
  readonly #rates: Rates;
  readonly #greylist: Greylist | null;
  /** Open connections by network. */
  readonly #open = new Map<string, number>();

  /** Malformed. */
  constructor(bench: Bench) {
    const { settings, clock, limits } = bench;
    this.bench = bench;
    this.#exempt = new Networks(settings.exempt);
    this.#rates = new Rates(settings.ratePerMinute, clock, limits);
    this.#greylist = settings.greylist ? new Greylist(clock, limits) : null;
  }

  open(remote: string): Visit | null {
    if (this.#exempt.has(remote)) return null;
    const { counts, limits } = this.bench;
    const network = networkOf(remote);
    const open = this.#open.get(network) ?? 0;
    if (open >= limits.smtp_connections_per_network_max) {
      counts.add('connection', 'too_many');
      throw new Refused('too many connections from your network', null, '421 4.7.0');
    }
    if (!this.#rates.take(remote)) {
      counts.add('connection', 'too_often');
      throw new Refused('too often, try again later', null, '421 4.7.0');
    }
    this.#open.set(network, open + 1);
    const close = () => {
      const left = this.#open.get(network)! - 1;
      if (left === 0) this.#open.delete(network);
      else this.#open.set(network, left);
    };
    return new InboundVisit(this.bench, plainAddress(remote), this.#rates, this.#greylist, close);
  }

  /** What is remembered of strangers. */
  get remembered(): { rates: number; greylist: number; networks: number } {
    return { rates: this.#rates.known, greylist: this.#greylist?.known ?? 0, networks: this.#open.size };
  }
}

class InboundVisit implements Visit {
  readonly #bench: Bench;
  readonly #remote: string;
  readonly #rates: Rates;
  readonly #greylist: Greylist | null;
  readonly #onClose: () => void;
  readonly #closed = new AbortController();
  #strangers = 0;
  #client: (Omit<Client, 'scores'> & { calls: string }) | null = null;
  /** Of the recipients of the transaction under way; undefined: there is none yet. */
  #scores: Scores | null | undefined = undefined;

  constructor(bench: Bench, remote: string, rates: Rates, greylist: Greylist | null, onClose: () => void) {
    this.#bench = bench;
    this.#remote = remote;
    this.#rates = rates;
    this.#greylist = greylist;
    this.#onClose = onClose;
  }

  mail(): void {
    this.#scores = undefined;
    if (this.#rates.take(this.#remote)) return;
    this.#bench.counts.add('message', 'too_often');
    throw new Refused('too many messages, try again later', null, '451 4.7.1');
  }

  /** DNS is asked from the first good recipient on, while the rest of the transaction goes on; once for a connection. */
  #known(helo: string): Omit<Client, 'scores'> {
    if (this.#client?.calls === helo) return this.#client;
    const { ask, clock, limits, settings, hostname, isOurs } = this.#bench;
    const questions = new Questions(ask, clock, limits);
    const never = <T>(promise: Promise<T>): Promise<T> => (promise.catch(() => {}), promise);
    const ours = (name: string) => name === hostname.toLowerCase() || isOurs(name);
    const { origin = never(originOf(questions.ask, this.#remote)), listed = never(listedBy(questions.ask, settings.dnsbl, this.#remote)) } = this.#client ?? {};
    this.#client = { calls: helo, remote: this.#remote, questions, origin, listed, helo: never(heloOf(questions.ask, helo, ours)) };
    return this.#client;
  }

  async recipient(from: string, to: string, helo: string): Promise<void> {
    const { settings, counts } = this.#bench;
    const client = this.#known(helo);
    // RFC 5321 §4.5.1: who is refused by mistake must reach someone.
    const postmaster = /^postmaster(@|$)/i.test(to);
    if (settings.dnsbl.length > 0) {
      const listed = await client.listed;
      counts.add('dnsbl', listed.length > 0 ? 'listed' : 'clean');
      if (listed.length > 0 && settings.dnsblAction === 'reject' && !postmaster) throw new Refused(`your address ${this.#remote} is listed by ${listed.join(', ')}`, null, '550 5.7.1');
    }
    if (this.#greylist !== null && !postmaster) {
      const passes = this.#greylist.passes(this.#remote, from, to);
      counts.add('greylist', passes ? 'passed' : 'put_off');
      if (!passes) throw new Refused('greylisted, come back in some minutes', null, '451 4.7.1');
    }
    this.#sameScores(to);
  }

  /** One message is judged once: who wants it judged otherwise than the others gets it in a transaction of its own. */
  #sameScores(to: string): void {
    const { rspamd, scoresOf } = this.#bench;
    if (rspamd === null) return;
    const scores = scoresOf(to);
    if (this.#scores === undefined) this.#scores = scores;
    else if (this.#scores?.junk !== scores?.junk || this.#scores?.reject !== scores?.reject) throw new Refused('send it to this recipient alone', 'LIMIT', '452 4.5.3');
  }

  async stall(): Promise<void> {
    const { limits, clock, counts } = this.#bench;
    const n = ++this.#strangers - limits.smtp_tarpit_after;
    if (n <= 0) return;
    counts.add('recipient', 'tarpit');
    await clock.sleep(Math.min(limits.smtp_tarpit_ms_max, limits.smtp_tarpit_ms_min * 2 ** (n - 1)), this.#closed.signal).catch(() => {});
  }

  begin(envelope: Envelope): Inspection {
    const known = this.#known(envelope.helo);
    // What is known of the client stays; each message has its own share of questions.
    const { ask, clock, limits } = this.#bench;
    return new MessageInspection(this.#bench, { ...known, questions: new Questions(ask, clock, limits), scores: this.#scores ?? null }, envelope);
  }

  close(): void {
    this.#closed.abort();
    this.#onClose();
  }
}
