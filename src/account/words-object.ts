// Entries of a search index that a delivering replica makes for a user whose secret it has not: an object under words/.
// Each piece is sealed when it is made, so a replica's memory tells no more of the texts than the store does.
//
// Format 1: version 1 | MAC, 20 bytes, of the object's name, the version and all that follows | pieces up to the end, each:
// length, varint | sealed to the user's event key under the object's name, its number (4 bytes) authenticated with it.
// Opened and put one behind the other, pieces are a part of a search index (search-part.ts). Other versions begin with the
// same version and MAC, so what is altered is known from what is newer: the one goes, the other is left to who can read it.
import { setImmediate } from 'node:timers/promises';
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { MAC_BYTES, mac, macKeyId, openDelivered, sealDelivered, verifyMac } from '../seal/index.ts';
import type { ClusterKeys, EventPublicKey, EventSecretKey } from '../seal/index.ts';
import { OtherRules } from './search-part.ts';

const VERSION = 1;
const CLEAR = Buffer.of(VERSION);
/** Pieces opened in one turn of the event loop: about a millisecond. */
const TURN_PIECES = 8;

const numberOf = (n: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(n);
  return bytes;
};

/** Entries as the piece number `n` of an object; the first one begins with the head of a part. */
export function sealWords(key: EventPublicKey, name: string, n: number, plain: Buffer, random: Random): Buffer {
  return sealDelivered(key, name, numberOf(n), plain, random);
}

export function encodeWords(keys: ClusterKeys, name: string, pieces: readonly Buffer[]): Buffer {
  const w = new ByteWriter();
  for (const piece of pieces) w.bytes(piece);
  const body = w.done();
  return Buffer.concat([CLEAR, mac(keys, name, CLEAR, body), body]);
}

/**
 * The pieces. Throws Corrupt (altered, under another name, or not written under the cluster secret in use: what is under a
 * former one is made again), OtherRules (written by a newer version).
 */
export function decodeWords(keys: ClusterKeys, name: string, bytes: Buffer): Buffer[] {
  const r = new ByteReader(bytes);
  const clear = r.raw(CLEAR.length);
  const made = r.raw(MAC_BYTES);
  if (macKeyId(made) !== keys.id) throw new Corrupt('an object of words was written under another cluster secret');
  verifyMac(keys, made, name, clear, bytes.subarray(r.at));
  if (clear[0] > VERSION) throw new OtherRules(false);
  if (clear[0] !== VERSION) throw new Corrupt('an object of words has an unknown version');
  const pieces: Buffer[] = [];
  while (r.left > 0) pieces.push(r.bytes());
  return pieces;
}

/** A part of a search index. Throws Corrupt. */
export async function openWords(keys: readonly EventSecretKey[], name: string, pieces: readonly Buffer[]): Promise<Buffer> {
  const opened: Buffer[] = [];
  for (const piece of pieces) {
    if (opened.length % TURN_PIECES === TURN_PIECES - 1) await setImmediate();
    opened.push(openDelivered(keys, name, numberOf(opened.length), piece));
  }
  return Buffer.concat(opened);
}
