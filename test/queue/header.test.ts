// What submission does to a header before it is signed: names of blind copies go, what is missing comes, and only one author counts.
import assert from 'node:assert/strict';
import { Malformed, limits, seededRandom } from '../../src/base/index.ts';
import { TIMES, microseconds } from '../linear.ts';
import { HeaderReader, domainOf, rewriteHeader } from '../../src/queue/header.ts';

const NOW = Date.UTC(2026, 10, 23, 10, 0, 0);
const rewrite = (lines: string[]) => rewriteHeader(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), NOW, seededRandom(1));
const whole = ['From: anna@x.test', 'Date: Mon, 23 Nov 2026 11:00:00 +0100', 'Message-ID: <1@x.test>'];

describe('queue/header', () => {
  it('knows a domain by its name in DNS, however it is written', () => {
    for (const written of ['xn--bcher-kva.example', 'bücher.example', 'Bu\u0308cher.EXAMPLE']) {
      assert.equal(domainOf(`jürgen@${written}`), 'xn--bcher-kva.example');
      const { domain, header } = rewriteHeader(Buffer.from(`From: jürgen@${written}\r\n\r\n`), 0, seededRandom(1));
      assert.equal(domain, 'xn--bcher-kva.example');
      assert.match(header.toString(), /^Message-ID: <[^@]+@xn--bcher-kva\.example>\r$/m);
    }
    assert.equal(domainOf(`a@${'ü'.repeat(5000)}`).length, 5000);
  });

  it('names no blind copy, however the field is written', () => {
    const bcc = ['Bcc: ben@y.test', 'BCC: ben@y.test,', ' cleo@y.test', 'bcc : ben@y.test', 'Resent-Bcc: ben@y.test', 'Bcc:'];
    const { header } = rewrite([...whole, ...bcc, 'Subject: about bcc', ...bcc]);
    assert.equal(header.toString(), `${[...whole, 'Subject: about bcc'].join('\r\n')}\r\n\r\n`);
  });

  it('takes no header in which a blind copy or an author could hide', () => {
    const many = Array.from({ length: limits.header_fields_max }, (_, i) => `X-${i}: y`);
    for (const hidden of ['Bcc: ben@y.test', 'From: eve@y.test']) assert.throws(() => rewrite([...whole, ...many, hidden]), Malformed);
    assert.throws(() => rewrite([`From: ${'anna@x.test,\r\n '.repeat(limits.addresses_max)}eve@y.test`]), Malformed);
    const { header } = rewrite([...whole, ...many.slice(5), 'Bcc: ben@y.test']);
    assert.match(header.toString(), /X-1999: y\r\n\r\n$/);
  });

  it('touches nothing else', () => {
    const odd = [...whole, 'List-Unsubscribe: <https://x.test/u>,\r\n\t<mailto:u@x.test>', 'List-Unsubscribe-Post: List-Unsubscribe=One-Click', 'no field', 'X:  two spaces \t', 'Received: from a by b; c', 'Caf\xe9: \xff'];
    const { header, received, eightBit } = rewrite(odd);
    assert.equal(header.toString('latin1'), `${odd.join('\r\n')}\r\n\r\n`);
    assert.deepEqual([received, eightBit], [1, true]);
  });

  it('adds Date and Message-ID where they are missing, under the name of the author\'s domain', () => {
    const { header } = rewrite(['From: "A" <anna@X.test>', 'Subject: x']);
    assert.match(header.toString(), /^Date: Mon, 23 Nov 2026 10:00:00 \+0000\r\nMessage-ID: <[a-z0-9]{20,}@x\.test>\r\nFrom: "A" <anna@X\.test>\r\nSubject: x\r\n\r\n$/);
    assert.match(rewrite(['From: anna@b\xff.test']).header.toString('latin1'), /^Date: .*\r\nMessage-ID: <\w+@localhost>\r\n/);
    assert.equal(rewrite(whole).header.toString(), `${whole.join('\r\n')}\r\n\r\n`);
  });

  it('knows the authors, whose domain signs, and who waives TLS', () => {
    const { authors, domain, anyTls } = rewrite(['From: anna@x.test, "b" <ben@y.test>', 'Sender: Carl <carl@z.test>', 'TLS-Required: No']);
    assert.deepEqual([authors, domain, anyTls], [['anna@x.test', 'ben@y.test', 'carl@z.test'], 'x.test', true]);
    for (const bad of [['Subject: x'], ['From: anna@x.test', 'From: eve@x.test'], ['From: undisclosed-recipients:;'], ['From: anna@x.test', 'Sender: a@x.test', 'Sender: b@x.test']]) assert.throws(() => rewrite(bad), Malformed, bad.join());
  });

  it('takes for an author whatever a mail app could show as one', () => {
    const of = (from: string) => rewrite([`From: ${from}`]).authors;
    for (const from of ['<anna@x.test> <ceo@y.test>', 'anna@x.test ceo@y.test', '<anna@x.test>ceo@y.test', 'anna@x.test\r\n\tceo@y.test', 'anna@x.test;ceo@y.test', 'anna@x.test, <ceo@y.test', 'g: anna@x.test, ceo@y.test;']) assert.deepEqual(of(from), ['anna@x.test', 'ceo@y.test'], from);
    assert.deepEqual(of('ceo@y.test <anna@x.test>'), ['anna@x.test', 'ceo@y.test']);
    assert.deepEqual(of('anna@x.test@y.test'), ['anna@x.test', 'anna@x.test@y.test']);
    assert.ok(of('<@relay.test:anna@x.test>').includes('anna@x.test'));
    for (const from of ['anna@x.test', 'anna@x.test <anna@x.test>', '"ceo@y.test" <anna@x.test>', '=?utf-8?Q?ceo=40y.test?= <anna@x.test>', 'Anna (ceo@y.test (or "so)) <anna@x.test>', 'anna@x.test (once ceo@y.test)', 'Anna @ work <anna@x.test>']) assert.deepEqual(of(from), ['anna@x.test'], from);
    for (const from of ['Anna (ceo@y.test (or "so) <anna@x.test>', '"Anna ceo@y.test <anna@x.test>', 'anna@x.test, "ceo@y.test']) assert.ok(of(from).includes('ceo@y.test'), from);
    assert.deepEqual(of('J\xc3\xb6rg <j\xc3\xb6rg@x.test>'), ['jörg@x.test']);
  });

  it('reads authors in linear time', () => {
    const pieces: Record<string, string> = { letters: 'x', spaces: ' ', at: '@', open: '(', quotes: '"\\', words: 'a@', pairs: 'a@b' };
    for (const [name, piece] of Object.entries(pieces)) {
      const work = (n: number) => () => {
        try {
          rewrite([`From: ${piece.repeat(n)}@`]);
        } catch (e) {
          assert.ok(e instanceof Malformed);
        }
      };
      const [small, large] = [microseconds(work(4000)), microseconds(work(4000 * TIMES))];
      assert.ok(large < 8000 || large / Math.max(small, 100) < TIMES * 6, `${name}: ${small} us, ${large} us`);
    }
  }).timeout(20_000);

  it('finds the end of the header however it is cut, and waits for none that is too long', () => {
    for (const [header, body] of [['From: a@x.test\r\n\r\n', 'body\r\n\r\nmore'], ['\r\n', 'no header\r\n']]) {
      const bytes = Buffer.from(header + body);
      for (let size = 1; size <= bytes.length; size++) {
        const reader = new HeaderReader();
        let found: ReturnType<HeaderReader['push']> = null;
        let at = 0;
        for (; found === null && at < bytes.length; at += size) found = reader.push(bytes.subarray(at, at + size));
        assert.deepEqual([found!.header.toString(), found!.rest.toString() + bytes.subarray(at).toString()], [header, body], `size ${size}`);
      }
    }
    const reader = new HeaderReader();
    assert.equal(reader.push(Buffer.from('From: a@x.test\r\n')), null);
    assert.equal(reader.finish().toString(), 'From: a@x.test\r\n\r\n');
    const endless = new HeaderReader();
    assert.throws(() => {
      for (let i = 0; i <= limits.header_bytes_max; i += 1000) endless.push(Buffer.alloc(1000, 'x'));
    }, Malformed);
  });
});
