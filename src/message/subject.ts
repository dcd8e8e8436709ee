// The base subject (RFC 5256 §2.1), for SORT and THREAD.
import type { HeaderText } from '../base/index.ts';
import { decodeWords } from './words.ts';

/** A blob in brackets that may stand before the subject: `[list] `. */
const BLOB = /^\[[^[\]]*\]\s*/;
const REFWD = /^(?:re|fwd?)\s*(?:\[[^[\]]*\]\s*)?:\s*/i;

const FWD_END = /\s*\(fwd\)\s*$/i;

/** The subject without what replies and forwards add; not case-folded. Linear in its length. */
export function baseSubject(subject: HeaderText): string {
  let text = decodeWords(subject).replace(/[\t ]+/g, ' ').trim();
  for (;;) {
    // Step 2: "(fwd)" at the end.
    for (let end = FWD_END.exec(text.slice(-8)); end !== null; end = FWD_END.exec(text.slice(-8))) {
      text = text.slice(0, text.length - end[0].length);
    }
    text = stripLeaders(text);
    // Step 6: "[fwd: … ]" around it all.
    if (!/^\[fwd:/i.test(text) || !text.endsWith(']')) return text;
    text = text.slice(5, -1).trim();
  }
}

/** Steps 3 to 5: `Re:`, `Fwd:` with blobs before them, then blobs that leave something. */
function stripLeaders(text: string): string {
  let rest = text;
  for (;;) {
    let ahead = rest;
    for (let blob = BLOB.exec(ahead); blob !== null; blob = BLOB.exec(ahead)) ahead = ahead.slice(blob[0].length);
    const refwd = REFWD.exec(ahead);
    if (refwd === null) break;
    rest = ahead.slice(refwd[0].length);
  }
  for (let blob = BLOB.exec(rest); blob !== null && blob[0].length < rest.length; blob = BLOB.exec(rest)) rest = rest.slice(blob[0].length);
  return rest;
}
