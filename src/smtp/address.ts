// Paths and parameters of MAIL FROM and RCPT TO (RFC 5321 §4.1.2, RFC 6531 §3.3).
import { isIP } from 'node:net';
import { isUtf8 } from 'node:buffer';
import { Malformed } from '../base/index.ts';

export interface Path {
  /** Without angle brackets; the local part is quoted only where it must be. Empty: the null sender. */
  readonly address: string;
  /** Keywords in capitals; true where no value was given. */
  readonly parameters: ReadonlyMap<string, string | true>;
}

/** A parameter that is none, or not of the shape that its extension asks for: 501 5.5.4, whatever the address is. */
export class BadParameter extends Malformed {}

/** §4.5.3.1.3: 256 octets with the angle brackets. */
const PATH_BYTES_MAX = 254;
const ATEXT = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\u0080-\\u{10ffff}-]";
const DOT_STRING = new RegExp(`^${ATEXT}+(\\.${ATEXT}+)*$`, 'u');
/** What others write without the quotes that it needs: `ben..2@`, `ben.@` (old addresses of mobile phones), `bounce:1;2@`. */
const UNQUOTED = new RegExp(`^(${ATEXT}|[.,:;])+$`, 'u');
const LABEL = /^[A-Za-z0-9_\u0080-\u{10ffff}]([A-Za-z0-9_\u0080-\u{10ffff}-]*[A-Za-z0-9_\u0080-\u{10ffff}])?$/u;
// Control characters and the invisible ones that make one address look like another.
const UNSAFE = /[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\ufeff]/;

/**
 * The path and parameters of a command whose verb is `verb` (`MAIL FROM` or `RCPT TO`). Throws Malformed, of which BadParameter is one kind. A domain's case and
 * form are kept, a source route is dropped (§4.1.1.3), `postmaster` may stand alone (§4.1.1.3). Angle brackets and quotes may
 * be missing: scanners and old programs leave them out.
 */
export function parsePath(verb: 'MAIL FROM' | 'RCPT TO', line: Buffer): Path {
  if (!isUtf8(line)) throw new Malformed('not UTF-8');
  const text = line.toString();
  const colon = text.indexOf(':');
  if (colon < 0 || text.slice(0, colon).trim().replace(/ +/, ' ').toUpperCase() !== verb) throw new Malformed(`syntax: ${verb}:<address>`);
  const rest = text.slice(colon + 1).replace(/^[ \t]+/, '');
  const { path, after } = rest.startsWith('<') ? inBrackets(rest) : bare(rest);
  const address = parseAddress(path, verb === 'RCPT TO');
  if (address === '' && verb === 'RCPT TO') throw new Malformed('no address');
  return { address, parameters: parseParameters(after) };
}

function bare(text: string): { path: string; after: string } {
  const path = /^\S*/.exec(text)![0];
  if (path === '' || /[<>"]/.test(path)) throw new Malformed('the address must stand in angle brackets');
  return { path, after: text.slice(path.length) };
}

function inBrackets(text: string): { path: string; after: string } {
  const close = endOfPath(text, 1);
  return { path: text.slice(1, close), after: text.slice(close + 1) };
}

/** Where the `>` stands: not one inside a quoted local part. */
function endOfPath(text: string, from: number): number {
  let quoted = false;
  for (let i = from; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (c === '>' && !quoted) return i;
  }
  throw new Malformed('the address must stand in angle brackets');
}

function parseAddress(path: string, recipient: boolean): string {
  if (path === '') return '';
  if (UNSAFE.test(path)) throw new Malformed('the address holds a control character');
  let text = path;
  if (text.startsWith('@')) {
    const colon = text.indexOf(':');
    if (colon < 0) throw new Malformed('bad source route');
    text = text.slice(colon + 1);
  }
  if (Buffer.byteLength(text) > PATH_BYTES_MAX) throw new Malformed('the address is too long');
  if (recipient && text.toLowerCase() === 'postmaster') return text;
  const { local, rest } = text.startsWith('"') ? quotedLocal(text) : { local: text.slice(0, Math.max(0, text.indexOf('@'))), rest: text.slice(text.indexOf('@')) };
  if (!rest.startsWith('@') || rest.length < 2) throw new Malformed('the address has no domain');
  if (!text.startsWith('"') && !UNQUOTED.test(local)) throw new Malformed('bad local part');
  const domain = rest.slice(1);
  if (!isDomain(domain)) throw new Malformed('bad domain');
  // "john"@x and john@x are one address (§4.1.2): one form only goes on.
  const plain = DOT_STRING.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
  return `${plain}@${domain}`;
}

function quotedLocal(text: string): { local: string; rest: string } {
  let local = '';
  for (let i = 1; i < text.length; i++) {
    if (text[i] === '"') {
      if (local === '') throw new Malformed('empty local part');
      return { local, rest: text.slice(i + 1) };
    }
    if (text[i] === '\\') i++;
    local += text[i] ?? '';
  }
  throw new Malformed('the quoted local part has no end');
}

function isDomain(domain: string): boolean {
  if (domain.startsWith('[')) {
    if (!domain.endsWith(']')) return false;
    const literal = domain.slice(1, -1);
    return /^IPv6:/i.test(literal) ? isIP(literal.slice(5)) === 6 : isIP(literal) === 4;
  }
  return Buffer.byteLength(domain) <= 253 && domain.split('.').every((label) => Buffer.byteLength(label) <= 63 && LABEL.test(label));
}

function parseParameters(text: string): Map<string, string | true> {
  const parameters = new Map<string, string | true>();
  if (text !== '' && !/^\s/.test(text)) throw new BadParameter('no space after the address');
  for (const word of text.split(/\s+/)) {
    if (word === '') continue;
    const m = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^\x00-\x20=\x7f]+))?$/.exec(word);
    if (m === null) throw new BadParameter('bad parameter');
    const key = m[1].toUpperCase();
    if (parameters.has(key)) throw new BadParameter(`${key} is given twice`);
    parameters.set(key, m[2] ?? true);
  }
  return parameters;
}

/** SIZE=, BODY= and SMTPUTF8 of MAIL FROM. */
export interface MailParameters {
  declaredBytes: number | null;
  utf8: boolean;
}

/** Reads the parameters of MAIL FROM. Throws BadParameter; a parameter that no extension here knows is given back in `unknown`. */
export function mailParameters(parameters: Path['parameters']): MailParameters & { unknown: string | null } {
  let declaredBytes: number | null = null;
  let utf8 = false;
  let unknown: string | null = null;
  for (const [key, value] of parameters) {
    if (key === 'SIZE') {
      if (value === true || !/^\d{1,20}$/.test(value)) throw new BadParameter('bad SIZE');
      declaredBytes = Number(value);
    } else if (key === 'BODY') {
      if (value === true || !/^(7BIT|8BITMIME)$/i.test(value)) throw new BadParameter('bad BODY');
    } else if (key === 'SMTPUTF8') {
      if (value !== true) throw new BadParameter('SMTPUTF8 takes no value');
      utf8 = true;
    } else {
      unknown = key;
    }
  }
  return { declaredBytes, utf8, unknown };
}
