// A replica as an administrator starts it: a mail app logs in, sends, and another server gets it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { AddressInfo, Server } from 'node:net';
import { connect } from 'node:tls';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { everything } from '../real/imap.ts';
import { message } from '../real/mail.ts';
import { limits } from '../../src/base/index.ts';
import { DOMAIN, Site, sleep, until } from '../real/site.ts';
import { freePorts } from '../ports.ts';
import type { Person, Replica } from '../real/site.ts';
import { readNumbers } from '../web/numbers.ts';

describe('queue: a whole replica', function () {
  this.timeout(180_000);
  let site: Site;
  let replica: Replica;
  let settings: Record<string, string>;
  let people: { anna: Person; ben: Person };
  let ports: { submission: number; submissions: number; http: number };
  const got: { from: string; to: string[]; text: string }[] = [];
  let mx: SMTPServer;
  let answer: string | null = null;
  /** The other server answers no recipient before this. */
  let gate: Promise<void> = Promise.resolve();

  before(async () => {
    mx = new SMTPServer({
      authOptional: true, disableReverseLookup: true, logger: false, closeTimeout: 100,
      onRcptTo: (_a, _s, done) => void gate.then(() => done(answer === null ? null : Object.assign(new Error(answer.slice(4)), { responseCode: Number(answer.slice(0, 3)) }))),
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
    const [submission, submissions, http] = await freePorts(3);
    ports = { submission, submissions, http };
    site = new Site();
    people = await site.people('anna', 'ben');
    settings = { COLOMBIER_SUBMISSION_PORT: String(submission), COLOMBIER_SUBMISSIONS_PORT: String(submissions), COLOMBIER_SMARTHOST: `127.0.0.1:${port}`, COLOMBIER_HTTP_PORT: String(http) };
    replica = await site.start(settings);
  });
  after(async () => {
    await replica?.stop();
    await site?.end();
    await new Promise<void>((resolve) => mx.close(() => resolve()));
  });

  const app = (who: Person, secure = false, pass = who.password) =>
    createTransport({ host: '127.0.0.1', port: secure ? ports.submissions : ports.submission, secure, requireTLS: !secure, tls: { rejectUnauthorized: false }, auth: { user: who.address, pass } });
  async function inbox(who: Person): Promise<string> {
    const imap = await replica.client(who);
    const all = await everything(imap);
    imap.close();
    return all.join('\r\n');
  }
  async function arrives(n: number): Promise<void> {
    await until(() => got.length >= n, 60_000);
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

  it('signs so that the records of `domain dns` verify it', async () => {
    const { out, status } = await site.command(['domain', 'dns', DOMAIN]);
    assert.equal(status, 0);
    const records = new Map([...out.matchAll(/^(\S+)\. IN TXT (.*)$/gm)].map((m) => [m[1], m[2].replace(/" "/g, '').slice(1, -1)]));
    assert.equal([...records.keys()].filter((n) => n.endsWith(`._domainkey.${DOMAIN}`)).length, 2);
    const resolver = async (name: string) => [[records.get(name) ?? assert.fail(name)]];
    for (const { text } of got) {
      const { results } = await dkimVerify(Buffer.from(text), { resolver });
      assert.deepEqual(results.map((r: { status: { result: string }; algo?: string }) => r.status.result), ['pass', 'pass'], text);
    }
    for (const line of [`${DOMAIN}. IN MX 10 localhost.`, `_dmarc.${DOMAIN}. IN TXT "v=DMARC1; p=quarantine"`, `_submission._tcp.${DOMAIN}. IN SRV 0 1 587 localhost.`]) assert.ok(out.includes(line), out);
  });

  it('rotates keys with overlap: the old ones sign until the new ones can be in DNS', async () => {
    const made = await site.command(['domain', 'dkim', 'rotate', DOMAIN]);
    assert.equal(made.status, 0, made.err);
    assert.match(made.out, /^new keys r\d{8} and e\d{8}: /);
    const again = await site.command(['domain', 'dkim', 'rotate', DOMAIN]);
    assert.equal(again.status, 1);
    assert.match(again.err, /has new keys already/);
    const { out } = await site.command(['domain', 'dns', DOMAIN]);
    assert.equal(out.match(/_domainkey\./g)!.length, 4);
    assert.equal(out.match(/signs from .* to be there by then/g)!.length, 2);
    const before = got.length;
    await app(people.anna).sendMail({ from: people.anna.address, to: 'cleo@far.example', subject: 'after', text: 'x' });
    await arrives(before + 1);
    const selectors = [...got.at(-1)!.text.matchAll(/\ss=([a-z0-9]+);/g)].map((m) => m[1]);
    const fresh = /new keys (\w+) and (\w+):/.exec(made.out)!.slice(1);
    assert.equal(selectors.length, 2);
    for (const s of selectors) assert.ok(!fresh.includes(s) && out.includes(`${s}._domainkey.`), s);
    got.pop();
  });

  it('prints TLSA for the key that it serves', async () => {
    const { out } = await site.command(['domain', 'dns', DOMAIN]);
    const served = await new Promise<Buffer>((resolve, reject) => {
      const socket = connect({ port: ports.submissions, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()!.publicKey.export({ type: 'spki', format: 'der' }) as Buffer);
        socket.destroy();
      }).on('error', reject);
    });
    assert.equal(/^_25\._tcp\.\S+ IN TLSA (.*)$/m.exec(out)?.[1], `3 1 1 ${createHash('sha256').update(served).digest('hex')}`);
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

  it('takes an app password until it is removed, on a connection that is open as well', async () => {
    const made = await site.command(['user', 'app-password', people.ben.address, 'laptop', '--password-stdin'], `${people.ben.password}\n`);
    const [, pass] = /^App password\s+(\S+)/m.exec(made.out)!;
    const [, id] = /^Id\s+(\S+)/m.exec(made.out)!;
    const one = { from: people.ben.address, to: 'cleo@far.example', text: 'x' };
    const before = got.length;
    const pooled = createTransport({ pool: true, maxConnections: 1, host: '127.0.0.1', port: ports.submissions, secure: true, tls: { rejectUnauthorized: false }, auth: { user: people.ben.address, pass } });
    try {
      await pooled.sendMail(one);
      await arrives(before + 1);
      got.pop();
      assert.equal((await site.command(['user', 'app-password', people.ben.address, '--remove', id])).status, 0);
      await assert.rejects(pooled.sendMail(one), /530 5\.7\.0|535 5\.7\.8/);
      await assert.rejects(app(people.ben, true, pass).verify(), /535 5\.7\.8/);
    } finally {
      pooled.close();
    }
  });

  it('sends from an alias of the user\'s, for as long as it is theirs', async () => {
    const alias = `office@${DOMAIN}`;
    const one = { from: `Office <${alias}>`, to: 'cleo@far.example', text: 'x' };
    await assert.rejects(app(people.anna).sendMail(one), /553 5\.7\.1/);
    assert.equal((await site.command(['address', 'add', alias, people.anna.address])).status, 0);
    const before = got.length;
    await app(people.anna).sendMail(one);
    await arrives(before + 1);
    assert.equal(got.pop()!.from, alias);
    await assert.rejects(app(people.ben).sendMail(one), /553 5\.7\.1/);
    assert.equal((await site.command(['address', 'remove', alias])).status, 0);
    await assert.rejects(app(people.anna).sendMail(one), /553 5\.7\.1/);
  });

  it('offers REQUIRETLS over TLS only, and brings back what can not go so', async () => {
    const before = got.length;
    const imap = await replica.client(people.ben);
    await app(people.ben, true).sendMail({ from: people.ben.address, to: 'cleo@far.example', subject: 'only over TLS', text: 'x', requireTLSExtensionEnabled: true, envelope: { from: people.ben.address, to: 'cleo@far.example', requireTLSExtensionEnabled: true } } as never);
    await until(async () => (await imap.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')), 60_000, () => `no notice came: ${replica.log.slice(-3000)}`);
    await imap.ok('SELECT INBOX');
    assert.match((await imap.ok('FETCH 1 BODY.PEEK[]')).join(''), /Status: 5\.7\.10/);
    await imap.ok('STORE 1 +FLAGS (\\Deleted)');
    await imap.ok('EXPUNGE');
    assert.equal(got.length, before);
    imap.close();
  });

  it('delivers here without the queue, and brings a failure back into the INBOX', async () => {
    await app(people.anna).sendMail({ from: people.anna.address, to: people.ben.address, subject: 'here', text: 'x' });
    answer = '550 5.1.1 <eve@far.example>: who is that';
    await app(people.anna).sendMail({ from: people.anna.address, to: 'eve@far.example', subject: 'there', text: 'x' });
    const imap = await replica.client(people.anna);
    await until(async () => (await imap.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')), 60_000, () => `no notice came: ${replica.log.slice(-3000)}`);
    await imap.ok('SELECT INBOX');
    assert.match((await imap.ok('FETCH 1 BODY.PEEK[]')).join(''), /Final-Recipient: rfc822; eve@far\.example\r\nAction: failed\r\nStatus: 5\.1\.1/);
    // The log says why, and not to whom.
    assert.match(replica.log, /failed .*5\.1\.1 <…>: who is that/);
    assert.ok(!replica.log.includes('eve@far'), replica.log);
    const ben = await replica.client(people.ben);
    assert.ok((await ben.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')));
  });

  it('hands on what comes for an address that leads elsewhere, and tells the postmaster what failed, nobody outside', async () => {
    assert.equal((await site.command(['address', 'add', `info@${DOMAIN}`, 'Cleo@far.example'])).status, 0);
    assert.match((await site.command(['address', 'list', DOMAIN])).out, new RegExp(`info@${DOMAIN} +Cleo@far\\.example`));
    answer = null;
    const before = got.length;
    const sender = await replica.sender('smtp');
    assert.match((await sender.deliver(`info@${DOMAIN}`, message('forwarded')))!, /^250/);
    await until(() => got.length > before, 60_000);
    assert.deepEqual(got.at(-1)!.to, ['Cleo@far.example']);
    const { from, text } = got.at(-1)!;
    assert.match(from, new RegExp(`^SRS0=\\w+=\\w\\w=.*@${DOMAIN}$`));
    assert.match(text, /Delivered-To: info@/);
    // Who sent it has had a 250 and may be anybody.
    assert.equal((await site.command(['address', 'add', `postmaster@${DOMAIN}`, people.ben.address])).status, 0);
    const sent = got.length;
    answer = '550 5.1.1 gone';
    assert.match((await sender.deliver(`info@${DOMAIN}`, message('not forwarded')))!, /^250/);
    const ben = await replica.client(people.ben);
    await until(async () => (await ben.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 2)')), 60_000, () => `no notice came: ${replica.log.slice(-3000)}`);
    await ben.ok('SELECT INBOX');
    assert.match((await ben.ok('FETCH 2 BODY.PEEK[]')).join(''), /Subject: A forwarded message could not be delivered\r\n[^]*Final-Recipient: rfc822; Cleo@far\.example\r\nAction: failed/);
    await until(async () => /far\.example/.test((await site.command(['queue', 'list'])).out) === false, 60_000, () => `it waits still: ${replica.log.slice(-3000)}`);
    answer = null;
    assert.equal(got.length, sent);
    sender.close();
    assert.equal((await site.command(['address', 'remove', `info@${DOMAIN}`])).status, 0);
  });

  it('lists, shows, holds, retries and drops what waits', async () => {
    answer = '451 4.7.1 greylisted';
    const before = got.length;
    await app(people.anna).sendMail({ from: people.anna.address, to: 'fay@far.example', subject: 'wait', text: 'x' });
    const listed = await until(async () => /^(\w+) +waiting .*fay@far\.example.*greylisted/m.exec((await site.command(['queue', 'list'])).out) ?? false, 60_000);
    const id = listed[1];
    const numbers = async () => readNumbers(await (await fetch(`http://127.0.0.1:${ports.http}/metrics`)).text()).values;
    const waits = (values: Map<string, number>) => Object.fromEntries([...values].filter(([name]) => name.startsWith('colombier_queue_messages')).map(([name, n]) => [/state="(\w+)"/.exec(name)![1], n]));
    const open = connect({ port: ports.submissions, host: '127.0.0.1', rejectUnauthorized: false }).on('error', () => {});
    const told = await until(async () => {
      const values = await numbers();
      return values.get('colombier_connections{protocol="submission"}')! > 0 && values;
    });
    open.destroy();
    assert.deepEqual(waits(told), { due: 0, later: 1, sending: 0, held: 0 });
    assert.ok(told.get('colombier_queue_bytes')! > 0 && told.get('colombier_queue_recipients_total{result="delivered"}')! >= got.length && told.get('colombier_queue_recipients_total{result="deferred"}')! >= 1);
    const shown = await site.command(['queue', 'show', id]);
    assert.match(shown.out, /fay@far\.example +deferred +1 .*4\.7\.1/);
    assert.equal((await site.command(['queue', 'hold', id])).status, 0);
    assert.match((await site.command(['queue', 'list'])).out, /held/);
    assert.deepEqual(waits(await numbers()), { due: 0, later: 0, sending: 0, held: 1 });
    assert.match((await site.command(['queue', 'retry', id])).err, /is held: queue hold \w+ --off lets it go on/);
    assert.equal((await site.command(['queue', 'retry', 'all'])).out, '0 messages tried again now\n');
    answer = null;
    await site.command(['queue', 'hold', id, '--off']);
    assert.equal((await site.command(['queue', 'retry', 'all'])).out, '1 message tried again now\n');
    await until(() => got.length > before, 60_000);
    await until(async () => (await site.command(['queue', 'list'])).out === 'nothing waits\n');
    answer = '451 4.7.1 greylisted';
    await app(people.anna).sendMail({ from: people.anna.address, to: 'gus@far.example', subject: 'wait', text: 'x' });
    const [, other] = await until(async () => /^(\w+) .*gus@/m.exec((await site.command(['queue', 'list'])).out) ?? false);
    assert.equal((await site.command(['queue', 'drop', other, '--silent'])).out, `${other} dropped; its sender is not told\n`);
    assert.equal((await site.command(['queue', 'drop', other])).status, 1);
    assert.equal((await site.command(['queue', 'list'])).out, 'nothing waits\n');
  });

  it('puts 8-bit mail into seven bits for a server that takes no other, signed anew', async () => {
    answer = null;
    const before = got.length;
    const mail = { from: people.anna.address, to: 'kim@far.example', subject: 'seven', raw: `From: ${people.anna.address}\r\nTo: kim@far.example\r\nSubject: seven\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nViele Grüße aus der Küche\r\n` };
    mx.options.hide8BITMIME = true;
    // A connection that is open knows better.
    await sleep(limits.queue_connection_idle_ms + 1000);
    try {
      await app(people.anna).sendMail(mail);
      await arrives(before + 1);
      // Larger than what is converted in memory.
      await app(people.anna).sendMail({ ...mail, raw: `${mail.raw}${`${'x'.repeat(98)}\r\n`.repeat(limits.queue_convert_bytes_max / 100 + 1)}` });
      await until(async () => /kim@far\.example\r\nAction: failed\r\nStatus: 5\.6\.3/.test(await inbox(people.anna)), 60_000);
    } finally {
      mx.options.hide8BITMIME = false;
    }
    const { text } = got[before];
    assert.match(text, /\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nViele Gr=C3=BC=C3=9Fe aus der K=C3=BCche\r\n$/);
    assert.match(text, /^Received: /);
    const { out } = await site.command(['domain', 'dns', DOMAIN]);
    const records = new Map([...out.matchAll(/^(\S+)\. IN TXT (.*)$/gm)].map((m) => [m[1], m[2].replace(/" "/g, '').slice(1, -1)]));
    const { results } = await dkimVerify(Buffer.from(text), { resolver: async (name: string) => [[records.get(name) ?? assert.fail(name)]] });
    assert.deepEqual(results.map((r: { status: { result: string } }) => r.status.result), ['pass', 'pass'], text);
    await sleep(limits.queue_connection_idle_ms + 1000);
  });

  it('tells the sender of what an administrator drops, and nobody of what is dropped silently', async () => {
    answer = '451 4.7.1 greylisted';
    const drop = async (to: string, ...how: string[]) => {
      await app(people.anna).sendMail({ from: people.anna.address, to, subject: 'dropped', text: 'x' });
      const [, id] = await until(async () => new RegExp(`^(\\w+) +waiting .*${to}.*greylisted`, 'm').exec((await site.command(['queue', 'list'])).out) ?? false, 60_000);
      return site.command(['queue', 'drop', id, ...how]);
    };
    assert.equal((await drop('ida@far.example', '--silent')).status, 0);
    const told = await drop('jan@far.example');
    assert.match(told.out, /dropped; its sender is told/);
    const notice = /an administrator has taken the message out of the queue[^]*Final-Recipient: rfc822; jan@far\.example\r\nAction: failed\r\nStatus: 5\.3\.0/;
    await until(async () => notice.test(await inbox(people.anna)), 60_000);
    await until(async () => (await site.command(['queue', 'list'])).out === 'nothing waits\n');
    assert.doesNotMatch(await inbox(people.anna), /ida@far/);
  });

  it('does not tell that a message failed while it is being sent', async () => {
    answer = null;
    const before = got.length;
    let open = () => {};
    gate = new Promise((resolve) => (open = resolve));
    await app(people.anna).sendMail({ from: people.anna.address, to: 'lea@far.example', subject: 'under way', text: 'x' });
    const [, id] = await until(async () => /^(\w+) +sending .*lea@far/m.exec((await site.command(['queue', 'list'])).out) ?? false);
    const dropped = await site.command(['queue', 'drop', id]);
    assert.equal(dropped.status, 1);
    assert.match(dropped.err, /is being sent right now/);
    open();
    await arrives(before + 1);
    await until(async () => (await site.command(['queue', 'list'])).out === 'nothing waits\n');
    assert.doesNotMatch(await inbox(people.anna), /lea@far/);
  });

  it('sends on after a kill, by the next replica on the same store, with the command line alone meanwhile', async () => {
    answer = '451 4.7.1 greylisted';
    const before = got.length;
    await app(people.anna).sendMail({ from: people.anna.address, to: 'hal@far.example', subject: 'wait', text: 'x' });
    await until(async () => /greylisted/.test((await site.command(['queue', 'list'])).out));
    await replica.stop('SIGKILL');
    assert.match((await site.command(['queue', 'list'])).out, /hal@far\.example/);
    answer = null;
    // As after a backup came back: what waits is held until somebody has looked.
    assert.match((await site.command(['restored'])).out, /1 message is held in the queue/);
    replica = await site.start(settings);
    assert.match((await site.command(['queue', 'list'])).out, /held .*hal@far\.example/);
    assert.equal((await site.command(['queue', 'hold', 'all', '--off'])).out, 'all that was held goes on\n');
    await site.command(['queue', 'retry', 'all']);
    await until(() => got.length > before, 45_000);
  });
});
