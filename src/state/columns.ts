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

/** Reads into `out` from `at` on; every value within [min, max]. Throws Corrupt. */
export function readColumn(r: ByteReader, n: number, out: Numbers, at: number, min: number, max: number): void {
  if (n === 0) return;
  const head = r.u8();
  const width = head & 0x0f;
  const delta = (head & DELTA) !== 0;
  if ((head & 0xe0) !== 0 || !WIDTHS.includes(width)) throw new Corrupt('stored column is of an unknown kind');
  const first = r.signed();
  const step = delta ? r.signed() : 0;
  const bytes = r.raw((delta ? n - 1 : n) * width);
  if (width === 0 && !delta) return void out.fill(check(first, min, max), at, at + n);
  if (n > scratch.length) scratch = new Float64Array(n);
  const values = scratch;
  if (width === 8) for (let i = 0; i < bytes.length / 8; i++) values[i] = check(bytes.readDoubleLE(i * 8), -Infinity, Infinity);
  else widen(bytes, width, values);
  if (delta) sums(values, n, first, step);
  else for (let i = 0; i < n; i++) values[i] += first;
  bounded(values, n, min, max);
  out.set(values.subarray(0, n), at);
  if (scratch.length > SCRATCH_MAX) scratch = new Float64Array(1024);
}

function widen(bytes: Buffer, width: number, to: Float64Array): void {
  if (width === 0) to.fill(0); // a constant step
  else if (width === 1) to.set(bytes);
  else if (width === 2) for (let i = 0, k = 0; k < bytes.length; i++, k += 2) to[i] = bytes[k] | (bytes[k + 1] << 8);
  else for (let i = 0, k = 0; k < bytes.length; i++, k += 4) to[i] = (bytes[k] | (bytes[k + 1] << 8) | (bytes[k + 2] << 16)) + bytes[k + 3] * 0x1000000;
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
