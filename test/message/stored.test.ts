// The stored form of an index: frozen bytes, bytes that are damaged or from a newer version, size, what is kept.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { Corrupt } from '../../src/base/index.ts';
import { decodeIndex, encodeIndex, fieldBytes, renderBody, renderEnvelope, scanMessage } from '../../src/message/index.ts';
import type { MessageIndex } from '../../src/message/index.ts';
import { plain } from './invariants.ts';
import { fixtures, ROOT } from './samples.ts';

function fixture(name: string): Buffer {
  return fs.readFileSync(new URL(`${name}.eml`, ROOT));
}

/** Reads all that an index holds. */
function readAll(index: MessageIndex): void {
  plain(index);
  renderEnvelope(index.envelope);
  renderBody(index.body, true);
}

describe('message: stored index', () => {
  it('of version 1 is read for ever', () => {
    for (const name of ['addresses', 'folding', 'nested', 'part-fields', 'rfc822-depth', 'thread']) {
      const stored = Buffer.from(fs.readFileSync(new URL(`${name}.index-v1.hex`, ROOT), 'latin1').replace(/\s/g, ''), 'hex');
      assert.deepEqual(plain(decodeIndex(stored)), plain(scanMessage(fixture(name))), name);
    }
  });

  it('says so when it is newer than this program', () => {
    const bytes = Buffer.from(encodeIndex(scanMessage(fixture('plain'))));
    bytes[0] = 2;
    assert.throws(() => decodeIndex(bytes), (e) => e instanceof Corrupt && /written by a newer version/.test(e.message));
    bytes[0] = 0;
    assert.throws(() => decodeIndex(bytes), Corrupt);
  });

  it('cut short or gone on is Corrupt', () => {
    const bytes = encodeIndex(scanMessage(fixture('nested')));
    for (let n = 0; n < bytes.length; n++) assert.throws(() => readAll(decodeIndex(bytes.subarray(0, n))), Corrupt, `${n} bytes`);
    assert.throws(() => readAll(decodeIndex(Buffer.concat([bytes, Buffer.of(0)]))), Corrupt);
  });

  it('with any byte changed is read or is Corrupt, nothing else', () => {
    for (const { bytes: message } of fixtures()) {
      const bytes = encodeIndex(scanMessage(message));
      for (let at = 0; at < bytes.length; at++) {
        for (const value of [0, 1, 0x7f, 0xff, bytes[at] ^ 8]) {
          const changed = Buffer.from(bytes);
          changed[at] = value;
          try {
            readAll(decodeIndex(changed));
          } catch (e) {
            assert.ok(e instanceof Corrupt, `byte ${at} = ${value}: ${String(e)}`);
          }
        }
      }
    }
  }).timeout(20_000);

  it('holds nothing twice', () => {
    const index = scanMessage(fixture('thread'));
    const text = encodeIndex(index).toString('latin1');
    for (const once of ['Re: [list] Fwd: plan', 'c@example.org', 'Your message', 'list.example.org']) {
      assert.equal(text.split(once).length, 2, once);
    }
  });

  it('is small', () => {
    const bytes = Buffer.from(
      `Return-Path: <bounce-12345@lists.example.org>\r\n${'Received: from mx.example.org by mail.example.net; Mon, 1 Jan 2024 10:00:00 +0000\r\n'.repeat(4)}` +
        `DKIM-Signature: v=1; ${'x'.repeat(600)}\r\nFrom: Anne Dupont <anne.dupont@example.org>\r\nTo: Bob Martin <bob@example.net>\r\nSubject: =?UTF-8?Q?R=C3=A9union?=\r\n` +
        `Date: Mon, 1 Jan 2024 10:00:00 +0100\r\nMessage-ID: <CAF1234567890abcdefghijklmnop@mail.example.org>\r\nMIME-Version: 1.0\r\n` +
        `Content-Type: multipart/alternative; boundary="000000000000abcdef0123456789"\r\n\r\n--000000000000abcdef0123456789\r\nContent-Type: text/plain; charset="UTF-8"\r\n\r\n${'Some text here. '.repeat(50)}\r\n` +
        `--000000000000abcdef0123456789\r\nContent-Type: text/html; charset="UTF-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>x</p>\r\n--000000000000abcdef0123456789--\r\n`,
    );
    const { length } = encodeIndex(scanMessage(bytes));
    assert.ok(length < 700, `${length}`);
  });

  it('keeps what clients list mailboxes with, and says where the rest is', () => {
    const index = decodeIndex(encodeIndex(scanMessage(fixture('thread'))));
    assert.deepEqual(index.fields.map((f) => f.name), ['from', 'subject', 'message-id', 'in-reply-to', 'references', 'list-id']);
    assert.equal(fieldBytes(index.fields[4]), 'References: <a@example.org> <b@example.org>\r\n');
    assert.deepEqual(['Subject', 'LIST-ID', 'Received', 'x-unknown-to-us', 'To', 'X-Other'].map((n) => index.mayHaveMore(n)), [false, false, true, true, false, false]);
    assert.deepEqual(['References', 'TO'].map((n) => index.values(n)), [['<a@example.org> <b@example.org>'], []]);
    assert.equal(index.received, 2);
    assert.deepEqual(index.references, ['a@example.org', 'b@example.org']);
    assert.equal(index.inReplyTo, 'b@example.org');
    assert.equal(index.messageId, 'c@example.org');
    assert.equal(index.threadRoot, 'a@example.org');
  });

  it('decodes nothing that is not asked for', () => {
    const bytes = Buffer.from(encodeIndex(scanMessage(fixture('nested'))));
    // The structure's first word becomes one that no dictionary has.
    const index = decodeIndex(bytes);
    const at = bytes.indexOf(Buffer.from('Plan of the garden')) - 1;
    bytes[at] = (bytes[at] & 0xf8) | 7;
    assert.equal(index.envelope.subject, 'parts in parts');
    assert.equal(index.preview, "L'été au jardin.");
    assert.throws(() => index.body, Corrupt);
  });
});
