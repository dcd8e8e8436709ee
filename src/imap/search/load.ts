// What a search reads of a message: its header, and the texts of its body. A small message is read as a whole, of a
// large one only the headers of its parts and its text parts, so an attachment is never fetched to be searched.
import { limits } from '../../base/index.ts';
import type { BodyPart } from '../../base/index.ts';
import { decodeText, decodeWords, readFields } from '../../message/index.ts';
import type { Selected } from '../session.ts';
import { foldLong } from './fold.ts';
import type { Candidate } from './program.ts';

/** A message up to this size is one request to the store. */
export const WHOLE_BYTES = 256 * 1024;

/** Loads the header (level 2). False when the message is gone. */
export async function loadHeader(selected: Selected, c: Candidate): Promise<boolean> {
  const { prefix, index } = c.record!;
  const header = await selected.read(c.uid, 0, prefix.length + Math.min(index.headerBytes, limits.header_bytes_max));
  if (header === null) return false;
  c.header = readFields(header.toString('latin1'));
  c.level = 2;
  return true;
}

/** How many bytes loadBody will hold at once, about. */
export function bodyBytes(c: Candidate): number {
  return Math.min(c.record!.index.size, limits.search_part_bytes_max);
}

/** Loads the header, if it is not there yet, and the body's texts (level 3). False when the message is gone. */
export async function loadBody(selected: Selected, c: Candidate): Promise<boolean> {
  const { prefix, index } = c.record!;
  const shift = prefix.length;
  const small = index.size <= WHOLE_BYTES;
  const whole = small ? await selected.read(c.uid, 0, shift + index.size) : null;
  if (small && whole === null) return false;
  if (c.header === null) {
    if (whole !== null) c.header = readFields(whole.toString('latin1', 0, shift + index.headerBytes));
    else if (!(await loadHeader(selected, c))) return false;
  }
  const texts: string[] = [];
  for (const piece of pieces(index.body, true)) {
    const from = shift + piece.from;
    const to = shift + piece.to;
    const bytes = whole !== null ? whole.subarray(from, to) : await selected.read(c.uid, from, to);
    if (bytes === null) return false;
    const text = piece.part === null ? headerText(bytes.toString('latin1')) : decodeText(bytes, piece.part.encoding, charsetOf(piece.part));
    if (text !== '') texts.push(await foldLong(text));
  }
  c.texts = texts;
  c.level = 3;
  return true;
}

interface Piece {
  from: number;
  to: number;
  /** The text part whose body this is; null for a header. */
  part: BodyPart | null;
}

/** The root's own header is not part of the body; those of inner parts and messages are. */
function* pieces(part: BodyPart, root: boolean): Generator<Piece> {
  if (!root && part.bodyStart > part.headerStart) {
    yield { from: part.headerStart, to: Math.min(part.bodyStart, part.headerStart + limits.header_bytes_max), part: null };
  }
  if (part.parts !== null) for (const inner of part.parts) yield* pieces(inner, false);
  else if (part.message !== null) yield* pieces(part.message.body, false);
  else if (part.type.toLowerCase() === 'text' && part.bodyEnd > part.bodyStart) {
    yield { from: part.bodyStart, to: Math.min(part.bodyEnd, part.bodyStart + limits.search_part_bytes_max), part };
  }
}

function headerText(header: string): string {
  return readFields(header)
    .map((field) => field.prefix + decodeWords(field.value))
    .join('\n');
}

function charsetOf(part: BodyPart): string {
  return part.params.find(([name]) => name.toLowerCase() === 'charset')?.[1] ?? '';
}
