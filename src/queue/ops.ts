// What happens to messages that are to be sent, and its stored form: version 1, or 2 where a message asks for more than
// that knows.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';

/** When the sender wants to hear of a recipient (RFC 3461 §4.1). */
export const NOTIFY = { never: 1, success: 2, failure: 4, delay: 8 } as const;

/** A recipient as the sender named it. `notify`: bits of NOTIFY, 0 where nothing was asked. `orcpt`: as given, or empty. */
export interface RecipientSpec {
  address: string;
  notify: number;
  orcpt: string;
}

/** A message to be sent, once; `id` is random and names it for ever. */
export interface QueuedSpec {
  id: string;
  /** Wall clock, ms since 1970. */
  at: number;
  /** Id of the user who sent it; empty: the server itself. */
  user: string;
  /** MAIL FROM; empty: nobody hears of failures. */
  from: string;
  envid: string;
  /** RET= of MAIL FROM: what a DSN about a failure brings back; empty: nothing was asked. */
  ret: '' | 'FULL' | 'HDRS';
  /** Bytes beyond ASCII: in header or body (8BITMIME), in addresses or header (SMTPUTF8). */
  eightBit: boolean;
  utf8: boolean;
  /** Only over TLS that was checked (REQUIRETLS); over any or none, whatever policies say (TLS-Required: No). */
  requireTls: boolean;
  anyTls: boolean;
  /** Not to be sent before, ms since 1970; 0: at once. */
  releaseAt: number;
  blob: string;
  /** One character a byte, as is the prefix: buffers of their own take twice the memory for as long as the message waits. */
  contentKey: string;
  plainBytes: number;
  sealedBytes: number;
  /** Header fields that stand before the message. */
  prefix: string;
  recipients: RecipientSpec[];
}

export type Result = 'delivered' | 'deferred' | 'failed';

/** What became of one recipient in one attempt. `status`: RFC 3463. `host`: who said it, or empty. */
export interface Outcome {
  recipient: number;
  result: Result;
  status: string;
  text: string;
  host: string;
  /** When it is tried again, ms since 1970; for `deferred`. */
  nextAt: number;
}

export type Notice = 'failure' | 'delay' | 'success';

export type QueueOp =
  | ({ kind: 'Queued' } & QueuedSpec)
  /** Until its event's time (the store's own) + `lastsMs` nobody else connects for these recipients. */
  | { kind: 'Attempting'; message: string; attempt: string; lastsMs: number; recipients: number[] }
  /** The attempt is over, with these outcomes (none: it was withdrawn). `by`: the host that made it. Without an attempt: an administrator's word. */
  | { kind: 'Attempted'; message: string; attempt: string; at: number; by: string; outcomes: Outcome[] }
  | { kind: 'Held'; message: string; on: boolean }
  | { kind: 'Retried'; message: string; at: number }
  /** By an administrator who wants nobody to be told. */
  | { kind: 'Dropped'; message: string }
  /** The sender was told, or there is nobody to tell. */
  | { kind: 'Told'; message: string; notice: Notice; recipients: number[] };

const VERSION = 2;
const KINDS = ['Queued', 'Attempting', 'Attempted', 'Held', 'Retried', 'Dropped', 'Told'] as const;
const RESULTS: readonly Result[] = ['delivered', 'deferred', 'failed'];
const NOTICES: readonly Notice[] = ['failure', 'delay', 'success'];

function pick<T>(of: readonly T[], index: number): T {
  if (index >= of.length) throw new Corrupt('queue: a word of a newer version');
  return of[index];
}

const numbers = (w: ByteWriter, list: number[]): void => {
  w.varint(list.length);
  for (const n of list) w.varint(n);
};
const readNumbers = (r: ByteReader): number[] => Array.from({ length: r.count() }, () => r.varint());

/** Whether version 1 can't say it. */
export const asksMore = (q: Pick<QueuedSpec, 'requireTls' | 'anyTls' | 'releaseAt'>): boolean => q.requireTls || q.anyTls || q.releaseAt > 0;

