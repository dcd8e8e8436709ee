// The one binary encoding of stored formats: unsigned varints (LEB128), length-prefixed bytes and strings.
// A reader never trusts a length: all that goes beyond the end throws Corrupt.
import { Corrupt } from './errors.ts';

/** Bytes of a foreign buffer that are not worth a copy. */
const KEPT_BESIDE_BYTES = 1024;

/** A copy of the pieces, one after the other, that may be kept for long: not from the pool of small buffers, of which one that is kept holds 64 KiB. */
export function ownCopy(...pieces: Uint8Array[]): Buffer {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const own = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const piece of pieces) {
    own.set(piece, at);
    at += piece.length;
  }
  return own;
}

/** The same bytes, copied where what they are a part of is much larger. */
export const owned = (bytes: Buffer): Buffer => (bytes.buffer.byteLength <= bytes.length + KEPT_BESIDE_BYTES ? bytes : ownCopy(bytes));

/** Appends values to a growing buffer. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;
  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }
  get length(): number {
    return this.#length;
  }
  #room(n: number): void {
    if (this.#length + n <= this.#buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + n));
    this.#buffer.copy(bigger, 0, 0, this.#length);
    this.#buffer = bigger;
  }
  u8(value: number): this {
    this.#room(1);
    this.#buffer[this.#length++] = value;
    return this;
  }
  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${value}`);
    this.#room(8);
    while (value >= 0x80) {
      this.#buffer[this.#length++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    this.#buffer[this.#length++] = value;
    return this;
  }
  /** A whole number of either sign (zigzag), from -2^52 to 2^52 - 1. */
  signed(value: number): this {
    return this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }
  /** Bytes as they are, without their length. */
  raw(bytes: Uint8Array): this {
    this.#room(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }
  /** Length, then bytes. */
  bytes(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }
  /** Length, then UTF-8. */
  string(text: string): this {
    const n = Buffer.byteLength(text);
    this.varint(n).#room(n);
    this.#buffer.write(text, this.#length, 'utf8');
    this.#length += n;
    return this;
  }
  /** Length, then one byte for each character: for header text kept as it came (every character is a byte). */
  latin1(text: string): this {
    this.varint(text.length).#room(text.length);
    this.#buffer.write(text, this.#length, 'latin1');
    this.#length += text.length;
    return this;
  }
  /** What was written so far; the writer must not be used afterwards. */
  done(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** Reads what a ByteWriter wrote. Every method throws Corrupt where the bytes end too soon or break the encoding. */
export class ByteReader {
  readonly buffer: Buffer;
  at: number;
  readonly end: number;
  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    this.buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = from;
    this.end = to;
  }
  get left(): number {
    return this.end - this.at;
  }
  #take(n: number): number {
    if (n > this.end - this.at) throw new Corrupt('stored bytes end too soon');
    const from = this.at;
    this.at += n;
    return from;
  }
  u8(): number {
    return this.buffer[this.#take(1)];
  }
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 128;
    }
    throw new Corrupt('stored number is too large');
  }
  signed(): number {
    const v = this.varint();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }
  raw(n: number): Buffer {
    const from = this.#take(n);
    return this.buffer.subarray(from, from + n);
  }
  bytes(): Buffer {
    return this.raw(this.varint());
  }
  /** Passes over bytes that nobody asks for. */
  skip(n: number): void {
    this.#take(n);
  }
  string(): string {
    const n = this.varint();
    const from = this.#take(n);
    return this.buffer.toString('utf8', from, from + n);
  }
  latin1(): string {
    const n = this.varint();
    const from = this.#take(n);
    return this.buffer.toString('latin1', from, from + n);
  }
  /** A count that is about to be read: at least `sizeMin` bytes each must be left, so a forged count costs nothing. */
  count(sizeMin = 1): number {
    const n = this.varint();
    if (n * sizeMin > this.left) throw new Corrupt('stored count is too large');
    return n;
  }
  /** Throws Corrupt when anything is left. */
  finish(): void {
    if (this.at !== this.end) throw new Corrupt('stored bytes go on after their end');
  }
}
