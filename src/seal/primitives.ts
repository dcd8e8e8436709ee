// X25519, HMAC, HKDF and AES-256-GCM over node:crypto, in the forms that cost least: keys as KeyObjects (a raw buffer as
// key costs 13 µs more at every use), JWK instead of DER for curve points (7 µs instead of 46).
import { createCipheriv, createDecipheriv, createHmac, createPrivateKey, createPublicKey, createSecretKey, diffieHellman, hash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Corrupt } from '../base/index.ts';

export const GCM_TAG_BYTES = 16;
export const GCM_NONCE_BYTES = 12;
const NONE = Buffer.alloc(0);
const GCM_OPTIONS = { authTagLength: GCM_TAG_BYTES };
const HMAC_BLOCK_BYTES = 64;

const publicKeys = new WeakMap<Uint8Array, KeyObject>();
const secretKeys = new WeakMap<Uint8Array, KeyObject>();

/** The KeyObject of an X25519 point (32 bytes); remembered as long as the buffer lives, so pass the same one again. */
export function x25519Public(point: Buffer): KeyObject {
  let key = publicKeys.get(point);
  if (!key) {
    key = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', x: point.toString('base64url') } });
    publicKeys.set(point, key);
  }
  return key;
}

/** The KeyObject of an X25519 secret (32 bytes); remembered as long as the buffer lives. */
export function x25519Secret(secret: Buffer): KeyObject {
  let key = secretKeys.get(secret);
  if (!key) {
    // `x` must be there and is not used: the point is computed from `d`.
    key = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', d: secret.toString('base64url'), x: POINT_UNUSED } });
    secretKeys.set(secret, key);
  }
  return key;
}
const POINT_UNUSED = Buffer.alloc(32).toString('base64url');

/** The point (32 bytes) of a public key. */
export const pointOf = (key: KeyObject): Buffer => Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url');
/** The point that belongs to a secret. */
export const x25519Point = (secret: KeyObject): Buffer => pointOf(createPublicKey(secret));

/** The shared secret. A point of small order (from a forged object) throws Corrupt. */
export function x25519(secret: KeyObject, point: KeyObject): Buffer {
  try {
    return diffieHellman({ privateKey: secret, publicKey: point });
  } catch {
    throw new Corrupt('a public key in a sealed object is not usable');
  }
}

/** HMAC-SHA256 under a key that is used once, of at most 64 bytes (a KeyObject pays off from the second use on). */
export function hmacOnce(key: Uint8Array, message: Uint8Array): Buffer {
  const inner = Buffer.alloc(HMAC_BLOCK_BYTES + message.length, 0x36);
  const outer = Buffer.alloc(HMAC_BLOCK_BYTES + 32, 0x5c);
  for (let i = 0; i < key.length; i++) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  inner.set(message, HMAC_BLOCK_BYTES);
  outer.set(hash('sha256', inner, 'buffer'), HMAC_BLOCK_BYTES);
  return hash('sha256', outer, 'buffer');
}

/** HMAC-SHA256 under a kept key. */
export function hmac(key: KeyObject, ...message: Uint8Array[]): Buffer {
  const h = createHmac('sha256', key);
  for (const piece of message) h.update(piece);
  return h.digest();
}

/** HKDF-Extract with SHA-256 (RFC 5869 §2.2); an empty salt means 32 zeros, which HMAC pads to the same key. */
export const hkdfExtract = (salt: Uint8Array, secret: Uint8Array): Buffer => hmacOnce(salt, secret);

/** HKDF-Expand with SHA-256 (RFC 5869 §2.3), up to 64 bytes. */
export function hkdfExpand(prk: Uint8Array, info: Uint8Array, bytes: number): Buffer {
  const message = Buffer.alloc(32 + info.length + 1);
  message.set(info, 32);
  message[32 + info.length] = 1;
  const first = hmacOnce(prk, message.subarray(32));
  if (bytes <= 32) return first.subarray(0, bytes);
  message.set(first);
  message[32 + info.length] = 2;
  return Buffer.concat([first, hmacOnce(prk, message)], bytes);
}

/** HKDF-SHA256, up to 64 bytes. */
export const hkdf = (secret: Uint8Array, salt: Uint8Array, info: Uint8Array, bytes: number): Buffer => hkdfExpand(hkdfExtract(salt, secret), info, bytes);

/** AES-256-GCM; `head` goes before the ciphertext as it is, the tag after it. */
export function gcmSeal(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, head: Uint8Array = NONE): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonce, GCM_OPTIONS);
  if (aad.length > 0) cipher.setAAD(aad);
  const body = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([head, body, cipher.getAuthTag()], head.length + body.length + GCM_TAG_BYTES);
}

/** Opens ciphertext and tag; null when the tag does not fit. */
export function gcmOpen(key: KeyObject, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | null {
  const bytes = sealed.length - GCM_TAG_BYTES;
  if (bytes < 0) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, GCM_OPTIONS);
  if (aad.length > 0) decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(bytes));
  const plain = decipher.update(sealed.subarray(0, bytes));
  try {
    decipher.final();
  } catch {
    return null;
  }
  return plain;
}

export const secretKey = (bytes: Uint8Array): KeyObject => createSecretKey(bytes);

/** Bytes as a Buffer over the same memory. */
export const asBuffer = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
