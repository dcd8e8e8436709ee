// Parameters of delivery status notifications (RFC 3461 §4) in every shape: known where they are offered, to users who send;
// elsewhere 555 (RFC 5321 §4.1.1.11), and 501 for what is no parameter at all. The transaction goes on after each.
import assert from 'node:assert/strict';
import { limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { SubmissionServer } from '../../src/smtp/index.ts';
import type { SentMail } from '../../src/smtp/index.ts';
import { Dialogue, House } from './dialogue.ts';

/** Shape, parameters, code where DSN is not offered, code where it is. */
type Shape = readonly [name: string, parameters: string, without: number, offered: number];

const mail: readonly Shape[] = [
  ['RET=FULL', 'RET=FULL', 555, 250],
  ['RET in small letters', 'ret=hdrs', 555, 250],
  ['RET that is neither', 'RET=ALL', 555, 501],
  ['RET without a value', 'RET', 555, 501],
  ['RET with an empty value', 'RET=', 501, 501],
  ['RET twice', 'RET=FULL RET=HDRS', 501, 501],
  ['a plain ENVID', 'ENVID=QQ314159', 555, 250],
  ['an ENVID in xtext', 'ENVID=a+2Bb+3D', 555, 250],
  ['an ENVID of 100 characters', `ENVID=${'a'.repeat(100)}`, 555, 250],
  ['an ENVID of 101 characters', `ENVID=${'a'.repeat(101)}`, 555, 501],
  ['an ENVID as long as a line may be', `ENVID=${'a'.repeat(limits.smtp_line_bytes_max - 100)}`, 555, 501],
  ['an ENVID without a value', 'ENVID', 555, 501],
  ['an ENVID that ends within xtext', 'ENVID=a+2', 555, 501],
  ['an ENVID with small hex digits', 'ENVID=a+2b', 555, 501],
  ['an ENVID that hides a line end', 'ENVID=a+0D+0ARCPT', 555, 501],
  ['an ENVID that hides NUL', 'ENVID=a+00', 555, 501],
  ['an ENVID with a second =', 'ENVID=a=b', 501, 501],
  ['an ENVID with 8-bit characters', 'ENVID=\xc3\xa4', 555, 501],
  ['an ENVID that is not UTF-8', 'ENVID=\xff', 501, 501],
  ['an ENVID with NUL', 'ENVID=a\0', 501, 501],
  ['NOTIFY, which belongs to RCPT', 'NOTIFY=NEVER', 555, 555],
  ['a = alone', '=', 501, 501],
  ['as many as a line holds', Array.from({ length: 150 }, (_, i) => `X${i}=y`).join(' '), 555, 555],
];

const rcpt: readonly Shape[] = [
  ['NOTIFY=NEVER', 'NOTIFY=NEVER', 555, 250],
  ['all that NOTIFY can ask for', 'NOTIFY=success,Failure,DELAY', 555, 250],
  ['the same wish over and over', `NOTIFY=${Array(100).fill('DELAY').join(',')}`, 555, 250],
  ['NOTIFY without a value', 'NOTIFY', 555, 501],
  ['NOTIFY with an empty value', 'NOTIFY=', 501, 501],
  ['NOTIFY with commas alone', `NOTIFY=${','.repeat(500)}`, 555, 501],
  ['NEVER beside another wish', 'NOTIFY=SUCCESS,FAILURE,DELAY,NEVER', 555, 501],
  ['a wish that nobody knows', 'NOTIFY=LATER', 555, 501],
  ['NOTIFY twice', 'NOTIFY=NEVER NOTIFY=NEVER', 501, 501],
  ['NOTIFY with a second =', 'NOTIFY=NEVER=NEVER', 501, 501],
  ['an ORCPT', 'ORCPT=rfc822;ann+2Blist@example.org', 555, 250],
  ['an ORCPT of 500 characters', `ORCPT=rfc822;${'a'.repeat(493)}`, 555, 250],
  ['an ORCPT of 501 characters', `ORCPT=rfc822;${'a'.repeat(494)}`, 555, 501],
  ['an ORCPT in letters beyond ASCII, of a type that has none', 'ORCPT=rfc822;b\xc3\xa9n@y.test', 555, 501],
  ['an ORCPT without a type', 'ORCPT=ann@example.org', 555, 501],
  ['an ORCPT without an address', 'ORCPT=rfc822;', 555, 501],
  ['an ORCPT of semicolons', `ORCPT=${';'.repeat(500)}`, 555, 501],
  ['an ORCPT that is no xtext', 'ORCPT=rfc822;+zz', 555, 501],
  ['an ORCPT that hides a line end', 'ORCPT=rfc822;a+0D+0AX:y', 555, 501],
  ['RET, which belongs to MAIL', 'RET=FULL', 555, 555],
];

/** With the status for a bad argument behind a refusal (RFC 3463 §3.6). */
const right = (code: number) => (code === 250 ? /^250 2\.1\.[05] / : new RegExp(`^${code} 5\\.(5\\.4 |1\\.7 not UTF-8)`));

async function inTransaction(d: Dialogue, command: string, [, parameters, ...codes]: Shape, which: 0 | 1): Promise<void> {
  d.raw(`${command} ${parameters}\r\n`);
  await d.expect(right(codes[which]));
}

for (const lmtp of [false, true]) {
  describe(`smtp: DSN parameters to ${lmtp ? 'LMTP' : 'port 25'}, which does not offer DSN`, () => {
    let house: House;
    before(async () => void (house = await new House(lmtp).start()));
    after(() => house.stop());

    it('is not among what it offers', async () => {
      const d = await house.open();
      assert.doesNotMatch(await d.say(`${lmtp ? 'LHLO' : 'EHLO'} x.test`, '250'), /DSN/);
    });
    for (const shape of mail) it(`MAIL: ${shape[0]}`, async () => {
      const d = await house.hello();
      await inTransaction(d, 'MAIL FROM:<bob@b.test>', shape, 0);
      await d.say('RCPT TO:<ann@example.org>', '503');
      await house.envelope(d);
    });
    for (const shape of rcpt) it(`RCPT: ${shape[0]}`, async () => {
      const d = await house.hello();
      await d.say('MAIL FROM:<bob@b.test>', '250');
      await inTransaction(d, 'RCPT TO:<ann@example.org>', shape, 0);
      await d.say('RCPT TO:<ann@example.org>', '250');
    });
  });
}

describe('smtp: DSN parameters to submission, which offers DSN', () => {
  let server: SubmissionServer;
  let port: number;
  const sent: SentMail[] = [];
  before(async () => {
    const submitter = {
      plaintextAllowed: () => true,
      login: async () => ({ address: 'anna@x.test', sender: async () => {}, recipient: async () => {}, begin: (m: SentMail) => ({ received: 0, write: async () => {}, abort: () => {}, commit: async () => void sent.push(m) }) }),
    };
    server = new SubmissionServer({ submitter, hostname: 'mx.example.org', tls: () => null, clock: systemClock, random: seededRandom(1), logger: silent, hideClient: false, implicitTls: false });
    port = await server.listen('127.0.0.1', 0);
  });
  after(() => server.drain(0));
  const loggedIn = async () => {
    const d = await Dialogue.open(port);
    await d.say('EHLO app', /^250[^]*DSN/);
    await d.say(`AUTH PLAIN ${Buffer.from('\0anna@x.test\0good').toString('base64')}`, '235');
    return d;
  };

  for (const shape of mail) it(`MAIL: ${shape[0]}`, async () => {
    const d = await loggedIn();
    await inTransaction(d, 'MAIL FROM:<anna@x.test>', shape, 1);
    if (shape[3] !== 250) await d.say('MAIL FROM:<anna@x.test>', '250');
    await d.say('RCPT TO:<ben@y.test>', '250');
    d.end();
  });
  for (const shape of rcpt) it(`RCPT: ${shape[0]}`, async () => {
    const d = await loggedIn();
    await d.say('MAIL FROM:<anna@x.test>', '250');
    await inTransaction(d, 'RCPT TO:<ben@y.test>', shape, 1);
    await d.say('RCPT TO:<ben@y.test>', '250');
    d.end();
  });
  it('hands on what was asked for, decoded', async () => {
    const d = await loggedIn();
    await d.say('MAIL FROM:<anna@x.test> ret=full ENVID=a+2Bb', '250');
    await d.say('RCPT TO:<ben@y.test> NOTIFY=success,Failure ORCPT=rfc822;ben+2Blist@y.test', '250');
    await d.say('DATA', '354');
    await d.say('From: anna@x.test\r\n\r\nx\r\n.', '250');
    assert.deepEqual([sent[0].ret, sent[0].envid, sent[0].recipients], ['FULL', 'a+b', [{ address: 'ben@y.test', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;ben+list@y.test' }]]);
    d.end();
  });
  it('takes an address of type utf-8 in both of its forms, and hands on the one that goes anywhere (RFC 6533 §3)', async () => {
    for (const written of ['b\\x{E9}n\\x{1F600}@y.test', 'b\xc3\xa9n\xf0\x9f\x98\x80@y.test']) {
      const d = await loggedIn();
      await d.say('MAIL FROM:<anna@x.test> SMTPUTF8', '250');
      d.raw(`RCPT TO:<ben@y.test> ORCPT=utf-8;${written}\r\n`);
      await d.expect('250');
      await d.say('DATA', '354');
      await d.say('From: anna@x.test\r\n\r\nx\r\n.', '250');
      assert.equal(sent.at(-1)!.recipients[0].orcpt, 'utf-8;b\\x{E9}n\\x{1F600}@y.test');
      d.end();
    }
  });
  for (const [said, ret] of [[' RET=HDRS', 'HDRS'], [' RET=full', 'FULL'], ['', '']]) it(`tells what was asked to come back from what was not: "${said}"`, async () => {
    const d = await loggedIn();
    await d.say(`MAIL FROM:<anna@x.test>${said}`, '250');
    await d.say('RCPT TO:<ben@y.test>', '250');
    await d.say('DATA', '354');
    await d.say('From: anna@x.test\r\n\r\nx\r\n.', '250');
    assert.equal(sent.at(-1)!.ret, ret);
    d.end();
  });
});
