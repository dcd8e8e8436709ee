// Bytes of a text part to text: transfer encoding (RFC 2045 §6), then charset. Everything decodes, broken bytes to U+FFFD.
import { isAscii, isUtf8 } from 'node:buffer';
import { createRequire } from 'node:module';

// Loaded with the first text that needs it: its tables take megabytes, and most mail is UTF-8 or ASCII.
let tables: typeof import('iconv-lite') | null = null;
const iconv = (): typeof import('iconv-lite') => (tables ??= createRequire(import.meta.url)('iconv-lite') as typeof import('iconv-lite'));

/** The body of a part as text; `encoding` and `charset` as the header says them, any case, unknown ones tolerated. */
export function decodeText(bytes: Uint8Array, encoding: string, charset: string): string {
  return decodeCharset(decodeTransfer(bytes, encoding), charset);
}

/** Removes base64 or quoted-printable; other encodings are the bytes themselves. */
export function decodeTransfer(bytes: Uint8Array, encoding: string): Buffer {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (encoding.toLowerCase()) {
    case 'base64':
      return decodeBase64(buffer);
    case 'quoted-printable':
      return decodeQuotedPrintable(buffer);
    default:
      return buffer;
  }
}

const BASE64_VALUE = new Uint8Array(256).fill(255);
for (const [i, c] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'].entries()) BASE64_VALUE[c.charCodeAt(0)] = i;

/** Base64 with anything between its characters; padding in the middle begins anew (parts pasted together). */
export function decodeBase64(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4) + 3);
  let length = 0;
  let bits = 0;
  let value = 0;
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i];
    const six = BASE64_VALUE[code];
    if (six !== 255) {
      value = ((value << 6) | six) & 0xffffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        out[length++] = value >> bits;
      }
    } else if (code === 61) bits = 0;
  }
  return out.subarray(0, length);
}

/** Quoted-printable; what is no valid escape stays as it is (RFC 2045 §6.7). */
export function decodeQuotedPrintable(bytes: Buffer): Buffer {
  const first = bytes.indexOf(61);
  if (first < 0) return bytes;
  const out = Buffer.allocUnsafe(bytes.length);
  bytes.copy(out, 0, 0, first);
  let length = first;
  for (let i = first; i < bytes.length; i++) {
    const code = bytes[i];
    if (code !== 61) {
      out[length++] = code;
      continue;
    }
    const high = hexValue(bytes[i + 1]);
    const low = hexValue(bytes[i + 2]);
    if (high >= 0 && low >= 0) {
      out[length++] = high * 16 + low;
      i += 2;
      continue;
    }
    let end = i + 1;
    while (bytes[end] === 32 || bytes[end] === 9) end++;
    if (bytes[end] === 13) end++;
    if (bytes[end] === 10) i = end;
    else if (end >= bytes.length) break;
    else {
      // Not a soft line break: the spaces just passed are text, and are never passed twice.
      out[length++] = 61;
      while (i + 1 < end) out[length++] = bytes[++i];
    }
  }
  return out.subarray(0, length);
}

function hexValue(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

/** Names that say nothing: the bytes decide, as they do for US-ASCII. */
const UNDECIDED = /^$|^(?:us|cs)?ascii$|^ansix34|^iso646us$|^isoir6$|^(?:cp|ibm)367$|^x?unknown|^8bit$|^default$/;
/** Charsets in which bytes under 128 are not always ASCII. */
const WIDE = /^(?:x|cs)?(?:utf16|utf32|ucs[24]|utf7|unicode11utf7|iso2022|cp5022)/;
/** iconv-lite calls them charsets. */
const NO_CHARSET = new Set(['base64', 'hex', 'binary', 'internal']);
/** The one charset still met in mail that iconv-lite does not have, and its descendants. */
const ISO_2022_JP = 'iso2022jp';
const LIKE_ISO_2022_JP = /^(?:cs)?iso2022jp|^cp5022[012]$/;
const CHARSET_NAME_CHARS_MAX = 40;

/** What names in mail mean to iconv-lite. They are few, and who makes up more fills no memory. */
const resolved = new Map<string, string | null>();
const RESOLVED_MAX = 200;

/** A name without case, marks and what else people put around it, as iconv-lite compares names. */
const bareName = (charset: string): string => charset.slice(0, CHARSET_NAME_CHARS_MAX).toLowerCase().replace(/:\d{4}$|[^0-9a-z]/g, '');

/** iconv-lite's name for a charset by any of its names; null when nobody knows it. `bare`: the same name, bare. */
function resolve(charset: string, bare: string): string | null {
  let found = resolved.get(charset);
  if (found === undefined) {
    found = search(charset, bare);
    if (resolved.size < RESOLVED_MAX && charset.length <= CHARSET_NAME_CHARS_MAX) resolved.set(charset, found);
  }
  return found;
}

function search(charset: string, bare: string): string | null {
  if (bare === 'utf8') return bare;
  if (bare === '' || NO_CHARSET.has(bare) || charset.length > CHARSET_NAME_CHARS_MAX) return null;
  if (LIKE_ISO_2022_JP.test(bare)) return ISO_2022_JP;
  // What browsers call ISO-8859-1, by any name, is windows-1252. What they call Unicode is anything, in mail.
  const label = labelOf(charset) ?? labelOf(bare);
  if (label === 'windows-1252') return label;
  const names = [bare, bare.replace(/^x/, ''), label !== null && !label.startsWith('utf-16') ? bareName(label).replace(/^x/, '') : ''];
  return names.find((name) => iconv().encodingExists(name)) ?? null;
}

/** The name by which browsers know it (WHATWG Encoding §4.2). */
function labelOf(name: string): string | null {
  try {
    return new TextDecoder(name).encoding;
  } catch {
    return null;
  }
}

/**
 * Text of a charset by its name in mail. Where the name is missing, unknown, US-ASCII or UTF-8: UTF-8 if the bytes
 * are that, else windows-1252; ISO-8859-1 means windows-1252 too, as it does for all browsers.
 */
export function decodeCharset(bytes: Uint8Array, charset: string): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bare = bareName(charset);
  if (WIDE.test(bare)) {
    const name = resolve(charset, bare);
    if (name !== null) return name === ISO_2022_JP ? new TextDecoder('iso-2022-jp').decode(buffer) : iconv().decode(buffer, name);
  }
  // Asked first: the names of other charsets are looked up for their own letters only.
  if (isAscii(buffer)) return buffer.toString('latin1', 0, buffer.length);
  const name = UNDECIDED.test(bare) ? null : resolve(charset, bare);
  if (name !== null && name !== 'utf8') return iconv().decode(buffer, name);
  // Mostly UTF-8 with a broken place stays UTF-8 when it was announced.
  if (name === 'utf8' || isUtf8(buffer)) return stripBom(buffer.toString('utf8', 0, buffer.length));
  return iconv().decode(buffer, 'windows-1252');
}

function stripBom(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** Whether decodeCharset knows the name (SEARCH CHARSET, RFC 9051 §6.4.4). */
export function knowsCharset(name: string): boolean {
  return resolve(name, bareName(name)) !== null;
}
