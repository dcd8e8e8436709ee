// Dialogues over real sockets: commands, recipients, answers.
import assert from 'node:assert/strict';
import { Refused, Unavailable, Corrupt, Malformed } from '../../src/base/index.ts';
import { House } from './dialogue.ts';

describe('smtp/session', () => {
  let house: House;
  afterEach(() => house.stop());

  it('offers what it has and nothing else', async () => {
    house = await new House(false).start();
    const d = await house.open('220 mx.example.org ESMTP');
    const ehlo = await d.say('EHLO client.example', '250');
    assert.deepEqual(ehlo.split('\r\n').map((l) => l.slice(4)), ['mx.example.org', 'PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'SIZE 52428800', 'CHUNKING']);
    for (const c of ['AUTH PLAIN AGEAYg==', 'WIZ x', 'SHELL', 'XCLIENT ADDR=1.2.3.4', 'STARTTLS', 'EXPN list', 'BURL imap://x']) await d.say(c, '500 5.5.2');
    await d.say('NOOP', '250');
    await d.say('VRFY ann', '252');
    await d.say('QUIT', '221 2.0.0');
    await d.closed();
  });

  it('stores a message, with its fields before it', async () => {
    house = await new House(false).start();
    const d = await house.data();
    d.raw('Subject: x\r\n\r\n..dot\r\n.\r\n');
    const stored = await d.expect('250 2.6.0');
    const [m] = house.post.stored;
    assert.equal(m.bytes.toString(), 'Subject: x\r\n\r\n.dot\r\n');
    assert.equal(m.info.from, 'bob@example.com');
    const prefix = m.prefix.get('ann@example.org')!;
    const id = / as (\w+)$/.exec(stored)![1];
    assert.match(prefix, new RegExp(`^Return-Path: <bob@example\\.com>\\r\\nDelivered-To: ann@example\\.org\\r\\nReceived: from client\\.example \\(\\[127\\.0\\.0\\.1\\]\\)\\r\\n\\tby mx\\.example\\.org with ESMTP id ${id}\\r\\n\\tfor <ann@example\\.org>;\\r\\n\\t\\w{3}, \\d+ \\w{3} \\d{4} [\\d:]{8} \\+0000\\r\\n$`));
  });

  it('takes a message once for ten recipients, and names none to another', async () => {
    house = await new House(false).start();
    const to = Array.from({ length: 10 }, (_, i) => `u${i}@example.org`);
    const d = await house.data(to);
    d.raw('a\r\n.\r\n');
    await d.expect('250 2.6.0');
    assert.equal(house.post.begun, 1);
    assert.equal(house.post.stored[0].writes, 1);
    assert.equal(house.post.stored[0].prefix.size, 10);
    const prefix = house.post.stored[0].prefix.get('u3@example.org')!;
    assert.match(prefix, /Delivered-To: u3@example\.org/);
    assert.doesNotMatch(prefix, /for <|u[0-24-9]@/);
  });

  it('takes pipelined commands, and several messages on one connection', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    for (const n of [1, 2, 3]) {
      d.raw(`MAIL FROM:<bob@example.com> SIZE=3\r\nRCPT TO:<ann@example.org>\r\nRCPT TO:<nobody@example.com>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\n`);
      for (const e of ['250 2.1.0', '250 2.1.5', '550 5.1.1', '250 2.1.5', '354']) await d.expect(e);
      d.raw(`${n}\r\n.\r\n`);
      await d.expect('250 2.6.0');
    }
    assert.deepEqual(house.post.stored.map((m) => m.bytes.toString()), ['1\r\n', '2\r\n', '3\r\n']);
    assert.deepEqual(house.post.asked[0], { address: 'ann@example.org', declaredBytes: 3 });
  });

  it('takes what is pipelined behind a message', async () => {
    house = await new House(false).start();
    const d = await house.data();
    d.raw('a\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.org>\r\nQUIT\r\n');
    for (const e of ['250 2.6.0', '250 2.1.0', '250 2.1.5', '221']) await d.expect(e);
  });

  it('takes the null sender and a lone postmaster', async () => {
    house = await new House(false).start();
    house.post.recipient = async (address) => ({ address, target: null });
    const d = await house.data(['Postmaster'], '');
    d.raw('a\r\n.\r\n');
    await d.expect('250');
    assert.match([...house.post.stored[0].prefix.values()][0], /^Return-Path: <>\r\nDelivered-To: Postmaster\r\n/);
  });

  it('keeps the order of commands', async () => {
    house = await new House(false).start();
    const d = await house.open();
    await d.say('MAIL FROM:<a@b.example>', '503');
    await d.say('EHLO x', '250');
    await d.say('RCPT TO:<ann@example.org>', '503 5.5.1');
    await d.say('DATA', '503 5.5.1');
    await d.say('MAIL FROM:<a@b.example>', '250');
    await d.say('MAIL FROM:<a@b.example>', '503 5.5.1');
    await d.say('DATA', '503 5.5.1');
    await d.say('RCPT TO:<nobody@example.net>', '550 5.1.1');
    await d.say('DATA', '554 5.5.1');
    await d.say('RSET', '250');
    await d.say('RCPT TO:<ann@example.org>', '503 5.5.1');
    await d.say('MAIL FROM:<a@b.example>', '250');
    await d.say('RCPT TO:<ann@example.org>', '250');
    await d.say('DATA now', '501 5.5.4');
    await d.say('EHLO y', '250');
    await d.say('DATA', '503');
    // Old machines say their names with spaces.
    for (const hello of ["EHLO Anna's old PC", 'HELO my scanner', 'EHLO à']) await d.say(hello, '250');
    for (const hello of ['EHLO', 'EHLO ', 'HELO']) await d.say(hello, '501');
    assert.equal(house.post.begun, 0);
  });

  const bad: [string, string][] = [
    ['MAIL FROM:bob@example.com>', '501 5.1.7'],
    ['MAIL FROM:', '501 5.1.7'],
    ['MAIL FROM:<bob@>', '501 5.1.7'],
    ['MAIL FROM:<bob', '501 5.1.7'],
    ['MAIL FROM:<a@b.example> SIZE=', '501'],
    ['MAIL FROM:<a@b.example> SIZE=x', '501'],
    ['MAIL FROM:<a@b.example> SIZE=1 SIZE=2', '501'],
    ['MAIL FROM:<a@b.example> BODY=BINARYMIME', '501'],
    ['MAIL FROM:<a@b.example> SMTPUTF8=1', '501'],
    ['MAIL FROM:<a@b.example> RET=FULL', '555 5.5.4'],
    ['MAIL FROM:<a@b.example> SIZE=52428801', '552 5.3.4'],
    ['MAIL TO:<a@b.example>', '501'],
    ['MAIL FROM:<a\0b@c.example>', '501'],
    ['MAIL FROM:<\xff@c.example>', '501'],
  ];
  it('refuses bad senders and parameters', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    for (const [line, answer] of bad) {
      d.raw(`${line}\r\n`);
      await d.expect(answer);
    }
    await d.say('MAIL FROM: <ok@example.com> BODY=8BITMIME SMTPUTF8 SIZE=1000', '250');
    await d.say('RCPT TO:<ann@example.org> NOTIFY=NEVER', '555');
    await d.say('RCPT TO:<>', '501 5.1.3');
    d.raw(Buffer.from('RCPT TO:<bücher@example.org>\r\n'));
    await d.expect('250');
    assert.equal(house.post.asked.at(-1)!.address, 'bücher@example.org');
  });

  it('maps what the accounts say of a recipient', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    await d.say('MAIL FROM:<a@b.example>', '250');
    const says: [Error, string][] = [
      [new Refused('mailbox full', 'OVERQUOTA', '552 5.2.2'), '552 5.2.2 mailbox full'],
      [new Refused('full', 'OVERQUOTA', '452 4.2.2'), '452 4.2.2 full'],
      [new Refused('full', 'OVERQUOTA'), '552 5.2.2'],
      [new Refused('no'), '550 5.0.0'],
      [new Unavailable('s3 at 10.1.2.3 said no'), '451 4.3.0 cannot store it now'],
      [new Corrupt('object users/x/log/1'), '451 4.3.0 internal error'],
      [new Malformed('odd'), '501 5.1.3 odd'],
    ];
    for (const [e, answer] of says) {
      house.post.onRecipient = () => {
        throw e;
      };
      const text = await d.say('RCPT TO:<ann@example.org>', answer);
      assert.doesNotMatch(text, /10\.1|users\//);
    }
    // A bug costs one connection.
    house.post.onRecipient = () => {
      throw new TypeError('x of undefined');
    };
    const text = await d.say('RCPT TO:<ann@example.org>', '421 4.3.0');
    assert.doesNotMatch(text, /undefined/);
    await d.closed();
    house.post.onRecipient = () => {};
    const again = await house.data();
    again.raw('a\r\n.\r\n');
    await again.expect('250');
  });

  it('has one answer for all: 451 unless all copies have one fate', async () => {
    house = await new House(false).start();
    const fates: [(address: string) => Error | null, string][] = [
      [() => null, '250'],
      [(a) => (a.startsWith('ann') ? null : new Unavailable('x')), '451 4.3.0'],
      [(a) => (a.startsWith('ann') ? null : new Refused('full', null, '552 5.2.2')), '451'],
      [() => new Refused('full', null, '552 5.2.2'), '552 5.2.2'],
      [(a) => (a.startsWith('ann') ? new Refused('full', null, '552 5.2.2') : new Unavailable('x')), '451'],
      [() => new RangeError('a bug'), '451 4.3.0'],
    ];
    const d = await house.hello();
    for (const [fate, answer] of fates) {
      house.post.onCommit = (r) => fate(r.address);
      await house.envelope(d, ['ann@example.org', 'eve@example.org']);
      d.raw('a\r\n.\r\n');
      await d.expect(answer);
    }
  });

  it('says what write throws at the end only, and drops the rest', async () => {
    house = await new House(false).start();
    const d = await house.hello();
    for (const [e, answer] of [[new Unavailable('x'), '451'], [new Malformed('no message'), '554 5.6.0'], [new Refused('too much', null, '552 5.3.4'), '552 5.3.4']] as const) {
      let writes = 0;
      house.post.onWrite = () => {
        if (++writes === 1) throw e;
      };
      await house.envelope(d);
      d.raw('a'.repeat(1000) + '\r\n');
      await d.silence(30);
      d.raw('QUIT\r\n');
      d.raw('b\r\n.\r\n');
      await d.expect(answer);
      assert.equal(writes, 1);
    }
    assert.equal(house.post.stored.length, 0);
    assert.equal(house.post.aborted, 3);
  });

  it('ends loops', async () => {
    house = await new House(false, { smtp_received_max: 3 }).start();
    const d = await house.hello();
    for (const [received, answer] of [[3, '250'], [4, '554 5.4.6']] as const) {
      house.post.received = received;
      await house.envelope(d);
      d.raw('a\r\n.\r\n');
      await d.expect(answer);
    }
    assert.equal(house.post.aborted, 1);
  });
});
