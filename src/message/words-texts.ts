// The texts of a message that SEARCH looks into: its header, and the texts of its body. A small message is read as a
// whole, of a large one only the headers of its parts and its parts of text, so an attachment is never fetched to be searched.
import { limits } from '../base/index.ts';
import type { BodyPart, HeaderText } from '../base/index.ts';
import { readFields } from './header.ts';
import { decodeText } from './text.ts';
import type { KeptField, MessageIndex } from './types.ts';
import { fold, foldLong, oneSpaced } from './words-fold.ts';
import { decodeWords } from './words.ts';

/** A message up to this size is one request to the store. */
export const WHOLE_BYTES = 256 * 1024;

/** Bytes [from, to) of a message as clients see it, prefix included; shorter at its end. Null when it is gone. */
export type ReadBytes = (from: number, to: number) => Promise<Buffer | null>;

/** All fields of the header; `shift`: bytes of the prefix. Null when the message is gone. */
export async function readHeader(index: MessageIndex, shift: number, read: ReadBytes): Promise<KeptField[] | null> {
  const header = await read(0, shift + Math.min(index.headerBytes, limits.header_bytes_max));
  return header === null ? null : readFields(header.toString('latin1'));
}

/** The header, unless it is there already, and the folded texts of the body. Null when the message is gone. */
export async function readTexts(index: MessageIndex, shift: number, read: ReadBytes, known: readonly KeptField[] | null = null): Promise<{ header: readonly KeptField[]; texts: string[] } | null> {
  const small = index.size <= WHOLE_BYTES;
  const whole = small ? await read(0, shift + index.size) : null;
  if (small && whole === null) return null;
  const header = known ?? (whole !== null ? readFields(whole.toString('latin1', 0, shift + index.headerBytes)) : await readHeader(index, shift, read));
  if (header === null) return null;
  const texts: string[] = [];
  for (const piece of pieces(index.body, true)) {
    const from = shift + piece.from;
    const to = shift + piece.to;
    const bytes = whole !== null ? whole.subarray(from, to) : await read(from, to);
    if (bytes === null) return null;
    const text = piece.part === null ? linesOf(readFields(bytes.toString('latin1'))) : decodeText(bytes, piece.part.encoding, charsetOf(piece.part));
    if (text === '') continue;
    const folded = await foldLong(text);
    texts.push(piece.part === null ? oneSpaced(folded) : folded);
  }
  return { header, texts };
}

/** All of a header, folded: names, colons and decoded values, a field a line. */
export function foldedHeader(header: readonly KeptField[]): string {
  return oneSpaced(fold(linesOf(header)));
}

/** The value of one field, folded. */
export function foldedValue(value: HeaderText): string {
  return oneSpaced(fold(decodeWords(value)));
}

function linesOf(header: readonly KeptField[]): string {
  return header.map((field) => field.prefix + decodeWords(field.value)).join('\n');
}

interface Piece {
  from: number;
  to: number;
  /** The part whose body this is; null for a header. */
  part: BodyPart | null;
}

/** The root's own header is not part of the body; those of inner parts and messages are. */
function* pieces(part: BodyPart, root: boolean): Generator<Piece> {
  if (!root && part.bodyStart > part.headerStart) {
    yield { from: part.headerStart, to: Math.min(part.bodyStart, part.headerStart + limits.header_bytes_max), part: null };
  }
  if (part.parts !== null) for (const inner of part.parts) yield* pieces(inner, false);
  else if (part.message !== null) yield* pieces(part.message.body, false);
  else if (isText(part) && part.bodyEnd > part.bodyStart) {
    yield { from: part.bodyStart, to: Math.min(part.bodyEnd, part.bodyStart + limits.search_part_bytes_max), part };
  }
}

/** Beside text/… also what says in clear why a message came back, or a part of a message (message/delivery-status, …/partial). */
function isText(part: BodyPart): boolean {
  return /^(text|message)$/i.test(part.type);
}

function charsetOf(part: BodyPart): string {
  return part.params.find(([name]) => name.toLowerCase() === 'charset')?.[1] ?? '';
}
