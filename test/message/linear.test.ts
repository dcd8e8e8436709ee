// Nothing is quadratic: input made to be slow, at one length and at sixteen times that. Linear work grows sixteenfold,
// quadratic 256-fold; the line is drawn far from both, and time is the processor's, the best of several runs.
import assert from 'node:assert/strict';
import { baseSubject, decodeText, decodeWords, encodeIndex, filterHeader, MessageScanner, parseAddresses, parseDate, parseIds, parseParameters, readFields, renderBody, scanMessage } from '../../src/message/index.ts';
import { TIMES, microseconds } from '../linear.ts';

function message(text: string): () => unknown {
  const bytes = Buffer.from(text, 'latin1');
  return () => {
    const index = scanMessage(bytes);
    encodeIndex(index);
    return renderBody(index.body, true);
  };
}

function inBytes(text: string, size: number): () => unknown {
  const bytes = Buffer.from(text, 'latin1');
  return () => {
    const scanner = new MessageScanner();
    for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size));
    return scanner.finish();
  };
}

/** As the scanner has it: flat. */
function fieldsOf(text: string): () => unknown {
  const header = Buffer.from(text, 'latin1').toString('latin1');
  return () => readFields(header);
}

const multipart = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n';
const CASES: [string, number, (n: number) => () => unknown][] = [
  ['quotes without end in addresses', 2000, (n) => () => parseAddresses(`"${'\\"'.repeat(n)}`)],
  ['parentheses in addresses', 4000, (n) => () => parseAddresses('('.repeat(n))],
  ['angles in addresses', 4000, (n) => () => parseAddresses('<'.repeat(n))],
  ['words in addresses', 2000, (n) => () => parseAddresses('a '.repeat(n))],
  ['dots in addresses', 2000, (n) => () => parseAddresses('a.'.repeat(n))],
  ['dots with gaps in addresses', 4000, (n) => () => parseAddresses('a. '.repeat(n))],
  ['dots with gaps in domains', 4000, (n) => () => parseAddresses(`a@${'b. '.repeat(n)}`)],
  ['at signs in addresses', 2000, (n) => () => parseAddresses('a@'.repeat(n))],
  ['groups', 2000, (n) => () => parseAddresses('a:'.repeat(n), Infinity)],
  ['semicolons in parameters', 4000, (n) => () => parseParameters(';'.repeat(n))],
  ['quotes in parameters', 2000, (n) => () => parseParameters(`x${';a="'.repeat(n)}`)],
  ['continued parameters', 500, (n) => () => parseParameters(`x${Array.from({ length: n }, (_, i) => `;a*${i}*=b`).join('')}`)],
  ['backslashes in parameters', 4000, (n) => () => parseParameters(`x;a="${'\\'.repeat(n)}`)],
  ['dates', 4000, (n) => () => parseDate('1:'.repeat(n))],
  ['ids', 4000, (n) => () => parseIds('<'.repeat(n))],
  ['ids closed', 4000, (n) => () => parseIds(`${'<'.repeat(n)}>${'>'.repeat(n)}`)],
  ['header lines without a name', 10_000, (n) => fieldsOf('--b\r\n'.repeat(n))],
  ['encoded words begun', 4000, (n) => () => decodeWords('=?'.repeat(n))],
  ['encoded words half', 2000, (n) => () => decodeWords('=?utf-8?q?'.repeat(n))],
  ['encoded words, question marks', 4000, (n) => () => decodeWords(`=?utf-8?q?${'?'.repeat(n)}`)],
  ['encoded words cut off', 1000, (n) => () => decodeWords('=?utf-8?q?a?b=? ='.repeat(n))],
  ['encoded words without a name', 2000, (n) => () => decodeWords('=??q?=?=?b?'.repeat(n))],
  ['charset names', 1000, (n) => () => decodeText(Buffer.from('\xe9', 'latin1'), '', `x-${'a-'.repeat(n)}:1987`)],
  ['encoded words', 500, (n) => () => decodeWords('=?utf-8?q?=C3?= =?utf-8?q?=A9?='.repeat(n))],
  ['blobs in subjects', 2000, (n) => () => baseSubject('[a]'.repeat(n))],
  ['replies in subjects', 2000, (n) => () => baseSubject('Re: '.repeat(n))],
  ['forwards in subjects', 2000, (n) => () => baseSubject('[fwd: '.repeat(n) + ']'.repeat(n))],
  ['(fwd) in subjects', 2000, (n) => () => baseSubject('(fwd)'.repeat(n))],
  ['soft breaks', 2000, (n) => () => decodeText(Buffer.from(`=${' '.repeat(20)}`.repeat(n)), 'quoted-printable', 'utf-8')],
  ['padding', 4000, (n) => () => decodeText(Buffer.from('QQ=='.repeat(n)), 'base64', 'utf-8')],
  ['header lines', 2000, (n) => () => filterHeader(Buffer.from('a\n'.repeat(n)), ['b'], true)],
  ['folded lines', 2000, (n) => message(`Subject: a${'\r\n b'.repeat(n)}\r\n\r\n`)],
  ['fields', 1000, (n) => message(`${'A: b\r\n'.repeat(n)}\r\n`)],
  ['dashes', 4000, (n) => message(multipart + '--\n'.repeat(n))],
  ['almost delimiters', 4000, (n) => message(`${multipart}${'--a\n'.repeat(n)}`)],
  ['long dashed lines', 4, (n) => message(multipart + `--${'x'.repeat(9000)}\n`.repeat(n))],
  ['parts', 100, (n) => message(multipart + '--b\r\n\r\n'.repeat(n))],
  ['carriage returns', 20_000, (n) => message(multipart + '\r'.repeat(n))],
  ['open tags', 2000, (n) => message(`Content-Type: text/html\r\n\r\n${'<'.repeat(n)}`)],
  ['open tags with names', 2000, (n) => message(`Content-Type: text/html\r\n\r\n${'<a <style>'.repeat(n)}`)],
  ['a long line in small chunks', 4000, (n) => inBytes(`Subject: ${'x'.repeat(n)}\r\n\r\n${'y'.repeat(n)}`, 3)],
  ['delimiters in small chunks', 1000, (n) => inBytes(multipart + '\n--bx--y\n-'.repeat(n), 3)],
];

