// What stays bounded whatever the message: depth, parts, headers, addresses, text, memory.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { BodyPart } from '../../src/base/index.ts';
import { encodeIndex, MessageScanner, parseAddresses, parseIds, renderBody, scanMessage } from '../../src/message/index.ts';
import { checkIndex } from './invariants.ts';

function countParts(part: BodyPart): number {
  let n = 1;
  for (const sub of part.parts ?? []) n += countParts(sub);
  return part.message === null ? n : n + countParts(part.message.body);
}

describe('message: limits', () => {
  it('multiparts nested too deep become bytes', () => {
    let text = '';
    for (let i = 0; i < 500; i++) text += `Content-Type: multipart/mixed; boundary=b${i}.\r\n\r\n--b${i}.\r\n`;
    const bytes = Buffer.from(`${text}\r\nthe end`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(countParts(index.body), limits.mime_nesting_max);
    assert.match(renderBody(index.body, false), /^\(+"application" "octet-stream" \("boundary" "b63\."\)/);
  });

  it('messages in messages too deep become bytes', () => {
    const bytes = Buffer.from(`${'Content-Type: message/rfc822\r\n\r\n'.repeat(500)}x`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(countParts(index.body), limits.mime_nesting_max);
  });

  it('parts beyond the limit stay inside the last one', () => {
    const bytes = Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${'--b\r\n\r\nx\r\n'.repeat(5000)}--b--\r\nepilogue`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(countParts(index.body), limits.mime_parts_max);
    const last = index.body.parts!.at(-1)!;
    assert.ok(last.bodyEnd > bytes.length - 30 && bytes.subarray(last.bodyEnd).toString() === '\r\n--b--\r\nepilogue');
  });

  it('a header longer than what is looked at is passed over', () => {
    const bytes = Buffer.from(`Subject: early\r\n${'X-Long: y\r\n'.repeat(200_000)}To: late@example.org\r\n\r\nbody\r\n`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(index.envelope.subject, 'early');
    assert.equal(index.envelope.to, null);
    assert.ok(index.mayHaveMore('To'), 'nobody may say that it is absent');
    assert.equal(index.preview, 'body');
    assert.equal(bytes.subarray(index.headerBytes).toString(), 'body\r\n');
  });

  it('a huge header line ends where it ends', () => {
    const bytes = Buffer.from(`Subject: ${'x'.repeat(3_000_000)}\r\nFrom: a@b\r\n\r\nbody`);
    const scanner = new MessageScanner();
    for (let at = 0; at < bytes.length; at += 1000) scanner.push(bytes.subarray(at, at + 1000));
    const index = scanner.finish();
    checkIndex(bytes, index);
    assert.equal(bytes.subarray(index.headerBytes).toString(), 'body');
    assert.ok(index.envelope.subject === null || index.envelope.subject.length <= limits.header_field_bytes_max);
  });

  it('a huge folded field ends where it ends', () => {
    const bytes = Buffer.from(`To: a@b${',\r\n c@d'.repeat(30_000)}\r\nSubject: after\r\n\r\nbody`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(index.envelope.subject, 'after');
    assert.equal(index.envelope.to!.length, limits.addresses_max);
    assert.ok(index.mayHaveMore('to'));
  });

  it('addresses and ids are counted', () => {
    assert.equal(parseAddresses('a@b,'.repeat(5000)).length, limits.addresses_max);
    const ids = parseIds(Array.from({ length: 5000 }, (_, i) => `<${i}@x>`).join(' '));
    assert.equal(ids.length, limits.references_max);
    assert.deepEqual([ids[0], ids.at(-1)], ['0@x', '4999@x']);
  });

  it('a message of nothing but headers leaves a small index', () => {
    const junk = Array.from({ length: 300 }, (_, i) => `; p${i}="${'v'.repeat(150)}"`).join('');
    const type = (t: string) => `Content-Type: ${t}${junk}\r\nContent-Description: ${'d'.repeat(2000)}\r\n\r\n`;
    const bytes = Buffer.from(`${type('multipart/mixed; boundary=b')}${`--b\r\n${type('text/plain')}x\r\n`.repeat(200)}--b--\r\n`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.equal(index.body.parts!.length, 200);
    assert.ok(encodeIndex(index).length < limits.index_text_bytes_max * 1.5);
    const envelopes = `--b\r\nContent-Type: message/rfc822\r\n\r\nTo: ${'someone@example.org, '.repeat(900)}\r\n\r\nx\r\n`.repeat(200);
    const more = Buffer.from(`Content-Type: multipart/digest; boundary=b\r\n\r\n${envelopes}--b--\r\n`);
    const other = scanMessage(more);
    checkIndex(more, other);
    assert.equal(other.body.parts!.length, 200);
    assert.ok(encodeIndex(other).length < limits.index_text_bytes_max * 1.5);
  });

  it('kept fields are capped', () => {
    const many = Array.from({ length: 200 }, (_, i) => `List-Post: <mailto:list-${i}@example.org>\r\n`).join('');
    const bytes = Buffer.from(`From: a@b\r\n${many}Subject: s\r\n\r\n`);
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    assert.ok(index.mayHaveMore('list-post'));
    assert.ok(!index.mayHaveMore('subject'));
    assert.deepEqual(index.values('Subject'), ['s']);
    assert.ok(encodeIndex(index).length < limits.kept_others_bytes_max + 500);
  });

  it('much data adds little memory', () => {
    const chunk = Buffer.from(`${'A'.repeat(76)}\r\n`.repeat(800));
    const scanner = new MessageScanner();
    scanner.push(Buffer.from('Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n'));
    const before = process.memoryUsage();
    for (let i = 0; i < 800; i++) scanner.push(chunk);
    const after = process.memoryUsage();
    assert.equal(scanner.finish().size, chunk.length * 800 + 52);
    assert.ok(after.arrayBuffers - before.arrayBuffers < 8 * 1024 * 1024, `${after.arrayBuffers - before.arrayBuffers}`);
  });
});
