// A replica as an administrator starts it: a mail app logs in, sends, and another server gets it.
import assert from 'node:assert/strict';
import type { AddressInfo, Server } from 'node:net';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { Site, freePorts, until } from '../real/site.ts';
import type { Person, Replica } from '../real/site.ts';

describe('queue: a whole replica', function () {
  this.timeout(60_000);
  let site: Site;
  let replica: Replica;
  let people: { anna: Person; ben: Person };
  let ports: { submission: number; submissions: number };
  const got: { from: string; to: string[]; text: string }[] = [];
  let mx: SMTPServer;
  let answer: string | null = null;

  before(async () => {
    mx = new SMTPServer({
      authOptional: true, disableReverseLookup: true, logger: false, closeTimeout: 100,
      onRcptTo: (_a, _s, done) => done(answer === null ? null : Object.assign(new Error(answer.slice(4)), { responseCode: Number(answer.slice(0, 3)) })),
      onData: (stream, session, done) => {
        const pieces: Buffer[] = [];
        stream.on('data', (p) => pieces.push(p));
        stream.on('end', () => {
          got.push({ from: (session.envelope.mailFrom as { address: string }).address, to: session.envelope.rcptTo.map((r) => r.address), text: Buffer.concat(pieces).toString() });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => mx.listen(0, '127.0.0.1', () => resolve()));
    const port = ((mx.server as unknown as Server).address() as AddressInfo).port;
    const [submission, submissions] = await freePorts(2);
    ports = { submission, submissions };
    site = new Site();
    people = await site.people('anna', 'ben');
    replica = await site.start({ COLOMBIER_SUBMISSION_PORT: String(submission), COLOMBIER_SUBMISSIONS_PORT: String(submissions), COLOMBIER_SMARTHOST: `127.0.0.1:${port}` });
  });
  after(async () => {
    await replica?.stop();
    await site?.end();
    await new Promise<void>((resolve) => mx.close(() => resolve()));
  });

  const app = (who: Person, secure = false, pass = who.password) =>
    createTransport({ host: '127.0.0.1', port: secure ? ports.submissions : ports.submission, secure, requireTLS: !secure, tls: { rejectUnauthorized: false }, auth: { user: who.address, pass } });
  async function arrives(n: number): Promise<void> {
    await until(() => got.length >= n, 15_000);
    assert.equal(got.length, n);
  }

  it('takes mail over STARTTLS and TLS, and hands it on', async () => {
    const mail = { from: `Anna <${people.anna.address}>`, to: 'cleo@far.example', bcc: 'dan@far.example', subject: 'Grüße', text: '.dots\n..\nünd mehr\n' };
    for (const secure of [false, true]) await app(people.anna, secure).sendMail(mail);
    await arrives(2);
    for (const { from, to, text } of got) {
      assert.equal(from, people.anna.address);
      assert.deepEqual(to.sort(), ['cleo@far.example', 'dan@far.example']);
      assert.match(text, /^Received: from \S+ \(\[127\.0\.0\.1\]\)\r\n\tby localhost with ESMTPSA \(TLSv1\.3 TLS_\w+\) id \w+;/);
      assert.doesNotMatch(text, /^Bcc:|dan@/im);
      assert.match(text, /\r\n\.dots\r\n\.\.\r\n/);
    }
  });

  it('refuses a wrong password, another sender and an unknown recipient here', async () => {
    await assert.rejects(app(people.anna, false, 'wrong').verify(), /535/);
    const one = { from: people.anna.address, to: 'cleo@far.example', text: 'x' };
    await assert.rejects(app(people.anna).sendMail({ ...one, from: people.ben.address }), /553 5\.7\.1/);
    await assert.rejects(app(people.anna).sendMail({ ...one, envelope: { from: people.anna.address, to: one.to }, from: people.ben.address }), /550 5\.7\.1/);
    await assert.rejects(app(people.anna).sendMail({ ...one, to: people.ben.address.replace('ben', 'nobody') }), /550 5\.1\.1/);
    const none = createTransport({ host: '127.0.0.1', port: ports.submission, tls: { rejectUnauthorized: false } });
    await assert.rejects(none.sendMail(one), /530 5\.7\.0/);
    assert.equal(got.length, 2);
  });

  it('delivers here without the queue, and brings a failure back into the INBOX', async () => {
    await app(people.anna).sendMail({ from: people.anna.address, to: people.ben.address, subject: 'here', text: 'x' });
    answer = '550 5.1.1 who is that';
    await app(people.anna).sendMail({ from: people.anna.address, to: 'eve@far.example', subject: 'there', text: 'x' });
    const imap = await replica.client(people.anna);
    await until(async () => (await imap.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')), 15_000);
    await imap.ok('SELECT INBOX');
    assert.match((await imap.ok('FETCH 1 BODY.PEEK[]')).join(''), /Final-Recipient: rfc822; eve@far\.example\r\nAction: failed\r\nStatus: 5\.1\.1/);
    const ben = await replica.client(people.ben);
    assert.ok((await ben.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')));
  });
});
