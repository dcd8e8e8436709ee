// The queue's state: a join of its events in any order. A message is there from its Queued until every recipient is
// done with and whoever had to be told was told. Pure: no clock, no chance.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import { NOTIFY, asksMore, readOutcome, readQueued, writeOutcome, writeQueued } from './ops.ts';
import type { Notice, Outcome, QueueOp, QueuedSpec, RecipientSpec } from './ops.ts';

/** What was last said of a recipient; `stamp` orders two that have not seen each other. */
export interface Said extends Outcome {
  stamp: string;
  at: number;
  by: string;
  /** How often it was put off. */
  tries: number;
}

export interface RecipientState extends RecipientSpec {
  said: Said | null;
  told: ReadonlySet<Notice>;
  dropped: boolean;
}

export interface Attempt {
  id: string;
  recipients: number[];
  /** By the store's own time, ms; a margin comes on top. */
  until: number;
}

export interface QueuedMessage extends Omit<QueuedSpec, 'recipients'> {
  /** The event that made it. */
  ref: { writer: string; seq: number };
  recipients: RecipientState[];
  attempts: ReadonlyMap<string, Attempt>;
  held: { stamp: string; on: boolean };
  retried: { stamp: string; at: number };
}

/** Most texts that are known at a time, so that those which come but once go again. */
const WORDS_MAX = 1000;

/** Equal texts, once: messages that wait name the same senders, servers and answers over and over. */
class Words {
  readonly #known = new Map<string, string>();

  once(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= WORDS_MAX) this.#known.clear();
    // A copy: what was cut from a longer text, as from another server's answer, would keep all of that in memory.
    const own = Buffer.from(text).toString();
    this.#known.set(own, own);
    return own;
  }
}

interface QueueEvent {
  ref: { position: number; writer: string; seq: number };
  born: number;
  ops: { first: number; op: QueueOp }[];
}

/** Version 1 knows less of a message; a state that needs no more is written as version 1. */
const VERSION = 2;
const HOUR_MS = 60 * 60 * 1000;
/** Hours of each user's counts that are kept. */
const HOURS_KEPT = 25;
const stampOf = (position: number, writer: string): string => `${position.toString(16).padStart(16, '0')}-${writer}`;
const NOTICES: readonly Notice[] = ['failure', 'delay', 'success'];

/** From when on it is to be sent, ms since 1970: its age counts from there. */
export const sentFrom = (m: Pick<QueuedSpec, 'at' | 'releaseAt'>): number => Math.max(m.at, m.releaseAt);

export const isFinal = (r: RecipientState): boolean => r.dropped || (r.said !== null && r.said.result !== 'deferred');

/** The notice that is owed for a recipient now, delays apart; null: none. */
export function owed(m: QueuedMessage, r: RecipientState): Notice | null {
  if (r.dropped || r.said === null || m.from === '') return null;
  const asked = r.notify === 0 ? NOTIFY.failure | NOTIFY.delay : r.notify;
  if (r.said.result === 'failed' && asked & NOTIFY.failure && !r.told.has('failure')) return 'failure';
  if (r.said.result === 'delivered' && asked & NOTIFY.success && !r.told.has('success')) return 'success';
  return null;
}

export const wantsDelayNotice = (m: QueuedMessage, r: RecipientState): boolean =>
  m.from !== '' && !isFinal(r) && !r.told.has('delay') && (r.notify === 0 || (r.notify & NOTIFY.delay) !== 0);

const isDone = (m: QueuedMessage): boolean => m.recipients.every((r) => isFinal(r) && owed(m, r) === null);

/** Of two that were said: delivered counts before failed before deferred, then the greater stamp. */
function better(a: Said | null, b: Said | null): Said | null {
  if (a === null || b === null) return a ?? b;
  const rank = (s: Said) => (s.result === 'delivered' ? 2 : s.result === 'failed' ? 1 : 0);
  if (rank(a) !== rank(b)) return rank(a) > rank(b) ? a : b;
  return a.stamp > b.stamp ? a : b;
}

