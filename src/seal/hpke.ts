// HPKE base mode, one message (RFC 9180 §5.1.1, §6.1): DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. Only what
// delivered events need; the AEAD is a parameter so that the RFC's own vectors (AES-128-GCM) can be run.
import type { KeyObject } from 'node:crypto';
import type { Ephemeral } from './ephemeral.ts';
import { hkdfExpand, hmacOnce, x25519 } from './primitives.ts';

const KEM_SUITE = Buffer.concat([Buffer.from('KEM'), Buffer.from([0x00, 0x20])]);
const VERSION = Buffer.from('HPKE-v1');
const EMPTY = Buffer.alloc(0);
export const AES_128_GCM = 1;
export const AES_256_GCM = 2;

const labeled = (suite: Buffer, label: string, value: Uint8Array): Buffer => Buffer.concat([VERSION, suite, Buffer.from(label), value]);
const labeledExtract = (suite: Buffer, salt: Uint8Array, label: string, ikm: Uint8Array): Buffer => hmacOnce(salt, labeled(suite, label, ikm));
const labeledExpand = (suite: Buffer, prk: Uint8Array, label: string, info: Uint8Array, bytes: number): Buffer =>
  hkdfExpand(prk, Buffer.concat([Buffer.from([bytes >> 8, bytes & 255]), labeled(suite, label, info)]), bytes);

interface Suite {
  id: Buffer;
  keyBytes: number;
  pskIdHash: Buffer;
}
const suites = new Map<number, Suite>();
function suiteOf(aead: number): Suite {
  let suite = suites.get(aead);
  if (!suite) {
    const id = Buffer.concat([Buffer.from('HPKE'), Buffer.from([0x00, 0x20, 0x00, 0x01, 0x00, aead])]);
    suite = { id, keyBytes: aead === AES_128_GCM ? 16 : 32, pskIdHash: labeledExtract(id, EMPTY, 'psk_id_hash', EMPTY) };
    suites.set(aead, suite);
  }
  return suite;
}

/** The KEM's shared secret from a Diffie-Hellman result (RFC 9180 §4.1). */
export function sharedSecret(dh: Buffer, enc: Uint8Array, recipient: Uint8Array): Buffer {
  const prk = labeledExtract(KEM_SUITE, EMPTY, 'eae_prk', dh);
  return labeledExpand(KEM_SUITE, prk, 'shared_secret', Buffer.concat([enc, recipient]), 32);
}

/** Key and nonce of the first (and only) message in base mode (RFC 9180 §5.1). */
export function keySchedule(shared: Buffer, info: Uint8Array, aead = AES_256_GCM): { key: Buffer; nonce: Buffer } {
  const suite = suiteOf(aead);
  const infoHash = labeledExtract(suite.id, EMPTY, 'info_hash', info);
  const context = Buffer.concat([Buffer.from([0]), suite.pskIdHash, infoHash]);
  const secret = labeledExtract(suite.id, shared, 'secret', EMPTY);
  return {
    key: labeledExpand(suite.id, secret, 'key', context, suite.keyBytes),
    nonce: labeledExpand(suite.id, secret, 'base_nonce', context, 12),
  };
}

/** Sender: the ephemeral key must be new for every message. */
export function encapsulate({ secret, point }: Ephemeral, recipient: KeyObject, recipientPoint: Uint8Array): { enc: Buffer; shared: Buffer } {
  return { enc: point, shared: sharedSecret(x25519(secret, recipient), point, recipientPoint) };
}

/** Receiver. Throws Corrupt for an unusable `enc`. */
export function decapsulate(enc: Uint8Array, encKey: KeyObject, secret: KeyObject, point: Uint8Array): Buffer {
  return sharedSecret(x25519(secret, encKey), enc, point);
}
