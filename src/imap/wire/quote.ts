// How strings are written to the client: quoted where the grammar lets them, else as literals.
import { encodeUtf7, encodeUtf8 } from './utf7.ts';

const QUOTABLE = /^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/;
const ESCAPABLE = /^[\x01-\x09\x0b\x0c\x0e-\x7f]*$/;
const ATOM = /^[^\x00-\x20(){%*"\\\]\x7f-\xff]+$/;

/** A latin1 string as quoted string or literal. */
export function quote(text: string): string {
  if (text.length < 1000 && QUOTABLE.test(text)) return `"${text}"`;
  if (text.length < 1000 && ESCAPABLE.test(text)) return `"${text.replace(/["\\]/g, '\\$&')}"`;
  return `{${text.length}}\r\n${text}`;
}

/** A latin1 string or NIL. */
export function nstring(text: string | null): string {
  return text === null ? 'NIL' : quote(text);
}

/** UTF-8 text that the client may read as UTF-8 inside quotes (UTF8=ACCEPT); control characters make it a literal. */
export function quoteUtf8(text: string): string {
  const bytes = encodeUtf8(text);
  return /[\x00\r\n]/.test(bytes) ? `{${bytes.length}}\r\n${bytes}` : `"${bytes.replace(/["\\]/g, '\\$&')}"`;
}

/** A mailbox's name: always quoted but for INBOX, in modified UTF-7 or UTF-8. */
export function quoteMailbox(name: string, utf8: boolean): string {
  return utf8 ? quoteUtf8(name) : quote(encodeUtf7(name));
}

/** LIST's extended item for a client of IMAP4rev2 that wrote a name in another form (RFC 9051 §6.3.9.7); else ''. */
export function oldName(name: string, sent: string): string {
  return sent === name ? '' : ` ("OLDNAME" (${quoteUtf8(sent)}))`;
}

/** Whether a latin1 string can stand as an atom. */
export function isAtom(text: string): boolean {
  return ATOM.test(text);
}