/** What most messages have in common. */
const NO_ATTEMPTS: ReadonlyMap<string, Attempt> = new Map();
const NEVER_TOLD: ReadonlySet<Notice> = new Set();
const NOT_HELD: QueuedMessage['held'] = { stamp: '', on: false };
const NOT_RETRIED: QueuedMessage['retried'] = { stamp: '', at: 0 };

function without(attempts: QueuedMessage['attempts'], id: string): QueuedMessage['attempts'] {
  if (!attempts.has(id)) return attempts;
  if (attempts.size === 1) return NO_ATTEMPTS;
  const left = new Map(attempts);
  left.delete(id);
  return left;
}

/** What a recipient takes in the stored form once it was tried: what is said of it is not known before, so as much is kept free. */
const SAID_BYTES = 1000;
const NUMBERS_BYTES = 100;
const textBytes = (...texts: string[]): number => texts.reduce((n, text) => n + Buffer.byteLength(text) + 2, 0);

/** Bytes that a message takes in the stored form of the state, at most; but for an answer that is far longer than most. */
export function weightOf(m: QueuedSpec | QueuedMessage): number {
  let bytes = NUMBERS_BYTES + textBytes(m.id, m.user, m.from, m.envid, m.blob) + m.contentKey.length + m.prefix.length;
  for (const r of m.recipients) {
    const said = 'said' in r ? r.said : null;
    bytes += textBytes(r.address, r.orcpt) + 2 + (said ? NUMBERS_BYTES + textBytes(said.text, said.host, said.by) : SAID_BYTES);
  }
  return bytes;
}

export class QueueState {
  readonly messages = new Map<string, QueuedMessage>();
  readonly #words = new Words();
  /** Of the last stored form: the next one is about as large. */
  #encodedBytes = 0;
  /** Recipients by user and hour since 1970, for limits. */
  readonly #sent = new Map<string, Map<number, number>>();

  /** What each message weighs, and those of each user together. */
  readonly #weights = new Map<string, number>();
  readonly #weightsOf = new Map<string, number>();
  #weight = 0;

  /** What messages take of the stored form, bytes: all, and those of a user (empty: the server's own, and forwarded ones). */
  weight(user: string): { all: number; own: number } {
    return { all: this.#weight, own: this.#weightsOf.get(user) ?? 0 };
  }

  #weigh(m: QueuedMessage): void {
    const weight = this.messages.has(m.id) ? weightOf(m) : 0;
    const more = weight - (this.#weights.get(m.id) ?? 0);
    this.#weight += more;
    const own = (this.#weightsOf.get(m.user) ?? 0) + more;
    if (own > 0) this.#weightsOf.set(m.user, own);
    else this.#weightsOf.delete(m.user);
    if (weight > 0) this.#weights.set(m.id, weight);
    else this.#weights.delete(m.id);
  }

  #remove(m: QueuedMessage): void {
    this.messages.delete(m.id);
    this.#weigh(m);
  }

  apply(event: QueueEvent): void {
    for (const { first, op } of event.ops) this.#applyOp(op, stampOf(first, event.ref.writer), event);
  }

  #applyOp(op: QueueOp, stamp: string, event: QueueEvent): void {
    if (op.kind === 'Queued') return this.#queue(op, event);
    // Everything else was written by someone who knew its Queued: what is not here is done with.
    const m = this.messages.get(op.message);
    if (!m) return;
    switch (op.kind) {
      case 'Attempting':
        if (!m.attempts.has(op.attempt)) m.attempts = new Map(m.attempts).set(op.attempt, { id: op.attempt, recipients: op.recipients, until: event.born + op.lastsMs });
        break;
      case 'Attempted': {
        m.attempts = without(m.attempts, op.attempt);
        for (const o of op.outcomes) {
          const r = m.recipients[o.recipient];
          if (!r) continue;
          const tries = (r.said?.tries ?? 0) + 1;
          r.said = better(r.said, this.#said(o, stamp, op.at, op.by, tries))!;
          r.said.tries = tries;
        }
        break;
      }
      case 'Held':
        if (m.held.stamp < stamp) m.held = { stamp, on: op.on };
        break;
      case 'Retried':
        if (m.retried.stamp < stamp) m.retried = { stamp, at: op.at };
        break;
      case 'Dropped':
        // Whatever else was said: the order of two that have not seen each other must not matter.
        for (const r of m.recipients) r.dropped = true;
        break;
      case 'Told':
        for (const i of op.recipients) {
          const r = m.recipients[i];
          if (r) r.told = new Set(r.told).add(op.notice);
        }
    }
    this.#finish(m);
  }

  #finish(m: QueuedMessage): void {
    if (isDone(m)) this.#remove(m);
    else this.#weigh(m);
  }

