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

/** Reads into `out` from `at` on; every value within [min, max]. Throws Corrupt. */
export function readColumn(r: ByteReader, n: number, out: { [i: number]: number }, at: number, min: number, max: number): void {
  if (n === 0) return;
  const head = r.u8();
  const width = head & 0x0f;
  const delta = (head & DELTA) !== 0;
  if ((head & 0xe0) !== 0 || !WIDTHS.includes(width)) throw new Corrupt('stored column is of an unknown kind');
  let value = r.signed();
  const base = delta ? r.signed() : value;
  const from = delta ? 1 : 0;
  const bytes = r.raw((n - from) * width);
  if (delta) out[at] = check(value, min, max);
  let k = 0;
  for (let i = from; i < n; i++) {
    let v = 0;
    if (width === 1) v = bytes[k++];
    else if (width === 2) v = bytes[k++] | (bytes[k++] << 8);
    else if (width === 4) {
      v = bytes[k] + bytes[k + 1] * 0x100 + bytes[k + 2] * 0x10000 + bytes[k + 3] * 0x1000000;
      k += 4;
    } else if (width === 8) {
      v = bytes.readDoubleLE(k);
      k += 8;
    }
    value = delta ? value + v + base : base + v;
    out[at + i] = check(value, min, max);
  }
}
function check(v: number, min: number, max: number): number {
  if (!(v >= min && v <= max) || !Number.isSafeInteger(v)) throw new Corrupt('stored number is out of range');
  return v;
}
