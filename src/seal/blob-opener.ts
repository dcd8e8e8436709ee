// Opens sealed messages: a range by arithmetic, or all of it with every byte checked. Nothing is returned before the tag
// of its chunk fits.
import { createDecipheriv } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { Corrupt } from '../base/index.ts';
import { CHUNK_AAD, chunkNonce, decodeContentKey, encodeContentKey, finalAad, headHash, messageKey, readPkesk } from './blob-key.ts';
import type { ContentKey } from './blob-key.ts';
import {
  BODY_FROM,
  CHUNK_BYTES,
  FINAL,
  FINAL_LENGTH_BYTES,
  LITERAL_HEAD,
  LITERAL_TAG,
  PARTIAL,
  PKESK_BYTES,
  SEGMENT_BYTES,
  SEIPD_HEAD_BYTES,
  SEIPD_PARAMS,
  SEIPD_TAG,
  TAG_BYTES,
  chunkBytes,
  chunkFrom,
  layoutOf,
  literalOffset,
  plainOfBody,
  sealedOffset,
  sealedRange,
} from './blob-layout.ts';
import type { Layout } from './blob-layout.ts';
import type { BlobSecretKey } from './keys.ts';
import { asBuffer, gcmOpen, secretKey } from './primitives.ts';

const GCM_OPTIONS = { authTagLength: TAG_BYTES };

/** A part of a sealed object: its bytes from `from` on. */
interface Slice {
  bytes: Buffer;
  from: number;
}

/** The bytes [at, end) of the SEIPD body, in pieces without length octets. */
function pieces(slice: Slice, at: number, end: number, layout: Layout): Buffer[] {
  const found: Buffer[] = [];
  while (at < end) {
    const n = Math.min(end - at, SEGMENT_BYTES - (at % SEGMENT_BYTES));
    const from = sealedOffset(at, layout) - slice.from;
    if (from < 0 || from + n > slice.bytes.length) throw new Corrupt('a blob ends too soon');
    found.push(slice.bytes.subarray(from, from + n));
    at += n;
  }
  return found;
}

/** Opens one chunk of the literal packet. */
function openChunk(key: KeyObject, iv: Buffer, slice: Slice, chunk: number, layout: Layout): Buffer {
  const from = chunkFrom(chunk);
  const bytes = chunkBytes(chunk, layout);
  const decipher = createDecipheriv('aes-256-gcm', key, chunkNonce(iv, chunk), GCM_OPTIONS);
  decipher.setAAD(CHUNK_AAD);
  const sealed = pieces(slice, from, from + bytes + TAG_BYTES, layout);
  let plain: Buffer;
  if (sealed.length === 1) {
    plain = decipher.update(sealed[0].subarray(0, bytes));
    decipher.setAuthTag(sealed[0].subarray(bytes));
  } else {
    const joined = Buffer.concat(sealed, bytes + TAG_BYTES);
    plain = decipher.update(joined.subarray(0, bytes));
    decipher.setAuthTag(joined.subarray(bytes));
  }
  try {
    decipher.final();
  } catch {
    throw new Corrupt(`a blob was altered: its chunk ${chunk} does not open`);
  }
  return plain;
}

/** Calls `take(bytes, plainAt)` for the runs of message bytes within a chunk, leaving out the packet's own octets. */
function runs(literal: Buffer, chunk: number, layout: Layout, from: number, to: number, take: (bytes: Buffer, plainAt: number) => void): void {
  const start = chunk * CHUNK_BYTES;
  let at = from;
  while (at < to) {
    const offset = literalOffset(at, layout) - start;
    if (offset >= literal.length) return;
    const body = LITERAL_HEAD.length + at;
    const n = Math.min(to - at, SEGMENT_BYTES - (body % SEGMENT_BYTES), literal.length - offset);
    take(literal.subarray(offset, offset + n), at);
    at += n;
  }
}

/**
 * The message's bytes [plainFrom, plainTo) from a slice of the sealed object that begins at `sliceFrom` and holds at least
 * their sealedRange. Throws Corrupt (altered, truncated, not this blob).
 */
export function openRange(contentKey: Uint8Array, slice: Uint8Array, sliceFrom: number, plainFrom: number, plainTo: number): Buffer {
  const content = decodeContentKey(contentKey);
  if (plainTo > content.plainBytes) throw new Corrupt('a message is shorter than its record says');
  const { from, to } = sealedRange(plainFrom, plainTo, content.plainBytes);
  if (from === to) return Buffer.alloc(0);
  if (from < sliceFrom || to > sliceFrom + slice.length) throw new Corrupt('a blob is shorter than its record says');
  const layout = layoutOf(content.plainBytes);
  const key = secretKey(content.key);
  const held = { bytes: asBuffer(slice), from: sliceFrom };
  const first = Math.floor(literalOffset(plainFrom, layout) / CHUNK_BYTES);
  const last = Math.floor(literalOffset(plainTo - 1, layout) / CHUNK_BYTES);
  const found: Buffer[] = [];
  let at = plainFrom;
  for (let chunk = first; chunk <= last; chunk++) {
    runs(openChunk(key, content.iv, held, chunk, layout), chunk, layout, at, plainTo, (bytes) => {
      found.push(bytes);
      at += bytes.length;
    });
  }
  return found.length === 1 ? found[0] : Buffer.concat(found, plainTo - plainFrom);
}

