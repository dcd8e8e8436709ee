// Columns of numbers in stored form: each as what its values have in common and the rest in 0, 1, 2, 4 or 8 bytes,
// from the least value or from step to step, whichever is smaller. Read in one loop; zstd does the rest.
import { Corrupt } from '../base/index.ts';
import type { ByteReader, ByteWriter } from '../base/index.ts';

const DELTA = 0x10;
const WIDTHS = [0, 1, 2, 4, 8];
const widthOf = (range: number): number => (range === 0 ? 0 : range < 0x100 ? 1 : range < 0x10000 ? 2 : range < 0x100000000 ? 4 : 8);

/** `n` whole numbers from -2^52 to 2^52 - 1. */
export function writeColumn(w: ByteWriter, n: number, value: (i: number) => number): void {
  if (n === 0) return;
  const values = new Float64Array(n);
  let min = Infinity;
  let max = -Infinity;
  let stepMin = Infinity;
  let stepMax = -Infinity;
  for (let i = 0; i < n; i++) {
    const v = (values[i] = value(i));
    if (v < min) min = v;
    if (v > max) max = v;
    if (i === 0) continue;
    const step = v - values[i - 1];
    if (step < stepMin) stepMin = step;
    if (step > stepMax) stepMax = step;
  }
  const flat = widthOf(max - min);
  const steps = n > 1 ? widthOf(stepMax - stepMin) : 8;
  const delta = steps < flat;
  const width = delta ? steps : flat;
  w.u8((delta ? DELTA : 0) | width);
  if (delta) w.signed(values[0]).signed(stepMin);
  else w.signed(min);
  const from = delta ? 1 : 0;
  const out = Buffer.allocUnsafe((n - from) * width);
  let at = 0;
  for (let i = from; i < n; i++) {
    const v = delta ? values[i] - values[i - 1] - stepMin : values[i] - min;
    if (width === 1) out[at++] = v;
    else if (width === 2) at = out.writeUInt16LE(v, at);
    else if (width === 4) at = out.writeUInt32LE(v, at);
    else if (width === 8) at = out.writeDoubleLE(v, at);
  }
  w.raw(out);
}

type Numbers = Float64Array | Uint32Array | Uint16Array | Int16Array | Uint8Array;

/** Values on their way: one kind of array for all columns keeps the loops quick in a process that has just started. */
let scratch = new Float64Array(1024);
const SCRATCH_MAX = 64 * 1024;
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Reads into `out` from `at` on; every value within [min, max]. True when all are known to be the same. Throws Corrupt. */
export function readColumn(r: ByteReader, n: number, out: Numbers, at: number, min: number, max: number): boolean {
  if (n === 0) return true;
  const head = r.u8();
  const width = head & 0x0f;
  const delta = (head & DELTA) !== 0;
  if ((head & 0xe0) !== 0 || !WIDTHS.includes(width)) throw new Corrupt('stored column is of an unknown kind');
  const first = r.signed();
  const step = delta ? r.signed() : 0;
  const bytes = r.raw((delta ? n - 1 : n) * width);
  if (width === 0 && !delta) {
    out.fill(check(first, min, max), at, at + n);
    return true;
  }
  // What the widest of the stored numbers could make of it: mostly that is in bounds, and no value need be looked at.
  const most = width === 8 ? Infinity : 2 ** (8 * width) - 1;
  const low = delta ? first + (n - 1) * Math.min(0, step) : first;
  const high = delta ? first + (n - 1) * Math.max(0, step + most) : first + most;
  const inBounds = low >= min && high <= max && high <= Number.MAX_SAFE_INTEGER;
  const stored = numbers(bytes, width);
  if (!delta && first === 0 && inBounds) {
    out.set(stored, at);
    return false;
  }
  if (n > scratch.length) scratch = new Float64Array(n);
  const values = scratch;
  if (width === 0) values.fill(0, 0, n);
  else values.set(stored);
  if (delta) sums(values, n, first, step);
  else if (first !== 0) for (let i = 0; i < n; i++) values[i] += first;
  if (!inBounds) bounded(values, n, min, max);
  out.set(values.subarray(0, n), at);
  if (scratch.length > SCRATCH_MAX) scratch = new Float64Array(1024);
  return false;
}

/** What was stored with so many octets each, least first. Without loops: those cost a process that has just started more than all else. */
function numbers(bytes: Buffer, width: number): Uint8Array | Uint16Array | Uint32Array | Float64Array {
  if (width < 2) return bytes;
  const aligned = Buffer.from(new Uint8Array(bytes).buffer);
  if (!LITTLE_ENDIAN) width === 2 ? aligned.swap16() : width === 4 ? aligned.swap32() : aligned.swap64();
  if (width === 2) return new Uint16Array(aligned.buffer);
  if (width === 4) return new Uint32Array(aligned.buffer);
  const doubles = new Float64Array(aligned.buffer);
  for (let i = 0; i < doubles.length; i++) check(doubles[i], -Infinity, Infinity);
  return doubles;
}

/** From steps above the least step to values: what stands at i is the step to i + 1. */
function sums(values: Float64Array, n: number, first: number, step: number): void {
  let value = first;
  for (let i = 0; i < n - 1; i++) {
    const next = value + values[i] + step;
    values[i] = value;
    value = next;
  }
  values[n - 1] = value;
}

/** Whole numbers all, as sums of whole numbers stay it up to the greatest safe one. */
function bounded(values: Float64Array, n: number, min: number, max: number): void {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < n; i++) {
    const v = values[i];
    if (v < low) low = v;
    if (v > high) high = v;
  }
  check(low, min, max);
  check(high, min, max);
}

function check(v: number, min: number, max: number): number {
  if (!(v >= min && v <= max) || !Number.isSafeInteger(v)) throw new Corrupt('stored number is out of range');
  return v;
}
