// Chunks of rows in stored form, version 1. Each stands for itself: writers, flag sets and registers are numbered
// within it.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { MailboxId, Position } from '../base/index.ts';
import type { Box } from './box.ts';
import { CHUNK_ROWS } from './box.ts';
import { readColumn, writeColumn } from './columns.ts';
import { readFlags, readMailboxId, writeFlags, writeMailboxId } from './op-format.ts';
import { pack, unpack } from './packed.ts';
import type { Register } from './registers.ts';
import { ADDED, AWAITING, DROPPED, EXPUNGED, NO_CHUNK } from './rows.ts';

const VERSION = 1;
const SAFE = Number.MAX_SAFE_INTEGER;
const TIME_MAX = 2 ** 52 - 1;
const U32 = 0xffffffff;
/** A chunk as written has at most CHUNK_ROWS; a later version may write larger ones. */
const ROWS_MAX = CHUNK_ROWS * 4;
/** Addresses of a row without texts. */
const NO_TEXTS = 0xffffffff;

/** Numbers things in the order of their first use. */
class Numbering {
  readonly list: number[] = [];
  readonly #numbers = new Map<number, number>();
  of(value: number): number {
    let n = this.#numbers.get(value);
    if (n === undefined) this.#numbers.set(value, (n = this.list.push(value) - 1));
    return n;
  }
}

/** About what a chunk may take before it is packed; one row alone takes less, and 64 registers a row are more. */
const CHUNK_BYTES = 8 << 20;
const ROW_BYTES = 200;
const REGISTER_BYTES = 12;

/** Up to where rows from `from` on fit into one chunk: a user whose client sets hundreds of keywords, each message others, has large rows. At least one does. */
export function rowsThatFit({ rows, registers, shared }: Box, from: number, to: number): number {
  const { flags } = shared;
  const seen = [new Set<number>(), new Set<number>([0]), new Set<number>([0])];
  const isNew = (what: number, n: number) => seen[what].size !== seen[what].add(n).size;
  const nameBytes = (flag: number) => flags.flags[flag].length * 3 + 2;
  let bytes = 0;
  for (let row = from; row < to; row++) {
    bytes += ROW_BYTES;
    if (isNew(1, rows.registers[row])) {
      for (const { flag } of registers.registers(rows.registers[row])) bytes += REGISTER_BYTES + (isNew(0, flag) ? nameBytes(flag) : 0);
    }
    if (isNew(2, rows.base[row])) for (const flag of flags.ids(rows.base[row])) bytes += nameBytes(flag);
    if (bytes > CHUNK_BYTES && row > from) return row;
  }
  return to;
}

/** Rows [from, to) without the forgotten ones; null when none is left. */
export function encodeRows(box: Box, from: number, to: number): { bytes: Buffer; rows: number } | null {
  const { rows, registers, shared, texts } = box;
  const list: number[] = [];
  for (let row = from; row < to; row++) if (!(rows.bits[row] & DROPPED)) list.push(row);
  const n = list.length;
  if (n === 0) return null;
  const writers = new Numbering();
  const bases = new Numbering();
  const sets = new Numbering();
  sets.of(0);
  const w = new ByteWriter(n * 120 + 1024);
  const column = (of: (row: number) => number) => writeColumn(w, n, (i) => of(list[i]));
  column((row) => writers.of(rows.writer[row]));
  column((row) => rows.seq[row]);
  column((row) => rows.index[row]);
  column((row) => rows.position[row]);
  column((row) => rows.modSeq[row]);
  column((row) => rows.size[row]);
  column((row) => rows.date[row]);
  column((row) => rows.zone[row]);
  column((row) => rows.saved[row]);
  column((row) => rows.bits[row] & (EXPUNGED | ADDED | AWAITING));
  column((row) => rows.gone(row));
  // A row without content has no chunk: shifted by one, so that it costs nothing.
  column((row) => (rows.chunk[row] === NO_CHUNK ? 0 : rows.chunk[row] + 1));
  column((row) => rows.entry[row]);
  column((row) => bases.of(rows.base[row]));
  column((row) => sets.of(rows.registers[row]));
  const said = sets.list.map((s) => registers.registers(s));
  const all = said.flat();
  const flags = new Numbering();
  const reg = (of: (r: Register) => number) => writeColumn(w, all.length, (i) => of(all[i]));
  w.varint(said.length);
  writeColumn(w, said.length, (i) => said[i].length);
  reg((r) => flags.of(r.flag) * 2 + (r.on ? 1 : 0));
  reg((r) => writers.of(r.writer));
  reg((r) => r.position);
  for (const row of list) if (rows.chunk[row] !== NO_CHUNK) w.raw(texts.record(rows.ids[row]));
  const older = list.map((row, i) => [i, rows.older.get(row)] as const).filter(([, o]) => o !== undefined);
  w.varint(older.length);
  for (const [i, o] of older) {
    w.varint(i).varint(o!.length);
    for (const p of o!) w.varint(p);
  }
  const awaiting = list.map((row, i) => [i, box.awaiting.get(row)] as const).filter(([, a]) => a !== undefined);
  w.varint(awaiting.length);
  for (const [i, a] of awaiting) {
    w.varint(i);
    writeMailboxId(w, a!.from);
    w.varint(writers.of(a!.writer)).varint(a!.seq).varint(a!.index);
  }
  const head = new ByteWriter(1024);
  head.varint(n).varint(writers.list.length);
  for (const x of writers.list) head.string(shared.writers.writers[x]);
  writeFlags(head, flags.list.map((f) => shared.flags.flags[f]));
  head.varint(bases.list.length);
  for (const b of bases.list) writeFlags(head, shared.flags.sets[b]);
  return { bytes: pack(VERSION, Buffer.concat([head.done(), w.done()])), rows: n };
}

