// What must be true of the index of any bytes at all.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { BodyPart } from '../../src/base/index.ts';
import { decodeIndex, encodeIndex, fieldBytes, filterHeader, findSection, readFields, renderBody, renderEnvelope } from '../../src/message/index.ts';
import type { MessageIndex } from '../../src/message/index.ts';
import { parseImap } from './structure.ts';

/** Throws when the index can't be that of these bytes. */
export function checkIndex(bytes: Buffer, index: MessageIndex): void {
  assert.equal(index.size, bytes.length);
  assert.equal(index.body.headerStart, 0);
  assert.equal(index.body.bodyEnd, bytes.length);
  assert.equal(index.headerBytes, index.body.bodyStart);
  checkPart(bytes, index.body, 0);
  checkWire(renderBody(index.body, false));
  checkWire(renderBody(index.body, true));
  checkWire(renderBody(index.body, true, true));
  const envelope = checkWire(renderEnvelope(index.envelope));
  assert.ok(Array.isArray(envelope) && envelope.length === 10);
  assert.ok(index.preview.isWellFormed() && index.preview.length <= limits.preview_chars_max && !/[\r\n]/.test(index.preview));
  checkFields(bytes, index);
  const stored = encodeIndex(index);
  const again = decodeIndex(stored);
  assert.deepEqual(plain(again), plain(index));
  assert.deepEqual(encodeIndex(again), stored);
}

function checkWire(text: string): ReturnType<typeof parseImap> {
  assert.ok(!text.includes('\0'));
  // eslint-disable-next-line no-control-regex
  assert.ok(/^[\x01-\xff]*$/.test(text), 'only bytes');
  return parseImap(text);
}

function checkPart(bytes: Buffer, part: BodyPart, depth: number): void {
  assert.ok(depth <= limits.mime_nesting_max);
  assert.ok(part.headerStart <= part.bodyStart && part.bodyStart <= part.bodyEnd && part.bodyEnd <= bytes.length);
  const type = part.type.toLowerCase();
  if (part.parts !== null) {
    assert.equal(type, 'multipart');
    let at = part.bodyStart;
    for (const sub of part.parts) {
      assert.ok(sub.headerStart >= at && sub.bodyEnd <= part.bodyEnd);
      checkPart(bytes, sub, depth + 1);
      at = sub.bodyEnd;
    }
    return;
  }
  assert.notEqual(type, 'multipart', 'a multipart always has its list of parts');
  if (part.message !== null) {
    const { body } = part.message;
    assert.equal(body.headerStart, part.bodyStart);
    assert.equal(body.bodyEnd, part.bodyEnd);
    checkPart(bytes, body, depth + 1);
  }
  const counts = type === 'text' || part.message !== null;
  assert.equal(part.lines, counts ? countLines(bytes.subarray(part.bodyStart, part.bodyEnd)) : 0);
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (const byte of bytes) if (byte === 10) lines++;
  return lines;
}

/** What an index says of fields must be what the header itself says. */
function checkFields(bytes: Buffer, index: MessageIndex): void {
  if (index.headerBytes > limits.header_bytes_max) return;
  const header = bytes.subarray(0, index.headerBytes);
  const all = readFields(header.toString('latin1'));
  for (const name of new Set(['from', 'x-never-there', ...all.map((f) => f.name).slice(0, 50)])) {
    const upper = name.replace(/[a-z]/g, (c) => c.toUpperCase());
    if (index.mayHaveMore(upper)) continue;
    const there = all.filter((f) => f.name === name.toLowerCase());
    assert.deepEqual(index.values(upper), there.map((f) => f.value));
    const kept = index.fields.filter((f) => f.name === name.toLowerCase()).map(fieldBytes).join('');
    assert.equal(kept, there.map(fieldBytes).join(''));
    assert.ok(filterHeader(header, [name], false).toString('latin1').startsWith(kept));
  }
  assert.deepEqual(findSection(index.body, [], 'header'), { start: 0, end: index.headerBytes });
}

/** All that an index says, as one plain value. */
export function plain(index: MessageIndex): unknown {
  // Asked before the whole that they are of, as a search asks.
  const names = ['from', 'x', 'received', 'content-type', 'dkim-signature'].map((name) => [name, index.values(name), index.mayHaveMore(name)]);
  const { subject, messageId, inReplyTo, references, threadRoot } = index;
  const { size, headerBytes, envelope, body, fields, sentAt, sentDay, preview, received, hasAttachment } = index;
  return { size, headerBytes, envelope, body, fields, sentAt, sentDay, preview, subject, messageId, inReplyTo, references, threadRoot, received, hasAttachment, names };
}
