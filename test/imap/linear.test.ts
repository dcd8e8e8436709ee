// Nothing that a client can send is quadratic: input made to be slow, at one length and at sixteen times that. Time is the
// processor's, the best of several runs; the line is drawn far from both linear and quadratic work.
import assert from 'node:assert/strict';
import { systemClock } from '../../src/base/index.ts';
import { copyUrl } from '../../src/imap/catenate.ts';
import { parseFetch } from '../../src/imap/fetch/items.ts';
import { sourceTest } from '../../src/imap/list/sources.ts';
import { compilePattern } from '../../src/imap/list/pattern.ts';
import { parseClientFinal, parseClientFirst } from '../../src/imap/sasl/scram.ts';
import { finder } from '../../src/imap/search/contains.ts';
import { fold, loosely } from '../../src/imap/search/fold.ts';
import { parseKeys } from '../../src/imap/search/keys.ts';
import { search } from '../../src/imap/search/run.ts';
import { View } from '../../src/imap/view.ts';
import { Args, CommandReader, decodeUtf7, decodeUtf8, encodeUtf7, formatSet, parseSequenceSet, quote, quoteUtf8 } from '../../src/imap/wire/index.ts';
import { decodeCharset } from '../../src/message/index.ts';
import { FakeSelected, FakeUser } from './fake.ts';
import { TIMES, microseconds } from '../linear.ts';

/** What is refused has been read too. */
function tolerant(work: () => unknown): () => void {
  return () => {
    try {
      work();
    } catch (e) {
      if (!(e instanceof Error) || (e.name !== 'Malformed' && e.name !== 'Refused')) throw e;
    }
  };
}

/** Text → one command's arguments; each `{1+}` in it is a literal `x`. */
function args(text: string): Args {
  const literals = [...text.matchAll(/\{1\+\}/g)].map(({ index }) => ({ at: index, bytes: Buffer.from('x'), eight: false }));
  return new Args(text, literals);
}

/** The reader's work on bytes that come in chunks of one size. */
function reads(text: string, size = 65_536): () => unknown {
  const bytes = Buffer.from(text, 'latin1');
  return () => {
    const reader = new CommandReader();
    reader.authenticated = true;
    let arrivals = 0;
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(bytes.subarray(at, at + size));
      for (let arrival = reader.next(); arrival !== null; arrival = reader.next()) {
        arrivals++;
        if (arrival.kind === 'message') reader.abandon();
      }
    }
    return arrivals;
  };
}

const nobody = { session: { address: 'a@b' } as never, hostname: 'h' };

