// mailparser as a second opinion on headers and texts.
import assert from 'node:assert/strict';
import { simpleParser } from 'mailparser';
import type { BodyPart } from '../../src/base/index.ts';
import { decodeText, decodeWords, findParameter, scanMessage } from '../../src/message/index.ts';
import { fixtures } from './samples.ts';

/** Where it reads otherwise, and we know why. */
const OTHERWISE: Record<string, string> = {
  addresses: 'it drops unnamed and broken addresses',
  'addresses-broken': 'likewise',
  'bare-cr': 'it takes a CR for a line end',
  'cr-cr-lf': 'it takes CR CR LF for two line ends',
  'mixed-line-ends': 'it rewrites line ends',
  'header-less': 'it reads on for a header',
  'header-garbage': 'it makes fields of lines without a colon',
  'one-line-end': 'likewise',
  'nul-bytes': 'it removes NUL',
  'repeated-fields': 'it shows the other one',
  'boundary-spaces': 'it finds no part',
  'boundary-long': 'it finds no part, the line is too long for it',
  'types-broken': 'it does not know broken types for text',
  'crash-open-comment': 'likewise',
  'base64-junk': 'it does not take padding for an end',
  'boundary-eight-bit': 'it finds no part',
  comments: 'it makes an address of a comment',
  'delimiter-last': 'it takes the last line for text',
  digest: 'it takes the messages inside for text',
  report: 'it takes the report for text',
  unterminated: 'it joins texts across alternatives',
  'encoded-words-broken': 'it leaves broken words as they stand',
};

/** The texts of the parts of a type that are no attachments, as they follow each other. */
function texts(bytes: Buffer, part: BodyPart, subtype: string): string[] {
  if (part.parts !== null) return part.parts.flatMap((sub) => texts(bytes, sub, subtype));
  if (part.type.toLowerCase() !== 'text' || part.subtype.toLowerCase() !== subtype || part.disposition !== null) return [];
  const body = bytes.subarray(part.bodyStart, part.bodyEnd);
  return [decodeText(body, part.encoding, findParameter(part.params, 'charset') ?? '')];
}

function words(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

describe('message: read like mailparser', () => {
  let compared = 0;
  for (const { name, bytes } of fixtures()) {
    if (name in OTHERWISE) continue;
    it(name, async () => {
      const theirs = await simpleParser(bytes, { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true });
      const index = scanMessage(bytes);
      const { envelope } = index;
      assert.equal(envelope.subject === null ? '' : words(decodeWords(envelope.subject)), words(theirs.subject ?? ''));
      if (theirs.messageId !== undefined && index.messageId !== null) assert.equal(theirs.messageId.includes(index.messageId), true);
      if (index.sentAt !== null && name !== 'folding') assert.equal(theirs.date?.getTime(), index.sentAt);
      const from = theirs.from?.value.map((a) => a.address ?? '') ?? [];
      assert.deepEqual((envelope.from ?? []).filter((a) => a.host !== null).map((a) => decodeWords(`${a.mailbox}@${a.host}`)), from);
      const names = theirs.from?.value.map((a) => a.name) ?? [];
      assert.deepEqual((envelope.from ?? []).map((a) => decodeWords(a.name ?? '')), names);
      const plain = texts(bytes, index.body, 'plain');
      if (plain.length === 1) {
        assert.equal(words(theirs.text ?? ''), words(plain[0]));
        compared++;
      }
      const html = texts(bytes, index.body, 'html');
      if (html.length === 1 && theirs.html !== false) assert.equal(words(theirs.html ?? ''), words(html[0]));
    });
  }
  it('in many texts', () => assert.ok(compared >= 12, `${compared}`));
});
