// Message ids (RFC 5322 §3.6.4): Message-ID, In-Reply-To, References.
import { limits } from '../base/index.ts';
import type { HeaderText } from '../base/index.ts';

/**
 * The ids in a value without angle brackets, in order, white space inside removed. Very many: the first and the last
 * limits.references_max - 1, because threads hang on those.
 */
export function parseIds(value: HeaderText): HeaderText[] {
  const ids: HeaderText[] = [];
  for (let at = value.indexOf('<'); at >= 0; ) {
    const end = value.indexOf('>', at);
    if (end < 0) break;
    const inner = value.lastIndexOf('<', end);
    const id = value.slice(inner + 1, end);
    if (id !== '') ids.push(/\s/.test(id) ? id.replace(/\s+/g, '') : id);
    at = value.indexOf('<', end);
  }
  if (ids.length <= limits.references_max) return ids;
  return [ids[0], ...ids.slice(ids.length - limits.references_max + 1)];
}

/** The id of a Message-ID field, one without brackets too; null when there is none. */
export function parseId(value: HeaderText): HeaderText | null {
  const [first] = parseIds(value);
  if (first !== undefined) return first;
  const bare = /[^\s<>()]+@[^\s<>()]+/.exec(value.slice(0, 998));
  return bare === null ? null : bare[0];
}
