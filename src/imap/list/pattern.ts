// Patterns of LIST and LSUB (RFC 9051 §6.3.9): `*` is anything, `%` anything without a delimiter. Matching goes
// through the name once with the set of places in the pattern where it may be, so no pattern costs more than its
// length times the name's.
import { canonicalName } from '../wire/index.ts';

export type Pattern = (name: string) => boolean;

const DELIMITER = 0x2f;

/** The pattern behind the reference; INBOX matches in any case, also as the beginning of the names below it. */
export function compilePattern(reference: string, pattern: string): Pattern {
  const text = canonicalName((reference + pattern).normalize('NFC')).replace(/[*%]*\*[*%]*/g, '*').replace(/%+/g, '%');
  if (text === '*') return () => true;
  if (!/[*%]/.test(text)) return (name) => name === text;
  if (text === '%') return (name) => !name.includes('/');
  const upper = text.replace(/[a-z]/g, (c) => c.toUpperCase());
  return (name) => matches(text, name, /^INBOX(\/|$)/.test(name) ? upper : text);
}

const INBOX_CHARS = 5;

/**
 * Runs all ways through the pattern at once; `at[p]` says whether the name so far may have come to place p. `inbox`: the
 * pattern as it is for as many characters as INBOX has.
 */
function matches(pattern: string, name: string, inbox: string): boolean {
  const end = pattern.length;
  let at = new Uint8Array(end + 1);
  let next = new Uint8Array(end + 1);
  at[0] = 1;
  for (let i = 0; ; i++) {
    // A wildcard may stand for nothing.
    for (let p = 0; p < end; p++) if (at[p] === 1 && isWild(pattern.charCodeAt(p))) at[p + 1] = 1;
    if (i === name.length) return at[end] === 1;
    const c = name.charCodeAt(i);
    next.fill(0);
    let any = false;
    for (let p = 0; p < end; p++) {
      if (at[p] === 0) continue;
      const w = pattern.charCodeAt(p);
      if (w === 0x2a || (w === 0x25 && c !== DELIMITER)) next[p] = 1;
      else if (w !== 0x25 && (w === c || (i < INBOX_CHARS && inbox.charCodeAt(p) === c))) next[p + 1] = 1;
      else continue;
      any = true;
    }
    if (!any) return false;
    [at, next] = [next, at];
  }
}

function isWild(c: number): boolean {
  return c === 0x2a || c === 0x25;
}