/**
 * Adds the rows of a chunk to a box. `contentNumber`: what a content chunk's number in these bytes is here. Throws
 * Corrupt; then the box is not to be used.
 */
export function decodeRows(box: Box, bytes: Uint8Array, contentNumber: (stored: number) => number, await_: (row: number, source: { from: MailboxId; writer: number; seq: number; index: number }) => void): void {
  const { rows, shared, registers, texts } = box;
  const r = new ByteReader(unpack(VERSION, bytes, 'message rows'));
  const n = r.varint();
  if (n > ROWS_MAX) throw new Corrupt('stored rows are too many');
  const writers: number[] = [];
  for (let k = r.count(2); k > 0; k--) writers.push(shared.writers.number(r.string()));
  const flags = readFlags(r).map((f) => shared.flags.flag(f));
  const bases: number[] = [];
  for (let k = r.count(); k > 0; k--) bases.push(shared.flags.setOf(readFlags(r)));
  const known = new Map<number, number>();
  const shownOf = (flagSet: number, register: number): number => {
    const pair = flagSet * 0x100000000 + register;
    const shown = known.get(pair) ?? registers.shown(shared.flags, flagSet, register);
    known.set(pair, shown);
    return shown;
  };
  const from = rows.n;
  rows.append(n);
  readColumn(r, n, rows.writer, from, 0, writers.length - 1);
  if (writers.length === 1) rows.writer.fill(writers[0], from, from + n);
  else for (let row = from; row < from + n; row++) rows.writer[row] = writers[rows.writer[row]];
  readColumn(r, n, rows.seq, from, 1, U32);
  readColumn(r, n, rows.index, from, 0, U32);
  readColumn(r, n, rows.position, from, 0, SAFE);
  readColumn(r, n, rows.modSeq, from, 0, SAFE);
  readColumn(r, n, rows.size, from, 0, U32);
  readColumn(r, n, rows.date, from, -TIME_MAX, TIME_MAX);
  readColumn(r, n, rows.zone, from, -0x8000, 0x7fff);
  readColumn(r, n, rows.saved, from, -TIME_MAX, TIME_MAX);
  readColumn(r, n, rows.bits, from, 0, EXPUNGED | ADDED | AWAITING);
  const gone = new Float64Array(n);
  const same = readColumn(r, n, gone, 0, -TIME_MAX, TIME_MAX);
  if (!same || gone[0] !== 0) for (let i = 0; i < n; i++) if (gone[i] !== 0) rows.setGone(from + i, gone[i]);
  readColumn(r, n, rows.chunk, from, 0, U32);
  readColumn(r, n, rows.entry, from, 0, 0xffff);
  readColumn(r, n, rows.base, from, 0, bases.length - 1);
  const sets = new Uint32Array(n);
  readColumn(r, n, sets, 0, 0, U32);
  const numbers = readRegisters(r, writers, flags, (said) => registers.add(said));
  const { base, bits, chunk, ids } = rows;
  // What a row has is mostly what the row before has.
  let [lastBase, lastSet, lastStored] = [-1, -1, -1];
  let [flagSet, register, shown, number] = [0, 0, 0, NO_CHUNK];
  for (let row = from; row < from + n; row++) {
    const set = sets[row - from];
    if (set !== lastSet || base[row] !== lastBase) {
      if (set >= numbers.length) throw new Corrupt('stored row has unknown registers');
      lastSet = set;
      lastBase = base[row];
      register = numbers[set];
      flagSet = bases[lastBase];
      shown = shownOf(flagSet, register);
    }
    rows.registers[row] = register;
    base[row] = flagSet;
    rows.shown[row] = shown;
    if (chunk[row] !== lastStored) {
      lastStored = chunk[row];
      number = lastStored === 0 ? NO_CHUNK : contentNumber(lastStored - 1);
    }
    chunk[row] = number;
    if (bits[row] & DROPPED) throw new Corrupt('stored row is a forgotten one');
    if ((number === NO_CHUNK) !== ((bits[row] & (ADDED | AWAITING)) !== ADDED)) throw new Corrupt('stored row and its content do not fit');
  }
  for (let row = from; row < from + n; ) {
    const run = row;
    while (row < from + n && chunk[row] !== NO_CHUNK) row++;
    texts.readAll(r, row - run, ids, run);
    for (; row < from + n && chunk[row] === NO_CHUNK; row++) ids[row] = NO_TEXTS;
  }
  readSparse(r, box, from, n, writers, await_);
  r.finish();
  box.countLoaded(from);
}

