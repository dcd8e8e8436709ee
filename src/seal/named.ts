// Session events, parts of snapshots, directory events, the secret ring: AES-256-GCM under a subkey of the object's name.
//
// Format 1: version 1 | key id, 8 bytes | nonce, 12 bytes | ciphertext | tag, 16 bytes.
// subkey = HKDF-Expand(key, "colombier named 1\0" name), so under another name nothing opens; the nonce is random.
import { Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { GCM_NONCE_BYTES, GCM_TAG_BYTES, asBuffer, gcmOpen, gcmSeal, hmac, secretKey } from './primitives.ts';
import type { SymmetricKey } from './keys.ts';

const VERSION = 1;
const LABEL = 'colombier named 1\0';
const KEY_ID_BYTES = 8;
const HEAD_BYTES = 1 + KEY_ID_BYTES + GCM_NONCE_BYTES;
/** Bytes that sealNamed adds. */
export const NAMED_OVERHEAD_BYTES = HEAD_BYTES + GCM_TAG_BYTES;

const subkey = (key: SymmetricKey, name: string) => secretKey(hmac(key.key, Buffer.from(`${LABEL}${name}\x01`)));

/** Seals under one key for one object name; `aad` is authenticated and not part of the result. */
export function sealNamed(key: SymmetricKey, name: string, aad: Uint8Array, plaintext: Uint8Array, random: Random): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head[0] = VERSION;
  head.write(key.id, 1, KEY_ID_BYTES, 'hex');
  const nonce = random.bytes(GCM_NONCE_BYTES);
  head.set(nonce, 1 + KEY_ID_BYTES);
  return gcmSeal(subkey(key, name), nonce, aad, plaintext, head);
}

/** Opens with the key that the object names. Throws Corrupt (altered, another name or aad, unknown key, newer version). */
export function openNamed(keys: readonly SymmetricKey[] | SymmetricKey, name: string, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const bytes = asBuffer(sealed);
  const id = sealedKeyId(bytes, VERSION, NAMED_OVERHEAD_BYTES);
  const key = keyOf(keys, id);
  const plain = gcmOpen(subkey(key, name), bytes.subarray(1 + KEY_ID_BYTES, HEAD_BYTES), aad, bytes.subarray(HEAD_BYTES));
  if (!plain) throw new Corrupt('a sealed object does not open: altered, or not under its own name');
  return plain;
}

/** The id of the key that opens what sealNamed or sealDelivered made, 16 hex digits. Throws Corrupt. */
export function sealedKeyId(sealed: Uint8Array, version = VERSION, bytesMin = 1 + KEY_ID_BYTES): string {
  if (sealed.length < bytesMin) throw new Corrupt('a sealed object is too short');
  if (sealed[0] !== version) throw new Corrupt(sealed[0] > version ? 'a sealed object was written by a newer version' : 'a sealed object has an unknown version');
  return asBuffer(sealed).toString('hex', 1, 1 + KEY_ID_BYTES);
}

/** The key of that id. Throws Corrupt. */
export function keyOf<K extends { readonly id: string }>(keys: readonly K[] | K, id: string): K {
  if (!Array.isArray(keys)) {
    if ((keys as K).id === id) return keys as K;
  } else {
    for (const key of keys as readonly K[]) if (key.id === id) return key;
  }
  throw new Corrupt(`a sealed object names a key that is not here: ${id}`);
}
