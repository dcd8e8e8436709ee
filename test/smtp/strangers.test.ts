// What a stranger can send to port 25, with the checks on: a right code, in bounded time, and the next one is served.
import assert from 'node:assert/strict';
import { connect as connectTls } from 'node:tls';
import { connect } from 'node:net';
import fc from 'fast-check';
import { generate } from 'selfsigned';
import { createSecureContext } from 'node:tls';
import { Proxies, Refused, systemClock } from '../../src/base/index.ts';
import { limits } from '../../src/base/index.ts';
import { InboundWorld } from '../verify/inbound.ts';
import { Dialogue, House } from './dialogue.ts';

const until = async (what: () => boolean) => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what());
};

describe('smtp/strangers', () => {
  let house: House;
  let world: InboundWorld;
  const open = async (more: Parameters<typeof InboundWorld.open>[0] = {}, change: Partial<typeof limits> = {}) => {
    world = await InboundWorld.open(more);
    house = await new House(false, { ...change }, { screen: world.inbound.screen!, proxies: new Proxies(['127.0.0.0/8'], systemClock) }).start();
  };
  /** Behind a load balancer, so that it comes from anywhere. */
  const from = async (address: string, greeting: string | RegExp = '220') => {
    const d = await house.open(null);
    d.raw(`PROXY TCP${address.includes(':') ? '6' : '4'} ${address} ${address} 4000 25\r\n`);
    await d.expect(greeting);
    return d;
  };
  const sends = async (d: Dialogue, text: string, what: string | RegExp) => {
    await house.envelope(d, ['ann@example.org'], 'ann@bob.test');
    d.raw(`${text}\r\n.\r\n`);
    return d.expect(what);
  };
  afterEach(() => house.stop());

  it('is judged by its own address, and its mail says so', async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO mx.bob.test', '250');
    await sends(d, 'From: ann@bob.test\r\nAuthentication-Results: mx.here.test; dmarc=pass\r\n\r\nHello', '250 2.6.0');
    const [{ bytes, prefix }] = house.post.stored;
    assert.equal(bytes.toString(), 'From: ann@bob.test\r\n\r\nHello\r\n');
    assert.match(prefix.get('ann@example.org')!, /^Return-Path: <ann@bob\.test>\r\nDelivered-To: ann@example\.org\r\nAuthentication-Results: mx\.here\.test;[^]*spf=pass[^]*dmarc=pass[^]*iprev=pass[^]*Received: from mx\.bob\.test \(\[192\.0\.2\.1\]\)/);
    assert.equal(house.post.stored.length, 1);
  });

  it('hears 5yz or 4yz before its message is stored anywhere, and can go on', async () => {
    await open({ settings: { dmarc: 'reject' } });
    const d = await from('198.51.100.7');
    await d.say('EHLO evil.test', '250');
    await sends(d, 'From: ceo@strict.test\r\n\r\nPay', '550 5.7.1');
    await sends(d, `X: ${'y'.repeat(300_000)}`, '552 5.3.4');
    assert.equal(house.post.stored.length, 0);
    assert.equal(house.post.aborted, 2);
    await sends(d, 'From: a@none.test\r\n\r\nfine', '250 2.6.0');
  });

  it('comes too often: 421 at once', async () => {
    await open({ settings: { ratePerMinute: 2 } });
    await from('203.0.113.1');
    await from('203.0.113.1');
    await (await from('203.0.113.1', '421 4.7.0')).closed();
    const d = await from('2001:db8::1');
    await d.say('EHLO x.test', '250');
    await d.say('MAIL FROM:<a@b.test>', '250');
    await d.say('RSET', '250');
    await d.say('MAIL FROM:<a@b.test>', '451 4.7.1');
  });

  it('guesses recipients: slower and slower', async () => {
    await open({ limits: { smtp_tarpit_ms_min: 60, smtp_tarpit_ms_max: 120 } });
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    await d.say('MAIL FROM:<a@b.test>', '250');
    const started = performance.now();
    for (let i = 0; i < 5; i++) await d.say(`RCPT TO:<x${i}@example.net>`, '550 5.1.1');
    assert.ok(performance.now() - started >= 250);
    assert.equal(world.count('recipient', 'tarpit'), 3);
    // Who leaves is not waited for.
    const gone = await from('192.0.2.1');
    gone.raw('EHLO x.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x1@example.net>\r\nRCPT TO:<x2@example.net>\r\nRCPT TO:<x3@example.net>\r\n');
    gone.end();
    d.end();
    await until(() => house.server.connections === 0);
  });

  it('names 10,000 recipients', async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    await d.say('MAIL FROM:<a@b.test>', '250');
    d.raw(Array.from({ length: 10_000 }, (_, i) => `RCPT TO:<u${i}@example.org>\r\n`).join(''));
    const codes: Record<string, number> = {};
    for (let i = 0; i < 10_000; i++) {
      const code = (await d.reply()).slice(0, 9);
      codes[code] = (codes[code] ?? 0) + 1;
    }
    assert.deepEqual(codes, { '250 2.1.5': 1000, '452 4.5.3': 9000 });
    await d.say('QUIT', '221');
  });

  it('speaks nonsense before, in and after its header', async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    for (const line of ['MAIL FROM:<a\0b@x.test>', 'MAIL FROM:<\xff\xfe@x.test> SMTPUTF8', 'MAIL FROM:<\xc3\x28@x.test> SMTPUTF8', 'MAIL FROM:<a@\xed\xa0\x80.test> SMTPUTF8', 'MAIL FROM:<a@b.test> BODY=BINARYMIME', 'MAIL FROM:<a@b.test> SIZE=x']) {
      d.raw(`${line}\r\n`);
      await d.expect(/^501 5\.(1\.7|5\.4)/);
    }
    for (const text of ['\0'.repeat(5000), 'From: \xff\xfe <\0@\x80>\r\n\r\n\0', '\r\n'.repeat(5000), ':\r\n:\r\n\r\n', 'From: a@b.test\r\nFrom: c@d.test\r\nDKIM-Signature:\r\nARC-Seal:\r\nAuthentication-Results:\r\n\r\n', `Received: ${'x'.repeat(100_000)}`]) await sends(d, text, '250 2.6.0');
  });

  // Over-long, a lone surrogate, beyond Unicode, cut off, a lone byte, NUL: in an address, with SMTPUTF8 and without.
  const notUtf8 = { 'over-long': '\xc0\xaf', 'a surrogate': '\xed\xa0\x80', 'beyond Unicode': '\xf4\x90\x80\x80', 'cut off': '\xe2\x82', 'a lone byte': '\x80', 'Latin-1': '\xf6', NUL: '\0' };
  for (const [name, bytes] of Object.entries(notUtf8)) it(`writes bad UTF-8 in its addresses (SMTPUTF8): ${name}`, async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    for (const more of [' SMTPUTF8', '', ' SMTPUTF8 BODY=8BITMIME']) for (const address of [`a${bytes}@b.test`, `a@b${bytes}.test`, `"${bytes}"@b.test`]) {
      d.raw(`MAIL FROM:<${address}>${more}\r\n`);
      await d.expect('501 5.1.7');
    }
    await d.say('MAIL FROM:<j\u00f6rg@b.test> SMTPUTF8', '250');
    for (const address of [`a${bytes}@example.org`, `a@b${bytes}.example.org`]) {
      d.raw(`RCPT TO:<${address}>\r\n`);
      await d.expect('501 5.1.3');
    }
    await d.say('RCPT TO:<ann@example.org>', '250');
    d.raw(`DATA\r\nSubject: ${bytes}\r\n\r\n${bytes}\r\n.\r\n`);
    await d.expect('354');
    await d.expect('250 2.6.0');
    assert.ok(house.post.stored[0].bytes.toString('latin1').includes(`Subject: ${bytes}\r\n\r\n${bytes}\r\n`));
  });

  it('gives DSN parameters of any shape to a server that has no DSN', async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', /^(?![^]*DSN)/);
    for (const p of ['RET=FULL', 'RET=HDRS', 'RET=', 'RET', 'ENVID=x', 'ENVID=+', `ENVID=${'a'.repeat(1000)}`, 'RET=FULL RET=HDRS']) await d.say(`MAIL FROM:<a@b.test> ${p}`, /^(555|501) 5\.5\.4/);
    await d.say('MAIL FROM:<a@b.test>', '250');
    for (const p of ['NOTIFY=NEVER', 'NOTIFY=', 'NOTIFY=SUCCESS,FAILURE,DELAY,NEVER', 'NOTIFY', 'ORCPT=rfc822;a@b', 'ORCPT=;', 'ORCPT=rfc822;+zz', `ORCPT=${';'.repeat(500)}`, 'NOTIFY=NEVER NOTIFY=NEVER', '=', 'NOTIFY=NEVER=NEVER']) await d.say(`RCPT TO:<ann@example.org> ${p}`, /^(555|501) 5\.5\.4/);
    await d.say('RCPT TO:<ann@example.org>', '250');
    await fc.assert(fc.asyncProperty(fc.stringMatching(/^[!-~]{1,40}$/), async (p) => {
      await d.say(`RCPT TO:<ann@example.org> ${p}`, /^(555|501)/);
    }), { numRuns: 50 });
  });

  it('begins TLS and does not go on, a hundred times', async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'mx.example.org' }], { keySize: 2048 } as never);
    house = await new House(false, { tls_handshake_ms_max: 200 }, { tls: () => createSecureContext({ key, cert }) }).start();
    const half = await Promise.all(Array.from({ length: 100 }, async (_, i) => {
      const d = await house.hello();
      await d.say('STARTTLS', '220');
      d.raw(i % 3 === 0 ? '' : i % 3 === 1 ? '\x16\x03\x01\x02\x00\x01' : 'MAIL FROM:<evil@example.com>\r\n'.repeat(50));
      return d;
    }));
    await Promise.all(half.map((d) => d.closed()));
    await until(() => house.server.connections === 0);
    assert.equal(house.post.begun, 0);
    const raw = connect(house.port, '127.0.0.1');
    const d = new Dialogue(raw);
    await d.expect('220');
    await d.say('EHLO x.test', '250');
    await d.say('STARTTLS', '220');
    const secure = connectTls({ socket: raw, rejectUnauthorized: false });
    await new Promise((resolve) => secure.once('secureConnect', resolve));
    secure.destroy();
  });

  // Every way to write an end of data that is not one, before and behind the dot, at DATA and through the checks.
  const breaks = ['\r', '\n', '\r\r', '\n\n', '\r\r\n', '\n\r', '\0\r\n', ' \r\n', '\r\n ', '\r\n\0', '\r\n\t', '\v', '\f', '\x85', '\xe2\x80\xa8'];
  const ends = [...breaks.map((b) => `${b}.\r\n`), ...breaks.map((b) => `\r\n.${b}`), ...breaks.filter((b) => b.length === 1).map((b) => `${b}.${b}`), '\r\n..\r\n', '\r\n. \r\n'].filter((end) => !end.includes('\r\n.\r\n'));
  it(`smuggles nothing behind ${ends.length} ends of data that are none`, async () => {
    await open();
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    for (const end of ends) {
      house.post.stored.length = 0;
      await sends(d, `From: ann@bob.test\r\n\r\nfirst${end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<eve@example.org>\r\nDATA\r\nFrom: evil@example.com\r\n\r\nsecond`, '250 2.6.0');
      await d.say('NOOP', '250 2.0.0');
      assert.equal(house.post.stored.length, 1, JSON.stringify(end));
      const text = house.post.stored[0].bytes.toString('latin1');
      assert.match(text, /second\r\n$/, JSON.stringify(end));
      // Nobody whom it is handed on to can see an end either.
      assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n/, JSON.stringify(end));
    }
  });

  it('is refused and answered for each message only once, whatever the check does', async () => {
    await open();
    house.post.onCommit = () => new Refused('full', 'OVERQUOTA', '552 5.2.2');
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    await sends(d, 'From: ann@bob.test\r\n\r\nx', '552 5.2.2');
    await d.say('NOOP', '250 2.0.0');
  });

  it('leaves in the middle of a message, and nothing stays', async () => {
    await open({ settings: { rspamd: { url: 'http://127.0.0.1:9', controllerUrl: 'http://127.0.0.1:9', password: null, reject: 'reject' } } });
    for (const half of ['', 'From: a', 'From: a@b.test\r\n\r\n', `From: a@b.test\r\n\r\n${'x'.repeat(400_000)}`]) {
      const d = await from('192.0.2.1');
      await d.say('EHLO x.test', '250');
      await house.envelope(d, ['ann@example.org'], 'ann@bob.test');
      d.raw(half);
      await new Promise((resolve) => setTimeout(resolve, 20));
      d.end();
    }
    await until(() => house.server.connections === 0 && house.post.aborted === 4);
    const { networks } = (world.inbound.screen as unknown as { remembered: { networks: number } }).remembered;
    assert.equal(networks, 0);
  });

  it('leaves while its message is judged: nothing is stored', async () => {
    let answer = () => {};
    const slow = new Promise<unknown[]>((resolve) => (answer = () => resolve([])));
    await open({ answer: (name) => (name === 'bob.test' ? slow : undefined) });
    const d = await from('192.0.2.1');
    await d.say('EHLO x.test', '250');
    await house.envelope(d, ['ann@example.org'], 'ann@bob.test');
    d.raw('From: ann@bob.test\r\n\r\nx\r\n.\r\n');
    await until(() => world.asked.includes('TXT bob.test'));
    d.end();
    await until(() => house.post.aborted === 1);
    answer();
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(house.post.stored.length, 0);
  });

  it('is not looked at by LMTP', async () => {
    world = await InboundWorld.open();
    house = await new House(true, {}, { screen: world.inbound.screen!, proxies: new Proxies(['127.0.0.1'], systemClock) }).start();
    const d = await house.data();
    d.raw('Authentication-Results: mx.here.test; spf=pass\r\n\r\n.\r\n');
    await d.expect('250');
    assert.match(house.post.stored[0].bytes.toString(), /^Authentication-Results/);
    assert.equal(world.asked.length, 0);
  });
});
