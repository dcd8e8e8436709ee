// Mailbox names on the wire: modified UTF-7 (RFC 9051 §A.1, RFC 3501 §5.1.3) unless the client has enabled
// UTF8=ACCEPT. Only the one canonical form is accepted, so that no two spellings name one mailbox.
import { Malformed } from '../../base/index.ts';

const PLAIN = /^[\x20-\x25\x27-\x7e]*$/;

/** UTF-8 name → modified UTF-7. */
export function encodeUtf7(name: string): string {
  if (PLAIN.test(name)) return name;
  return name.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === '&') return '&-';
    const bytes = Buffer.from(run, 'utf16le').swap16();
    return `&${bytes.toString('base64').replace(/=+$/, '').replaceAll('/', ',')}-`;
  });
}

/** Modified UTF-7 → name. Throws Malformed for anything that encodeUtf7 would not have written. */
export function decodeUtf7(text: string): string {
  if (PLAIN.test(text)) return text;
  let name = '';
  let at = 0;
  for (;;) {
    const shift = text.indexOf('&', at);
    const plain = text.slice(at, shift < 0 ? undefined : shift);
    if (!PLAIN.test(plain)) throw new Malformed('mailbox name has characters that modified UTF-7 must encode; ENABLE UTF8=ACCEPT to send UTF-8');
    name += plain;
    if (shift < 0) break;
    const end = text.indexOf('-', shift);
    if (end < 0) throw new Malformed('mailbox name is not valid modified UTF-7: "&" without "-"');
    if (end === shift + 1) name += '&';
    else {
      const code = text.slice(shift + 1, end);
      const bytes = Buffer.from(code.replaceAll(',', '/'), 'base64');
      if (bytes.length % 2 !== 0) throw new Malformed('mailbox name is not valid modified UTF-7: half a character');
      name += bytes.swap16().toString('utf16le');
    }
    at = end + 1;
  }
  if (!name.isWellFormed() || encodeUtf7(name) !== text) throw new Malformed('mailbox name is not valid modified UTF-7');
  return name;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes given as latin1 → text. Throws Malformed when they are not UTF-8. */
export function decodeUtf8(bytes: string): string {
  if (/^[\x00-\x7f]*$/.test(bytes)) return bytes;
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    throw new Malformed('text is not valid UTF-8');
  }
}

/** Text → its UTF-8 bytes as latin1, ready to be written. */
export function encodeUtf8(text: string): string {
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1');
}
