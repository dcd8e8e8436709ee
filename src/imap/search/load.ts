// What a search reads of a message: its header, and the texts of its body (message/ says which those are).
import { limits } from '../../base/index.ts';
import { readHeader, readTexts } from '../../message/index.ts';
import type { ReadBytes } from '../../message/index.ts';
import type { Selected } from '../session.ts';
import type { Candidate } from './program.ts';

export { WHOLE_BYTES } from '../../message/index.ts';

const reading = (selected: Selected, c: Candidate): ReadBytes => (from, to) => selected.read(c.uid, from, to);

/** Loads the header (level 2). False when the message is gone. */
export async function loadHeader(selected: Selected, c: Candidate): Promise<boolean> {
  const { prefix, index } = c.record!;
  c.header = await readHeader(index, prefix.length, reading(selected, c));
  if (c.header === null) return false;
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
  const read = await readTexts(index, prefix.length, reading(selected, c), c.header);
  if (read === null) return false;
  c.header = read.header;
  c.texts = read.texts;
  c.level = 3;
  return true;
}
