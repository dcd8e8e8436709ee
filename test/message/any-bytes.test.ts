// Any bytes give a valid index: random ones, ones made of the pieces that mail is made of, and fixtures with damage.
// A message that fails is printed as hex; it becomes a fixture.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MessageScanner, decodeWords, baseSubject, filterHeader, scanMessage } from '../../src/message/index.ts';
import { checkIndex, plain } from './invariants.ts';
import { fixtures } from './samples.ts';

const PIECES = [
  '\r\n', '\n', '\r', '\r\n\r\n', '\n\n', ' ', '\t', '\0', '\xff', '"', '\\', '(', ')', '<', '>', '@', ',', ';', ':', '=', '--', '-', '*',
  '--a', '--a--', '--ab', '--ab--', '\r\n--a\r\n', '\r\n--ab\r\n', '\r\n--a--\r\n', '\n--a\n',
  'Content-Type: multipart/mixed; boundary=a\r\n', 'Content-Type: multipart/digest; boundary="ab"\r\n', 'Content-Type: message/rfc822\r\n',
  'Content-Type: message/global\r\n', 'Content-Type: text/html; charset=utf-8\r\n', 'Content-Type: text/plain; name*0*=a; name*1=b\r\n',
  'Content-Transfer-Encoding: base64\r\n', 'Content-Transfer-Encoding: quoted-printable\r\n', 'Content-Disposition: attachment; filename="x"\r\n',
  'Content-Language: en, de\r\n', 'Content-ID: <x>\r\n', 'From: "A B" <a@b>, c: d@e;\r\n', 'To: ', 'Subject: =?utf-8?Q?=C3=A9?= =?x?b?!!?=\r\n',
  'Date: Mon, 1 Jan 2024 10:00:00 +0100\r\n', 'References: <a@b> <c@d>\r\n', 'Message-ID: <m@x>\r\n', 'Received: x\r\n', 'X: y\r\n', 'text', '=C3=A9', '<p>', '&amp;',
];

function check(bytes: Buffer, cut: number): void {
  try {
    const index = scanMessage(bytes);
    checkIndex(bytes, index);
    const scanner = new MessageScanner();
    scanner.push(bytes.subarray(0, cut));
    scanner.push(bytes.subarray(cut));
    assert.deepEqual(plain(scanner.finish()), plain(index), `cut at ${cut}`);
    const text = bytes.toString('latin1');
    assert.ok(decodeWords(text).isWellFormed());
    assert.ok(baseSubject(text).length <= text.length * 3);
    filterHeader(bytes, ['subject', 'from'], true);
  } catch (error) {
    throw new Error(`message ${bytes.toString('hex')} (cut at ${cut})`, { cause: error });
  }
}

describe('message: any bytes', () => {
  it('random ones', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => check(Buffer.from(bytes), cut)), { numRuns: 300 });
  });

  it('pieces of mail in any order', () => {
    const message = fc.array(fc.constantFrom(...PIECES), { maxLength: 40 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'));
    fc.assert(fc.property(message, fc.nat(500), check), { numRuns: 1500 });
  }).timeout(20_000);

  it('fixtures with damage', function () {
    const seed = Number(process.env.COLOMBIER_SEED ?? Date.now() % 1_000_000);
    const next = chance(seed);
    const all = fixtures();
    const end = performance.now() + 1500;
    try {
      for (let round = 0; performance.now() < end || round < 200; round++) {
        const bytes = damage(all[next(all.length)].bytes, all[next(all.length)].bytes, next);
        check(bytes, next(bytes.length + 1));
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }).timeout(20_000);
});

/** Whole numbers below n, the same for the same seed (mulberry32). */
function chance(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  };
}

/** One to six cuts, copies, swaps and odd bytes. */
function damage(from: Buffer, other: Buffer, next: (n: number) => number): Buffer {
  let bytes = Buffer.from(from);
  for (let n = 1 + next(6); n > 0; n--) {
    const at = next(bytes.length + 1);
    const length = next(Math.min(80, bytes.length - at + 1));
    const piece = Buffer.from(PIECES[next(PIECES.length)], 'latin1');
    switch (next(5)) {
      case 0:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(next(other.length + 1))]);
        break;
      default:
        if (bytes.length > 0) bytes[at % bytes.length] = next(256);
    }
  }
  return bytes;
}
