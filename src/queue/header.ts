// What submission does to a header (RFC 6409 §6, §8): Bcc goes, Date and Message-ID come where they are missing, and
// From must be the user's own.
import { domainToASCII } from 'node:url';
import { Malformed, limits, mailDate, randomId } from '../base/index.ts';
import type { HeaderText, Random } from '../base/index.ts';
import { filterHeader, parseAddresses, readFields } from '../message/index.ts';

export interface Rewritten {
  /** With the empty line. */
  header: Buffer;
  /** Addresses of From and Sender, and what could be taken for one: all must be the sender's own. */
  authors: string[];
  /** Domain of the first address in From: it signs. */
  domain: string;
  received: number;
  eightBit: boolean;
  /** `TLS-Required: No` (RFC 8689 §5). */
  anyTls: boolean;
}

const END = Buffer.from('\r\n\r\n');
const MESSAGE_ID_BITS = 120;

/** RFC 1035 §2.3.4; what is longer is no domain, and would take quadratic time. */
const DOMAIN_CHARS_MAX = 255;

/** Whether a text has characters beyond ASCII. */
export const isWide = (text: string): boolean => /[^\x00-\x7f]/.test(text);

/** Of an address, as DNS and the directory name it: in lower case and ASCII. */
export function domainOf(address: string): string {
  const domain = address.slice(address.lastIndexOf('@') + 1).toLowerCase();
  return !isWide(domain) || domain.length > DOMAIN_CHARS_MAX ? domain : domainToASCII(domain.normalize('NFC')) || domain;
}

/** Collects a header from the pieces of a message. */
export class HeaderReader {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;
  #tail = Buffer.alloc(0);

  /** The whole header with its empty line, and what follows it in this piece; null while it goes on. Throws Malformed. */
  push(piece: Buffer): { header: Buffer; rest: Buffer } | null {
    const joined = Buffer.concat([this.#tail, piece]);
    const first = this.#bytes === this.#tail.length && joined[0] === 13 && joined[1] === 10;
    const at = first ? -2 : joined.indexOf(END);
    if (at !== -1) {
      const cut = at + 4 - this.#tail.length;
      this.#pieces.push(Buffer.from(piece.subarray(0, cut)));
      return { header: Buffer.concat(this.#pieces), rest: piece.subarray(cut) };
    }
    this.#pieces.push(Buffer.from(piece));
    this.#bytes += piece.length;
    if (this.#bytes > limits.header_bytes_max) throw new Malformed('the header is too long');
    this.#tail = Buffer.from(joined.subarray(Math.max(0, joined.length - 3)));
    return null;
  }

  /** The message is over and had no body. */
  finish(): Buffer {
    return Buffer.concat([...this.#pieces, Buffer.from('\r\n')]);
  }
}

/**
 * Whatever looks like an address outside of quotes and comments: of `<a@x.test> <b@y.test>`, which is no list of addresses, one mail
 * app shows the one and another the other.
 */
function looseAddresses(value: HeaderText): HeaderText[] {
  let rest = '';
  let [depth, quoted] = [0, false];
  for (let i = 0; i < value.length; i++) {
    const c = value[i];
    if ((quoted || depth > 0) && c === '\\') i++;
    else if (c === '"' && depth === 0) quoted = !quoted;
    else if (quoted) continue;
    else if (c === '(') depth++;
    else if (c === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0) rest += c;
  }
  // What is opened and not closed quotes nothing.
  if (quoted || depth > 0) rest = value;
  return rest.split(/[\s<>,;:()"]/).filter((word) => word.lastIndexOf('@') > 0 && word.indexOf('@') < word.length - 1);
}

/** Throws Malformed: no From, or more than one; or more fields or authors than are looked at, among which an author or a Bcc could hide. */
export function rewriteHeader(header: Buffer, now: number, random: Random): Rewritten {
  const fields = readFields(header.toString('latin1'));
  if (fields.length >= limits.header_fields_max) throw new Malformed('the header has too many fields');
  const named = (name: string) => fields.filter((f) => f.name === name);
  const one = (name: string) => {
    const all = named(name);
    if (all.length > 1) throw new Malformed(`the message has more than one ${name[0].toUpperCase()}${name.slice(1)} field`);
    return all[0]?.value ?? null;
  };
  const from = one('from');
  if (from === null) throw new Malformed('the message has no From field');
  const sender = one('sender');
  const addresses = (value: string) => {
    const all = parseAddresses(value);
    const shown = looseAddresses(value);
    if (all.length >= limits.addresses_max || shown.length >= limits.addresses_max) throw new Malformed('the message has too many authors');
    const read = all.filter((a) => a.host !== null).map((a) => `${a.mailbox}@${a.host}`);
    return [...new Set([...read, ...shown])].map((address) => Buffer.from(address, 'latin1').toString());
  };
  const authors = addresses(from);
  if (authors.length === 0) throw new Malformed('the From field has no address');
  const domain = domainOf(authors[0]);
  const kept = fields.some((f) => f.name === 'bcc' || f.name === 'resent-bcc') ? filterHeader(header, ['Bcc', 'Resent-Bcc'], true) : header;
  let added = '';
  if (named('date').length === 0) added += `Date: ${mailDate(now)}\r\n`;
  if (named('message-id').length === 0) added += `Message-ID: <${randomId(random, MESSAGE_ID_BITS)}@${/^[\x21-\x7e]+$/.test(domain) ? domain : 'localhost'}>\r\n`;
  return {
    header: added === '' ? kept : Buffer.concat([Buffer.from(added), kept]),
    authors: [...authors, ...(sender === null ? [] : addresses(sender))],
    domain,
    received: named('received').length,
    eightBit: kept.some((b) => b > 127),
    anyTls: named('tls-required').some((f) => /^\s*no\s*$/i.test(f.value)),
  };
}