  #queue(op: QueuedSpec, event: QueueEvent): void {
    if (this.messages.has(op.id)) return;
    const recipients = op.recipients.map(({ address, notify, orcpt }): RecipientState => ({ address, notify, orcpt, said: null, told: NEVER_TOLD, dropped: false }));
    const { writer, seq } = event.ref;
    const m = this.#message(op, { writer, seq }, recipients, NO_ATTEMPTS, NOT_HELD, NOT_RETRIED);
    this.messages.set(op.id, m);
    this.#weigh(m);
    this.#count(op.user, Math.floor(op.at / HOUR_MS), recipients.length, true);
  }

  /** As it is kept. Each property is named: copies of other objects take a third more. */
  #message(q: QueuedSpec, ref: QueuedMessage['ref'], recipients: RecipientState[], attempts: QueuedMessage['attempts'], held: QueuedMessage['held'], retried: QueuedMessage['retried']): QueuedMessage {
    const { id, at, envid, ret, eightBit, utf8, requireTls, anyTls, releaseAt, blob, contentKey, plainBytes, sealedBytes, prefix } = q;
    const [user, from] = [this.#words.once(q.user), this.#words.once(q.from)];
    return { id, at, user, from, envid, ret, eightBit, utf8, requireTls, anyTls, releaseAt, blob, contentKey, plainBytes, sealedBytes, prefix, ref, recipients, attempts, held, retried };
  }

  #said({ recipient, result, status, text, host, nextAt }: Outcome, stamp: string, at: number, by: string, tries: number): Said {
    const words = this.#words;
    return { recipient, result, status: words.once(status), text: words.once(text), host: words.once(host), nextAt, stamp, at, by: words.once(by), tries };
  }

  #count(user: string, hour: number, n: number, add: boolean): void {
    if (user === '') return;
    let hours = this.#sent.get(user);
    if (!hours) this.#sent.set(user, (hours = new Map()));
    const was = hours.get(hour) ?? 0;
    hours.set(hour, add ? was + n : Math.max(was, n));
    const newest = Math.max(...hours.keys());
    for (const h of hours.keys()) if (h <= newest - HOURS_KEPT) hours.delete(h);
  }

  /** Recipients that a user has sent to within the last `hours` clock hours before `at`, this one included. */
  sentBy(user: string, at: number, hours: number): number {
    const now = Math.floor(at / HOUR_MS);
    let n = 0;
    for (const [hour, count] of this.#sent.get(user) ?? []) if (hour > now - hours && hour <= now) n += count;
    return n;
  }

  /** The whole state in its stored form, the same bytes for the same events. */
  encode(): Buffer {
    const sorted = <T>(entries: Iterable<[string, T]>): [string, T][] => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
    const version = [...this.messages.values()].some((m) => asksMore(m)) ? VERSION : 1;
    const w = new ByteWriter(Math.max(4096, this.#encodedBytes + (this.#encodedBytes >> 3))).u8(version).varint(this.messages.size);
    for (const [, m] of sorted(this.messages)) {
      writeQueued(w, m, version);
      w.string(m.ref.writer).varint(m.ref.seq);
      for (const r of m.recipients) {
        w.u8((r.dropped ? 1 : 0) | (r.said ? 2 : 0)).u8(NOTICES.reduce((bits, n, i) => bits | (r.told.has(n) ? 1 << i : 0), 0));
        if (r.said) writeOutcome(w.string(r.said.stamp).varint(r.said.at).string(r.said.by).varint(r.said.tries), r.said);
      }
      w.varint(m.attempts.size);
      for (const [, a] of sorted(m.attempts)) {
        w.string(a.id).varint(a.until).varint(a.recipients.length);
        for (const n of a.recipients) w.varint(n);
      }
      w.string(m.held.stamp).u8(m.held.on ? 1 : 0).string(m.retried.stamp).varint(m.retried.at);
    }
    w.varint(this.#sent.size);
    for (const [user, hours] of sorted(this.#sent)) {
      w.string(user).varint(hours.size);
      for (const [hour, n] of [...hours].sort(([a], [b]) => a - b)) w.varint(hour).varint(n);
    }
    const bytes = w.done();
    this.#encodedBytes = bytes.length;
    return bytes;
  }

  /**
   * Joins a stored state into this one. `had(ref)`: what this one is made of had that event, so a message that is not
   * here is done with. `has(ref)`: likewise of the stored one. Throws Corrupt.
   */
  join(bytes: Uint8Array, had: (ref: QueuedMessage['ref']) => boolean, has: (ref: QueuedMessage['ref']) => boolean): void {
    const r = new ByteReader(bytes);
    const version = r.u8();
    if (version < 1 || version > VERSION) throw new Corrupt('queue: a state written by a newer version');
    const theirs = new Map<string, QueuedMessage>();
    for (let n = r.count(10); n > 0; n--) {
      const m = this.#read(r, version);
      theirs.set(m.id, m);
    }
    for (let n = r.count(2); n > 0; n--) {
      const user = r.string();
      for (let k = r.count(2); k > 0; k--) this.#count(user, r.varint(), r.varint(), false);
    }
    r.finish();
    for (const m of [...this.messages.values()]) if (!theirs.has(m.id) && has(m.ref)) this.#remove(m);
    for (const m of theirs.values()) {
      const mine = this.messages.get(m.id);
      if (mine) joinMessage(mine, m);
      else if (!had(m.ref)) this.messages.set(m.id, m);
    }
    for (const m of [...this.messages.values()]) this.#finish(m);
  }

  #read(r: ByteReader, version: number): QueuedMessage {
    const spec = readQueued(r, version);
    const ref = { writer: this.#words.once(r.string()), seq: r.varint() };
    const recipients = spec.recipients.map(({ address, notify, orcpt }): RecipientState => {
      const bits = r.u8();
      const told = r.u8();
      let said: Said | null = null;
      if (bits & 2) {
        const [stamp, at, by, tries] = [r.string(), r.varint(), r.string(), r.varint()];
        said = this.#said(readOutcome(r), stamp, at, by, tries);
      }
      return { address, notify, orcpt, said, told: told === 0 ? NEVER_TOLD : new Set(NOTICES.filter((_, i) => told & (1 << i))), dropped: (bits & 1) !== 0 };
    });
    const attempts = new Map<string, Attempt>();
    for (let n = r.count(3); n > 0; n--) {
      const [id, until] = [r.string(), r.varint()];
      attempts.set(id, { id, until, recipients: Array.from({ length: r.count() }, () => r.varint()) });
    }
    const held = { stamp: r.string(), on: r.u8() === 1 };
    const retried = { stamp: r.string(), at: r.varint() };
    return this.#message(spec, ref, recipients, attempts.size === 0 ? NO_ATTEMPTS : attempts, held.stamp === '' ? NOT_HELD : held, retried.stamp === '' ? NOT_RETRIED : retried);
  }
}

function joinMessage(mine: QueuedMessage, other: QueuedMessage): void {
  for (const [i, r] of mine.recipients.entries()) {
    const o = other.recipients[i];
    const tries = Math.max(r.said?.tries ?? 0, o.said?.tries ?? 0);
    r.said = better(r.said, o.said);
    if (r.said) r.said.tries = tries;
    if (o.told.size > 0) r.told = new Set([...r.told, ...o.told]);
    r.dropped ||= o.dropped;
  }
  // One that has ended for the one and not for the other is waited for until its time is over: that does no harm.
  if (other.attempts.size > 0) mine.attempts = new Map([...other.attempts, ...mine.attempts]);
  if (other.held.stamp > mine.held.stamp) mine.held = other.held;
  if (other.retried.stamp > mine.retried.stamp) mine.retried = other.retried;
}
