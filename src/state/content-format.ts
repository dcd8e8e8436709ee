// A message's Content in stored form: in events, and the same in content chunks.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { Content } from './ops.ts';

/** Object ids, EMAILID and THREADID (RFC 8474 §2 allows 255): what one length byte can say. */
const ID_BYTES_MAX = 250;

/** Throws Corrupt where an id is empty or too long. */
export function readId(r: ByteReader): string {
  const id = r.string();
  if (id.length === 0 || Buffer.byteLength(id) > ID_BYTES_MAX) throw new Corrupt('stored id has a wrong length');
  return id;
}

export function writeContent(w: ByteWriter, c: Content): void {
  w.string(c.blob).bytes(c.contentKey).varint(c.sealedBytes).varint(c.plainBytes).bytes(c.prefix).bytes(c.index);
  w.string(c.words ?? '').string(c.emailId).string(c.threadId);
}

/** Its byte arrays are views of the reader's buffer. Throws Corrupt. */
export function readContent(r: ByteReader): Content {
  const blob = readId(r);
  const contentKey = r.bytes();
  const sealedBytes = r.varint();
  const plainBytes = r.varint();
  const prefix = r.bytes();
  const index = r.bytes();
  const words = r.string();
  if (Buffer.byteLength(words) > ID_BYTES_MAX) throw new Corrupt('stored id has a wrong length');
  return { blob, contentKey, sealedBytes, plainBytes, prefix, index, words: words === '' ? null : words, emailId: readId(r), threadId: readId(r) };
}

/** What SEARCH and SORT ask of thousands of messages. */
export type ContentHead = Pick<Content, 'prefix' | 'index'>;

const NO_PREFIX = new Uint8Array(0);

/** Its byte arrays are views. Throws Corrupt. */
export function decodeContentHead(bytes: Uint8Array): ContentHead {
  const r = new ByteReader(bytes);
  // blob and contentKey, then sealedBytes and plainBytes
  for (let i = 0; i < 2; i++) r.skip(r.varint());
  for (let i = 0; i < 2; i++) r.varint();
  const prefix = r.varint();
  return { prefix: prefix === 0 ? NO_PREFIX : r.raw(prefix), index: r.bytes() };
}

/** RFC822.SIZE. */
export const messageSize = (c: Content): number => c.prefix.length + c.plainBytes;

export function encodeContent(c: Content): Buffer {
  const w = new ByteWriter(512 + c.index.length + c.prefix.length);
  writeContent(w, c);
  return w.done();
}

/** Throws Corrupt. */
export function decodeContent(bytes: Uint8Array): Content {
  const r = new ByteReader(bytes);
  const c = readContent(r);
  r.finish();
  return c;
}
