// A message for servers that take no 8-bit mail (RFC 6152 §3): parts with bytes beyond ASCII are encoded in quoted-printable or
// base 64 (RFC 2045 §6).
import { isAscii } from 'node:buffer';
import { limits } from '../base/index.ts';
import type { BodyPart } from '../base/index.ts';
import { filterHeader, scanMessage } from '../message/index.ts';
import { headerOf } from './dsn.ts';

/** Of what a part may hold as it is (RFC 2045 §6.2): all others are encoded already. */
const IDENTITIES = ['7bit', '8bit', 'binary'];
const LINE = 76;
/** A text is quoted while at most one byte in so many goes beyond ASCII. */
const QUOTED_SHARE = 4;
const END = Buffer.from('\r\n');

interface Coders {
  quoted(bytes: Buffer): string;
  base64(bytes: Buffer): string;
}

const coders = async (): Promise<Coders> => {
  const [qp, base64] = await Promise.all([import('nodemailer/lib/qp'), import('nodemailer/lib/base64')]);
  return {
    quoted: (bytes) => qp.wrap(qp.encode(bytes), LINE),
    base64: (bytes) => `${base64.wrap(bytes.toString('base64'), LINE)}\r\n`,
  };
};

const wideBytes = (bytes: Buffer): number => bytes.reduce((n, b) => n + (b > 127 ? 1 : 0), 0);

/** The message can't be said in seven bits without changing what it says, or what somebody signed; or it would take long. */
class Unconvertible extends Error {}

class Converter {
  readonly #message: Buffer;
  readonly #coders: Coders;
  readonly #pieces: Buffer[] = [];
  /** All before it is in the pieces. */
  #at = 0;
  #encoded = 0;

  constructor(message: Buffer, coders: Coders) {
    this.#message = message;
    this.#coders = coders;
  }

  /** Throws Unconvertible. */
  whole(): Buffer {
    this.#part(scanMessage(this.#message).body, false);
    this.#keep(this.#message.length);
    return Buffer.concat([mimeFields(this.#message), ...this.#pieces]);
  }

  /** `sealed`: a signature covers each byte. */
  #part(part: BodyPart, sealed: boolean): void {
    const body = this.#message.subarray(part.bodyStart, part.bodyEnd);
    const inner = part.parts ?? (part.message ? [part.message.body] : null);
    const declared = part.encoding.toLowerCase();
    if (inner) {
      if (declared !== '7bit' && !sealed) this.#header(part, '7bit');
      for (const each of inner) this.#part(each, sealed || part.subtype.toLowerCase() === 'signed');
      return this.#keep(part.bodyEnd);
    }
    if (isAscii(body)) {
      if (IDENTITIES.includes(declared) && declared !== '7bit' && !sealed) this.#header(part, '7bit');
      return this.#keep(part.bodyEnd);
    }
    if (sealed || !IDENTITIES.includes(declared) || part.type.toLowerCase() === 'message') throw new Unconvertible();
    this.#encoded += body.length;
    if (this.#encoded > limits.queue_encode_bytes_max) throw new Unconvertible();
    // What is quoted can still be read; of other scripts base 64 makes half as much.
    const quoted = part.type.toLowerCase() === 'text' && QUOTED_SHARE * wideBytes(body) <= body.length;
    this.#header(part, quoted ? 'quoted-printable' : 'base64');
    this.#pieces.push(Buffer.from(quoted ? this.#coders.quoted(body) : this.#coders.base64(body), 'latin1'));
    this.#at = part.bodyEnd;
  }

  /** As it is, up to there. */
  #keep(end: number): void {
    const piece = this.#message.subarray(this.#at, Math.max(end, this.#at));
    if (!isAscii(piece)) throw new Unconvertible();
    this.#pieces.push(piece);
    this.#at = Math.max(end, this.#at);
  }

  /** The header of a part, with another Content-Transfer-Encoding. */
  #header({ headerStart, bodyStart }: BodyPart, encoding: string): void {
    this.#keep(headerStart);
    const header = filterHeader(this.#message.subarray(headerStart, bodyStart), ['content-transfer-encoding'], true);
    if (!isAscii(header)) throw new Unconvertible();
    this.#pieces.push(header.subarray(0, -END.length), Buffer.from(`Content-Transfer-Encoding: ${encoding}\r\n\r\n`));
    this.#at = bodyStart;
  }
}

/** Where its text has no known charset (RFC 1428) the message says so: an encoding means nothing without MIME. */
function mimeFields(message: Buffer): Buffer {
  const header = headerOf(message);
  const has = (name: string) => filterHeader(header, [name], false).length > END.length;
  if (has('mime-version')) return Buffer.alloc(0);
  return Buffer.from(`MIME-Version: 1.0\r\n${has('content-type') ? '' : 'Content-Type: text/plain; charset=unknown-8bit\r\n'}`);
}

/** The message with each part in seven bits; null: not without changing header fields, or what somebody signed, or not in a moment. */
export async function inSevenBits(message: Buffer): Promise<Buffer | null> {
  try {
    return new Converter(message, await coders()).whole();
  } catch (e) {
    if (e instanceof Unconvertible) return null;
    throw e;
  }
}
