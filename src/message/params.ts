// Content-Type, Content-Disposition and their like (RFC 2045 §5.1, RFC 2183, RFC 2231, RFC 3282), broken ones too.
import { limits } from '../base/index.ts';
import type { HeaderText, Parameters } from '../base/index.ts';
import { decodeCharset, knowsCharset } from './text.ts';

/** `type/subtype; name=value …`; null when there is no such pair. */
export function parseContentType(value: HeaderText): { type: HeaderText; subtype: HeaderText; params: Parameters } | null {
  const reader = new ValueReader(value);
  const type = reader.token();
  reader.space();
  if (type === '' || !reader.take('/')) return null;
  reader.space();
  const subtype = reader.token();
  if (subtype === '' || type.length > limits.mime_token_bytes_max || subtype.length > limits.mime_token_bytes_max) return null;
  return { type, subtype, params: reader.parameters() };
}

/** `type; name=value …`; null when there is no type. */
export function parseDisposition(value: HeaderText): { type: HeaderText; params: Parameters } | null {
  const reader = new ValueReader(value);
  const type = reader.token() || reader.quoted();
  return type === '' || type === null ? null : { type, params: reader.parameters() };
}

/** The parameters of a value whose first word doesn't matter: RFC 2231 continuations joined, charsets still encoded. */
export function parseParameters(value: HeaderText): Parameters {
  return new ValueReader(value).parameters();
}

/** The first word of a value (Content-Transfer-Encoding); null when there is none. */
export function parseWord(value: HeaderText): HeaderText | null {
  const reader = new ValueReader(value);
  const word = reader.token() || reader.quoted();
  return word === null || word.length > limits.mime_token_bytes_max ? null : word;
}

/** The tags of a Content-Language field; null when there are none. */
export function parseLanguages(value: HeaderText): HeaderText[] | null {
  const tags: HeaderText[] = [];
  const reader = new ValueReader(value);
  for (;;) {
    const tag = reader.until(',');
    if (tag !== '') tags.push(tag);
    if (!reader.passTo(',')) break;
  }
  return tags.length === 0 ? null : tags;
}

/** A parameter's text for people: RFC 2231 charset and percent signs decoded. Null when it is absent. */
export function decodeParameter(params: Parameters, name: string): string | null {
  const wanted = name.toLowerCase();
  let plain: HeaderText | null = null;
  for (const [key, value] of params) {
    const lower = key.toLowerCase();
    if (lower === `${wanted}*`) return decodeExtended(value);
    if (lower === wanted) plain ??= value;
  }
  return plain;
}

/** Without a charset the bytes decide; without the language and its quote (§4) it is read all the same. */
function decodeExtended(value: HeaderText): string {
  const first = value.indexOf("'");
  const second = value.indexOf("'", first + 1);
  const charset = first < 0 ? '' : value.slice(0, first);
  const from = first >= 0 && second >= 0 ? second + 1 : first > 0 && knowsCharset(charset) ? first + 1 : 0;
  const bytes = value.slice(from).replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return decodeCharset(Buffer.from(bytes, 'latin1'), from === 0 ? '' : charset);
}

/** The value of the first parameter of that name (lower case) as it stands; null when absent. */
export function findParameter(params: Parameters, name: string): HeaderText | null {
  for (const [key, value] of params) if (key.length === name.length && key.toLowerCase() === name) return value;
  return null;
}

/** What ends a token here: only what must, because people write `name=a@b.c` without quotes. */
const TOKEN = /[^\s;,="()/]*/y;
const BARE = /[^\s;"]*/y;
const BARE_WORD = /[^\s,;()"]*/y;

class ValueReader {
  readonly #text: HeaderText;
  #at = 0;
  constructor(text: HeaderText) {
    this.#text = text;
    this.space();
  }

  /** Passes white space and comments. */
  space(): void {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code === 32 || code === 9 || code === 10 || code === 13) this.#at++;
      else if (code === 40) this.#comment();
      else return;
    }
  }

  #comment(): void {
    const text = this.#text;
    let depth = 0;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === 92) this.#at++;
      else if (code === 40) depth++;
      else if (code === 41 && --depth === 0) break;
    }
    this.#at++;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    // A comment or string without end may have led beyond the text.
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  token(): HeaderText {
    return this.#match(TOKEN);
  }

  take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  /** A quoted string, one without end up to the end of the value; null when none begins here. */
  quoted(): HeaderText | null {
    const text = this.#text;
    if (text.charCodeAt(this.#at) !== 34) return null;
    const start = ++this.#at;
    let escaped = false;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === 34) break;
      if (code === 92) {
        escaped = true;
        this.#at++;
      }
    }
    const inside = text.slice(start, Math.min(this.#at, text.length));
    this.#at++;
    const plain = escaped ? inside.replace(/\\([^])/g, '$1') : inside;
    return plain.includes('\n') ? plain.replace(/\r?\n/g, '') : plain;
  }

  /** The first word, any characters, before `separator`. */
  until(separator: string): HeaderText {
    this.space();
    const word = this.quoted() ?? this.#match(BARE_WORD);
    return word === separator ? '' : word;
  }

  /** Passes everything up to and including the next `separator` outside quotes and comments; false when there is none. */
  passTo(separator: string): boolean {
    const text = this.#text;
    while (this.#at < text.length) {
      const code = text.charCodeAt(this.#at);
      if (code === 34) this.quoted();
      else if (code === 40) this.#comment();
      else {
        this.#at++;
        if (code === separator.charCodeAt(0)) return true;
      }
    }
    return false;
  }

  parameters(): Parameters {
    const plain: Parameters = [];
    let pieces: Piece[] | null = null;
    while (this.passTo(';')) {
      this.space();
      const name = this.token();
      this.space();
      if (name === '' || !this.take('=')) continue;
      this.space();
      const value = this.quoted() ?? this.#match(BARE);
      const star = name.indexOf('*');
      const piece = star > 0 && star < name.length - 1 ? CONTINUED.exec(name) : null;
      if (piece === null) plain.push([name, value]);
      else (pieces ??= []).push({ whole: name, name: piece[1], index: Number(piece[2]), extended: piece[3] === '*', value });
    }
    return pieces === null ? plain : joinPieces(plain, pieces);
  }
}

const CONTINUED = /^([^*]+)\*(\d{1,4})(\*?)$/;

interface Piece {
  whole: HeaderText;
  name: HeaderText;
  index: number;
  extended: boolean;
  value: HeaderText;
}

/** RFC 2231 §3 and §4.1: pieces 0, 1, 2, … of a name become one parameter; a row with a hole stays as it was written. */
function joinPieces(plain: Parameters, pieces: Piece[]): Parameters {
  const rows = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const key = piece.name.toLowerCase();
    const row = rows.get(key);
    if (row) row.push(piece);
    else rows.set(key, [piece]);
  }
  for (const row of rows.values()) {
    const sorted = row.toSorted((a, b) => a.index - b.index);
    if (sorted.some((piece, i) => piece.index !== i)) {
      for (const piece of row) plain.push([piece.whole, piece.value]);
      continue;
    }
    const extended = sorted.some((piece) => piece.extended);
    const value = sorted.map((p) => (extended && !p.extended ? percentEncode(p.value) : p.value)).join('');
    plain.push([extended ? `${sorted[0].name}*` : sorted[0].name, value]);
  }
  return plain;
}

/** A plain piece among extended ones: what would be read as encoded, or may not stand there, is encoded. */
function percentEncode(value: HeaderText): HeaderText {
  return value.replace(/[^A-Za-z0-9!#$&+\-.^_`{|}~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}
