// The one table from errors to IMAP's answers (RFC 9051 §7.1, RFC 5530).
import { Corrupt, Malformed, Refused, Unavailable } from '../base/index.ts';
import { encodeUtf8 } from './wire/index.ts';

/** A tagged answer without its tag; null for a bug, which closes the connection. */
export function answerTo(error: unknown): string | null {
  if (error instanceof Malformed) return `BAD ${coded(error.code)}${clean(error.message)}`;
  if (error instanceof Refused) return `NO ${coded(error.code)}${clean(error.message)}`;
  if (error instanceof Unavailable) return `NO [UNAVAILABLE] ${clean(error.message)}`;
  if (error instanceof Corrupt) return `NO [SERVERBUG] ${clean(error.message)}`;
  return null;
}

const coded = (code: string | null): string => (code === null ? '' : `[${code}] `);

/** Text for the end of a line: no line breaks, never empty, and no first character that would look like a code. */
export function clean(text: string): string {
  const line = encodeUtf8(text.slice(0, 500).replace(/[\x00-\x1f\x7f]+/g, ' ')).replace(/^\[/, '(');
  return line === '' ? 'failed' : line;
}
