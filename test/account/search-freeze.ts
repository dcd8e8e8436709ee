// Writes fixtures/search/rules-N.*, what the search index makes of messages by rules N. Run once for new SEARCH_RULES; a
// frozen file is never written again. Also fixtures/account/words-1.json, once for ever.
import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { SearchMemory } from '../../src/account/index.ts';
import { PART_HEAD, encodeEntry } from '../../src/account/search-part.ts';
import { encodeWords, sealWords } from '../../src/account/words-object.ts';
import { seededRandom } from '../../src/base/index.ts';
import { SEARCH_RULES, foldedHeader, readTexts, scanMessage } from '../../src/message/index.ts';
import { sealNamed } from '../../src/seal/index.ts';
import { KNOWN_USER, knownCluster, knownPublic, knownRing } from '../seal/known.ts';

const fixtures = new URL('../../fixtures/', import.meta.url);

/** What the index stores of a message. */
export async function entryOf(emailId: string, message: string | Buffer): Promise<Buffer> {
  const bytes = Buffer.from(message);
  const memory = new SearchMemory(1);
  const read = (await readTexts(scanMessage(bytes), 0, async (from, to) => bytes.subarray(from, to)))!;
  return encodeEntry(emailId, await memory.filter([foldedHeader(read.header)]), await memory.filter(read.texts));
}

export const hashOf = (entry: Buffer): string => createHash('sha256').update(entry).digest('hex').slice(0, 16);
export const messageOf = (file: string): Buffer => readFileSync(new URL(`messages/${file}`, fixtures));
export const frozenOf = (rules: number, what: 'json' | 'tsv'): URL => new URL(`search/rules-${rules}.${what}`, fixtures);

const base64 = (text: string) => Buffer.from(text).toString('base64');
const MESSAGES: Record<string, string> = {
  abcdefghjkmnpqrstvwxyz0123: 'From: Ann <ann@far.test>\r\nSubject: Herons\r\n\r\nThree grey herons stand in the shallow water.\r\n',
  '0000000000000000000000000a':
    'From: Zo=?utf-8?Q?=C3=A9?= <zoe@far.test>\r\nSubject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nDie Stra=DFe nach =\r\nK=F6ln, na=EFve caf=E9.\r\n',
  '0000000000000000000000000b': `Subject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${base64('<p>検索語を含む文 😀 Łódź</p>')}\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nΣίσυφος и Ёжик\r\n--b\r\nContent-Type: application/pdf; name="invoice.pdf"\r\n\r\nnever looked at\r\n--b--\r\n`,
  '0000000000000000000000000c': '\r\n',
};

/** An object of words in its first form: rules and entries are those of that time. */
export const wordsFrozen = new URL('account/words-1.json', fixtures);

async function freezeWords(): Promise<void> {
  const name = `users/${KNOWN_USER}/words/abcdefghjkmnpqrstvwxyz4567`;
  const entries = await Promise.all(Object.entries(MESSAGES).map(([id, message]) => entryOf(id, message)));
  const plain = [Buffer.concat([PART_HEAD, entries[0]]), Buffer.concat(entries.slice(1))];
  const pieces = plain.map((piece, n) => sealWords(knownPublic().event, name, n, piece, seededRandom(n)));
  writeFileSync(wordsFrozen, `${JSON.stringify({ name, plain: Buffer.concat(plain).toString('hex'), bytes: encodeWords(knownCluster(), name, pieces).toString('hex') }, null, 1)}\n`);
}

async function freeze(): Promise<void> {
  if (existsSync(frozenOf(SEARCH_RULES, 'json'))) throw new Error(`rules ${SEARCH_RULES} are frozen`);
  const name = `users/${KNOWN_USER}/search/abcdefghjkmnpqrstvwxyz4567`;
  const plain = Buffer.concat([PART_HEAD, ...(await Promise.all(Object.entries(MESSAGES).map(([id, message]) => entryOf(id, message))))]);
  const sealed = sealNamed(knownRing().sessions[0], name, Buffer.alloc(0), plain, seededRandom(7));
  writeFileSync(frozenOf(SEARCH_RULES, 'json'), `${JSON.stringify({ name, messages: MESSAGES, plain: plain.toString('hex'), sealed: sealed.toString('hex') }, null, 1)}\n`);
  let lines = `# entries of fixtures/messages by rules ${SEARCH_RULES}: 16 hex digits of their SHA-256\n`;
  for (const file of globSync('*.eml', { cwd: new URL('messages/', fixtures) }).sort()) lines += `${file}\t${hashOf(await entryOf(file, messageOf(file)))}\n`;
  writeFileSync(frozenOf(SEARCH_RULES, 'tsv'), lines);
}

if (import.meta.main) await (existsSync(wordsFrozen) ? freeze() : freezeWords());
