// How texts are compared in searches: without regard to case and to how a character is composed (RFC 5051
// i;unicode-casemap in spirit). Upper case is the common form, because `ς` and `σ`, `ß` and `ss` meet there.
// What is said here decides what an index of search words finds: a change needs another SEARCH_RULES.
import { setImmediate } from 'node:timers/promises';

/** Characters folded in one turn of the event loop: some milliseconds for any script. */
const TURN_CHARS = 256 * 1024;

/** Several times as fast as a regular expression. */
const isAscii = (text: string): boolean => Buffer.byteLength(text) === text.length;

/** Two texts match where one's folded form contains the other's. */
export function fold(text: string): string {
  return isAscii(text) ? text.toUpperCase() : decomposed(text).toUpperCase();
}

/**
 * A folded text of a header with each run of spaces and tabs as one space, as clients are shown Subject and names: where a
 * program folded a line, and with what, is no part of what people look for.
 */
export function oneSpaced(folded: string): string {
  return folded.replace(/\t[\t ]*| [\t ]+/g, ' ');
}

/** What is decomposed at once. */
const PIECE_CHARS = 512;
/** More marks on one letter than any script has. */
const MARKS_MAX = 32;
const MARK = /^\p{M}/u;

/**
 * NFKD. The engine sorts the marks on one letter in quadratic time, and a message may be a million marks: so long texts are
 * decomposed in pieces, cut where nothing is sorted across.
 */
function decomposed(text: string): string {
  if (text.length <= PIECE_CHARS) return text.normalize('NFKD');
  let all = '';
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + PIECE_CHARS, text.length);
    for (let marks = 0; end < text.length && marks < MARKS_MAX && !isStarter(text, end); marks++) end++;
    if (isLowSurrogate(text.charCodeAt(end))) end++;
    all += text.slice(at, end).normalize('NFKD');
    at = end;
  }
  return all;
}

/** Whether a text can be cut before this place. */
function isStarter(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  // Below are no marks; other text is asked character by character.
  return code < 0x300 || (!isLowSurrogate(code) && !MARK.test(text.slice(at, at + 2)));
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code < 0xe000;
}

const OTHER_LETTERS: Record<string, string> = { Ø: 'O', Ł: 'L', Đ: 'D', Ð: 'D', Þ: 'TH', Æ: 'AE', Œ: 'OE', Ħ: 'H', ı: 'I' };

/** A folded text without accents (RFC 6203 leaves to the server what fuzzy means). Character by character: of two texts that follow each other it is what it is of each. */
export function loosely(folded: string): string {
  if (isAscii(folded)) return folded;
  return folded.replace(/\p{M}+/gu, '').replace(/[ØŁĐÐÞÆŒĦı]/g, (letter) => OTHER_LETTERS[letter]);
}

/** As `fold` for a long text, giving way to others now and then. Cut behind line ends, where no character is composed. */
export async function foldLong(text: string): Promise<string> {
  if (text.length <= TURN_CHARS) return fold(text);
  let folded = '';
  for (let at = 0; at < text.length; ) {
    let end = text.length;
    if (end - at > TURN_CHARS) {
      end = text.lastIndexOf('\n', at + TURN_CHARS) + 1;
      if (end <= at) end = at + TURN_CHARS;
    }
    folded += fold(text.slice(at, end));
    at = end;
    if (at < text.length) await setImmediate();
  }
  return folded;
}
