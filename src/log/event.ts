// The stored form of an event: a clear header that any replica may read, the sealed body, and a MAC over name and both.
//
// Format 1: version 1 | length, header | length, MAC | sealed body.
// Header: kind | last - first | born | messages | bytes | last - floor | digest, 16 bytes | count of (writer, seq,
// position - floor). The name gives last position, writer and seq, and the MAC binds the name.
import { hash } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt, ownCopy } from '../base/index.ts';
import type { Position, Writer } from '../base/index.ts';
import { eventLeaf, logPrefix, parseEventLeaf } from '../store/index.ts';
import type { Authenticator, EventHeader, EventKind, OpenedEvent, Placed } from './types.ts';

export const EVENT_VERSION = 1;
export const DIGEST_BYTES = 16;
const KINDS: EventKind[] = ['delivered', 'session', 'directory'];

/** Bytes of an event with its header read and its MAC verified. */
export interface StoredEvent {
  name: string;
  header: EventHeader;
  /** Version and header as stored: what the body is bound to. */
  clear: Buffer;
  sealed: Buffer;
  bytes: Buffer;
}

/** 128 bits of the name's hash, as digests XOR them. */
export function leafHash(leaf: string): bigint {
  return BigInt(`0x${hash('sha256', leaf, 'hex').slice(0, 2 * DIGEST_BYTES)}`);
}

export const digestBytes = (digest: bigint): Buffer => ownCopy(Buffer.from(digest.toString(16).padStart(2 * DIGEST_BYTES, '0'), 'hex'));
export const digestNumber = (bytes: Buffer): bigint => BigInt(`0x${bytes.toString('hex')}`);

/** The id under which an event is known wherever its position doesn't matter. */
export const eventId = (writer: Writer, seq: number): string => `${writer}#${seq}`;

function writeClear(header: EventHeader): Buffer {
  const { seen } = header;
  const last = header.ref.position;
  const w = new ByteWriter(192);
  w.u8(KINDS.indexOf(header.kind)).varint(last - header.first).varint(header.born).varint(header.messages).varint(header.bytes);
  writeSeen(w, last, seen);
  const body = w.done();
  return new ByteWriter(body.length + 4).u8(EVENT_VERSION).bytes(body).done();
}

/** Writes `seen` against the position of its event. */
export function writeSeen(w: ByteWriter, last: Position, seen: EventHeader['seen']): void {
  w.varint(last - seen.floor).raw(seen.digest).varint(seen.above.size);
  for (const [writer, { position, seq }] of seen.above) w.string(writer).varint(seq).varint(position - seen.floor);
}

export function readSeen(r: ByteReader, last: Position): EventHeader['seen'] {
  const floor = last - r.varint();
  if (floor < 0) throw new Corrupt('a floor lies below zero');
  // A copy: the bytes of the event need not stay in memory because of it.
  const digest = ownCopy(r.raw(DIGEST_BYTES));
  const above: EventHeader['seen']['above'] = new Map();
  for (let n = r.count(3); n > 0; n--) {
    const writer = r.string();
    const seq = r.varint();
    above.set(writer, { seq, position: floor + r.varint() });
  }
  return { floor, digest, above };
}

/** Passes over what `readSeen` reads. */
export function skipSeen(r: ByteReader): void {
  r.varint();
  r.skip(DIGEST_BYTES);
  for (let n = r.count(3); n > 0; n--) {
    r.skip(r.varint());
    r.varint();
    r.varint();
  }
}

/** Seals nothing itself: `seal` gets the header in clear and gives the body. */
export function encodeEvent(authenticator: Authenticator, name: string, header: EventHeader, seal: (clear: Buffer) => Buffer): StoredEvent {
  const clear = writeClear(header);
  const sealed = seal(clear);
  const mac = authenticator.mac(name, [clear, sealed]);
  return { name, header, clear, sealed, bytes: Buffer.concat([clear, Buffer.from([mac.length]), mac, sealed]) };
}

/** Reads and verifies. `lastOf` is told apart from the name only where a test has the first position in names. Throws Corrupt. */
export function readEvent(authenticator: Authenticator, root: string, name: string, given: Uint8Array, firstInName = false): StoredEvent {
  const prefix = logPrefix(root);
  if (!name.startsWith(prefix)) throw new Corrupt('an event has the name of another log');
  const named = parseEventLeaf(name.slice(prefix.length));
  const bytes = Buffer.isBuffer(given) ? given : Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== EVENT_VERSION) throw new Corrupt(version > EVENT_VERSION ? `an event was written by a newer version: ${name}` : `an event has an unknown version: ${name}`);
  const body = r.bytes();
  const clear = bytes.subarray(0, r.at);
  const mac = r.raw(r.u8());
  const sealed = r.raw(r.left);
  authenticator.verify(name, [clear, sealed], mac);
  const h = new ByteReader(body);
  const kind = KINDS[h.u8()];
  if (!kind) throw new Corrupt(`an event is of an unknown kind: ${name}`);
  const span = h.varint();
  const ref = firstInName ? { ...named, position: named.position + span } : named;
  const first = ref.position - span;
  if (first < 1) throw new Corrupt(`an event begins before the log: ${name}`);
  const born = h.varint();
  const messages = h.varint();
  const sizes = h.varint();
  const seen = readSeen(h, ref.position);
  h.finish();
  return { name, header: { ref, first, kind, seen, born, messages, bytes: sizes }, clear, sealed, bytes };
}

/** Gives each operation the position that it begins at. Throws Corrupt when they don't fill the event exactly. */
export function placeOps<Op>(header: EventHeader, ops: Op[], positions: (op: Op) => number, slots: number): OpenedEvent<Op> {
  const placed: Placed<Op>[] = new Array(ops.length);
  let at = header.first;
  for (let i = 0; i < ops.length; i++) {
    placed[i] = { first: at, op: ops[i] };
    at += positions(ops[i]) * slots;
  }
  if (at - slots !== header.ref.position) throw new Corrupt(`an event's operations don't fill its positions: ${eventLeaf(header.ref)}`);
  return { ...header, ops: placed };
}
