// The keys of a user as plain values, and their stored forms. The first key of each kind writes, all of them open.
import { hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { openNamed, sealNamed } from './named.ts';
import { hkdfExpand, secretKey } from './primitives.ts';

/** A secret of 32 bytes with the id that sealed objects name (16 hex digits). */
export interface SymmetricKey {
  readonly id: string;
  readonly key: KeyObject;
}
/** What sealing a blob needs: fingerprint and X25519 point (32 bytes each) of an OpenPGP v6 encryption subkey. */
export interface BlobPublicKey {
  readonly fingerprint: Buffer;
  readonly point: Buffer;
}
export interface BlobSecretKey extends BlobPublicKey {
  readonly secret: Buffer;
  /** The transferable secret key (RFC 9580 §10.2) without passphrase: for export. */
  readonly openpgp: Buffer;
}
/** What sealing a delivered event needs; `id` is 16 hex digits of a hash of the point. */
export interface EventPublicKey {
  readonly id: string;
  readonly point: Buffer;
}
export interface EventSecretKey extends EventPublicKey {
  readonly secret: Buffer;
}
/** A user's secrets. */
export interface UserRing {
  readonly blobs: readonly BlobSecretKey[];
  readonly events: readonly EventSecretKey[];
  /** For session events and parts of snapshots. */
  readonly sessions: readonly SymmetricKey[];
}
/** A user's record in the directory: what a delivery needs. */
export interface UserPublic {
  readonly blob: BlobPublicKey;
  readonly event: EventPublicKey;
  /** The OpenPGP certificate (transferable public key) of `blob`. */
  readonly certificate: Buffer;
  /** 32 bytes for keyed hashes that outlive a rotation of the cluster secret. Known to replicas, not to the store. */
  readonly hashKey: Buffer;
}
export interface UserSecrets {
  readonly ring: UserRing;
  readonly public: UserPublic;
}

const RING_VERSION = 1;
const PUBLIC_VERSION = 1;
const KEY_BYTES = 32;
const ID_BYTES = 8;

/** A new random key. */
export const createSymmetricKey = (random: Random): SymmetricKey => ({ id: random.bytes(ID_BYTES).toString('hex'), key: secretKey(random.bytes(KEY_BYTES)) });

/** The id of an event key follows from its point. */
export const eventKeyId = (point: Buffer): string => hash('sha256', Buffer.concat([Buffer.from('colombier event key\0'), point]), 'hex').slice(0, 2 * ID_BYTES);

function version(r: ByteReader, known: number, what: string): void {
  const found = r.u8();
  if (found !== known) throw new Corrupt(found > known ? `${what} was written by a newer version` : `${what} has an unknown version`);
}

/** A copy of its own: a key must not keep a large buffer alive, and is found again by its identity. */
const own = (r: ByteReader, bytes: number): Buffer => Buffer.from(r.raw(bytes));

/** Stored form 1 of a user's public record. */
export function encodeUserPublic(value: UserPublic): Buffer {
  return new ByteWriter(1024).u8(PUBLIC_VERSION).raw(value.blob.fingerprint).raw(value.blob.point).raw(value.event.point).raw(value.hashKey).bytes(value.certificate).done();
}

/** Throws Corrupt. */
export function decodeUserPublic(bytes: Uint8Array): UserPublic {
  const r = new ByteReader(bytes);
  version(r, PUBLIC_VERSION, "a user's public record");
  const blob = { fingerprint: own(r, KEY_BYTES), point: own(r, KEY_BYTES) };
  const point = own(r, KEY_BYTES);
  const hashKey = own(r, KEY_BYTES);
  const certificate = Buffer.from(r.bytes());
  r.finish();
  return { blob, event: { id: eventKeyId(point), point }, certificate, hashKey };
}

/** Form 1 of a ring, in clear: only ever sealed (sealRing). */
export function encodeRing(ring: UserRing): Buffer {
  const w = new ByteWriter(2048).u8(RING_VERSION);
  w.varint(ring.blobs.length);
  for (const k of ring.blobs) w.raw(k.fingerprint).raw(k.point).raw(k.secret).bytes(k.openpgp);
  w.varint(ring.events.length);
  for (const k of ring.events) w.raw(k.point).raw(k.secret);
  w.varint(ring.sessions.length);
  for (const k of ring.sessions) w.raw(Buffer.from(k.id, 'hex')).raw(k.key.export());
  return w.done();
}

/** Throws Corrupt. */
export function decodeRing(bytes: Uint8Array): UserRing {
  const r = new ByteReader(bytes);
  version(r, RING_VERSION, 'a secret ring');
  const blobs: BlobSecretKey[] = [];
  for (let n = r.count(3 * KEY_BYTES); n > 0; n--) {
    blobs.push({ fingerprint: own(r, KEY_BYTES), point: own(r, KEY_BYTES), secret: own(r, KEY_BYTES), openpgp: Buffer.from(r.bytes()) });
  }
  const events: EventSecretKey[] = [];
  for (let n = r.count(2 * KEY_BYTES); n > 0; n--) {
    const point = own(r, KEY_BYTES);
    events.push({ id: eventKeyId(point), point, secret: own(r, KEY_BYTES) });
  }
  const sessions: SymmetricKey[] = [];
  for (let n = r.count(ID_BYTES + KEY_BYTES); n > 0; n--) {
    sessions.push({ id: r.raw(ID_BYTES).toString('hex'), key: secretKey(r.raw(KEY_BYTES)) });
  }
  r.finish();
  if (blobs.length === 0 || events.length === 0 || sessions.length === 0) throw new Corrupt('a secret ring lacks a key');
  return { blobs, events, sessions };
}

const rootAsKey = (root: Uint8Array): SymmetricKey => ({
  id: hkdfExpand(root, Buffer.from('colombier root key id 1'), ID_BYTES).toString('hex'),
  key: secretKey(root),
});
const NO_AAD = Buffer.alloc(0);

/** The ring sealed under the root key (32 bytes) and bound to the user's id. */
export function sealRing(root: Buffer, user: string, ring: UserRing, random: Random): Buffer {
  return sealNamed(rootAsKey(root), `ring of ${user}`, NO_AAD, encodeRing(ring), random);
}

/** Throws Corrupt: altered, of another user, or under another root key. */
export function openRing(root: Buffer, user: string, sealed: Uint8Array): UserRing {
  return decodeRing(openNamed(rootAsKey(root), `ring of ${user}`, NO_AAD, sealed));
}
