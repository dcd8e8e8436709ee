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
  const entry: Entry = { hi: 0, lo: 0, at: r.at, end: r.at };
  const lengths = { header: 0, body: 0, at: 0 };
  while (entry.end < bytes.length) {
    const at = entry.end;
    if (at + FINGERPRINT_BYTES > bytes.length) throw tooShort();
    readLengths(bytes, at + FINGERPRINT_BYTES, lengths);
    const end = lengths.at + lengths.header + lengths.body;
    if (end > bytes.length) throw tooShort();
    entry.hi = bytes.readUInt32BE(at);
    entry.lo = bytes.readUInt32BE(at + 4);
    entry.at = at;
    entry.end = end;
    yield entry;
  }
}

const tooShort = () => new Corrupt('a part of a search index ends too soon');

/** Both lengths of an entry and where its filters begin. Throws Corrupt. */
function readLengths(bytes: Buffer, at: number, out: { header: number; body: number; at: number }): void {
  for (let n = 0; n < 2; n++) {
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      if (shift > 14) throw new Corrupt('a filter of a search index is too long');
      if (at >= bytes.length) throw tooShort();
      const byte = bytes[at++];
      length += (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (n === 0) out.header = length;
    else out.body = length;
  }
  out.at = at;
}

/** False: the message whose entry begins at `at` has no text with these grams in its body nor, if `inHeader`, in its header. */
export function entryMayHold(bytes: Buffer, at: number, grams: Uint32Array, inHeader: boolean): boolean {
  const lengths = { header: 0, body: 0, at: 0 };
  readLengths(bytes, at + FINGERPRINT_BYTES, lengths);
  const body = lengths.at + lengths.header;
  return (inHeader && mayHold(bytes, lengths.at, body, grams)) || mayHold(bytes, body, body + lengths.body, grams);
}
