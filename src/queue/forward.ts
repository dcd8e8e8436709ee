// Mail for an address here that leads elsewhere, and failures of such mail: a Receiver in front of the one of the accounts.
// What is forwarded is sealed and in the queue before its 250, like what users send. What fails afterwards ends here, at the
// postmaster: its sender has had a 250 and may be anybody.
import { isAscii } from 'node:buffer';
import { Malformed, Refused, limits, randomId } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { readFields } from '../message/index.ts';
import { BlobSealer } from '../seal/index.ts';
import type { Outcome, Receiver, Recipient, Transaction, TransactionInfo } from '../smtp/receiver.ts';
import { blobName } from '../store/index.ts';
import { BodyHash, sealArc } from '../verify/index.ts';
import type { SigningKey } from '../verify/index.ts';
import { BLOB_ID_BITS, MESSAGE_ID_BITS, plainSpec } from './enqueue.ts';
import { HeaderReader, domainOf, isWide } from './header.ts';
import { NOTIFY } from './ops.ts';
import type { QueuedSpec } from './ops.ts';
import type { SealedSpool } from './outbox.ts';
import type { Queue } from './queue.ts';
import { isSrs, srsAddress, srsSender } from './srs.ts';
import { takeIn } from './take-in.ts';
import type { Onward } from './take-in.ts';

export interface ForwarderOptions extends Onward {
  receiver: Receiver;
  queue: Queue;
  /** Where an address here leads, if elsewhere, and the address that says so. Malformed. */
  forwardOf: (address: string) => { alias: string; target: string } | null;
  hasDomain: (domain: string) => boolean;
  /** Who hears of forwarded mail that failed, for an address of a domain (empty: of this server): the first of them that is there. */
  postmasters: (domain: string) => string[];
  keysOf: (domain: string) => readonly SigningKey[];
  /** Name of the server in Authentication-Results. */
  hostname: string;
  spool: () => SealedSpool;
  clock: Clock;
  random: Random;
}

/** To an address elsewhere, for an address here. */
class Elsewhere {
  readonly target: string;
  readonly alias: string;
  constructor(target: string, alias: string) {
    this.target = target;
    this.alias = alias;
  }
}

export class Forwarder implements Receiver {
  readonly #o: ForwarderOptions;
  constructor(options: ForwarderOptions) {
    this.#o = options;
  }

  async recipient(address: string, declaredBytes: number | null): Promise<Recipient> {
    const { queue, clock, hasDomain, postmasters } = this.#o;
    // Whoever knows no domain here must find somebody all the same (RFC 5321 §4.5.1).
    if (/^postmaster$/i.test(address)) return { address, target: (await this.#first(postmasters(''), declaredBytes)).target };
    if (isSrs(address) && hasDomain(domainOf(address))) {
      if (srsSender(address, queue.keys.names, clock.now()) === null) throw new Refused('No such user here', null, '550 5.1.1');
      const { target } = await this.#first(postmasters(domainOf(address)), declaredBytes);
      return { address, target };
    }
    return this.#known(address, declaredBytes);
  }

  /** Of some addresses the first that is there. Refused, Unavailable. */
  async #first(addresses: string[], declaredBytes: number | null): Promise<Recipient> {
    let none: unknown = new Refused('No postmaster here', 'NONEXISTENT', '550 5.1.1');
    for (const address of addresses) {
      try {
        return await this.#known(address, declaredBytes);
      } catch (e) {
        if (!(e instanceof Refused) || e.code === 'OVERQUOTA') throw e;
        none = new Refused(`There is no ${addresses[0]}, who would hear of it`, 'NONEXISTENT', '550 5.1.1');
      }
    }
    throw none;
  }

  async #known(address: string, declaredBytes: number | null): Promise<Recipient> {
    const { receiver } = this.#o;
    const known = this.#elsewhere(address);
    if (known) return known;
    try {
      return await receiver.recipient(address, declaredBytes);
    } catch (e) {
      // The directory was asked before that "no".
      const found = e instanceof Refused ? this.#elsewhere(address) : null;
      if (!found) throw e;
      return found;
    }
  }

  #elsewhere(address: string): Recipient | null {
    try {
      const found = this.#o.forwardOf(address);
      return found && { address, target: new Elsewhere(found.target, found.alias), onward: true };
    } catch (e) {
      if (e instanceof Malformed) return null;
      throw e;
    }
  }

  begin(info: TransactionInfo): Transaction {
    const away = info.recipients.filter((r) => r.target instanceof Elsewhere);
    const { hasDomain } = this.#o;
    if (info.from !== '' && info.recipients.some((r) => isSrs(r.address) && hasDomain(domainOf(r.address)))) throw new Refused('that address takes failures only', null, '550 5.7.1');
    if (away.length === 0) return this.#o.receiver.begin(info);
    const here = info.recipients.filter((r) => !away.includes(r));
    return new Forwarding(this.#o, info, away, here.length > 0 ? this.#o.receiver.begin({ ...info, recipients: here }) : null);
  }
}

class Forwarding implements Transaction {
  readonly #o: ForwarderOptions;
  readonly #info: TransactionInfo;
  readonly #away: Recipient[];
  readonly #inner: Transaction | null;
  readonly #reader = new HeaderReader();
  readonly #hash = new BodyHash();
  readonly #sealer: BlobSealer;
  readonly #spool: SealedSpool;
  #header: Buffer | null = null;
  #wideHeader = false;
  #bytes = 0;
  received = 0;

  constructor(options: ForwarderOptions, info: TransactionInfo, away: Recipient[], inner: Transaction | null) {
    this.#o = options;
    this.#info = info;
    this.#away = away;
    this.#inner = inner;
    this.#sealer = new BlobSealer(options.queue.keys.blob, options.random);
    this.#spool = options.spool();
  }

