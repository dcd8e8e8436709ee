// Stored bytes with a version and, where it pays, zstd around them: the outer form of everything this room stores.
import { zstdCompressSync, zstdDecompressSync, constants } from 'node:zlib';
import { Corrupt, Refused, limits } from '../base/index.ts';

const RAW = 0;
const ZSTD = 1;
/** Below this zstd costs more time than its bytes are worth. */
const COMPRESS_BYTES_MIN = 1500;
/** A piece that is just full may not be the last. */
const SLACK_BYTES = 64;

/** Refused(LIMIT) for what nobody could read again. */
export function checkPacked(bytes: number): void {
  if (bytes > limits.packed_bytes_max) throw new Refused('That is too much for one object of the store', 'LIMIT');
}

/** `version`, how it is packed, the body. Refused(LIMIT) for what nobody could read again. */
export function pack(version: number, body: Buffer, level = 1): Buffer {
  checkPacked(body.length);
  if (body.length >= COMPRESS_BYTES_MIN) {
    const small = zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: level } });
    if (small.length < body.length * 0.95) return Buffer.concat([Buffer.from([version, ZSTD]), small]);
  }
  return Buffer.concat([Buffer.from([version, RAW]), body]);
}

/** How large the content of a zstd frame says that it is (RFC 8878 §3.1.1.1); 0 when it doesn't. */
function frameBytes(frame: Buffer): number {
  const flags = frame[4];
  const single = (flags & 0x20) !== 0;
  const size = [single ? 1 : 0, 2, 4, 6][flags >> 6];
  const at = 5 + (single ? 0 : 1) + [0, 1, 2, 4][flags & 3];
  if (size === 0 || at + size > frame.length) return 0;
  return frame.readUIntLE(at, size) + (size === 2 ? 256 : 0);
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
    // In one piece of the right size: in many small ones it takes five times as long.
    const chunkSize = Math.min(frameBytes(body), limits.object_bytes_max) + SLACK_BYTES;
    return zstdDecompressSync(body, { maxOutputLength: limits.object_bytes_max, chunkSize });
  } catch {
    throw new Corrupt(`${what} does not unpack`);
  }
}
