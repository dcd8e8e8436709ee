// Section numbers (RFC 9051 §6.4.5.1) to parts and byte ranges.
import type { BodyPart } from '../base/index.ts';
import type { ByteRange, Section } from './types.ts';

/**
 * The part that a section number names: `[1, 2]` is part 2 of part 1. Part 1 of what is no multipart is the body
 * itself; the numbers below a message/rfc822 are those of the message inside. Null when there is no such part; the
 * empty path is null too, because the whole message is no part.
 */
export function findPart(body: BodyPart, path: readonly number[]): BodyPart | null {
  let found: BodyPart | null = null;
  let level: BodyPart | null = body;
  for (const n of path) {
    if (level === null) return null;
    if (level.parts !== null) found = level.parts[n - 1] ?? null;
    else found = n === 1 ? level : null;
    if (found === null) return null;
    if (found.parts !== null) level = found;
    else level = found.message === null ? null : found.message.body;
  }
  return found;
}

/**
 * The bytes that `BODY[path.section]` names, or null when the message has none (the answer is NIL or empty). 'header'
 * and 'text' exist for the whole message and for message/rfc822 parts, 'mime' for parts only.
 */
export function findSection(body: BodyPart, path: readonly number[], section: Section): ByteRange | null {
  if (path.length === 0) {
    if (section === 'mime') return null;
    if (section === 'header') return { start: body.headerStart, end: body.bodyStart };
    return { start: section === 'text' ? body.bodyStart : body.headerStart, end: body.bodyEnd };
  }
  const part = findPart(body, path);
  if (part === null) return null;
  if (section === 'all') return { start: part.bodyStart, end: part.bodyEnd };
  if (section === 'mime') return { start: part.headerStart, end: part.bodyStart };
  if (part.message === null) return null;
  const inner = part.message.body;
  if (section === 'header') return { start: inner.headerStart, end: inner.bodyStart };
  return { start: inner.bodyStart, end: part.bodyEnd };
}
