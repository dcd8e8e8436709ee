// The form of a stored file: the object's bytes, then a trailer of 16 bytes that holds what the file system has no
// place for, so that both appear by one rename:
//
//   version 1 (1 byte) · length of the object (6 bytes, big-endian) · firstModified + 1, or 0 (6 bytes) · "CLB" (3 bytes)
//
// A file system that lost the end of a file is noticed by it. An object's `modified` is the file's mtime: the kernel
// sets it at the write, and the writer renames at once or touches the file first.
import { Corrupt } from '../base/index.ts';

export const TRAILER_BYTES = 16;
const VERSION = 1;
const MAGIC = 0x434c42;

/** The bytes that follow an object of `bytes` bytes. */
export function trailer(bytes: number, firstModified: number | null): Buffer {
  const t = Buffer.allocUnsafe(TRAILER_BYTES);
  t[0] = VERSION;
  t.writeUIntBE(bytes, 1, 6);
  t.writeUIntBE(firstModified === null ? 0 : Math.max(0, Math.trunc(firstModified)) + 1, 7, 6);
  t.writeUIntBE(MAGIC, 13, 3);
  return t;
}

/** Reads the trailer at `at`; `bytes` is the object's length by the file's size. Throws Corrupt. */
export function readTrailer(file: Buffer, at: number, bytes: number, name: string): { firstModified: number | null } {
  if (file.length < at + TRAILER_BYTES || file.readUIntBE(at + 13, 3) !== MAGIC) throw new Corrupt(`the file of ${name} is damaged: its end is not as it was written`);
  if (file[at] > VERSION) throw new Corrupt(`the file of ${name} was written by a newer version`);
  if (file[at] !== VERSION || file.readUIntBE(at + 1, 6) !== bytes) throw new Corrupt(`the file of ${name} is damaged: its length is not as it was written`);
  const first = file.readUIntBE(at + 7, 6);
  return { firstModified: first === 0 ? null : first - 1 };
}
