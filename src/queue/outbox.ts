// What users send: checked, signed, sealed while it arrives, and in the queue before it is acknowledged. What stays here
// altogether is delivered at once.
import { Malformed, Refused, Unavailable, randomId } from '../base/index.ts';
import type { Clock, Limits, Random } from '../base/index.ts';
import { BlobSealer } from '../seal/index.ts';
import type { Receiver, Transaction } from '../smtp/receiver.ts';
import type { SentMail, SentTo, Submission, Submitter } from '../smtp/submission/submitter.ts';
import { blobName } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { BodyHash, signDkimWith } from '../verify/index.ts';
import type { SigningKey } from '../verify/index.ts';
import { BLOB_ID_BITS, MESSAGE_ID_BITS } from './enqueue.ts';
import { HeaderReader, domainOf, isWide, rewriteHeader } from './header.ts';
import type { Rewritten } from './header.ts';
import type { QueueState } from './fold.ts';
import { NOTIFY } from './ops.ts';
import type { QueuedSpec, RecipientSpec } from './ops.ts';
import type { Queue } from './queue.ts';
import { takeIn, wishesOf } from './take-in.ts';
import type { Onward } from './take-in.ts';

/** Keeps sealed bytes until they are stored; the account room has one. */
export interface SealedSpool {
  /** Nothing of it is on disk: its PUT takes no longer than others. */
  readonly inMemory: boolean;
  push(pieces: Buffer[]): Promise<void>;
  put(store: ObjectStore, name: string): Promise<void>;
  dispose(): void;
}

interface LoggedIn {
  user: string;
  address: string;
  /** False once the password is no longer valid. */
  holds: () => boolean;
}

/** What the outbox asks of the accounts and the directory. */
export interface Senders {
  /** Refused, Unavailable. */
  login(user: string, password: string, remote: string): Promise<LoggedIn>;
  plaintextAllowed(remote: string): boolean;
  /** Whether mail to that address reaches this user. A "no" after asking the store. Unavailable. */
  owns(user: string, address: string): Promise<boolean>;
  hasDomain(domain: string): boolean;
  keysOf(domain: string): SigningKey[];
}

export interface OutboxOptions extends Onward {
  queue: Queue;
  senders: Senders;
  receiver: Receiver;
  spool: () => SealedSpool;
  clock: Clock;
  random: Random;
}

export class Outbox implements Submitter {
  readonly #o: OutboxOptions;
  constructor(options: OutboxOptions) {
    this.#o = options;
  }

  plaintextAllowed(remote: string): boolean {
    return this.#o.senders.plaintextAllowed(remote);
  }

