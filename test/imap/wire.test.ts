import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { Malformed, limits } from '../../src/base/index.ts';
import { compilePattern } from '../../src/imap/list/pattern.ts';
import {
  Args, CommandReader, SequenceSet, Writer, decodeUtf7, encodeUtf7, formatDateTime, formatSet, parseDateTime, parseSequenceSet, quote, quoteUtf8,
} from '../../src/imap/wire/index.ts';
import type { Arrival } from '../../src/imap/wire/index.ts';

const set = (text: string): SequenceSet => parseSequenceSet(text).set;

describe('imap: wire', () => {
  describe('sequence sets', () => {
    it('are sorted and merged, * stays', () => {
      assert.deepEqual([...set('5,3:4,1').ranges], [1, 1, 3, 5]);
      assert.deepEqual([...set('4:2,9,3:7').ranges], [2, 7, 9, 9]);
      assert.deepEqual([...set('1:4294967295').ranges], [1, 4294967295]);
      assert.equal(set('7:*,3').star, 7);
      assert.equal(set('*:7,*:2').star, 2);
      assert.equal(set('*').star, Infinity);
      assert.equal(set('*:*').star, Infinity);
      assert.equal(set('$').saved, true);
      assert.deepEqual([...set('3:*').resolved(10)], [3, 10]);
      assert.deepEqual([...set('30:*,2').resolved(10)], [2, 2, 10, 10]);
      assert.deepEqual([...set('*').resolved(0)], []);
      assert.deepEqual([...set('7:*,3').pairs], [3, 3, 7, 0]);
      assert.deepEqual([...set('*').pairs], [0, 0]);
    });

    it('say where they end, and what is wrong', () => {
      assert.equal(parseSequenceSet('x 1:3,7 FLAGS', 2).end, 7);
      for (const text of ['', '0', '1:', ':1', '1,', ',1', '4294967296', 'a', '0:4', '-1']) {
        assert.throws(() => set(text), Malformed, text);
      }
    });

    it('hold what the plain reading of their text holds', () => {
      const number = fc.oneof(fc.integer({ min: 1, max: 40 }).map(String), fc.constant('*'));
      const range = fc.oneof(number, fc.tuple(number, number).map((pair) => pair.join(':')));
      fc.assert(
        fc.property(fc.array(range, { minLength: 1, maxLength: 12 }), fc.integer({ min: 1, max: 30 }), (ranges, max) => {
          const parsed = set(ranges.join(','));
          const resolved = parsed.resolved(max);
          for (let n = 1; n <= max; n++) {
            const plain = ranges.some((text) => {
              const [a, b = a] = text.split(':').map((end) => (end === '*' ? max : Number(end)));
              return n >= Math.min(a, b) && n <= Math.max(a, b);
            });
            assert.equal(parsed.has(n, max), plain, `${ranges} has ${n} of ${max}`);
            let listed = false;
            for (let i = 0; i < resolved.length; i += 2) listed ||= n >= resolved[i] && n <= resolved[i + 1];
            assert.equal(listed, plain);
          }
        }),
      );
    });

    it('are written as short as they can', () => {
      assert.equal(formatSet([1, 2, 3, 5, 64, 65]), '1:3,5,64:65');
      assert.equal(formatSet(new Uint32Array(0)), '');
    });
  });

  describe('Args', () => {
    const args = (text: string, literals: { at: number; bytes: Buffer; eight: boolean }[] = []) => new Args(text, literals);

    it('takes tokens', () => {
      const a = args('atom "qu\\"o\\\\te" nil 12 (\\seen $Junk) "" a]b');
      assert.equal(a.atom(), 'atom');
      a.sp();
      assert.equal(a.string(), 'qu"o\\te');
      a.sp();
      assert.equal(a.nstring(), null);
      a.sp();
      assert.equal(a.number(), 12);
      a.sp();
      assert.deepEqual(a.flagList(), ['\\Seen', '$Junk']);
      a.sp();
      assert.equal(a.string(), '');
      a.sp();
      assert.equal(a.astring(), 'a]b');
      a.end();
    });

    it('takes literals where they stand only', () => {
      const literal = { at: 2, bytes: Buffer.from('x y'), eight: false };
      const a = args('a {3}', [literal]);
      a.atom();
      a.sp();
      assert.equal(a.astring(), 'x y');
      a.end();
      assert.throws(() => args('{3}').string(), Malformed);
      assert.throws(() => args('"a {3}"', [{ ...literal, at: 3 }]).string(), /not ended/);
      assert.throws(() => args('{1}', [{ at: 0, bytes: Buffer.from([0]), eight: false }]).string(), /NUL/);
      assert.equal(args('~{1}', [{ at: 0, bytes: Buffer.from([0]), eight: true }]).string(), '\0');
    });

    it('refuses what is none', () => {
      for (const [text, take] of [
        ['4294967296', (a: Args) => a.number()],
        ['0', (a: Args) => a.nzNumber()],
        ['99999999999999999999', (a: Args) => a.number64()],
        ['"x', (a: Args) => a.string()],
        ['"\\x"', (a: Args) => a.string()],
        ['"a\0b"', (a: Args) => a.string()],
        ['\\Recent', (a: Args) => a.flag()],
        ['\\Unknown', (a: Args) => a.flag()],
        ['k'.repeat(256), (a: Args) => a.flag()],
        ['(a  b)', (a: Args) => a.flagList()],
        ['(a', (a: Args) => a.flagList()],
        ['32-Jan-2000', (a: Args) => a.date()],
        ['1-Jan-00', (a: Args) => a.date()],
        ['"01-Jan-2000 25:00:00 +0000"', (a: Args) => a.dateTime()],
        ['', (a: Args) => a.sp()],
      ] as const) {
        assert.throws(() => take(args(text)), Malformed, text);
      }
      const deep = () => {
        const a = args('('.repeat(limits.imap_nesting_max + 1));
        for (;;) a.open();
      };
      assert.throws(deep, /parentheses/);
    });

    it('reads a quoted string of a megabyte', () => {
      assert.equal(args(`"${'\\"'.repeat(500_000)}"`).string().length, 500_000);
    });

    it('names: INBOX in any case', () => {
      assert.equal(args('inBox').mailbox(), 'INBOX');
      assert.equal(args('inbox/a').mailbox(), 'INBOX/a');
      assert.equal(args('inboxes').mailbox(), 'inboxes');
    });
  });

  describe('modified UTF-7', () => {
    it('goes there and back, and has one spelling for each name', () => {
      assert.equal(encodeUtf7('~peter/mail/台北/日本語'), '~peter/mail/&U,BTFw-/&ZeVnLIqe-');
      assert.equal(decodeUtf7('~peter/mail/&U,BTFw-/&ZeVnLIqe-'), '~peter/mail/台北/日本語');
      fc.assert(fc.property(fc.string({ unit: 'binary' }), (name) => assert.equal(decodeUtf7(encodeUtf7(name)), name)));
      fc.assert(
        fc.property(fc.string({ unit: fc.constantFrom('&', '-', 'A', 'G', 'E', ',', '4', 'x', '=', '/') }), (text) => {
          let name: string;
          try {
            name = decodeUtf7(text);
          } catch (e) {
            assert.ok(e instanceof Malformed);
            return;
          }
          assert.equal(encodeUtf7(name), text);
        }),
      );
    });
  });

  it('dates go there and back', () => {
    assert.deepEqual(parseDateTime(' 1-Feb-1994 12:00:00 +0130'), { at: Date.UTC(1994, 1, 1, 10, 30), zone: 90 });
    assert.deepEqual(parseDateTime('1-Feb-1994 12:00:00 +0130'), { at: Date.UTC(1994, 1, 1, 10, 30), zone: 90 });
    assert.equal(formatDateTime(Date.UTC(1994, 1, 1, 10, 30), 90), '" 1-Feb-1994 12:00:00 +0130"');
    assert.equal(formatDateTime(0, -450), '"31-Dec-1969 16:30:00 -0730"');
  });

  it('strings are quoted or literals', () => {
    assert.equal(quote('a b'), '"a b"');
    assert.equal(quote('a"\\'), '"a\\"\\\\"');
    assert.equal(quote('\xe9'), '{1}\r\n\xe9');
    assert.equal(quote('a\nb'), '{3}\r\na\nb');
    assert.equal(quoteUtf8('é"'), '"\xc3\xa9\\""');
  });

  it('patterns match as their regular expression does', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 8 });
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '%'), maxLength: 8 });
    fc.assert(
      fc.property(pattern, name, (p, n) => {
        const regexp = new RegExp(`^${p.replaceAll('*', '.*').replaceAll('%', '[^/]*')}$`);
        assert.equal(compilePattern('', p)(n), regexp.test(n), `${p} ~ ${n}`);
      }),
      { numRuns: 2000 },
    );
  });

  describe('CommandReader', () => {
    const summary = (arrival: Arrival | null) =>
      arrival === null ? null : `${arrival.kind} ${arrival.text}${arrival.literals.map((l) => `|${l.at}:${l.eight ? '~' : ''}${l.bytes.toString('latin1')}`).join('')}`;

    /** All arrivals, message literals taken, for input cut as told. */
    function all(input: Buffer, cuts: number[], authenticated: boolean): (string | null)[] {
      const reader = new CommandReader();
      reader.authenticated = authenticated;
      const found: (string | null)[] = [];
      let message = '';
      const pump = () => {
        for (;;) {
          while (reader.left > 0) {
            const piece = reader.piece();
            if (piece === null) return;
            message += piece.toString('latin1');
          }
          const arrival = reader.next();
          if (arrival === null) return;
          if (message !== '') found.push(`took ${message}`);
          message = '';
          found.push(summary(arrival));
        }
      };
      let from = 0;
      for (const to of [...cuts, input.length]) {
        if (to <= from) continue;
        reader.push(input.subarray(from, to));
        pump();
        from = to;
      }
      return found;
    }

    it('finds lines, literals of all kinds, messages', () => {
      const input = Buffer.from(
        'a NOOP\r\nb NOOP\nc LOGIN {3}\r\na b {2+}\r\nxy\r\nd APPEND {5}\r\nINBOX (\\Seen) {4+}\r\nmsg1 ~{4}\r\nmsg2)\r\ne X ~{1+}\r\n\0\r\n',
        'latin1',
      );
      assert.deepEqual(all(input, [], true), [
        'command a NOOP',
        'command b NOOP',
        'continue ',
        'command c LOGIN {3} {2+}|8:a b|12:xy',
        'continue ',
        'message d APPEND {5} (\\Seen) {4+}|9:INBOX',
        'took msg1',
        'message  ~{4}',
        'took msg2',
        'messages end )',
        'command e X ~{1+}|4:~\0',
      ]);
    });

    it('finds the same however the bytes are cut', () => {
      const token = fc.constantFrom('a APPEND INBOX', 'b LOGIN', ' {3}\r\n', ' {2+}\r\n', '{0}\r\n', 'xyz', '\r\n', '\n', ' ~{1+}\r\n', '{', '}', '"', ' ');
      fc.assert(
        fc.property(fc.array(token, { maxLength: 25 }), fc.array(fc.nat(80), { maxLength: 10 }), fc.boolean(), (tokens, cuts, authenticated) => {
          const input = Buffer.from(tokens.join(''));
          const sorted = cuts.filter((cut) => cut < input.length).sort((a, b) => a - b);
          assert.deepEqual(all(input, sorted, authenticated), all(input, [], authenticated));
        }),
      );
    });

    it('holds nothing between commands', () => {
      const reader = new CommandReader();
      reader.push(Buffer.from('a NOOP\r\n'));
      assert.notEqual(reader.next(), null);
      assert.equal(reader.buffered, 0);
    });
  });

  it('Writer sends small writes together, and lets its producer wait', async () => {
    const stream = new PassThrough({ highWaterMark: 1024 });
    let writes = 0;
    const write = stream.write.bind(stream);
    stream.write = ((...args: Parameters<typeof write>) => (writes++, write(...args))) as typeof stream.write;
    const out = new Writer(stream);
    for (let i = 0; i < 100; i++) out.line('* line');
    assert.equal(writes, 0);
    out.flush();
    assert.equal(writes, 1);
    out.raw(Buffer.alloc(limits.imap_output_bytes_max + 1000));
    assert.ok(out.full);
    let drained = false;
    const waiting = out.drain().then(() => (drained = true));
    await new Promise(setImmediate);
    assert.ok(!drained);
    stream.resume();
    await waiting;
    stream.pause();
    out.raw(Buffer.alloc(limits.imap_output_bytes_max + 1000));
    const rejected = assert.rejects(out.drain(), /gone/);
    out.closed();
    await rejected;
  });
});
