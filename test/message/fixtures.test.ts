// Every message of fixtures/messages against its expected BODY, BODYSTRUCTURE and ENVELOPE, and against itself when it
// comes in other chunks.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { MessageScanner, renderBody, renderEnvelope, scanMessage } from '../../src/message/index.ts';
import type { MessageIndex } from '../../src/message/index.ts';
import { checkIndex, plain } from './invariants.ts';
import { fixtures, ROOT } from './samples.ts';

function expected(name: string, kind: string): string {
  return fs.readFileSync(new URL(`${name}.${kind}`, ROOT), 'latin1').slice(0, -1);
}

function scanIn(bytes: Buffer, size: (at: number) => number): MessageIndex {
  const scanner = new MessageScanner();
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + size(at));
    // A copy that is wiped: the scanner may not look at a chunk again.
    const chunk = Buffer.from(bytes.subarray(at, end));
    scanner.push(chunk);
    chunk.fill(0x2d);
    at = end;
  }
  return scanner.finish();
}

describe('message: fixtures', () => {
  const all = fixtures();
  it('are there', () => assert.ok(all.length >= 45));
  for (const { name, bytes } of all) {
    it(name, () => {
      const index = scanMessage(bytes);
      if (fs.existsSync(new URL(`${name}.body`, ROOT))) {
        assert.equal(renderBody(index.body, false), expected(name, 'body'));
        assert.equal(renderBody(index.body, true), expected(name, 'bodystructure'));
        assert.equal(renderEnvelope(index.envelope), expected(name, 'envelope'));
      }
      checkIndex(bytes, index);
      const whole = plain(index);
      for (const size of [1, 2, 3, 7, 64]) assert.deepEqual(plain(scanIn(bytes, () => size)), whole, `in chunks of ${size}`);
      assert.deepEqual(plain(scanIn(bytes, (at) => 1 + ((at * 7919) % 13))), whole, 'in chunks of many sizes');
      for (let cut = 1; cut < Math.min(bytes.length, 400); cut++) {
        assert.deepEqual(plain(scanIn(bytes, (at) => (at === 0 ? cut : bytes.length))), whole, `cut at ${cut}`);
      }
    });
  }
});
