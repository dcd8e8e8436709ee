// One part of a user's search index: filters of some messages, by which a search leaves out what it need not read.
//
// Format 1, sealed under the user's session key and bound to the object's name: version 1 | rules, varint | entries up to
// the end, each: fingerprint of the EMAILID, 8 bytes | bytes of the header's filter | bytes of the body's filter | both.
// Nothing in it is known by this alone: a part that is lost, or made by other rules, is made again from the messages.
import { ByteReader, Corrupt } from '../base/index.ts';
import { SEARCH_RULES, mayHold } from '../message/index.ts';

const VERSION = 1;
/** Bytes before the first entry. */
export const PART_HEAD = Buffer.of(VERSION, SEARCH_RULES);
const FINGERPRINT_BYTES = 8;

/** 64 bits that stand for an EMAILID, which is random: two messages that share them are not to be expected. */
export interface Fingerprint {
  hi: number;
  lo: number;
}

/** Into `out`, because a search asks for thousands. */
export function fingerprint(emailId: string, out: Fingerprint): Fingerprint {
  let hi = 0x811c9dc5;
  let lo = 0x9e3779b9;
  for (let i = 0; i < emailId.length; i++) {
    const c = emailId.charCodeAt(i);
    hi = Math.imul(hi ^ c, 0x01000193);
    lo = Math.imul(lo ^ c, 0x85ebca6b);
    lo ^= lo >>> 13;
  }
  hi = Math.imul(hi ^ (hi >>> 16) ^ emailId.length, 0x7feb352d);
  lo = Math.imul(lo ^ (lo >>> 15), 0xc2b2ae35);
  out.hi = (hi ^ (hi >>> 15)) >>> 0;
  out.lo = (lo ^ (lo >>> 16)) >>> 0;
  return out;
}

/** An entry as it is stored. */
export function encodeEntry(emailId: string, header: Uint8Array, body: Uint8Array): Buffer {
  const { hi, lo } = fingerprint(emailId, { hi: 0, lo: 0 });
  const entry = Buffer.allocUnsafe(FINGERPRINT_BYTES + 8 + header.length + body.length);
  entry.writeUInt32BE(hi, 0);
  entry.writeUInt32BE(lo, 4);
  let at = writeLength(entry, FINGERPRINT_BYTES, header.length);
  at = writeLength(entry, at, body.length);
  entry.set(header, at);
  entry.set(body, at + header.length);
  return entry.subarray(0, at + header.length + body.length);
}

function writeLength(bytes: Buffer, at: number, length: number): number {
  for (; length >= 0x80; length >>>= 7) bytes[at++] = (length & 0x7f) | 0x80;
  bytes[at++] = length;
  return at;
}

/** Made by rules that are not this release's: of no use here, and no damage. */
export class OtherRules extends Error {
  /** Older than ours, so nobody will use it again when all replicas are of this release. */
  readonly older: boolean;
  constructor(older: boolean) {
    super('a part of a search index was made by other rules');
    this.older = older;
  }
}

export interface Entry extends Fingerprint {
  /** Where it begins and ends. */
  at: number;
  end: number;
}

/** Reads all of it, so that what is looked up later needs no check. The entry that is given out is one and the same. Throws Corrupt, OtherRules. */
export function* entriesOf(bytes: Buffer): Generator<Entry> {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== VERSION) throw version > VERSION ? new OtherRules(false) : new Corrupt('a part of a search index has an unknown version');
  const rules = r.varint();
  if (rules !== SEARCH_RULES) throw new OtherRules(rules < SEARCH_RULES);
  const entry: Entry = { hi: 0, lo: 0, at: 0, end: 0 };
  while (r.left > 0) {
    entry.at = r.at;
    const print = r.raw(FINGERPRINT_BYTES);
    entry.hi = print.readUInt32BE(0);
    entry.lo = print.readUInt32BE(4);
    const header = r.varint();
    const body = r.varint();
    r.raw(header);
    r.raw(body);
    entry.end = r.at;
    yield entry;
  }
}

/** False: the message whose entry begins at `at` has no text with these grams in its body nor, if `inHeader`, in its header. */
export function entryMayHold(bytes: Buffer, at: number, grams: Uint32Array, inHeader: boolean): boolean {
  at += FINGERPRINT_BYTES;
  let header = 0;
  for (let scale = 0; ; scale += 7) {
    const byte = bytes[at++];
    header |= (byte & 0x7f) << scale;
    if (byte < 0x80) break;
  }
  let body = 0;
  for (let scale = 0; ; scale += 7) {
    const byte = bytes[at++];
    body |= (byte & 0x7f) << scale;
    if (byte < 0x80) break;
  }
  return (inHeader && mayHold(bytes, at, at + header, grams)) || mayHold(bytes, at + header, at + header + body, grams);
}