/** The whole literal packet, in chunks, with final tag. */
function openLiteral(content: ContentKey, sealed: Buffer, layout: Layout): Buffer[] {
  const key = secretKey(content.key);
  const slice = { bytes: sealed, from: 0 };
  const chunks: Buffer[] = [];
  for (let chunk = 0; chunk < layout.chunks; chunk++) chunks.push(openChunk(key, content.iv, slice, chunk, layout));
  const tag = Buffer.concat(pieces(slice, layout.body - TAG_BYTES, layout.body, layout));
  if (!gcmOpen(key, chunkNonce(content.iv, layout.chunks), finalAad(layout.literal), tag)) throw new Corrupt('a blob was altered: its final tag does not fit');
  return chunks;
}

/** Length octets of a packet body of `body` bytes whose first length octet is byte `from` of what `byteAt` reads. */
function checkLengths(byteAt: (at: number) => number, from: number, body: number): void {
  let at = from;
  for (let left = body; left >= SEGMENT_BYTES; left -= SEGMENT_BYTES, at += SEGMENT_BYTES + 1) {
    if (byteAt(at) !== PARTIAL) throw new Corrupt('a blob has another length than its record says');
  }
  let length = 0;
  for (let i = 1; i < FINAL_LENGTH_BYTES; i++) length = length * 256 + byteAt(at + i);
  if (byteAt(at) !== FINAL || length !== body % SEGMENT_BYTES) throw new Corrupt('a blob has another length than its record says');
}

function openWhole(content: ContentKey, sealed: Buffer): Buffer {
  const layout = layoutOf(content.plainBytes);
  if (sealed.length !== layout.sealed) throw new Corrupt('a blob has another size than its record says');
  checkLengths((at) => sealed[at], BODY_FROM, layout.body);
  const chunks = openLiteral(content, sealed, layout);
  const byteAt = (at: number) => chunks[Math.floor(at / CHUNK_BYTES)][at % CHUNK_BYTES];
  checkLengths(byteAt, 1, layout.literalBody);
  const head = 1 + (layout.literalBody < SEGMENT_BYTES ? FINAL_LENGTH_BYTES : 1);
  if (byteAt(0) !== LITERAL_TAG || LITERAL_HEAD.some((byte, i) => byteAt(head + i) !== byte)) throw new Corrupt('a blob holds something else than a message');
  const found: Buffer[] = [];
  let at = 0;
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    runs(chunks[chunk], chunk, layout, at, layout.plain, (bytes) => {
      found.push(bytes);
      at += bytes.length;
    });
  }
  return found.length === 1 ? found[0] : Buffer.concat(found, layout.plain);
}

/** PKESK and salt; throws Corrupt where the parameters are not ours. */
function front(sealed: Buffer): { pkesk: Buffer; salt: Buffer } {
  // The first length octets are one for a partial, five for a final length.
  const head = BODY_FROM + (sealed[BODY_FROM] === PARTIAL ? 1 : FINAL_LENGTH_BYTES);
  const params = sealed.subarray(head, head + SEIPD_PARAMS.length);
  if (sealed.length < head + SEIPD_HEAD_BYTES || sealed[PKESK_BYTES] !== SEIPD_TAG || !params.equals(SEIPD_PARAMS)) throw new Corrupt('a blob does not begin as ours do');
  return { pkesk: sealed.subarray(0, PKESK_BYTES), salt: sealed.subarray(head + SEIPD_PARAMS.length, head + SEIPD_HEAD_BYTES) };
}

/** The whole message; every byte of the object is checked, the final tag and what stands before the chunks too. Throws Corrupt. */
export function openBlob(contentKey: Uint8Array, sealed: Uint8Array): Buffer {
  const content = decodeContentKey(contentKey);
  const bytes = asBuffer(sealed);
  const { pkesk, salt } = front(bytes);
  if (!headHash(pkesk, salt).equals(content.headHash)) throw new Corrupt('a blob was altered, or is another one than its record says');
  return openWhole(content, bytes);
}

/** The size of the object fixes the size of the message; a body has one length octet more for each full segment. */
function plainBytesOf(sealed: Buffer): number {
  const framed = sealed.length - BODY_FROM - FINAL_LENGTH_BYTES;
  const plainBytes = plainOfBody(framed - Math.floor(framed / (SEGMENT_BYTES + 1)));
  if (plainBytes < 0) throw new Corrupt('a blob has a size that no message has');
  return plainBytes;
}

/** What can be seen without any key: that it begins as ours do and ends where it says that it ends. Throws Corrupt. */
export function checkBlobForm(sealed: Uint8Array): void {
  const bytes = asBuffer(sealed);
  front(bytes);
  checkLengths((at) => bytes[at], BODY_FROM, layoutOf(plainBytesOf(bytes)).body);
}

/** By the OpenPGP key alone, without the event: for check and export. Opens what BlobSealer wrote. Throws Corrupt. */
export function openBlobWithSecretKey(keys: readonly BlobSecretKey[] | BlobSecretKey, sealed: Uint8Array): { plain: Buffer; contentKey: Buffer } {
  const bytes = asBuffer(sealed);
  const { pkesk, salt } = front(bytes);
  const session = readPkesk(pkesk, Array.isArray(keys) ? keys : [keys as BlobSecretKey]);
  const plainBytes = plainBytesOf(bytes);
  const content = { ...messageKey(session, salt), headHash: headHash(pkesk, salt), plainBytes };
  return { plain: openWhole(content, bytes), contentKey: encodeContentKey(content) };
}