describe('message: linear time', () => {
  for (const [name, n, make] of CASES) {
    it(name, () => {
      const [few, many] = [make(n), make(n * TIMES)];
      const small = microseconds(few);
      const large = microseconds(many);
      // Under some milliseconds the clock's grain and the collector say more than the work does.
      assert.ok(large < 8000 || large / Math.max(small, 100) < TIMES * 6, `${n}: ${small} us, ${n * TIMES}: ${large} us`);
    }).timeout(20_000);
  }
});

/**
 * A header that counts what is looked at. A search for the line's end costs what it passes over; a search for anything else
 * counts to the end of the header, wherever it finds something: compiled code does such a search for every line, whether
 * its answer is used or not, and then a header of a megabyte took minutes.
 */
class Counted {
  seen = 0;
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  get length(): number {
    return this.#text.length;
  }
  charCodeAt(at: number): number {
    this.seen++;
    return this.#text.charCodeAt(at);
  }
  indexOf(wanted: string, from = 0): number {
    const at = this.#text.indexOf(wanted, from);
    this.seen += (wanted === '\n' && at >= 0 ? at : this.#text.length) - from;
    return at;
  }
  slice(from: number, to: number): string {
    this.seen += to - from;
    return this.#text.slice(from, to);
  }
}

describe('message: work that is counted', () => {
  for (const line of ['--b\r\n', 'x:\r\n', ':\r\n', ' \r\n', 'x: y\r\n z\r\n', '\r\r\r\n']) {
    it(`header lines: ${JSON.stringify(line)}`, () => {
      const [few, many] = [1000, 4000].map((n) => {
        const header = new Counted(line.repeat(n));
        readFields(header as unknown as string);
        return header.seen;
      });
      assert.ok(few > 1000 || line.startsWith('\r\r'), 'the header was read');
      assert.ok(many <= 4 * few + 100, `${few} for 1000 lines, ${many} for 4000`);
    });
  }
});