/** In the form of `version`. */
export function writeQueued(w: ByteWriter, q: QueuedSpec, version: number): void {
  w.string(q.id).varint(q.at).string(q.user).string(q.from).string(q.envid);
  // The last bit is younger than the version: who doesn't know it does as if nothing was asked, which harms nobody.
  w.u8((q.ret === 'FULL' ? 1 : 0) | (q.eightBit ? 2 : 0) | (q.utf8 ? 4 : 0) | (q.requireTls ? 8 : 0) | (q.anyTls ? 16 : 0) | (q.ret === 'HDRS' ? 32 : 0));
  if (version >= 2) w.varint(q.releaseAt);
  w.string(q.blob).latin1(q.contentKey).varint(q.plainBytes).varint(q.sealedBytes).latin1(q.prefix).varint(q.recipients.length);
  for (const x of q.recipients) w.string(x.address).u8(x.notify).string(x.orcpt);
}

export function readQueued(r: ByteReader, version: number): QueuedSpec {
  const [id, at, user, from, envid] = [r.string(), r.varint(), r.string(), r.string(), r.string()];
  const bits = r.u8();
  return {
    id, at, user, from, envid,
    ret: bits & 1 ? 'FULL' : bits & 32 ? 'HDRS' : '',
    eightBit: (bits & 2) !== 0,
    utf8: (bits & 4) !== 0,
    requireTls: (bits & 8) !== 0,
    anyTls: (bits & 16) !== 0,
    releaseAt: version >= 2 ? r.varint() : 0,
    blob: r.string(),
    contentKey: r.latin1(),
    plainBytes: r.varint(),
    sealedBytes: r.varint(),
    prefix: r.latin1(),
    recipients: Array.from({ length: r.count(3) }, () => ({ address: r.string(), notify: r.u8(), orcpt: r.string() })),
  };
}

export function writeOutcome(w: ByteWriter, o: Outcome): void {
  w.varint(o.recipient).u8(RESULTS.indexOf(o.result)).string(o.status).string(o.text).string(o.host).varint(o.nextAt);
}
export const readOutcome = (r: ByteReader): Outcome => ({ recipient: r.varint(), result: pick(RESULTS, r.u8()), status: r.string(), text: r.string(), host: r.string(), nextAt: r.varint() });

/** The stored form of one event's operations. */
export function encodeQueueOps(ops: QueueOp[]): Buffer {
  const version = ops.some((op) => op.kind === 'Queued' && asksMore(op)) ? VERSION : 1;
  const w = new ByteWriter(512).u8(version).varint(ops.length);
  for (const op of ops) {
    w.u8(KINDS.indexOf(op.kind));
    switch (op.kind) {
      case 'Queued':
        writeQueued(w, op, version);
        break;
      case 'Attempting':
        numbers(w.string(op.message).string(op.attempt).varint(op.lastsMs), op.recipients);
        break;
      case 'Attempted':
        w.string(op.message).string(op.attempt).varint(op.at).string(op.by).varint(op.outcomes.length);
        for (const o of op.outcomes) writeOutcome(w, o);
        break;
      case 'Held':
        w.string(op.message).u8(op.on ? 1 : 0);
        break;
      case 'Retried':
        w.string(op.message).varint(op.at);
        break;
      case 'Dropped':
        w.string(op.message);
        break;
      case 'Told':
        numbers(w.string(op.message).u8(NOTICES.indexOf(op.notice)), op.recipients);
    }
  }
  return w.done();
}

function decodeOp(r: ByteReader, version: number): QueueOp {
  const kind = KINDS[r.u8()];
  switch (kind) {
    case 'Queued':
      return { kind, ...readQueued(r, version) };
    case 'Attempting':
      return { kind, message: r.string(), attempt: r.string(), lastsMs: r.varint(), recipients: readNumbers(r) };
    case 'Attempted':
      return { kind, message: r.string(), attempt: r.string(), at: r.varint(), by: r.string(), outcomes: Array.from({ length: r.count(6) }, () => readOutcome(r)) };
    case 'Held':
      return { kind, message: r.string(), on: r.u8() === 1 };
    case 'Retried':
      return { kind, message: r.string(), at: r.varint() };
    case 'Dropped':
      return { kind, message: r.string() };
    case 'Told':
      return { kind, message: r.string(), notice: pick(NOTICES, r.u8()), recipients: readNumbers(r) };
    default:
      throw new Corrupt('queue: an operation written by a newer version');
  }
}

/** Throws Corrupt. */
export function decodeQueueOps(bytes: Uint8Array): QueueOp[] {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version < 1 || version > VERSION) throw new Corrupt('queue: an event written by a newer version');
  const ops = Array.from({ length: r.count() }, () => decodeOp(r, version));
  r.finish();
  return ops;
}
