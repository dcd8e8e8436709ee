// The header of a message from a stranger: what pretends to be ours is taken out, and what would cost too much to verify is
// not given to who verifies.
import { Refused } from '../../base/index.ts';
import type { Limits } from '../../base/index.ts';
import { Pile } from './pile.ts';

/** Names that only we write (RFC 8601 §5 asks for the first, and only for our own authserv-id). */
const OURS = new Set(['x-spam-flag', 'x-spam-status', 'x-colombier-score']);
const RESULTS = 'authentication-results';
const ARC = new Set(['arc-seal', 'arc-message-signature', 'arc-authentication-results']);

const END = Buffer.from('\r\n\r\n');
const CRLF = Buffer.from('\r\n');
const SPACE = Buffer.from(' ');

export interface Head {
  /** What is stored, the empty line included. */
  stored: Buffer;
  /** What is verified. */
  judged: Buffer;
  /** Fields that pretended to be ours. */
  forged: number;
  /** Whether there is anything that needs the body. */
  signed: boolean;
  /** Signatures that are there; no more than the limit are verified. */
  signatures: number;
  /** More ARC sets than a chain may have: it is not looked at. */
  arcTooLong: boolean;
}

/** The value's authserv-id (RFC 8601 §2.2) in lower case, or null when it can't be read. */
export function authservId(value: string): string | null {
  let at = 0;
  let depth = 0;
  for (; at < value.length; at++) {
    const c = value[at];
    if (c === '(') depth++;
    else if (c === ')' && depth > 0) depth--;
    else if (c === '\\' && depth > 0) at++;
    else if (depth === 0 && !/[\s\x00-\x1f\x7f]/.test(c)) break;
  }
  const rest = value.slice(at);
  const quoted = /^"((?:[^"\\]|\\[^])*)"/.exec(rest);
  if (quoted !== null) return quoted[1].replace(/\\([^])/g, '$1').replace(/\.$/, '').toLowerCase();
  // What ends a token (RFC 2045 §5.1) ends it for whoever reads it, and a name may end in the root's dot.
  return /^[^\x00-\x20\x7f()<>@,;:\\"/[\]?=]+/.exec(rest)?.[0].replace(/\.$/, '').toLowerCase() ?? null;
}

interface Field {
  name: string;
  from: number;
  to: number;
}

/** Fields of a header whose lines end in CRLF; what is no field is one without a name. */
function fieldsOf(header: Buffer): Field[] {
  const fields: Field[] = [];
  let named = false;
  for (let at = 0; at < header.length; ) {
    const lf = header.indexOf(10, at);
    const end = lf < 0 ? header.length : lf + 1;
    const last = fields.at(-1);
    if (last !== undefined && (header[at] === 32 || header[at] === 9)) last.to = end;
    else {
      fields.push({ name: '', from: at, to: end });
      named = false;
    }
    // Some unfold a field before they look for its name, so it may end in a later line.
    const colon = named ? -1 : header.subarray(at, end).indexOf(58);
    if (colon >= 0) {
      const field = fields.at(-1)!;
      field.name = header.toString('latin1', field.from, at + colon).replace(/\r\n/g, '').trim().toLowerCase();
      named = true;
    }
    at = end;
  }
  return fields;
}

/** `header`: up to and with the empty line. `hostname`: our authserv-id. Refused: a From field that can't be looked at. */
export function readHead(header: Buffer, hostname: string, limits: Limits): Head {
  const fields = fieldsOf(header);
  const isOurs = ({ name, from, to }: Field): boolean => {
    if (OURS.has(name)) return true;
    if (name !== RESULTS) return false;
    const id = authservId(header.toString('latin1', header.indexOf(58, from) + 1, to));
    return id === null || id === hostname.toLowerCase();
  };
  const sets = fields.filter((f) => f.name === 'arc-seal').length;
  const arcTooLong = sets > limits.checks_arc_sets_max || fields.filter((f) => ARC.has(f.name)).length > 3 * limits.checks_arc_sets_max;
  let signatures = 0;
  const forged = fields.filter(isOurs);
  const tooLong = (f: Field) => f.to - f.from > limits.header_field_bytes_max;
  // Without it nobody would know whose policy counts, and a mail app shows it all the same.
  if (fields.some((f) => f.name === 'from' && tooLong(f))) throw new Refused('the From field is too large', null, '552 5.3.4');
  const unverified = fields.filter((f) => tooLong(f) || (f.name === 'dkim-signature' && ++signatures > limits.checks_signatures_max) || (arcTooLong && ARC.has(f.name)));
  return { stored: without(header, forged), judged: squeezed(without(header, unverified), limits.checks_space_bytes_max), forged: forged.length, signed: signatures > 0 || (sets > 0 && !arcTooLong), signatures, arcTooLong };
}

const isSpace = (c: number): boolean => c === 32 || (c >= 9 && c <= 13);

/**
 * The library takes quadratic time for white space that goes on and on: where it is longer than `max` bytes one space stands for it,
 * as in the form that is signed (RFC 6376 §3.4.2, relaxed).
 */
function squeezed(header: Buffer, max: number): Buffer {
  const pieces: Buffer[] = [];
  let kept = 0;
  for (let i = 0; i < header.length; i++) {
    if (!isSpace(header[i])) continue;
    const from = i;
    while (i < header.length && isSpace(header[i])) i++;
    if (i - from <= max) continue;
    // A line end before the next field, or before the end, stays one.
    const ends = header[i - 1] === 10;
    pieces.push(header.subarray(kept, from), i === header.length ? END : ends ? CRLF : SPACE);
    kept = i;
  }
  if (pieces.length === 0) return header;
  pieces.push(header.subarray(kept));
  return Buffer.concat(pieces);
}

function without(header: Buffer, fields: Field[]): Buffer {
  if (fields.length === 0) return header;
  const pieces: Buffer[] = [];
  let at = 0;
  for (const f of fields) {
    pieces.push(header.subarray(at, f.from));
    at = f.to;
  }
  pieces.push(header.subarray(at));
  return Buffer.concat(pieces);
}

/** Collects a header from pieces. */
export class HeadReader {
  readonly #pile = new Pile();
  /** The last bytes, in which the empty line may have begun. */
  #tail: Buffer = Buffer.from('\r\n');

  get bytes(): number {
    return this.#pile.bytes;
  }

  /** Null while the header goes on; else all of it, and what of this piece is body. */
  push(piece: Buffer): { header: Buffer; body: Buffer } | null {
    // A message may begin with the empty line: the CRLF before it is ours.
    const seam = Buffer.concat([this.#tail, piece.subarray(0, 3)]);
    const across = seam.indexOf(END);
    const within = across >= 0 ? -1 : piece.indexOf(END);
    if (across < 0 && within < 0) {
      this.#pile.push(piece);
      this.#tail = Buffer.concat([this.#tail, piece.subarray(-3)]).subarray(-3);
      return null;
    }
    const end = across >= 0 ? across + END.length - this.#tail.length : within + END.length;
    return { header: Buffer.concat([...this.#pile.pieces(), piece.subarray(0, end)]), body: piece.subarray(end) };
  }

  /** The message was over before an empty line. */
  end(): Buffer {
    return Buffer.concat(this.#pile.pieces());
  }
}
