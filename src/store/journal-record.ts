// The bytes of a journal of the disk store (disk-journal.ts says what it is for). A journal's file is a header, then records,
// each at a multiple of 4,096 bytes:
//
//   header   "CLBJ" · version 1 (1 byte) · generation (6) · length of the boot's id (1) · its text · CRC-32 of all before (4)
//   record   CRC-32 of all that follows (4) · length of all (4) · generation (6) · sequence (6) · complete (6) · time (6)
//            · kind (1) · length of the name (2) · name · the object's file, for a put
//
// Numbers are big-endian. The records of a file end where one doesn't fit, or bears another generation than the header: it is
// left from the file's last use. `complete`: all records up to that sequence number of this journal were shown (or given up)
// when this one was written.
import { crc32 } from 'node:zlib';
import { Corrupt } from '../base/index.ts';

export const BLOCK = 4096;
const MAGIC = 'CLBJ';
const VERSION = 1;
const FIXED = 4 + 4 + 6 * 4 + 1 + 2;

/** `put`: the object is durable by this record. `forget`: what stood before of that name says nothing any more. `mark`: only `complete`. */
export type Kind = 'put' | 'forget' | 'mark';
const KINDS: Kind[] = ['put', 'forget', 'mark'];

export interface Head {
  generation: number;
  /** Names this start of the machine: what the kernel had in memory is there as long as it stays the same. */
  boot: string;
}

export interface JournalRecord {
  sequence: number;
  complete: number;
  /** Milliseconds since 1970. */
  time: number;
  kind: Kind;
  /** Of the object; empty for a mark. */
  name: string;
  /** The object's file, with its trailer; empty unless a put. */
  file: Buffer;
}

export function encodeHead({ generation, boot }: Head): Buffer {
  const head = Buffer.alloc(BLOCK);
  head.write(MAGIC, 0, 'latin1');
  head[4] = VERSION;
  head.writeUIntBE(generation, 5, 6);
  head[11] = boot.length;
  const end = 12 + head.write(boot, 12, 255, 'latin1');
  head.writeUInt32BE(crc32(head.subarray(0, end)), end);
  return head;
}

/** Null when there is no header: the file was never used, or its making was cut off. Throws Corrupt for a newer version. */
export function decodeHead(file: Buffer): Head | null {
  if (file.length < BLOCK || file.toString('latin1', 0, 4) !== MAGIC) return null;
  const end = 12 + file[11];
  if (file.readUInt32BE(end) !== crc32(file.subarray(0, end))) return null;
  if (file[4] !== VERSION) throw new Corrupt('a journal of the disk store was written by a newer version');
  return { generation: file.readUIntBE(5, 6), boot: file.toString('latin1', 12, end) };
}

/** Bytes that a record takes in its file. */
export const spaceOf = (name: string, bytes: number): number => Math.ceil((FIXED + Buffer.byteLength(name) + bytes) / BLOCK) * BLOCK;

/** The bytes before the object's file; `pieces` are the file. */
export function encodeRecord(record: Omit<JournalRecord, 'file'>, generation: number, pieces: readonly Uint8Array[]): Buffer {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  const nameBytes = Buffer.byteLength(record.name);
  const head = Buffer.allocUnsafe(FIXED + nameBytes);
  head.writeUInt32BE(head.length + bytes, 4);
  head.writeUIntBE(generation, 8, 6);
  head.writeUIntBE(record.sequence, 14, 6);
  head.writeUIntBE(record.complete, 20, 6);
  head.writeUIntBE(Math.max(0, Math.trunc(record.time)), 26, 6);
  head[32] = KINDS.indexOf(record.kind);
  head.writeUInt16BE(nameBytes, 33);
  head.write(record.name, FIXED, 'utf8');
  let sum = crc32(head.subarray(4));
  for (const piece of pieces) sum = crc32(piece, sum);
  head.writeUInt32BE(sum, 0);
  return head;
}

/** All records of a file, in their order; they share its bytes. */
export function decodeRecords(file: Buffer, generation: number): JournalRecord[] {
  const records: JournalRecord[] = [];
  for (let at = BLOCK; at + FIXED <= file.length; ) {
    const length = file.readUInt32BE(at + 4);
    if (length < FIXED || at + length > file.length || file.readUIntBE(at + 8, 6) !== generation) break;
    const whole = file.subarray(at, at + length);
    const kind = KINDS[whole[32]];
    const nameEnd = FIXED + whole.readUInt16BE(33);
    if (kind === undefined || nameEnd > length || whole.readUInt32BE(0) !== crc32(whole.subarray(4))) break;
    records.push({
      sequence: whole.readUIntBE(14, 6),
      complete: whole.readUIntBE(20, 6),
      time: whole.readUIntBE(26, 6),
      kind,
      name: whole.toString('utf8', FIXED, nameEnd),
      file: whole.subarray(nameEnd),
    });
    at += Math.ceil(length / BLOCK) * BLOCK;
  }
  return records;
}
