// The keys of one blob: from session key and salt to message key and IV (RFC 9580 §5.13.2), the session key's envelope
// (PKESK v6 with X25519, §5.1.2, §5.1.6, §11.3), and the content key that the sealed event carries.
//
// Content key, format 1: version 1 | message key, 32 bytes | IV, 4 bytes | first 16 bytes of SHA-256 over PKESK, tag and
// SEIPD head (which GCM does not cover) | size of the message, varint.
import { createCipheriv, createDecipheriv, hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import { PKESK_BYTES, SALT_BYTES, SEIPD_PARAMS, SEIPD_TAG } from './blob-layout.ts';
import type { Ephemeral } from './ephemeral.ts';
import type { BlobPublicKey, BlobSecretKey } from './keys.ts';
import { asBuffer, hkdf, secretKey, x25519, x25519Public, x25519Secret } from './primitives.ts';

const CONTENT_KEY_VERSION = 1;
const SESSION_KEY_BYTES = 32;
const IV_BYTES = 4;
const HEAD_HASH_BYTES = 16;
const NO_SALT = Buffer.alloc(0);
const WRAP_INFO = Buffer.from('OpenPGP X25519');
const WRAP_IV = Buffer.alloc(8, 0xa6);
/** Tag 1, 109 bytes: version 6, 33 bytes of key version 6 and fingerprint, algorithm 25, point, 40 bytes of wrapped key. */
const PKESK_HEAD = Buffer.from([0xc1, 109, 6, 33, 6]);
const POINT_AT = 5 + 32 + 1;
const WRAPPED_AT = POINT_AT + 32 + 1;
const WRAPPED_BYTES = 40;
const ALGORITHM_X25519 = 25;
/** What every chunk authenticates besides itself. */
export const CHUNK_AAD = Buffer.concat([Buffer.from([SEIPD_TAG]), SEIPD_PARAMS]);

export interface ContentKey {
  /** The chunks' AES-256-GCM key. */
  key: Buffer;
  /** First 4 bytes of each nonce; the chunk's number follows in 8. */
  iv: Buffer;
  headHash: Buffer;
  plainBytes: number;
}

/** Message key and IV of a session key and salt. */
export function messageKey(sessionKey: Uint8Array, salt: Uint8Array): { key: Buffer; iv: Buffer } {
  const both = hkdf(sessionKey, salt, CHUNK_AAD, 32 + IV_BYTES);
  return { key: both.subarray(0, 32), iv: both.subarray(32) };
}

/** Binds what stands before the chunks: PKESK (111 bytes) and the SEIPD packet's salt. */
export function headHash(pkesk: Uint8Array, salt: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([pkesk, CHUNK_AAD, salt], PKESK_BYTES + CHUNK_AAD.length + SALT_BYTES), 'buffer').subarray(0, HEAD_HASH_BYTES);
}

/** The nonce of a chunk; the final tag has the number after the last chunk's. */
export function chunkNonce(iv: Uint8Array, chunk: number): Buffer {
  const nonce = Buffer.alloc(IV_BYTES + 8);
  nonce.set(iv);
  nonce.writeUIntBE(chunk, IV_BYTES + 2, 6);
  return nonce;
}

/** What the final tag authenticates: the parameters and how many bytes the chunks held. */
export function finalAad(literalBytes: number): Buffer {
  const aad = Buffer.alloc(CHUNK_AAD.length + 8);
  CHUNK_AAD.copy(aad);
  aad.writeUIntBE(literalBytes, CHUNK_AAD.length + 2, 6);
  return aad;
}

const wrappingKey = (point: Uint8Array, recipient: Uint8Array, shared: Uint8Array): KeyObject =>
  secretKey(hkdf(Buffer.concat([point, recipient, shared], 96), NO_SALT, WRAP_INFO, 16));

/** Writes the PKESK packet of `sessionKey` to `out`; the ephemeral key must be new for each blob. */
export function writePkesk(out: Buffer, key: BlobPublicKey, sessionKey: Uint8Array, { secret, point }: Ephemeral): void {
  const wrap = createCipheriv('id-aes128-wrap', wrappingKey(point, key.point, x25519(secret, x25519Public(key.point))), WRAP_IV);
  out.set(PKESK_HEAD);
  out.set(key.fingerprint, PKESK_HEAD.length);
  out[POINT_AT - 1] = ALGORITHM_X25519;
  out.set(point, POINT_AT);
  out[WRAPPED_AT - 1] = WRAPPED_BYTES;
  out.set(wrap.update(sessionKey), WRAPPED_AT);
}

/** The session key in a PKESK packet of ours. Throws Corrupt. */
export function readPkesk(pkesk: Buffer, keys: readonly BlobSecretKey[]): Buffer {
  const shaped = pkesk.length === PKESK_BYTES && pkesk.subarray(0, PKESK_HEAD.length).equals(PKESK_HEAD) && pkesk[POINT_AT - 1] === ALGORITHM_X25519 && pkesk[WRAPPED_AT - 1] === WRAPPED_BYTES;
  if (!shaped) throw new Corrupt('a blob does not begin as ours do');
  const fingerprint = pkesk.subarray(PKESK_HEAD.length, POINT_AT - 1);
  const key = keys.find((k) => k.fingerprint.equals(fingerprint));
  if (!key) throw new Corrupt(`a blob is sealed to a key that is not here: ${fingerprint.toString('hex')}`);
  const point = pkesk.subarray(POINT_AT, WRAPPED_AT - 1);
  const kek = wrappingKey(point, key.point, x25519(x25519Secret(key.secret), x25519Public(point)));
  try {
    const session = createDecipheriv('id-aes128-wrap', kek, WRAP_IV).update(pkesk.subarray(WRAPPED_AT));
    if (session.length === SESSION_KEY_BYTES) return session;
  } catch {
    // Falls through: the wrapped key's own check did not fit.
  }
  throw new Corrupt("a blob's session key does not open");
}

/** Stored form of a content key. */
export function encodeContentKey(value: ContentKey): Buffer {
  return new ByteWriter(60).u8(CONTENT_KEY_VERSION).raw(value.key).raw(value.iv).raw(value.headHash).varint(value.plainBytes).done();
}

/** Throws Corrupt. */
export function decodeContentKey(bytes: Uint8Array): ContentKey {
  const r = new ByteReader(asBuffer(bytes));
  const version = r.u8();
  if (version !== CONTENT_KEY_VERSION) throw new Corrupt(version > CONTENT_KEY_VERSION ? 'a content key was written by a newer version' : 'a content key has an unknown version');
  const value = { key: r.raw(32), iv: r.raw(IV_BYTES), headHash: r.raw(HEAD_HASH_BYTES), plainBytes: r.varint() };
  r.finish();
  return value;
}

/** The size of the message that a content key opens. Throws Corrupt. */
export const contentKeyPlainBytes = (contentKey: Uint8Array): number => decodeContentKey(contentKey).plainBytes;

