// A whole world on loopback: two replicas, Postfix as everybody else, DNS that is signed. Mail goes both ways; a server whose
// certificate is not what its domain says never gets any.
import assert from 'node:assert/strict';
import { Resolver as NodeResolver } from 'node:dns/promises';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import { join } from 'node:path';
import { authenticate } from 'mailauth';
import { createTransport } from 'nodemailer';
import { freePorts } from '../ports.ts';
import { Authority, tlsaData } from '../queue/authority.ts';
import type { Certificate } from '../queue/authority.ts';
import { DOMAIN, Site, until } from './site.ts';
import type { Person, Replica } from './site.ts';
import { run, skip } from './tools.ts';
import { Postfix, Resolver, worldMissing } from './world.ts';
import type { Zone } from './world.ts';

/** Kept by Postfix: one for each way in which a certificate can be right or wrong. */
const DOMAINS = ['away.example', 'baddane.example', 'sts.example', 'badsts.example'] as const;

describe('real: a whole world on loopback', function () {
  this.timeout(120_000);
  let site: Site;
  let people: Record<'anna' | 'ben', Person>;
  let a: Replica;
  let b: Replica;
  let postfix: Postfix;
  let resolver: Resolver;
  let policies: Server;
  let certificate: Certificate;
  let submission: number[];
  let smtp: number;
  let own = '';
  /** What the policy of the own domain names. */
  let ownMx = `mx.${DOMAIN}`;
  let world: Record<string, string>;

  before(async function () {
    const missing = worldMissing();
    if (missing) return skip(this, missing);
    const authority = await Authority.create();
    certificate = authority.chain(await authority.issue(['mx.away.example', 'mx.sts.example', 'mta-sts.sts.example', 'mta-sts.badsts.example', `mta-sts.${DOMAIN}`]));
    site = new Site({ COLOMBIER_HOSTNAME: `mx.${DOMAIN}` });
    people = await site.people('anna', 'ben');
    const [dns, sts, smtpA, smtpB, ...free] = await freePorts(8);
    [submission, smtp] = [free, smtpA];
    postfix = await Postfix.start({ folder: join(site.folder, 'postfix'), hostname: 'mx.away.example', domains: [...DOMAINS], routes: { [DOMAIN]: smtpA }, tls: certificate });
    policies = createServer({ key: certificate.key, cert: certificate.cert }, (req, res) => {
      const domain = req.headers.host!.replace(/^mta-sts\.|:\d+$/g, '');
      res.writeHead(200, { 'content-type': 'text/plain' }).end(`version: STSv1\nmode: enforce\nmx: ${domain === DOMAIN ? ownMx : `mx.${domain}`}\nmax_age: 86400\n`);
    });
    await new Promise<void>((resolve) => policies.listen(sts, '127.0.0.1', () => resolve()));
    own = (await site.command(['domain', 'dns', DOMAIN])).out;
    resolver = new Resolver(join(site.folder, 'dns'), dns);
    await resolver.serve(zones(tlsaData(certificate.cert, 1).fill(7)));
    const ca = join(site.folder, 'ca.pem');
    writeFileSync(ca, authority.root.cert);
    world = { NODE_EXTRA_CA_CERTS: ca, COLOMBIER_DNS: `127.0.0.1:${dns}`, COLOMBIER_STS_PORT: String(sts) };
    const settings = { ...world, COLOMBIER_MX_PORT: String(postfix.port) };
    const at = (i: number, smtp: number) => ({ ...settings, COLOMBIER_SMTP_PORT: String(smtp), COLOMBIER_SUBMISSION_PORT: String(submission[2 * i]), COLOMBIER_SUBMISSIONS_PORT: String(submission[2 * i + 1]) });
    [a, b] = await Promise.all([site.start(at(0, smtpA)), site.start(at(1, smtpB))]);
  });
  after(async () => {
    await postfix?.stop();
    await resolver?.stop();
    if (policies) await new Promise<void>((resolve) => (policies.closeAllConnections(), policies.close(() => resolve())));
    await site?.end();
  });

  /** `other`: what TLSA says of the server whose certificate is another. */
  function zones(other: Buffer): Zone[] {
    const zone = (name: string, signed: boolean, records: string[]): Zone => ({ name, signed, records: [`${name}. IN MX 10 mx.${name}.`, `mx.${name}. IN A 127.0.0.1`, ...records].join('\n') });
    const tlsa = (name: string, data: Buffer) => `_${postfix.port}._tcp.mx.${name}. IN TLSA 3 1 1 ${data.toString('hex')}`;
    const sts = (name: string) => [`_mta-sts.${name}. IN TXT "v=STSv1; id=1"`, `mta-sts.${name}. IN A 127.0.0.1`];
    return [
      { name: DOMAIN, signed: true, records: `${own}\nmx.${DOMAIN}. IN A 127.0.0.1\nmta-sts.${DOMAIN}. IN A 127.0.0.1` },
      zone('away.example', true, [tlsa('away.example', tlsaData(certificate.cert, 1))]),
      zone('baddane.example', true, [tlsa('baddane.example', other)]),
      zone('sts.example', false, sts('sts.example')),
      zone('badsts.example', false, sts('badsts.example')),
    ];
  }
  const app = (i: number, who: Person) => createTransport({ host: '127.0.0.1', port: submission[2 * i], requireTLS: true, tls: { rejectUnauthorized: false }, auth: { user: who.address, pass: who.password } });
  const to = (address: string) => postfix.mails.filter((m) => new RegExp(`^(X-Original-To|Delivered-To): ${address}\r?$`, 'm').test(m));
  const waits = async (address: string, why: RegExp) => until(async () => {
    const line = (await site.command(['queue', 'list'])).out.split('\n').find((l) => l.includes(address));
    return line !== undefined && why.test(line) && line;
  }, 30_000, () => `${address} never waits for ${why}`);

  it('what is sent arrives over TLS that DANE proves, with DKIM, SPF and DMARC that pass', async () => {
    for (const [i, who] of [people.anna, people.ben].entries()) await app(i, who).sendMail({ from: who.address, to: `cleo${i}@away.example`, subject: `Grüße ${i}`, text: '.dots\nund Umlaute: äöü\n' });
    await until(() => postfix.mails.length >= 2, 30_000, () => postfix.log.slice(-3000) + a.log + b.log);
    const dns = new NodeResolver();
    dns.setServers([`127.0.0.1:${resolver.port}`]);
    for (const i of [0, 1]) {
      const [mail] = to(`cleo${i}@away.example`);
      assert.match(mail, /using TLSv1\.3/);
      // Postfix's own fields stand above what was sent.
      const sent = Buffer.from(mail.slice(mail.indexOf('DKIM-Signature')).replace(/\r?\n/g, '\r\n'), 'latin1');
      const result = await authenticate(sent, { ip: '127.0.0.1', helo: `mx.${DOMAIN}`, sender: people.anna.address, resolver: (name: string, type: string) => dns.resolve(name, type as 'TXT') as Promise<never>, mta: 'mx.away.example' });
      assert.deepEqual(result.dkim.results.map((r) => r.status.result), ['pass', 'pass']);
      assert.equal((result.spf as { status: { result: string } }).status.result, 'pass');
      assert.equal((result.dmarc as { status: { result: string } }).status.result, 'pass');
    }
  });

  it('a policy (MTA-STS) that fits lets mail through', async () => {
    await app(0, people.anna).sendMail({ from: people.anna.address, to: 'cleo@sts.example', subject: 'policy', text: 'x' });
    await until(() => to('cleo@sts.example').length === 1, 30_000, () => a.log);
  });

  it('a server with another certificate than its domain says never gets it, until that is mended', async () => {
    await app(0, people.anna).sendMail({ from: people.anna.address, to: 'cleo@baddane.example', subject: 'dane', text: 'x' });
    await app(1, people.anna).sendMail({ from: people.anna.address, to: 'cleo@badsts.example', subject: 'policy', text: 'x' });
    await waits('cleo@baddane.example', /DANE/);
    await waits('cleo@badsts.example', /4\.7\.5/);
    await site.command(['queue', 'retry', 'all']);
    await waits('cleo@badsts.example', /4\.7\.5/);
    assert.equal(postfix.mails.length, 3);
    await resolver.serve(zones(tlsaData(certificate.cert, 1)));
    await until(async () => (await site.command(['queue', 'retry', 'all']), to('cleo@baddane.example').length === 1), 60_000, () => a.log + b.log);
    assert.equal(postfix.mails.length, 4);
    await waits('cleo@badsts.example', /4\.7\.5/);
  });

  it('`domain check` finds in DNS what `domain dns` printed', async () => {
    const check = () => site.command(['domain', 'check', DOMAIN], '', world);
    const lacking = await check();
    assert.match(lacking.out, /^postmaster@\S+ +address +missing/m);
    assert.equal(lacking.status, 1);
    await site.command(['address', 'add', `postmaster@${DOMAIN}`, people.anna.address]);
    // The replicas have a certificate now, whose key TLSA names.
    own = (await site.command(['domain', 'dns', DOMAIN])).out;
    assert.match(own, /^_25\._tcp\.mx\.\S+ IN TLSA 3 1 1 [0-9a-f]{64}$/m);
    await resolver.serve(zones(tlsaData(certificate.cert, 1)));
    const { out, status } = await check();
    assert.match(out, /^_25\._tcp\.\S+ +TLSA +ok *$/m);
    assert.match(out, /^_mta-sts\.\S+ +TXT +ok *$/m);
    assert.equal(status, 0, out);
    ownMx = `other.${DOMAIN}`;
    assert.match((await check()).out, /^_mta-sts\.\S+ +TXT +wrong +.*mta-sts\.txt does not name mx\.\S+: .*send nothing here/m);
    ownMx = `mx.${DOMAIN}`;
    own = own.replace(/( TLSA 3 1 1 )[0-9a-f]{8}/, '$100000000');
    await resolver.serve(zones(tlsaData(certificate.cert, 1)));
    const wrong = await check();
    assert.match(wrong.out, /TLSA +wrong +.*servers that know DANE send nothing here; should be 3 1 1/);
    assert.equal(wrong.status, 1);
  });

  it('what Postfix sends is in the INBOX, at either replica', async () => {
    const outside = createTransport({ host: '127.0.0.1', port: postfix.port, ignoreTLS: true });
    await outside.sendMail({ from: 'cleo@away.example', to: people.ben.address, subject: 'from outside', text: 'x' });
    const imap = await b.client(people.ben);
    await until(async () => (await imap.ok('STATUS INBOX (MESSAGES)')).some((l) => l.includes('MESSAGES 1)')), 30_000, () => postfix.log.slice(-3000));
    await imap.ok('SELECT INBOX');
    assert.match((await imap.ok('FETCH 1 BODY.PEEK[]')).join(''), /Received: from mx\.away\.example[^]*Subject: from outside/);
    imap.close();
  });

  it('refuses, as swaks shows, what it should', async () => {
    const swaks = async (port: number, words: string[]) => {
      const { out, status } = await run('/usr/bin/swaks', ['--server', `127.0.0.1:${port}`, '--timeout', '10', '--suppress-data', ...words]);
      return `${status} ${/^<\*\* +(\d{3}(?: \d\.\d+\.\d+)?)/m.exec(out)?.[1] ?? /^<~\* +(\d{3}(?: \d\.\d+\.\d+)?)/m.exec(out)?.[1] ?? ''}`.trim();
    };
    const { anna } = people;
    const auth = (password: string) => ['--tls', '--auth', 'PLAIN', '--auth-user', anna.address, '--auth-password', password];
    const far = ['--to', 'cleo@away.example'];
    assert.equal(await swaks(submission[0], ['--from', anna.address, ...far, ...auth('wrong')]), '28 535 5.7.8');
    assert.equal(await swaks(submission[0], ['--from', anna.address, ...far]), '23 530 5.7.0');
    assert.equal(await swaks(submission[0], ['--from', people.ben.address, ...far, ...auth(anna.password)]), '23 553 5.7.1');
    assert.equal(await swaks(submission[0], ['--from', anna.address, '--to', `nobody@${DOMAIN}`, ...auth(anna.password)]), '24 550 5.1.1');
    assert.equal(await swaks(submission[0], ['--from', anna.address, ...far, '--h-From', `Ben <${people.ben.address}>`, ...auth(anna.password)]), '26 550 5.7.1');
    assert.equal(await swaks(smtp, ['--from', 'x@away.example', '--to', 'y@away.example']), '24 550 5.7.1');
    assert.equal(await swaks(smtp, ['--from', 'x@away.example', '--to', `nobody@${DOMAIN}`]), '24 550 5.1.1');
    assert.equal(await swaks(submission[1], ['--tls-on-connect', '--from', anna.address, ...far, ...auth('wrong').slice(1)]), '28 535 5.7.8');
    assert.equal(postfix.mails.length, 4);
  });
});
