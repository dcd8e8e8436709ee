import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DataReader } from '../../src/smtp/data.ts';

/** What the reader gives for `text` cut into pieces of `size` bytes. */
function read(text: string, size = text.length): { out: string; ended: boolean; rest: string } {
  const bytes = Buffer.from(text, 'latin1');
  const reader = new DataReader();
  let out = '';
  for (let at = 0; at < bytes.length; at += size) {
    const { piece, ended, rest } = reader.push(bytes.subarray(at, at + size));
    out += piece.toString('latin1');
    if (ended) return { out, ended, rest: rest.toString('latin1') + bytes.toString('latin1', Math.min(bytes.length, at + size)) };
  }
  return { out, ended: false, rest: '' };
}

/** The same rules, written as one would on paper. */
function onPaper(text: string): { out: string; ended: boolean; rest: string } {
  let out = '';
  let rest = text;
  for (;;) {
    if (rest.startsWith('.\r\n')) return { out, ended: true, rest: rest.slice(3) };
    const end = rest.indexOf('\r\n');
    const line = end < 0 ? rest : rest.slice(0, end);
    out += (line.startsWith('.') ? line.slice(1) : line).replace(/\r/g, ' ').replace(/\n/g, '\r\n');
    if (end < 0) return { out, ended: false, rest: '' };
    out += '\r\n';
    rest = rest.slice(end + 2);
  }
}

describe('smtp/data', () => {
  const cases: [name: string, text: string, out: string, rest?: string][] = [
    ['an empty message', '.\r\n', '', ''],
    ['one line', 'a\r\n.\r\n', 'a\r\n', ''],
    ['what comes after', 'a\r\n.\r\nQUIT\r\n', 'a\r\n', 'QUIT\r\n'],
    ['a doubled dot', '..\r\n..a\r\n.\r\n', '.\r\n.a\r\n', ''],
    ['a dot that was not doubled', '.a\r\n.\r\n', 'a\r\n', ''],
    ['LF . LF', 'a\n.\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n', ''],
    ['LF . CRLF', 'a\n.\r\nb\r\n.\r\n', 'a\r\n.\r\nb\r\n', ''],
    ['CRLF . LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\r\nb\r\n', ''],
    ['CR . CR', 'a\r.\rb\r\n.\r\n', 'a . b\r\n', ''],
    ['CRLF . CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n b\r\n', ''],
    ['CR . CRLF', 'a\r.\r\nb\r\n.\r\n', 'a .\r\nb\r\n', ''],
    ['LF . CR', 'a\n.\rb\r\n.\r\n', 'a\r\n. b\r\n', ''],
    ['CRLF . CR CRLF', 'a\r\n.\r\r\n.\r\n', 'a\r\n \r\n', ''],
    ['CRLF NUL . CRLF', 'a\r\n\0.\r\n.\r\n', 'a\r\n\0.\r\n', ''],
    ['CR CRLF ends no header', 'a: b\r\r\nc: d\r\n.\r\n', 'a: b \r\nc: d\r\n', ''],
    ['a dot doubled after a bare LF only', 'a\n..b\r\n.\r\n', 'a\r\n..b\r\n', ''],
    ['NUL and bytes over 127', 'a\0\xff\x80\r\n.\r\n', 'a\0\xff\x80\r\n', ''],
  ];
  for (const [name, text, out, rest] of cases) {
    it(`reads ${name}, whole and cut anywhere`, () => {
      for (let size = 1; size <= text.length; size++) assert.deepEqual(read(text, size), { out, ended: true, rest: rest ?? '' }, `size ${size}`);
    });
  }

  it('does not end where only another server would', () => {
    for (const end of ['\n.\n', '\n.\r\n', '\r\n.\n', '\r.\r', '\r\n.\r', '\r.\r\n', '\r\n.\0\r\n', '\r\n\0.\r\n', '\n.\r', '\r\r\n.\r\r\n']) {
      assert.equal(read(`a${end}MAIL FROM:<x@y>`).ended, false, JSON.stringify(end));
    }
  });

  it('agrees with the rules on paper for any bytes in any pieces', () => {
    const text = fc.array(fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.\r\n', 'a', '\0'), { maxLength: 24 }).map((a) => a.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 7 }), (t, size) => {
        const paper = onPaper(t);
        const real = read(t, size);
        assert.equal(real.ended, paper.ended);
        if (paper.ended) assert.deepEqual(real, paper);
        // Without an end the last bytes may be held back.
        else assert.ok(paper.out.startsWith(real.out) || paper.out.startsWith(real.out.slice(0, -1)), JSON.stringify([real, paper]));
        assert.doesNotMatch(real.out, /\r(?!\n)|(?<!\r)\n/);
      }),
      { numRuns: 3000 },
    );
  });

  it('copies nothing of a clean message', () => {
    const bytes = Buffer.from('Subject: x\r\n\r\nbody\r\n.\r\n');
    const { piece } = new DataReader().push(bytes);
    assert.equal(piece.buffer, bytes.buffer);
    assert.equal(piece.byteOffset, bytes.byteOffset);
  });
});
