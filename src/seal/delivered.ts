// What a delivering replica writes: HPKE to the user's event key, bound to the object's name through HPKE's info.
//
// Format 1: version 1 | key id, 8 bytes | enc, 32 bytes | ciphertext | tag, 16 bytes. It proves no origin: see mac.ts.
import { Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { ephemeral } from './ephemeral.ts';
import { AES_256_GCM, decapsulate, encapsulate, keySchedule } from './hpke.ts';
import type { EventPublicKey, EventSecretKey } from './keys.ts';
import { keyOf, sealedKeyId } from './named.ts';
import { GCM_TAG_BYTES, asBuffer, gcmOpen, gcmSeal, hmacOnce, secretKey, x25519Public, x25519Secret } from './primitives.ts';

const VERSION = 1;
const LABEL = 'colombier delivered 1\0';
const KEY_ID_BYTES = 8;
const ENC_BYTES = 32;
const HEAD_BYTES = 1 + KEY_ID_BYTES + ENC_BYTES;
/** Bytes that sealDelivered adds. */
export const DELIVERED_OVERHEAD_BYTES = HEAD_BYTES + GCM_TAG_BYTES;

/** Seals to a public key for one object name; `aad` is authenticated and not part of the result. */
export function sealDelivered(key: EventPublicKey, name: string, aad: Uint8Array, plaintext: Uint8Array, random: Random): Buffer {
  const { enc, shared } = encapsulate(ephemeral(random), x25519Public(key.point), key.point);
  const schedule = keySchedule(shared, Buffer.from(LABEL + name), AES_256_GCM);
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head[0] = VERSION;
  head.write(key.id, 1, KEY_ID_BYTES, 'hex');
  head.set(enc, 1 + KEY_ID_BYTES);
  return gcmSeal(secretKey(schedule.key), schedule.nonce, aad, plaintext, head);
}

/** Opens with the key that the object names. Throws Corrupt (altered, another name or aad, unknown key, newer version). */
export function openDelivered(keys: readonly EventSecretKey[] | EventSecretKey, name: string, aad: Uint8Array, sealed: Uint8Array): Buffer {
  const bytes = asBuffer(sealed);
  const key = keyOf(keys, sealedKeyId(bytes, VERSION, DELIVERED_OVERHEAD_BYTES));
  const enc = bytes.subarray(1 + KEY_ID_BYTES, HEAD_BYTES);
  const shared = decapsulate(enc, x25519Public(enc), x25519Secret(key.secret), key.point);
  const schedule = keySchedule(shared, Buffer.from(LABEL + name), AES_256_GCM);
  const plain = gcmOpen(secretKey(schedule.key), schedule.nonce, aad, bytes.subarray(HEAD_BYTES));
  if (!plain) throw new Corrupt('a delivered event does not open: altered, or not under its own name');
  return plain;
}

/**
 * The delivery key (16 bytes) by which a repeated delivery is known: a keyed hash of MAIL FROM, recipient and a digest of
 * the bytes as received. Under a key of the user's record, so a rotation of the cluster secret doesn't hide a repetition.
 */
export function deliveryKey(hashKey: Uint8Array, mailFrom: string, recipient: string, digest: Uint8Array): Buffer {
  const from = Buffer.from(mailFrom);
  const to = Buffer.from(recipient);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(from.length, 0);
  lengths.writeUInt32BE(to.length, 4);
  return hmacOnce(hashKey, Buffer.concat([Buffer.from('colombier delivery key 1\0'), lengths, from, to, digest])).subarray(0, 16);
}
