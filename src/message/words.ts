// Encoded words (RFC 2047) as they are met, and raw 8-bit text in headers.
import type { HeaderText } from '../base/index.ts';
import { decodeBase64, decodeCharset, decodeQuotedPrintable } from './text.ts';
import { unfold } from './header.ts';

/** A question mark inside is text, as long as no other word begins: so no character is looked at for two words. */
const ENCODED = /=\?([^?\s]{0,60})\?([bBqQ])\?((?:[^?=]|=(?!\?[^=])|\?(?!=))*)\?=/g;

/**
 * The text for people. White space between two encoded words goes (§6.2), and neighbours of one charset are decoded
 * together, because programs cut characters in two. Encoded words inside quotes, with spaces, question marks or no charset
 * are accepted; raw 8-bit text is UTF-8 if it is valid, else windows-1252.
 */
export function decodeWords(value: HeaderText): string {
  const text = unfold(value);
  if (!text.includes('=?')) return decodeRaw(text);
  let out = '';
  let at = 0;
  let pending: Buffer[] = [];
  let charset = '';
  const flush = () => {
    if (pending.length > 0) out += decodeCharset(pending.length === 1 ? pending[0] : Buffer.concat(pending), charset);
    pending = [];
  };
  for (const match of text.matchAll(ENCODED)) {
    const between = text.slice(at, match.index);
    const wordCharset = match[1].split('*', 1)[0].toLowerCase();
    const adjacent = pending.length > 0 && /^[ \t]*$/.test(between);
    if (!adjacent || wordCharset !== charset) flush();
    if (!adjacent) out += decodeRaw(between);
    charset = wordCharset;
    pending.push(decodeWord(match[2], match[3]));
    at = match.index + match[0].length;
  }
  flush();
  return out + decodeRaw(text.slice(at));
}

function decodeWord(encoding: string, text: string): Buffer {
  if (encoding === 'b' || encoding === 'B') return decodeBase64(Buffer.from(text, 'latin1'));
  return decodeQuotedPrintable(Buffer.from(text.replaceAll('_', ' '), 'latin1'));
}

/** Header text without encoded words. */
export function decodeRaw(text: HeaderText): string {
  // eslint-disable-next-line no-control-regex
  return /[\x80-\xff]/.test(text) ? decodeCharset(Buffer.from(text, 'latin1'), '') : text;
}
