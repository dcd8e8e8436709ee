// The base subject (RFC 5256 §2.1), for SORT and THREAD.
import type { HeaderText } from '../base/index.ts';
import { decodeWords } from './words.ts';

/** A blob in brackets that may stand before the subject: `[list] `. */
const BLOB = /^\[[^[\]]*\]\s*/;
const REFWD = /^(?:re|fwd?)\s*(?:\[[^[\]]*\]\s*)?:\s*/i;

const FWD_END = /\s*\(fwd\)\s*$/i;

/** The subject without what replies and forwards add; not case-folded. Linear in its length. */
export function baseSubject(subject: HeaderText): string {
  return splitSubject(subject).base;
}

/** The base subject, and whether anything said that this is a reply or a forward. */
export function splitSubject(subject: HeaderText): { base: string; reply: boolean } {
  let text = decodeWords(subject).replace(/[\t ]+/g, ' ').trim();
  let reply = false;
  for (;;) {
    // Step 2: "(fwd)" at the end.
    for (let end = FWD_END.exec(text.slice(-8)); end !== null; end = FWD_END.exec(text.slice(-8))) {
      text = text.slice(0, text.length - end[0].length);
      reply = true;
    }
    const stripped = stripLeaders(text);
    text = stripped.rest;
    reply ||= stripped.reply;
    // Step 6: "[fwd: … ]" around it all.
    if (!/^\[fwd:/i.test(text) || !text.endsWith(']')) return { base: text, reply };
    text = text.slice(5, -1).trim();
    reply = true;
  }
}

/** Steps 3 to 5: `Re:`, `Fwd:` with blobs before them, then blobs that leave something. */
function stripLeaders(text: string): { rest: string; reply: boolean } {
  let rest = text;
  let reply = false;
  for (;;) {
    let ahead = rest;
    for (let blob = BLOB.exec(ahead); blob !== null; blob = BLOB.exec(ahead)) ahead = ahead.slice(blob[0].length);
    const refwd = REFWD.exec(ahead);
    if (refwd === null) break;
    rest = ahead.slice(refwd[0].length);
    reply = true;
  }
  for (let blob = BLOB.exec(rest); blob !== null && blob[0].length < rest.length; blob = BLOB.exec(rest)) rest = rest.slice(blob[0].length);
  return { rest, reply };
}
