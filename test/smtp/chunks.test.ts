// BDAT (RFC 3030): messages in chunks.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { LineEnds, parseBdat } from '../../src/smtp/chunks.ts';
import { House } from './dialogue.ts';

describe('smtp/chunks', () => {
  let house: House;
  afterEach(() => house?.stop());
  const begun = async (recipients = ['ann@example.org'], lmtp = false) => {
    house = await new House(lmtp).start();
    const d = await house.open();
    await d.say(lmtp ? 'LHLO c.example' : 'EHLO c.example', /250[ -]CHUNKING/);
    await d.say('MAIL FROM:<bob@example.com> BODY=8BITMIME', '250');
    for (const r of recipients) await d.say(`RCPT TO:<${r}>`, '250');
    return d;
  };

  it('takes a message in chunks, dots and all', async () => {
    const d = await begun();
    d.raw('BDAT 10\r\nSubject: x');
    await d.expect('250 2.0.0 10 octets');
    d.raw('BDAT 12\r\n\r\n\r\n.\r\n..b\r\n');
    await d.expect('250 2.0.0');
    await d.say('BDAT 0 LAST', '250 2.6.0');
    assert.equal(house.post.stored[0].bytes.toString(), 'Subject: x\r\n\r\n.\r\n..b\r\n');
    assert.match(house.post.stored[0].prefix.get('ann@example.org')!, /Received:/);
  });

  it('takes them pipelined and however they are cut, one message after the other', async () => {
    const d = await begun();
    const both = 'BDAT 3\r\na\r\nBDAT 3 LAST\r\nb\r\nMAIL FROM:<x@y.example>\r\nRCPT TO:<ann@example.org>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n';
    for (let i = 0; i < both.length; i += 5) {
      d.raw(both.slice(i, i + 5));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    for (const code of ['250 2.0.0', '250 2.6.0', '250 2.1.0', '250 2.1.5', '250 2.6.0', '250 2.0.0']) await d.expect(code);
    assert.deepEqual(house.post.stored.map((m) => m.bytes.toString()), ['a\r\nb\r\n', 'QUIT\r\n']);
  });

  it('answers each recipient of LMTP at the last chunk', async () => {
    const d = await begun(['ann@example.org', 'cat@example.org'], true);
    d.raw('BDAT 3 LAST\r\nhi\n');
    await d.expect('250 2.6.0');
    await d.expect('250 2.6.0');
    assert.equal(house.post.stored[0].bytes.toString(), 'hi\r\n');
  });

  it('reads the bytes of a chunk that it refuses, and none of them as commands', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    d.raw('BDAT 6 LAST\r\nQUIT\r\n');
    await d.expect('503 5.5.1');
    await d.say('MAIL FROM:<bob@example.com>', '250');
    d.raw('BDAT 6\r\nRSET\r\n');
    await d.expect('503 5.5.1');
    await d.say('RCPT TO:<x@example.net>', '550');
    d.raw('BDAT 6 LAST\r\nRSET\r\n');
    await d.expect('554');
    assert.equal(house.post.begun, 0);
  });

  it('keeps the order of commands, and forgets all with RSET', async () => {
    const d = await begun();
    d.raw('BDAT 3\r\na\r\n');
    await d.expect('250');
    await d.say('DATA', '503 5.5.1');
    await d.say('RCPT TO:<cat@example.org>', '503 5.5.1');
    await d.say('MAIL FROM:<a@b.example>', '503');
    await d.say('NOOP', '250');
    await d.say('RSET', '250');
    assert.equal(house.post.aborted, 1);
    d.raw('BDAT 3 LAST\r\na\r\n');
    await d.expect('503 5.5.1');
    await house.envelope(d);
    d.raw('next\r\n.\r\n');
    await d.expect('250 2.6.0');
    assert.deepEqual(house.post.stored.map((m) => m.bytes.toString()), ['next\r\n']);
  });

  it('hangs up where nobody can know what is data', async () => {
    for (const line of ['BDAT', 'BDAT x', 'BDAT -1', 'BDAT 1 2', 'BDAT 1e3', 'BDAT 9999999999999999999 LAST', 'BDAT 999999999']) {
      const d = await begun();
      d.raw(`${line}\r\nMAIL FROM:<evil@example.com>\r\n`);
      await d.expect(/^5(01 5\.5\.4|52 5\.3\.4)/);
      await d.closed();
      await house.stop();
    }
  });

  it('limits the message, whatever its chunks', async () => {
    house = await new House(false, { message_bytes_max: 1000 }).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<bob@example.com>', '250');
    await d.say('RCPT TO:<ann@example.org>', '250');
    for (let i = 0; i < 3; i++) {
      d.raw(`BDAT 500\r\n${'x'.repeat(500)}`);
      await d.expect('250');
    }
    await d.say('BDAT 0 LAST', '552 5.3.4');
    assert.equal(house.post.stored.length, 0);
    await d.say('NOOP', '250');
  });

  it('ends a chunk that never comes', async () => {
    house = await new House(false, { smtp_message_ms_max: 100 }).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<bob@example.com>', '250');
    await d.say('RCPT TO:<ann@example.org>', '250');
    d.raw('BDAT 1000\r\nhalf');
    await d.expect('421 4.4.2');
    await d.closed();
    d.end();
    for (let i = 0; i < 200 && house.post.aborted === 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(house.post.aborted, 1);
  });

  for (const lmtp of [false, true]) it(`does not offer BINARYMIME, nor take it (${lmtp ? 'LMTP' : 'SMTP'})`, async () => {
    house = await new House(lmtp).start();
    const d = await house.open();
    assert.match(await d.say(`${lmtp ? 'LHLO' : 'EHLO'} x.test`, '250'), /^(?![^]*BINARYMIME)[^]*CHUNKING/);
    for (const body of ['BINARYMIME', 'binarymime', 'BINARY', '']) await d.say(`MAIL FROM:<bob@b.test> BODY=${body}`, '501 5.5.4');
    await d.say('MAIL FROM:<bob@b.test> BODY=8BITMIME', '250');
  });

  it('makes line ends CRLF, whatever is cut where', () => {
    const bytes = fc.string({ unit: fc.constantFrom('a', '\r', '\n', '\r\n', '.'), maxLength: 30 });
    fc.assert(fc.property(bytes, fc.array(fc.nat(30), { maxLength: 5 }), (text, cuts) => {
      const ends = new LineEnds();
      const at = [0, ...cuts.filter((c) => c < text.length).sort((a, b) => a - b), text.length];
      const out = at.slice(1).map((to, i) => ends.push(Buffer.from(text.slice(at[i], to))).toString());
      const expected = text.replace(/\r\n|\n/g, '\0').replace(/\r(?=[^])/g, ' ').replace(/\r$/, '').replace(/\0/g, '\r\n');
      const whole = out.join('') + ends.end().toString();
      assert.equal(whole, expected === '' && !text.endsWith('\r') ? '' : expected.endsWith('\r\n') && !/\r$/.test(text) ? expected : `${expected}\r\n`);
    }));
    assert.deepEqual(parseBdat(Buffer.from('bdat 12 last')), { bytes: 12, last: true });
  });
});