const CASES: [string, number, (n: number) => () => unknown][] = [
  ['commands', 500, (n) => reads('a NOOP\r\n'.repeat(n))],
  ['a line in small chunks', 2000, (n) => reads(`a SEARCH ${'x'.repeat(n)}\r\n`, 7)],
  ['literals of a command', 500, (n) => reads(`a SEARCH ${'SUBJECT {1+}\r\nx '.repeat(n)}ALL\r\n`)],
  ['literals of an APPEND', 500, (n) => reads(`a APPEND ${'{1+}\r\nx '.repeat(n)}\r\n`)],
  ['a literal in small chunks', 4000, (n) => reads(`a SEARCH {${n}+}\r\n${'x'.repeat(n)} ALL\r\n`, 64)],
  ['almost literals', 1000, (n) => reads(`a SEARCH ${'{1+} '.repeat(n)}\r\n`)],
  ['strings of a command', 1000, (n) => tolerant(() => parseKeys(args('SUBJECT {1+} '.repeat(Math.min(n, 15_000))), ''))],
  ['quoted strings', 4000, (n) => tolerant(() => args(`"${'\\"'.repeat(n)}"`).string())],
  ['quotes without end', 4000, (n) => tolerant(() => args(`"${'\\"'.repeat(n)}`).string())],
  ['sequence sets', 4000, (n) => tolerant(() => parseSequenceSet(`${'5:1,'.repeat(n)}1`).set.resolved(10))],
  ['sequence sets spread out', 2000, (n) => tolerant(() => parseSequenceSet(Array.from({ length: n }, (_, k) => ((k * 7919) % 1_000_003) + 1).join(',')).set.resolved(10))],
  ['sets to write', 4000, (n) => () => formatSet(Uint32Array.from({ length: n }, (_, k) => 2 * k + 1))],
  ['header fields in FETCH', 20, (n) => tolerant(() => parseFetch(args(` BODY[HEADER.FIELDS (${'a '.repeat(n)}b)]`)))],
  ['keys in parentheses', 200, (n) => tolerant(() => parseKeys(args(`${'(ALL) '.repeat(n)}ALL`), ''))],
  ['OR of OR', 500, (n) => tolerant(() => parseKeys(args(`${'OR ALL '.repeat(n)}ALL`), ''))],
  ['modified UTF-7, shifts', 2000, (n) => tolerant(() => decodeUtf7('&AGE-'.repeat(n)))],
  ['modified UTF-7, one shift', 4000, (n) => tolerant(() => decodeUtf7(`&${'AOQA'.repeat(n)}-`))],
  ['modified UTF-7, ampersands', 4000, (n) => tolerant(() => decodeUtf7('&'.repeat(n)))],
  ['modified UTF-7 to write', 2000, (n) => () => encodeUtf7('&é'.repeat(n))],
  ['names with marks without end', 500, (n) => tolerant(() => new Args(`a LIST "" "a${Buffer.from('\u0301\u0316'.repeat(n)).toString('latin1')}"`, [], 10, true).mailbox())],
  ['UTF-8', 4000, (n) => tolerant(() => decodeUtf8('\xc3\xa9'.repeat(n)))],
  ['strings to write', 4000, (n) => () => [quote('"\\'.repeat(n)), quoteUtf8('"\\é'.repeat(n))]],
  ['patterns of LIST, names', 500, (n) => { const has = compilePattern('', '*a%b'.repeat(20)); return () => has('ab/'.repeat(n)); }],
  ['patterns of LIST, patterns', 500, (n) => { const has = compilePattern('', '*a%b'.repeat(n)); return () => has('ab/'.repeat(20)); }],
  ['names of mailboxes to watch', 50, (n) => { const names = Array.from({ length: n }, (_, k) => `a/${k}`); const has = sourceTest({ kind: 'subtree', names, delayed: false }); return () => names.map((name) => has({ name: `b/${name}/c`, subscribed: false, specialUse: null })); }],
  ['URLs', 2000, (n) => tolerant(() => void copyUrl(nobody, `imap://${';AUTH='.repeat(n)}@`, async () => {}).catch(() => {}))],
  ['URLs, paths', 2000, (n) => tolerant(() => void copyUrl(nobody, `/${'/;UID='.repeat(n)}`, async () => {}).catch(() => {}))],
  ['SCRAM, first', 1000, (n) => tolerant(() => parseClientFirst(Buffer.from(`n,,${'n='.repeat(n)}`).toString('base64'), false, false))],
  ['SCRAM, last', 1000, (n) => tolerant(() => parseClientFinal(Buffer.from(`c=biws,r=x${',a=b'.repeat(n)}`).toString('base64')))],
  ['a text in a text of its letter', 1000, (n) => { const has = finder(`${'A'.repeat(n)}B${'A'.repeat(n)}`); const text = 'A'.repeat(8 * n); return () => has(text); }],
  ['a text in what is nearly it', 1000, (n) => { const has = finder(`${'AB'.repeat(n)}C${'AB'.repeat(n)}`); const text = 'AB'.repeat(8 * n); return () => has(text); }],
  ['folded texts', 4000, (n) => () => loosely(fold('ﷺé'.repeat(n)))],
  ['marks on one letter', 4000, (n) => () => loosely(fold(`a${'\u0301\u0316'.repeat(n)}`))],
  ...['utf-7', 'utf-16', 'utf-32', 'gb18030', 'big5-hkscs', 'shift_jis', 'euc-jp', 'euc-kr', 'iso-2022-jp', 'cesu-8', 'koi8-r', 'utf-8'].map(
    (charset): [string, number, (n: number) => () => unknown] => [`bytes of no sense in ${charset}`, 4000, (n) => { const bytes = Buffer.from('+AGE-&\x1b$B\x8f\xff\xfe~{\xed\xa0'.repeat(n / 10), 'latin1'); return () => decodeCharset(bytes, charset); }],
  ),
];

describe('imap: linear time', () => {
  for (const [name, n, make] of CASES) {
    it(name, () => {
      const [few, many] = [make(n), make(n * TIMES)];
      const small = microseconds(few);
      const large = microseconds(many);
      assert.ok(large < 8000 || large / Math.max(small, 100) < TIMES * 6, `${n}: ${small} us, ${n * TIMES}: ${large} us`);
    }).timeout(20_000);
  }

  it('a program of thousands of sets names the messages of few, and gives way', async () => {
    const user = new FakeUser('a@b', 'x');
    const inbox = user.mailbox('INBOX');
    for (let i = 0; i < 1000; i++) inbox.add('x');
    let named = 0;
    class Counting extends View {
      override resolve(...asked: Parameters<View['resolve']>): Uint32Array {
        named++;
        return super.resolve(...asked);
      }
    }
    const selected = new FakeSelected(inbox, true);
    const view = new Counting(selected);
    const out = { line() {}, write() {}, raw() {}, full: false, drain: async () => {} };
    const text = `a SEARCH ${'UID 1:*,5 1:*,7 '.repeat(5000)}ALL`;
    assert.equal((await search({ out, clock: systemClock, selected, view, tag: 'a' }, parseKeys(new Args(text, [], 9), ''))).length, 1000);
    assert.ok(named <= 16, `${named}`);
  });

  it('finds what includes() finds, long texts too', () => {
    for (const wanted of ['', 'a', 'b'.repeat(250), 'ab'.repeat(200), `${'a'.repeat(300)}b`, `b${'a'.repeat(300)}`, `${'ab'.repeat(150)}c${'ab'.repeat(150)}`]) {
      const has = finder(wanted);
      for (const text of ['', 'a', wanted, `x${wanted}y`, `${wanted.slice(1)}${wanted}`, wanted.slice(1), wanted.slice(0, -1), 'ab'.repeat(400), 'a'.repeat(700), `${'a'.repeat(700)}b`]) {
        assert.equal(has(text), text.includes(wanted));
      }
    }
  });
});
