// Looks for words in stored bytes: as they are, as base64, hex, UTF-16 or modified UTF-7, and in whatever inflates.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { constants, inflateRawSync } from 'node:zlib';

/** A deflated body begins within so many bytes of the object's beginning, behind headers. */
const INFLATE_FROM_MAX = 300;
const INFLATED_MIN = 16;
const INFLATE_BYTES_MAX = 16 * 1024;

/** Every form in which a careless program could store a word; lower case. */
export function formsOf(word: string): string[] {
  const utf8 = Buffer.from(word);
  const forms = [utf8.toString('latin1'), utf8.toString('hex'), Buffer.from(word, 'utf16le').toString('latin1')];
  // Base64 in its three alignments, without the characters that depend on neighbours.
  for (let pad = 0; pad < 3; pad++) {
    const text = Buffer.concat([Buffer.alloc(pad), utf8]).toString('base64').replace(/=+$/, '');
    forms.push(text.slice(pad === 0 ? 0 : pad + 1, -1));
  }
  const be = Buffer.from(word, 'utf16le').swap16();
  forms.push(be.toString('latin1'), be.toString('base64').replace(/=+$/, '').slice(0, -1));
  return [...new Set(forms.map((form) => form.toLowerCase()))];
}

const known = new Map<string, string[]>();

function inflations(bytes: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < Math.min(INFLATE_FROM_MAX, bytes.length - INFLATED_MIN); at++) {
    try {
      const plain = inflateRawSync(bytes.subarray(at, at + INFLATE_BYTES_MAX), { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 22 });
      if (plain.length >= INFLATED_MIN) found.push(plain.toString('latin1').toLowerCase());
    } catch {
      // Sealed bytes seldom inflate.
    }
  }
  return found;
}

/** Words that stand in the bytes in any form. */
export function wordsIn(bytes: Buffer, words: readonly string[], inflate = true): string[] {
  const forms = words.map((word) => known.get(word) ?? known.set(word, formsOf(word)).get(word)!);
  const texts = [bytes.toString('latin1').toLowerCase(), ...(inflate ? inflations(bytes) : [])];
  return words.filter((_, i) => forms[i].some((form) => texts.some((text) => text.includes(form))));
}

export interface Searched {
  files: number;
  bytes: number;
  /** `file: word`; the file's own name is searched too. */
  found: string[];
}

/** Every file below a folder. */
export function searchFolder(folder: string, words: readonly string[]): Searched {
  const searched: Searched = { files: 0, bytes: 0, found: [] };
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    searched.files++;
    searched.bytes += bytes.length;
    const name = Buffer.from(path.slice(folder.length));
    for (const word of [...wordsIn(bytes, words), ...wordsIn(name, words, false)]) searched.found.push(`${path}: ${word}`);
  }
  return searched;
}
