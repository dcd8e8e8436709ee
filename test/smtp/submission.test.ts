// Submission as a dialogue: who may log in where, and what is asked of the accounts.
import assert from 'node:assert/strict';
import { Refused, Unavailable, limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { SubmissionServer } from '../../src/smtp/index.ts';
import type { SentMail, Submitter } from '../../src/smtp/index.ts';
import { Dialogue } from './dialogue.ts';

const token = (user: string, password: string) => Buffer.from(`\0${user}\0${password}`).toString('base64');
const b64 = (text: string) => Buffer.from(text).toString('base64');

describe('smtp/submission', () => {
  const sent: { mail: SentMail; text: string; received: string }[] = [];
  let plaintext = true;
  let fails: Error | null = null;
  let server: SubmissionServer;
  let port: number;
  const submitter: Submitter = {
    plaintextAllowed: () => plaintext,
    login: async (user, password) => {
      if (password === 'away') throw new Unavailable('no store');
      if (password !== 'good') throw new Refused('Wrong address or password', 'AUTHENTICATIONFAILED', '535 5.7.8');
      return {
        address: user,
        sender: async (address) => {
          if (address !== '' && address !== user) throw new Refused('not yours', null, '553 5.7.1');
        },
        recipient: async (address) => {
          if (address.startsWith('nobody')) throw new Refused('no such user', null, '550 5.1.1');
        },
        begin: (mail) => {
          const pieces: Buffer[] = [];
          return {
            received: 0,
            write: async (piece) => void pieces.push(Buffer.from(piece)),
            abort: () => {},
            commit: async (received) => {
              if (fails) throw fails;
              sent.push({ mail, text: Buffer.concat(pieces).toString(), received });
            },
          };
        },
      };
    },
  };
  const serve = async (hideClient: boolean) => {
    server = new SubmissionServer({ submitter, hostname: 'mx.example.org', tls: () => null, clock: systemClock, random: seededRandom(1), logger: silent, hideClient, implicitTls: false, limits: { ...limits, submission_failures_max: 3 } });
    port = await server.listen('127.0.0.1', 0);
  };
  beforeEach(async () => {
    sent.length = 0;
    plaintext = true;
    fails = null;
    await serve(false);
  });
  afterEach(() => server.drain(0));

  const open = async () => {
    const d = await Dialogue.open(port);
    await d.say('EHLO app', '250');
    return d;
  };
  const loggedIn = async () => {
    const d = await open();
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'good')}`, '235 2.7.0');
    return d;
  };

  it('offers what it can', async () => {
    const d = await Dialogue.open(port);
    const hello = await d.say('EHLO app', '250');
    for (const word of ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN', 'AUTH PLAIN LOGIN', `SIZE ${limits.message_bytes_max}`]) assert.ok(hello.includes(word), word);
    assert.ok(!/STARTTLS|REQUIRETLS|CHUNKING/.test(hello));
    assert.match(hello, /FUTURERELEASE 2592000 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/);
  });

  it('neither offers nor takes a log-in where the password could be read', async () => {
    plaintext = false;
    const d = await Dialogue.open(port);
    assert.ok(!(await d.say('EHLO app', '250')).includes('AUTH'));
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'good')}`, '538 5.7.11');
    await d.say('MAIL FROM:<anna@x.test>', '530');
  });

  it('logs in by PLAIN and LOGIN, in one line or more', async () => {
    await loggedIn();
    const d = await open();
    await d.say('AUTH LOGIN', '334');
    await d.say(b64('anna@x.test'), '334');
    await d.say(b64('good'), '235');
    await d.say('AUTH LOGIN', '503');
    const e = await open();
    await e.say('AUTH PLAIN', '334');
    await e.say(token('anna@x.test', 'good'), '235');
    const f = await open();
    await f.say('AUTH PLAIN', '334');
    await f.say('*', '501');
    await f.say('AUTH CRAM-MD5', '504');
    await f.say(`AUTH PLAIN ${b64('nonsense')}`, '501');
  });

  it('lets nobody log in as someone else (RFC 4616 §2), and says one status', async () => {
    const d = await open();
    const plain = (as: string) => `AUTH PLAIN ${b64(`${as}\0anna@x.test\0good`)}`;
    await d.say(plain('ben@x.test'), /^535 5\.7\.8 nobody may log in as someone else$/);
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'bad')}`, /^535 5\.7\.8 Wrong address or password$/);
    await d.say(plain('anna@x.test'), '235');
  });

  it('refuses wrong passwords, and hangs up after three', async () => {
    const d = await open();
    for (let i = 0; i < 2; i++) await d.say(`AUTH PLAIN ${token('anna@x.test', 'bad')}`, '535 5.7.8');
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'away')}`, '454 4.7.0');
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'bad')}`, '535');
    await d.expect('421');
    await d.closed();
  });

  it('asks for a log-in before anything else', async () => {
    const d = await open();
    await d.say('MAIL FROM:<anna@x.test>', /^530/);
    await d.say('RCPT TO:<ben@y.test>', /^530/);
    await d.say('DATA', /^530/);
  });

  it('sends, with what the sender wants to hear', async () => {
    const d = await loggedIn();
    await d.say('MAIL FROM:<anna@x.test> SIZE=20 BODY=8BITMIME RET=FULL ENVID=a+2Bb AUTH=<>', '250');
    await d.say('RCPT TO:<ben@y.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;ben+40y.test', '250');
    await d.say('RCPT TO:<nobody@y.test>', '550 5.1.1');
    await d.say('DATA', '354');
    await d.say('From: anna@x.test\r\n\r\n..x\r\n.', /^250 2\.6\.0 message accepted as/);
    assert.deepEqual(sent[0].mail, { from: 'anna@x.test', recipients: [{ address: 'ben@y.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;ben@y.test' }], declaredBytes: 20, ret: 'FULL', envid: 'a+b', utf8: false, requireTls: false, releaseAt: 0 });
    assert.equal(sent[0].text, 'From: anna@x.test\r\n\r\n.x\r\n');
    assert.match(sent[0].received, /^Received: from app \(\[127\.0\.0\.1\]\)\r\n\tby mx\.example\.org with ESMTPA id \w+\r\n\tfor <ben@y\.test>;\r\n\t.*\r\n$/);
    await d.say('MAIL FROM:<anna@x.test>', '250');
  });

  it('tells nobody where the mail app was, if so set', async () => {
    await server.drain(0);
    await serve(true);
    const d = await Dialogue.open(port);
    await d.say('EHLO my-phone.at-home.test', '250');
    await d.say(`AUTH PLAIN ${token('anna@x.test', 'good')}`, '235');
    await d.say('MAIL FROM:<anna@x.test>', '250');
    await d.say('RCPT TO:<ben@y.test>', '250');
    await d.say('DATA', '354');
    await d.say('From: anna@x.test\r\n\r\nx\r\n.', '250');
    assert.match(sent[0].received, /^Received: by mx\.example\.org with ESMTPA id \w+\r\n\tfor <ben@y\.test>;\r\n\t.*\r\n$/);
    assert.doesNotMatch(sent[0].received + sent[0].text, /127\.0\.0\.1|phone/);
  });

  it('takes mail for later (FUTURERELEASE)', async () => {
    const d = await loggedIn();
    const hand = async (parameter: string) => {
      await d.say(`MAIL FROM:<anna@x.test> ${parameter}`, '250');
      await d.say('RCPT TO:<ben@y.test>', '250');
      await d.say('DATA', '354');
      await d.say('From: anna@x.test\r\n\r\nx\r\n.', '250');
      return sent.at(-1)!.mail.releaseAt!;
    };
    const now = systemClock.now();
    const held = await hand('HOLDFOR=3600');
    assert.ok(held >= now + 3_600_000 && held < now + 3_660_000);
    const day = new Date(now + 86_400_000).toISOString().replace(/\.\d+/, '');
    assert.equal(await hand(`HOLDUNTIL=${day}`), Date.parse(day));
    assert.equal(await hand('HOLDUNTIL=2020-01-01T00:00:00+01:00'), 0);
  });

  it('takes pipelined commands in order', async () => {
    const d = await loggedIn();
    d.raw('MAIL FROM:<anna@x.test>\r\nRCPT TO:<ben@y.test>\r\nRCPT TO:<nobody@y.test>\r\nDATA\r\n');
    for (const code of ['250', '250', '550', '354']) await d.expect(code);
    d.raw('From: anna@x.test\r\n\r\nx\r\n.\r\nMAIL FROM:<anna@x.test>\r\n');
    for (const code of ['250', '250']) await d.expect(code);
    assert.equal(sent.length, 1);
  });

  it('refuses parameters of any other shape', async () => {
    const d = await loggedIn();
    for (const bad of ['RET=ALL', 'RET', 'ENVID', 'ENVID=+zz', `ENVID=${'x'.repeat(200)}`, 'ENVID=a+0Db', 'BODY=BINARYMIME', 'SIZE=x']) await d.say(`MAIL FROM:<anna@x.test> ${bad}`, '501');
    for (const bad of ['HOLDFOR', 'HOLDFOR=0', 'HOLDFOR=2592001', 'HOLDFOR=x', 'HOLDUNTIL=tomorrow', 'HOLDUNTIL=2999-01-01T00:00:00Z', 'HOLDFOR=5 HOLDUNTIL=2020-01-01T00:00:00Z']) await d.say(`MAIL FROM:<anna@x.test> ${bad}`, '501');
    // Not known in clear.
    for (const bad of ['REQUIRETLS']) await d.say(`MAIL FROM:<anna@x.test> ${bad}`, '555');
    await d.say('MAIL FROM:<eve@x.test>', '553 5.7.1');
    await d.say('MAIL FROM:<anna@x.test>', '250');
    for (const bad of ['NOTIFY=', 'NOTIFY=NEVER,DELAY', 'NOTIFY=LATER', 'ORCPT=x', 'ORCPT=rfc822;+0A']) await d.say(`RCPT TO:<ben@y.test> ${bad}`, '501');
    await d.say('RCPT TO:<ben@y.test> X=y', '555');
  });

  it('says what went wrong at the end', async () => {
    for (const [e, code] of [[new Unavailable('x'), '451'], [new Refused('x', 'LIMIT', '450 4.7.1'), '450 4.7.1'], [new Error('bug'), '421']] as const) {
      fails = e;
      const d = await loggedIn();
      await d.say('MAIL FROM:<anna@x.test>', '250');
      await d.say('RCPT TO:<ben@y.test>', '250');
      await d.say('DATA', '354');
      await d.say('From: anna@x.test\r\n\r\nx\r\n.', code);
    }
  });
});
