// Mail from strangers to a replica as an administrator starts it: behind a load balancer, with a name server, and with a real
// rspamd beside it.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { join } from 'node:path';
import { dnsServer } from '../verify/dns-server.ts';
import { head, keyOf, signed, zone } from '../verify/inbound.ts';
import { freePorts } from '../ports.ts';
import { Imap } from './imap.ts';
import { Mail } from './mail.ts';
import { EICAR, PASSWORD, RealRspamd, fakeClamd } from './rspamd.ts';
import { Site, until } from './site.ts';
import type { Person, Replica, Settings } from './site.ts';
import { needs } from './tools.ts';

const header = (address: string) => `PROXY TCP4 ${address} 127.0.0.1 40000 25\r\n`;

/** Sends its first bytes behind the PROXY header, in one packet. */
class Behind extends Duplex {
  readonly #socket: Socket;
  #header: Buffer | null;
  constructor(socket: Socket, address: string) {
    super();
    this.#socket = socket;
    this.#header = Buffer.from(header(address));
    socket.on('data', (d) => this.push(d));
    socket.on('end', () => this.push(null));
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
  }
  override _read(): void {}
  override _write(piece: Buffer, _: string, done: () => void): void {
    this.#socket.write(this.#header === null ? piece : Buffer.concat([this.#header, piece]));
    this.#header = null;
    done();
  }
  override _destroy(e: Error | null, done: (e: Error | null) => void): void {
    this.#socket.destroy();
    done(e);
  }
}

const dial = (port: number): Promise<Socket> => new Promise((resolve, reject) => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.once('connect', () => resolve(socket)).once('error', reject);
});