  async login(user: string, password: string, remote: string): Promise<Submission> {
    const { senders } = this.#o;
    const who = await senders.login(user, password, remote);
    return {
      address: who.address,
      sender: async (address) => {
        stillIn(who);
        if (address !== '' && !(await senders.owns(who.user, address))) throw new Refused(`${address} is not an address of yours`, null, '553 5.7.1');
      },
      recipient: (address, before) => this.#recipient(who.user, address, before),
      begin: (mail) => new Sending(this.#o, who, mail),
    };
  }

  async #recipient(user: string, address: string, before: number): Promise<void> {
    if (!address.includes('@')) throw new Refused('the address has no domain', null, '550 5.1.3');
    if (this.#o.senders.hasDomain(domainOf(address))) await this.#o.receiver.recipient(address, null);
    checkRate(this.#o.queue.state, this.#o.queue.limits, user, this.#o.clock.now(), before + 1);
  }
}

/** Throws Refused once the password is no longer valid. */
function stillIn({ holds }: LoggedIn): void {
  if (!holds()) throw new Refused('log in again', 'AUTHENTICATIONFAILED', '530 5.7.0');
}

/** Throws Refused when the user would send to too many. */
function checkRate(state: QueueState, limits: Limits, user: string, now: number, more: number): void {
  const over = (hours: number, max: number) => state.sentBy(user, now, hours) + more > max;
  if (over(1, limits.submission_recipients_per_hour_max) || over(24, limits.submission_recipients_per_day_max)) throw new Refused('too many recipients, try again later', 'LIMIT', '450 4.7.1');
}

const asQueued = ({ address, notify, orcpt }: SentTo): RecipientSpec => ({ address, notify: notify.reduce((bits, n) => bits | NOTIFY[n.toLowerCase() as keyof typeof NOTIFY], 0), orcpt });

/** Where the bytes of a message go. */
interface Sink {
  write(piece: Buffer): Promise<void>;
  commit(prefix: string, body: { eightBit: boolean; wideHeader: boolean; anyTls: boolean }): Promise<void>;
  abort(): void;
}

class Sending {
  readonly #o: OutboxOptions;
  readonly #who: LoggedIn;
  readonly #mail: SentMail;
  readonly #reader = new HeaderReader();
  readonly #body = new BodyHash();
  #head: Rewritten | null = null;
  #sink: Sink | null = null;
  #over = false;

  constructor(options: OutboxOptions, who: LoggedIn, mail: SentMail) {
    this.#o = options;
    this.#who = who;
    this.#mail = mail;
  }

  get received(): number {
    return this.#head?.received ?? 0;
  }

  async write(piece: Buffer): Promise<void> {
    if (this.#sink !== null) return this.#bodyPiece(piece);
    const found = this.#reader.push(piece);
    if (found === null) return;
    await this.#begin(found.header);
    if (found.rest.length > 0) await this.#bodyPiece(found.rest);
  }

  async #bodyPiece(piece: Buffer): Promise<void> {
    this.#body.push(piece);
    await this.#sink!.write(piece);
  }

  async #begin(header: Buffer): Promise<void> {
    const { clock, random, senders } = this.#o;
    const head = rewriteHeader(header, clock.now(), random);
    for (const address of head.authors) {
      let own = false;
      try {
        own = await senders.owns(this.#who.user, address);
      } catch (e) {
        if (!(e instanceof Malformed)) throw e;
      }
      if (!own) throw new Refused(`From or Sender names ${address}, which is not an address of yours`, null, '550 5.7.1');
    }
    if (this.#over) throw new Unavailable('the message was given up');
    this.#head = head;
    this.#sink = await this.#open();
    await this.#sink.write(head.header);
  }

  async #open(): Promise<Sink> {
    const { senders, receiver } = this.#o;
    const { recipients, from, declaredBytes, utf8, ret, envid, releaseAt = 0 } = this.#mail;
    const local = releaseAt === 0 && recipients.every((r) => senders.hasDomain(domainOf(r.address)) && !r.notify.includes('SUCCESS'));
    if (!local) return new QueueSink(this.#o, this.#who.user, this.#mail);
    const found = await Promise.all(recipients.map((r) => receiver.recipient(r.address, declaredBytes)));
    const wishes = wishesOf({ user: this.#who.user, ret, envid, recipients: recipients.map(asQueued) });
    return new LocalSink(receiver.begin({ from, recipients: found, declaredBytes, utf8, wishes }), from);
  }

  async commit(received: string): Promise<void> {
    try {
      // A message takes its time, and in it a stolen password may have been taken back.
      stillIn(this.#who);
      if (this.#sink === null) await this.#begin(this.#reader.finish());
      const head = this.#head!;
      const bodyHash = this.#body.digest();
      const signatures = await signDkimWith(this.#o.senders.keysOf(head.domain), head.header, bodyHash, this.#o.clock.now());
      await this.#sink!.commit(received + signatures, { eightBit: this.#body.eightBit || head.eightBit, wideHeader: head.eightBit, anyTls: head.anyTls });
    } catch (e) {
      this.abort();
      throw e;
    }
  }

  abort(): void {
    this.#over = true;
    this.#sink?.abort();
  }
}

/** All recipients are here: the copies are stored before the answer, and nothing has to wait. */
class LocalSink implements Sink {
  readonly #transaction: Transaction;
  readonly #from: string;
  constructor(transaction: Transaction, from: string) {
    this.#transaction = transaction;
    this.#from = from;
  }
  write(piece: Buffer): Promise<void> {
    return this.#transaction.write(piece);
  }
  async commit(prefix: string): Promise<void> {
    const outcomes = await this.#transaction.commit((r) => Buffer.from(`Return-Path: <${this.#from}>\r\nDelivered-To: ${r.address}\r\n${prefix}`));
    const errors = outcomes.map((o) => o.error).filter((e) => e !== null);
    if (errors.length === 0) return;
    // One answer for all: what was stored is known by its delivery key when the mail app repeats it.
    if (errors.length < outcomes.length) throw errors.find((e) => e instanceof Unavailable) ?? new Unavailable('not all copies were stored');
    throw errors[0];
  }
  abort(): void {
    this.#transaction.abort();
  }
}

/** Sealed as it comes; blob before event, event before the answer. */
class QueueSink implements Sink {
  readonly #o: OutboxOptions;
  readonly #user: string;
  readonly #mail: SentMail;
  readonly #sealer: BlobSealer;
  readonly #spool: SealedSpool;

  constructor(options: OutboxOptions, user: string, mail: SentMail) {
    this.#o = options;
    this.#user = user;
    this.#mail = mail;
    this.#sealer = new BlobSealer(options.queue.keys.blob, options.random);
    this.#spool = options.spool();
  }

  write(piece: Buffer): Promise<void> {
    return this.#spool.push(this.#sealer.push(piece));
  }

  async commit(prefix: string, { eightBit, wideHeader, anyTls }: Parameters<Sink['commit']>[1]): Promise<void> {
    const { queue, random, clock } = this.#o;
    const { from, envid, ret, recipients, utf8, requireTls = false, releaseAt = 0 } = this.#mail;
    const sealed = this.#sealer.finish();
    await this.#spool.push(sealed.pieces);
    const blob = randomId(random, BLOB_ID_BITS);
    const spec: QueuedSpec = {
      id: randomId(random, MESSAGE_ID_BITS),
      at: clock.now(),
      user: this.#user,
      from, envid, ret, eightBit,
      // Text beyond ASCII in a body needs 8BITMIME alone (RFC 6531 §3.6); an address needs it also where the mail app did not say so.
      utf8: (utf8 && wideHeader) || isWide(from) || recipients.some((r) => isWide(r.address)),
      requireTls, releaseAt, blob,
      // A demand is stronger than a wish (RFC 8689 §5).
      anyTls: anyTls && !requireTls,
      contentKey: sealed.contentKey.toString('latin1'),
      plainBytes: sealed.plainBytes,
      sealedBytes: sealed.sealedBytes,
      prefix: Buffer.from(prefix).toString('latin1'),
      recipients: recipients.map(asQueued),
    };
    try {
      const name = blobName(queue.root, blob);
      const put = this.#spool.put(queue.store, name);
      // The LIST goes beside the blob, and where the store can make both durable at once, so does the event.
      const together = queue.store.preparesPuts && this.#spool.inMemory;
      if (together) put.catch(() => {}); // the event tells
      else await Promise.all([put, queue.log.refresh(queue.limits.list_age_ms_max).catch(() => {})]);
      const bytes = prefix.length + 200 + recipients.reduce((n, r) => n + r.address.length + r.orcpt.length + 3, 0);
      const check = (state: QueueState) => checkRate(state, queue.limits, this.#user, spec.at, recipients.length);
      await takeIn(queue, this.#o, [spec], { bytes, check, blob: together ? { put, name } : undefined });
    } finally {
      this.#spool.dispose();
    }
  }

  abort(): void {
    this.#spool.dispose();
  }
}
