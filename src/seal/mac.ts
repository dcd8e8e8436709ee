// The proof that a replica of the cluster wrote an object: over its name, its clear bytes and its sealed bytes.
//
// Format: key id, 4 bytes | HMAC-SHA256 truncated to 16 bytes, over version 1, name, clear and sealed pieces, each after
// its length, so that no byte can pass from one to the other.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Corrupt } from '../base/index.ts';
import { macKey } from './cluster.ts';
import type { ClusterKeys } from './cluster.ts';
import { asBuffer } from './primitives.ts';

const VERSION = 1;
const ID_BYTES = 4;
const TAG_BYTES = 16;
/** Bytes of a MAC with its key's id. */
export const MAC_BYTES = ID_BYTES + TAG_BYTES;

function tag(key: KeyObject, name: string, clear: Uint8Array, sealed: readonly Uint8Array[]): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const head = Buffer.allocUnsafe(10 + nameBytes + 8 * sealed.length);
  head[0] = VERSION;
  head[1] = sealed.length;
  let at = head.writeUInt32BE(nameBytes, 2);
  at += head.write(name, at, 'utf8');
  at = head.writeUInt32BE(clear.length, at);
  for (const piece of sealed) {
    at = head.writeUInt32BE(Math.floor(piece.length / 2 ** 32), at);
    at = head.writeUInt32BE(piece.length >>> 0, at);
  }
  const h = createHmac('sha256', key).update(head).update(clear);
  for (const piece of sealed) h.update(piece);
  return h.digest();
}

/** MAC (20 bytes) under the writing key over an object's name, clear bytes and sealed pieces (at most 255). */
export function mac(keys: ClusterKeys, name: string, clear: Uint8Array, ...sealed: Uint8Array[]): Buffer {
  const made = Buffer.allocUnsafe(MAC_BYTES);
  made.write(keys.id, 0, ID_BYTES, 'hex');
  tag(macKey(keys, keys.id)!, name, clear, sealed).copy(made, ID_BYTES, 0, TAG_BYTES);
  return made;
}

/** The id of the key that a MAC says made it (8 hex digits), accepted or not. */
export const macKeyId = (made: Uint8Array): string => asBuffer(made).toString('hex', 0, ID_BYTES);

/** The id of the accepted key that made this MAC (8 hex digits). Throws Corrupt. */
export function verifyMac(keys: ClusterKeys, made: Uint8Array, name: string, clear: Uint8Array, ...sealed: Uint8Array[]): string {
  if (made.length !== MAC_BYTES) throw new Corrupt('a MAC has the wrong size');
  const bytes = asBuffer(made);
  const id = bytes.toString('hex', 0, ID_BYTES);
  const key = macKey(keys, id);
  if (!key) throw new Corrupt(`a MAC names a cluster key that is not accepted here: ${id} (is the cluster secret the right one?)`);
  if (!timingSafeEqual(tag(key, name, clear, sealed).subarray(0, TAG_BYTES), bytes.subarray(ID_BYTES))) throw new Corrupt('a MAC does not fit: altered, forged, or under another name');
  return id;
}