function readRegisters(r: ByteReader, writers: number[], flags: number[], add: (said: Register[]) => number): number[] {
  const count = r.varint();
  if (count > ROWS_MAX + 1) throw new Corrupt('stored registers are too many');
  const sizes = new Uint32Array(count);
  readColumn(r, count, sizes, 0, 0, flags.length);
  let total = 0;
  for (const s of sizes) total += s;
  // A column of equal values takes no bytes: without this some bytes could ask for gigabytes.
  if (total > ROWS_MAX * 64) throw new Corrupt('stored registers are too many');
  const flagOn = new Uint32Array(total);
  const writer = new Uint32Array(total);
  const position = new Float64Array(total);
  readColumn(r, total, flagOn, 0, 0, flags.length * 2 - 1);
  readColumn(r, total, writer, 0, 0, writers.length - 1);
  readColumn(r, total, position, 0, 0, SAFE);
  const numbers: number[] = [];
  let at = 0;
  for (const size of sizes) {
    const said: Register[] = [];
    for (const end = at + size; at < end; at++) said.push({ flag: flags[flagOn[at] >>> 1], on: (flagOn[at] & 1) === 1, position: position[at], writer: writers[writer[at]] });
    said.sort((a, b) => a.flag - b.flag);
    for (let i = 1; i < said.length; i++) if (said[i].flag === said[i - 1].flag) throw new Corrupt('stored registers name a flag twice');
    numbers.push(add(said));
  }
  return numbers;
}

function readSparse(r: ByteReader, box: Box, from: number, n: number, writers: number[], await_: Parameters<typeof decodeRows>[3]): void {
  for (let k = r.count(2); k > 0; k--) {
    const i = r.varint();
    const older: Position[] = [];
    for (let m = r.count(); m > 0; m--) older.push(r.varint());
    if (i >= n || older.length === 0) throw new Corrupt('stored older UIDs are wrong');
    box.rows.older.set(from + i, older.sort((a, b) => a - b));
  }
  for (let k = r.count(12); k > 0; k--) {
    const i = r.varint();
    const source = readMailboxId(r);
    const number = r.varint();
    if (i >= n || number >= writers.length || !(box.rows.bits[from + i] & AWAITING)) throw new Corrupt('stored copy waits for nothing');
    await_(from + i, { from: source, writer: writers[number], seq: r.varint(), index: r.varint() });
  }
}
