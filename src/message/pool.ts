// Strings of the stored index. The values of the kept header fields stand in it once, one behind the other (the pool);
// what the envelope and the structure say is mostly a piece of them, and is stored as such.
import { ByteReader, Corrupt } from '../base/index.ts';
import type { ByteWriter, HeaderText } from '../base/index.ts';
import { WORDS_V1, wordNumber } from './dictionary.ts';
import { collapse, unfold } from './header.ts';

// The low three bits of a string's first number; the others are a word's number (0: null) or a length.
const WORD = 0;
const PIECE = 1;
const OWN = 2;
const COLLAPSED = 3;
const UNFOLDED = 4;

/** How far behind the last find a piece is looked for: it bounds the work of a header made to be slow. */
const LOOK = 2048;
/** A shorter string costs less by itself than its place does. */
const PIECE_CHARS_MIN = 4;

/** Writes strings, most as pieces of a pool; they are looked for in the order in which they stand there. */
export class StringWriter {
  readonly out: ByteWriter;
  readonly #pool: HeaderText;
  #cursor = 0;

  constructor(out: ByteWriter, pool: HeaderText) {
    this.out = out;
    this.#pool = pool;
  }

  /** The next strings are looked for from here on. */
  seek(offset: number): void {
    this.#cursor = offset;
  }

  write(text: HeaderText | null): void {
    if (text === null) {
      this.out.u8(0);
      return;
    }
    const word = wordNumber.get(text);
    if (word !== undefined) {
      this.out.varint(word * 8 + WORD);
      return;
    }
    if (text.length >= PIECE_CHARS_MIN && this.#pool !== '') {
      const found = this.#pool.slice(this.#cursor, this.#cursor + LOOK + text.length).indexOf(text);
      if (found >= 0) {
        this.#cursor += found;
        this.out.varint(text.length * 8 + PIECE).varint(this.#cursor);
        return;
      }
    }
    this.#own(text);
  }

  /** A string that is a whole field's value, perhaps unfolded: `value` stands in the pool at `offset`. */
  writeValue(text: HeaderText, value: HeaderText, offset: number): void {
    let kind = -1;
    if (text === value) kind = PIECE;
    else if (text === collapse(value)) kind = COLLAPSED;
    else if (text === unfold(value).trim()) kind = UNFOLDED;
    if (kind < 0) this.write(text);
    else this.out.varint(value.length * 8 + kind).varint(offset);
  }

  #own(text: HeaderText): void {
    this.out.varint(text.length * 8 + OWN).raw(Buffer.from(text, 'latin1'));
  }
}

/** Reads what a StringWriter wrote. */
export class StringReader extends ByteReader {
  readonly #pool: HeaderText;
  constructor(bytes: Buffer, from: number, to: number, pool: HeaderText) {
    super(bytes, from, to);
    this.#pool = pool;
  }

  text(): HeaderText | null {
    const head = this.varint();
    const n = Math.floor(head / 8);
    switch (head % 8) {
      case WORD:
        if (n === 0) return null;
        if (n > WORDS_V1.length) throw new Corrupt('stored message index: unknown word');
        return WORDS_V1[n - 1];
      case PIECE:
        return this.#piece(n);
      case OWN: {
        const bytes = this.raw(n);
        return bytes.toString('latin1', 0, n);
      }
      case COLLAPSED:
        return collapse(this.#piece(n));
      case UNFOLDED:
        return unfold(this.#piece(n)).trim();
      default:
        throw new Corrupt('stored message index: unknown kind of string');
    }
  }

  /** Passes over a string. */
  pass(): void {
    const head = this.varint();
    if (head % 8 === OWN) this.skip(Math.floor(head / 8));
    else if (head % 8 !== WORD) this.varint();
  }

  /** A string that can't be null. */
  must(): HeaderText {
    const text = this.text();
    if (text === null) throw new Corrupt('stored message index: a string is missing');
    return text;
  }

  #piece(length: number): HeaderText {
    const from = this.varint();
    if (from + length > this.#pool.length) throw new Corrupt('stored message index: a piece is beyond the fields');
    return this.#pool.slice(from, from + length);
  }
}