  async write(piece: Buffer): Promise<void> {
    this.#bytes += piece.length;
    if (this.#bytes > limits.message_bytes_max) throw new Refused('Message too large', 'TOOBIG', '552 5.3.4');
    this.#look(piece);
    await Promise.all([this.#spool.push(this.#sealer.push(piece)), this.#inner?.write(piece)]);
  }

  #look(piece: Buffer): void {
    if (this.#header !== null) return this.#hash.push(piece);
    const found = this.#reader.push(piece);
    if (found === null) return;
    this.#head(found.header);
    if (found.rest.length > 0) this.#hash.push(found.rest);
  }

  #head(header: Buffer): void {
    this.#header = header;
    this.#wideHeader = !isAscii(header);
    const fields = readFields(header.toString('latin1'));
    this.received = fields.filter((f) => f.name === 'received').length;
    // It was here before: two that forward to each other.
    const seen = new Set(fields.filter((f) => f.name === 'delivered-to').map((f) => f.value.trim().toLowerCase()));
    if (this.#away.some((r) => seen.has(r.address.toLowerCase()))) throw new Refused('the message goes in a loop', null, '554 5.4.6');
  }

  async commit(prefix: (recipient: Recipient) => Buffer, junk = false): Promise<Outcome[]> {
    let error: Error | null = null;
    try {
      if (this.#header === null) this.#head(this.#reader.finish());
      // Others would take this server for its source.
      if (junk) throw new Refused('the message looks like spam and is not forwarded', null, '550 5.7.1');
      await this.#queue(prefix);
    } catch (e) {
      error = e as Error;
    }
    this.#spool.dispose();
    // SMTP has one answer for all: with the others' copies stored, what is refused for good would be sent again for days.
    if (error instanceof Refused) {
      this.#inner?.abort();
      return this.#info.recipients.map((recipient) => ({ recipient, error }));
    }
    // What is in the queue stays there: when the sender repeats for the others' sake, who it is forwarded to sees it twice.
    const inner = (await this.#inner?.commit(prefix, junk)) ?? [];
    return [...inner, ...this.#away.map((recipient) => ({ recipient, error }))];
  }

  /** One message for each alias, however often and in whatever forms a stranger names it: its sender and its fields are its own. */
  async #queue(prefix: (recipient: Recipient) => Buffer): Promise<void> {
    const { queue, random, clock } = this.#o;
    const sealed = this.#sealer.finish();
    await this.#spool.push(sealed.pieces);
    const { plainBytes, sealedBytes } = sealed;
    const contentKey = sealed.contentKey.toString('latin1');
    const { utf8 = false, wishes } = this.#info;
    const specs: QueuedSpec[] = [];
    const once = new Map(this.#away.map((r) => [(r.target as Elsewhere).alias, r]));
    for (const recipient of once.values()) {
      const { target } = recipient.target as Elsewhere;
      const blob = randomId(random, BLOB_ID_BITS);
      await this.#spool.put(queue.store, blobName(queue.root, blob));
      const from = this.#sender(recipient.target as Elsewhere);
      // A sender here hears what it asked for (RFC 3461 §5.2.7). Of a stranger's message the postmaster hears when it fails, and nobody of a delay.
      const wish = wishes?.of.get(recipient.address) ?? { notify: NOTIFY.failure, orcpt: '' };
      const { user = '', ret = '', envid = '' } = wishes ?? {};
      specs.push({
        ...plainSpec, id: randomId(random, MESSAGE_ID_BITS), at: clock.now(), user, from, ret, envid,
        eightBit: this.#wideHeader || this.#hash.eightBit, utf8: isWide(from + target) || (utf8 && this.#wideHeader),
        blob, contentKey, plainBytes, sealedBytes, prefix: this.#fields(recipient, prefix(recipient)),
        recipients: [{ address: target, notify: from === '' ? NOTIFY.never : wish.notify, orcpt: wish.orcpt }],
      });
    }
    await takeIn(queue, this.#o, specs, { bytes: specs.reduce((n, s) => n + 400 + s.prefix.length, 0) });
  }

  #sender({ alias }: Elsewhere): string {
    const { from } = this.#info;
    const { hasDomain, queue, clock } = this.#o;
    if (from === '' || hasDomain(domainOf(from))) return from;
    // Where no address can stand for the sender, failures come to the postmaster all the same.
    return srsAddress(from, domainOf(alias), queue.keys.names[0], clock.now()) ?? `postmaster@${domainOf(alias)}`;
  }

  /** What stands before the message: without the Return-Path of a delivery, with an ARC set where the message was checked. */
  #fields({ target }: Recipient, prefix: Buffer): string {
    const { hostname, keysOf, clock } = this.#o;
    const text = prefix.toString('latin1').replace(/^Return-Path:.*\r\n/, '');
    const { alias } = target as Elsewhere;
    const results = /^Authentication-Results:((?:.*\r\n)(?:[ \t].*\r\n)*)/m.exec(text)?.[1].trim() ?? '';
    const key = keysOf(domainOf(alias)).find((k) => k.algorithm === 'rsa');
    if (key === undefined || !results.toLowerCase().startsWith(`${hostname.toLowerCase()};`)) return text;
    const arc = /;\s*arc=(\w+)/.exec(results)?.[1] ?? 'none';
    const seal = arc === 'none' || arc === 'pass' ? sealArc(this.#header!, this.#digest(), results, arc, key, clock.now()) : '';
    return seal + text;
  }

  #bodyHash: string | null = null;
  #digest(): string {
    return (this.#bodyHash ??= this.#hash.digest());
  }

  abort(): void {
    this.#spool.dispose();
    this.#inner?.abort();
  }
}
