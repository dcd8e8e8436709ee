// Stored bytes with a version and, where it pays, zstd around them: the outer form of everything this room stores.
import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import { Corrupt, limits } from '../base/index.ts';

const RAW = 0;
const ZSTD = 1;
/** Below this zstd costs more time than its bytes are worth. */
const COMPRESS_BYTES_MIN = 1500;

/** `version`, how it is packed, the body. */
export function pack(version: number, body: Buffer, level = 1): Buffer {
  if (body.length >= COMPRESS_BYTES_MIN) {
    const small = zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    if (small.length < body.length * 0.95) return Buffer.concat([Buffer.from([version, ZSTD]), small]);
  }
  return Buffer.concat([Buffer.from([version, RAW]), body]);
}

/** The body. Throws Corrupt for a version above `version`, broken bytes, and what would unpack to more than an object may hold. */
export function unpack(version: number, bytes: Uint8Array, what: string): Buffer {
  if (bytes.length < 2) throw new Corrupt(`${what} is empty`);
  if (bytes[0] > version) throw new Corrupt(`${what} was written by a newer version (${bytes[0]})`);
  if (bytes[0] !== version) throw new Corrupt(`${what} has an unknown version (${bytes[0]})`);
  const body = Buffer.from(bytes.buffer, bytes.byteOffset + 2, bytes.length - 2);
  if (bytes[1] === RAW) return body;
  if (bytes[1] !== ZSTD) throw new Corrupt(`${what} is packed in an unknown way`);
  try {
    return zstdDecompressSync(body, { maxOutputLength: limits.object_bytes_max });
  } catch {
    throw new Corrupt(`${what} does not unpack`);
  }
}