describe('real/receiving', function () {
  this.timeout(120_000);
  let site: Site;
  let dns: Awaited<ReturnType<typeof dnsServer>>;
  let replica: Replica;
  let ann: Person;
  let http: number;
  let submissions: number;
  const open: { destroy(): void }[] = [];

  const begin = async (settings: Settings = {}) => {
    dns = await dnsServer(zone());
    [http, submissions] = await freePorts(2);
    site = new Site({ COLOMBIER_DNS: dns.address, COLOMBIER_PROXY_FROM: '127.0.0.1', COLOMBIER_HTTP_PORT: String(http), COLOMBIER_SUBMISSIONS_PORT: String(submissions), COLOMBIER_SMTP_RATE: '0', ...settings });
    ({ ann } = await site.people('ann', 'picky'));
    replica = await site.start();
  };
  const end = async () => {
    for (const o of open.splice(0)) o.destroy();
    await site?.end();
    dns?.stop();
  };
  const smtp = async (address: string): Promise<Mail> => {
    const socket = await dial(replica.smtp);
    open.push(socket);
    socket.write(header(address));
    const mail = new Mail(socket);
    assert.match((await mail.reply())!, /^220/);
    assert.match((await mail.say('EHLO mx.bob.test'))!, /^250/);
    return mail;
  };
  /** The answer to the whole message. */
  const send = async (text: string, { address = '192.0.2.1', from = 'ann@bob.test', to = ann.address } = {}): Promise<string> => {
    const mail = await smtp(address);
    for (const line of [`MAIL FROM:<${from}>`, `RCPT TO:<${to}>`]) {
      const said = (await mail.say(line))!;
      if (!said.startsWith('250')) return said;
    }
    assert.match((await mail.say('DATA'))!, /^354/);
    const said = await mail.say(`${text.replace(/\r\n$/, '')}\r\n.`);
    return said!;
  };
  const imap = async (): Promise<Imap> => {
    const socket = await dial(replica.imap);
    open.push(socket);
    socket.write('PROXY TCP4 127.0.0.1 127.0.0.1 40000 143\r\n');
    const client = new Imap(socket);
    await client.hears(/^OK/);
    await client.ok(`LOGIN ${ann.address} ${ann.password}`);
    return client;
  };
  /** All messages of a mailbox. */
  const all = async (client: Imap, mailbox: string): Promise<string[]> => {
    await client.ok(`SELECT ${mailbox}`);
    return (await client.ok('UID FETCH 1:* (BODY.PEEK[])')).filter((line) => / FETCH /.test(line));
  };
  const metrics = async () => (await fetch(`http://127.0.0.1:${http}/metrics`)).text();

  describe('checks', () => {
    before(() => begin());
    after(end);

    it('judges mail by DNS, and puts it where it belongs', async () => {
      assert.match(await send(signed(head('ann@bob.test'), 'Hello.\r\n', keyOf('bob.test'))), /^250 2\.6\.0/);
      assert.match(await send(`${head('ceo@strict.test')}\r\nPay.\r\n`, { address: '198.51.100.66', from: 'x@strict.test' }), /^250 2\.6\.0/);
      const client = await imap();
      const [good] = await all(client, 'INBOX');
      assert.match(good, /Authentication-Results: localhost;[^]*dkim=pass[^]*dmarc=pass[^]*iprev=pass/);
      const [junk] = await all(client, 'Junk');
      assert.match(junk, /spf=fail[^]*dmarc=fail[^]*X-Spam-Flag: YES[^]*Subject: Hello/);
      assert.match(await metrics(), /colombier_checks_total\{check="dmarc",result="fail"\} 1\n/);
      assert.match(await metrics(), /colombier_checks_total\{check="verdict",result="junk"\} 1\n/);
    });

    it('refuses before 250 and never writes to anybody afterwards', async () => {
      assert.match(await send('x', { to: 'nobody@real.example' }), /^550 5\.1\.1/);
      assert.match(await send('x', { to: 'ann@elsewhere.example' }), /^550 5\.7\.1/);
      assert.match(await send(`X: ${'y'.repeat(300_000)}\r\n`), /^552 5\.3\.4/);
      const { out, status } = await site.command(['queue', 'list']);
      assert.equal(status, 0);
      assert.doesNotMatch(out, /@/);
    });

    it('knows the client of a TLS connection behind the load balancer, header and hello in one packet', async () => {
      const raw = new Behind(await dial(replica.imaps), '203.0.113.7');
      const secure = connectTls({ socket: raw, rejectUnauthorized: false });
      open.push(secure);
      const client = new Imap(secure);
      await client.hears(/^OK/);
      await client.ok(`LOGIN ${ann.address} ${ann.password}`);
      const sub = connectTls({ socket: new Behind(await dial(submissions), '203.0.113.7'), rejectUnauthorized: false });
      open.push(sub);
      const mail = new Mail(sub);
      assert.match((await mail.reply())!, /^220/);
      assert.match((await mail.say('EHLO app'))!, /^250/);
      assert.match((await mail.say(`AUTH PLAIN ${Buffer.from(`\0${ann.address}\0${ann.password}`).toString('base64')}`))!, /^235/);
      for (const line of [`MAIL FROM:<${ann.address}>`, `RCPT TO:<${ann.address}>`]) assert.match((await mail.say(line))!, /^250/);
      await mail.say('DATA');
      assert.match((await mail.say(`From: ${ann.address}\r\nSubject: mine\r\n\r\nx\r\n.`))!, /^250/);
      const inbox = await imap();
      const mine = await until(async () => (await all(inbox, 'INBOX')).find((m) => m.includes('Subject: mine')) ?? false);
      assert.match(mine, /Received: from app \(\[203\.0\.113\.7\]\)/);
    });

    it('closes what comes without a header, at every port', async () => {
      for (const port of [replica.smtp, replica.imap, replica.imaps, submissions]) {
        const socket = await dial(port);
        let heard = '';
        socket.on('data', (d) => (heard += d));
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.on('error', () => {});
        socket.write('EHLO x\r\na LOGIN b c\r\n');
        await closed;
        assert.equal(heard, '');
      }
      // LMTP is for own relays: it speaks no PROXY protocol.
      assert.match((await (await replica.sender('lmtp')).say('NOOP'))!, /^250/);
    });
  });

  describe('rspamd', function () {
    let rspamd: RealRspamd;
    let clamd: Awaited<ReturnType<typeof fakeClamd>>;
    before(async function () {
      needs(this as never, 'rspamd', ['--version'], 'scripts/debian.sh');
      dns = await dnsServer(zone());
      const folder = new Site();
      site = folder;
      clamd = await fakeClamd();
      rspamd = await RealRspamd.start(join(folder.folder, 'rspamd'), clamd.port);
      dns.stop();
      await begin({ COLOMBIER_RSPAMD_URL: rspamd.url, COLOMBIER_RSPAMD_PASSWORD: PASSWORD });
      open.push({ destroy: () => void folder.end() });
    });
    after(async () => {
      await rspamd?.stop();
      clamd?.stop();
      if (rspamd) await end();
    });
    const mail = (subject: string) => `${head('ann@bob.test').replace('Hello', subject).replace('<1@', `<${subject.replace(/\W/g, '')}@`)}\r\nThe quick brown fox jumps over the lazy dog and ${subject} goes on.\r\n`;

    it('does what it says', async () => {
      assert.match(await send(mail('fine')), /^250/);
      assert.match(await send(mail('junk one')), /^250/);
      assert.match(await send(mail('bad')), /^550 5\.7\.1/);
      assert.match(await send(mail('soft')), /^451 4\.7\.1 wait a little/);
      const client = await imap();
      assert.match((await all(client, 'INBOX')).join(), /X-Spam-Status: No, score=0 required=15[^]*Subject: fine/);
      assert.match((await all(client, 'Junk')).join(), /X-Spam-Flag: YES\r\nX-Spam-Status: Yes, score=8 required=15 tests=TEST_JUNK\r\n[^]*Subject: junk one/);
      // Its settings for one recipient count for that one.
      assert.match(await send(mail('for picky'), { to: 'picky@real.example' }), /^250/);
      assert.match(await metrics(), /colombier_checks_total\{check="rspamd",result="junk"\} 2\n/);
    });

    it('has a virus scanner look at it (ClamAV, by its protocol)', async () => {
      const attached = (text: string) => `${head('ann@bob.test')}MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nAs you asked.\r\n--b\r\nContent-Type: application/octet-stream; name=invoice.exe\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(text).toString('base64')}\r\n--b--\r\n`;
      assert.match(await send(attached(`${'nothing bad in here '.repeat(20)}`)), /^250/);
      assert.ok(clamd.scanned > 0);
      assert.match(await send(attached(EICAR)), /^550 5\.7\.1 virus found: "Eicar-Signature"/);
    });

    it('learns from what people move', async () => {
      const client = await imap();
      const before = await rspamd.learned();
      await client.ok('SELECT Junk');
      await client.ok('UID MOVE 1:* INBOX');
      await until(async () => (await rspamd.learned()) === before + 1, 20_000);
      const moved = (await all(client, 'INBOX')).length;
      await client.ok('UID MOVE 1:* Junk');
      // What it would have said anyway it need not learn.
      const learned = async () => [...(await metrics()).matchAll(/check="learn",result="(?:spam|known)"\} (\d+)\n/g)].reduce((sum, m) => sum + Number(m[1]), 0);
      await until(async () => (await learned()) === moved, 20_000, () => replica.log);
      assert.match(await metrics(), /check="learn",result="spam"\} [1-9]\n/);
    });

    it('goes away: mail is taken, marked and counted', async () => {
      await rspamd.stop();
      assert.match(await send(mail('junk two')), /^250/);
      const client = await imap();
      const found = (await all(client, 'INBOX')).find((m) => m.includes('Subject: junk two'));
      assert.match(found!, /X-Spam-Status: unchecked \(rspamd does not answer\)/);
      assert.match(await metrics(), /colombier_checks_total\{check="rspamd",result="away"\} 1\n/);
    });
  });
});
