// What a stranger can send to the ports of submission before any log-in, and a user's broken mail app after it: a right code, in
// bounded time, and the next one is served.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { limits, seededRandom, silent, systemClock, systemRandom } from '../../src/base/index.ts';
import type { Limits } from '../../src/base/index.ts';
import { selfSigned } from '../../src/self-signed.ts';
import { SubmissionServer } from '../../src/smtp/index.ts';
import type { Submitter } from '../../src/smtp/index.ts';
import { Dialogue } from './dialogue.ts';

const until = async (what: () => boolean) => {
  for (let i = 0; i < 500 && !what(); i++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(what());
};

describe('smtp/submission, hostile', () => {
  const context = createSecureContext(selfSigned(['mx.example.org'], Date.now(), systemRandom));
  let server: SubmissionServer;
  let port: number;
  let logins: string[];
  let got: Buffer[];
  let begun: number;
  let aborted: number;
  const submitter: Submitter = {
    plaintextAllowed: () => true,
    login: async (user) => {
      logins.push(user);
      return {
        address: user,
        sender: async () => {},
        recipient: async () => {},
        begin: () => {
          begun++;
          const pieces: Buffer[] = [];
          return { received: 0, write: async (piece) => void pieces.push(Buffer.from(piece)), abort: () => void aborted++, commit: async () => void got.push(Buffer.concat(pieces)) };
        },
      };
    },
  };
  const listen = async (change: Partial<Limits> = {}, implicitTls = false) => {
    server = new SubmissionServer({ submitter, hostname: 'mx.example.org', tls: () => context, clock: systemClock, random: seededRandom(1), logger: silent, hideClient: false, implicitTls, limits: { ...limits, ...change } });
    port = await server.listen('127.0.0.1', 0);
  };
  beforeEach(() => {
    [logins, got, begun, aborted] = [[], [], 0, 0];
  });
  afterEach(() => server.drain(0));
  const AUTH = `AUTH PLAIN ${Buffer.from('\0anna@x.test\0good').toString('base64')}`;
  const open = async () => {
    const d = await Dialogue.open(port);
    await d.say('EHLO app', '250');
    return d;
  };
  const loggedIn = async () => {
    const d = await open();
    await d.say(AUTH, '235');
    return d;
  };
  const envelope = async (d: Dialogue) => {
    await d.say('MAIL FROM:<anna@x.test>', '250');
    await d.say('RCPT TO:<ben@y.test>', '250');
    await d.say('DATA', '354');
  };

  it('knows nothing of what was pipelined behind STARTTLS, a log-in above all', async () => {
    await listen();
    const d = await open();
    d.raw(`STARTTLS\r\n${AUTH}\r\nMAIL FROM:<anna@x.test>\r\n`);
    await d.expect('220');
    if (await d.tls().then(() => true, () => false)) {
      await d.say('EHLO app', '250');
      await d.say('MAIL FROM:<anna@x.test>', '530');
    }
    assert.deepEqual(logins, []);
  });

  it('asks for the log-in again after STARTTLS', async () => {
    await listen();
    const d = await loggedIn();
    await d.say('STARTTLS', '220');
    await d.tls();
    await d.say('EHLO app', '250');
    await d.say('MAIL FROM:<anna@x.test>', '530');
  });

  for (const implicit of [false, true]) it(`ends half a TLS handshake, fifty times (${implicit ? 'from the first byte' : 'STARTTLS'})`, async () => {
    await listen({ tls_handshake_ms_max: 200 }, implicit);
    const closed = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
      const socket = connect(port, '127.0.0.1');
      const d = new Dialogue(socket);
      if (!implicit) {
        await d.expect('220');
        await d.say('EHLO x', '250');
        await d.say('STARTTLS', '220');
      }
      d.raw(['', '\x16\x03\x01\x02\x00\x01', 'EHLO not a handshake\r\n'.repeat(50), '\x16\x03\x01\xff\xff'][i % 4]);
      await d.closed();
      return true;
    }));
    assert.equal(closed.length, 50);
    await until(() => server.connections === 0);
    const raw = connect(port, '127.0.0.1');
    if (implicit) {
      const secure = connectTls({ socket: raw, rejectUnauthorized: false });
      await new Dialogue(secure).expect('220');
      secure.destroy();
    } else {
      await new Dialogue(raw).expect('220');
      raw.destroy();
    }
  });

  it('names 10,000 recipients', async () => {
    await listen();
    const d = await loggedIn();
    await d.say('MAIL FROM:<anna@x.test>', '250');
    d.raw(Array.from({ length: 10_000 }, (_, i) => `RCPT TO:<u${i}@y.test>\r\n`).join(''));
    const codes: Record<string, number> = {};
    for (let i = 0; i < 10_000; i++) {
      const code = (await d.reply()).slice(0, 9);
      codes[code] = (codes[code] ?? 0) + 1;
    }
    assert.deepEqual(codes, { '250 2.1.5': limits.smtp_recipients_max, '452 4.5.3': 10_000 - limits.smtp_recipients_max });
    d.end();
  });

  it('takes no address that is not UTF-8, or that hides a NUL or a line end', async () => {
    await listen();
    const d = await loggedIn();
    const bad = ['\xff\xfe', '\xc3\x28', '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xc0\xaf', 'a\0b', 'a\rb'];
    for (const local of bad) {
      d.raw(`MAIL FROM:<${local}@x.test> SMTPUTF8\r\n`);
      await d.expect(/^501 5\./);
    }
    await d.say('MAIL FROM:<anna@x.test> SMTPUTF8', '250');
    for (const local of bad) {
      d.raw(`RCPT TO:<${local}@y.test>\r\n`);
      await d.expect(/^501 5\./);
    }
    await d.say('RCPT TO:<j\u00f6rg@y.test>', '250');
    d.end();
  });

  it('keeps NUL bytes in a message, and whatever is not UTF-8', async () => {
    await listen();
    const d = await loggedIn();
    await envelope(d);
    d.raw('From: anna@x.test\r\n\r\n\0\xff\0\r\n.\r\n');
    await d.expect('250');
    assert.ok(got[0].toString('latin1').endsWith('\r\n\0\xff\0\r\n'));
    d.end();
  });

  it('ends a message that never ends, by time and by size', async () => {
    await listen({ smtp_message_ms_max: 150, message_bytes_max: 200_000 });
    const slow = await loggedIn();
    await envelope(slow);
    const timer = setInterval(() => slow.raw('x'), 20);
    try {
      await slow.expect('421 4.4.2');
    } finally {
      clearInterval(timer);
    }
    await slow.closed();
    await until(() => aborted === 1);
    const large = await loggedIn();
    await envelope(large);
    for (let i = 0; i < 30; i++) large.raw(`${'x'.repeat(9998)}\r\n`);
    large.raw('.\r\n');
    await large.expect('552 5.3.4');
    assert.deepEqual([begun, aborted, got.length], [2, 2, 0]);
    large.end();
  });

  it('ends a line that never ends', async () => {
    await listen();
    for (const before of [false, true]) {
      const d = before ? await open() : await loggedIn();
      d.raw('x'.repeat(100_000));
      await d.expect('500 5.5.2');
      await d.closed();
    }
  });
});
