// Daily reports: what replicas count is reported once, by one of them, in the forms of RFC 8460 and 7489.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { simpleParser } from 'mailparser';
import { seededRandom, silent } from '../../src/base/index.ts';
import { DailyReports, Tally, dayOf, dmarcReportAddresses, tlsReportAddresses } from '../../src/queue/index.ts';
import type { DmarcSeen, TlsSession } from '../../src/queue/index.ts';
import { tlsRow } from '../../src/queue/reports/tls-report.ts';
import { sealNamed } from '../../src/seal/index.ts';
import { reportName } from '../../src/store/index.ts';
import { quiet } from '../log/world.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';

const HOUR = 3_600_000;
const sts = { type: 'sts' as const, strings: ['version: STSv1', 'mode: enforce'], mx: ['mx.there.test'] };
const session = (failure: TlsSession['failure'] = null): TlsSession => ({ domain: 'there.test', policy: sts, host: { name: 'mx.there.test', address: '192.0.2.1' }, from: '192.0.2.25', failure });
const seen = (more: Partial<DmarcSeen> = {}): DmarcSeen => ({
  domain: 'there.test', published: { adkim: 'r', aspf: 's', p: 'reject', sp: 'none', pct: 100, fo: '1:s' }, rua: ['mailto:dmarc@there.test', 'mailto:all@reports.test!10m', 'mailto:small@there.test!1k', 'mailto:evil@victim.test'], ip: '192.0.2.7', headerFrom: 'there.test', envelopeFrom: 'there.test',
  disposition: 'reject', dkim: 'fail', spf: 'fail', override: null, dkimResults: [{ domain: '<&"', selector: 's1', result: 'fail' }], spfResult: { domain: 'there.test', result: 'softfail' }, ...more,
});

/** Whole milliseconds, as the machine's. */
describe('queue/reports', () => {
  it('finds where reports go', () => {
    assert.deepEqual(tlsReportAddresses(['v=TLSRPTv1; rua=mailto:a@x.test,https://x.test/r,mailto:b%2Bc@x.test']), ['a@x.test', 'b+c@x.test']);
    for (const bad of [[], ['v=TLSRPTv2; rua=mailto:a@x.test'], ['v=TLSRPTv1; rua=mailto:a@x.test', 'v=TLSRPTv1; rua=mailto:b@x.test'], ['v=TLSRPTv1; rua=mailto:a b@x.test\r\nBcc: y']]) assert.deepEqual(tlsReportAddresses(bad), []);
    assert.deepEqual(dmarcReportAddresses(['mailto:a@X.test!5m', 'https://x', 'mailto:b', 'mailto:c@x.test!zz']), [{ address: 'a@X.test', domain: 'x.test', bytesMax: 5 << 20 }]);
    // Such a record is anybody's: what it says must stop no report, nor become fields of our own mail.
    for (const bad of ['%zz@x.test', 'a%0D%0ABcc:b@x.test', 'a@x.test%0D%0AX:y', 'a%40b@x.test', 'a%3E@x.test', 'a@b@x.test', 'a@localhost']) {
      assert.deepEqual(tlsReportAddresses([`v=TLSRPTv1; rua=mailto:${bad}`]), [], bad);
      assert.deepEqual(dmarcReportAddresses([`mailto:${bad}`]), [], bad);
    }
  });

  it('names no own address that others do not see', () => {
    const from = (address: string) => tlsRow({ ...session({ type: 'x', why: 'y' }), from: address }).failure?.from;
    assert.deepEqual(['203.0.113.1', '2001:db8::1'].map(from), ['203.0.113.1', '2001:db8::1']);
    for (const own of ['', '10.1.2.3', '192.168.1.2', '172.31.0.1', '100.64.0.1', '127.0.0.1', '::1', 'fd00::1', 'fe80::1', '::ffff:10.0.0.1']) assert.equal(from(own), undefined, own);
  });

  it('reads the frozen form of counts', () => {
    const tally = new Tally();
    tally.add('there.test', { a: 1 }, 2);
    const frozen = Buffer.from(readFileSync(new URL('../../fixtures/queue/tally-1.hex', import.meta.url), 'utf8').trim(), 'hex');
    assert.deepEqual(tally.encode(), frozen);
    assert.deepEqual(Tally.decode(frozen), tally);
    for (const bad of [Buffer.of(2), Buffer.from('\x01nonsense'), Buffer.from('\x01[[1]]')]) assert.throws(() => Tally.decode(bad), { name: 'Corrupt' });
  });

  it('three replicas count, one reports, once', async () => {
    const clock = new WholeClock();
    const world = new QueueWorld(clock);
    const net = new FakeNet();
    const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
    const texts: Record<string, string[]> = { '_smtp._tls.there.test': ['v=TLSRPTv1; rua=mailto:tls@there.test'], 'there.test._report._dmarc.reports.test': ['v=DMARC1'] };
    const all: DailyReports[] = [];
    for (let i = 0; i < 3; i++) {
      const holder: { reports?: DailyReports } = {};
      const member = await settled(world.member(net, undefined, { send: (day) => holder.reports!.send(day) }));
      holder.reports = new DailyReports({ queue: member.queue, dns: { txt: async (name) => texts[name] ?? Promise.reject(new Error('none')) }, hostname: 'mx.here.test', sender: () => ({ domain: 'here.test', keys: [] }), clock, random: seededRandom(i + 7), logger: silent });
      holder.reports.start();
      all.push(holder.reports);
    }
    const day = dayOf(clock.now());
    for (const r of all) {
      r.session(session());
      r.session(session({ type: 'certificate-expired', why: 'it has' }));
      r.record(seen());
      r.record(seen({ disposition: 'none', dkim: 'pass', override: 'mailing_list', ip: '2001:db8::1', envelopeFrom: '' }));
    }
    const pass = async (ms: number) => {
      for (let t = 0; t < ms; t += 60_000) {
        await clock.advance(60_000);
        for (let k = 0; k < 10; k++) await quiet();
      }
    };
    await pass(HOUR);
    assert.equal(world.store.names.filter((n) => n.includes('/reports/')).length, 6);
    for (const n of world.store.names) assert.doesNotMatch(n, /there/);
    world.members[0].die();
    await pass(30 * HOUR);
    assert.deepEqual(net.sent.map((s) => s.to[0]).sort(), ['all@reports.test', 'dmarc@there.test', 'tls@there.test']);
    assert.equal(world.store.names.filter((n) => n.includes('/reports/')).length, 0);
    assert.equal(world.waiting, 0);

    const open = async (to: string) => {
      const mail = await simpleParser(net.sent.find((s) => s.to[0] === to)!.text);
      return { mail, report: gunzipSync(mail.attachments[0].content).toString() };
    };
    const tls = await open('tls@there.test');
    assert.match(String(tls.mail.subject), /^Report Domain: there\.test Submitter: here\.test/);
    assert.equal(tls.mail.headers.get('tls-report-domain'), 'there.test');
    assert.equal(tls.mail.headers.get('tls-required'), 'No');
    assert.equal(tls.mail.attachments[0].contentType, 'application/tlsrpt+gzip');
    const json = JSON.parse(tls.report);
    assert.equal(json['date-range']['start-datetime'], `${day}T00:00:00Z`);
    assert.deepEqual(json.policies, [{
      policy: { 'policy-type': 'sts', 'policy-string': sts.strings, 'policy-domain': 'there.test', 'mx-host': sts.mx },
      summary: { 'total-successful-session-count': 3, 'total-failure-session-count': 3 },
      'failure-details': [{ 'result-type': 'certificate-expired', 'sending-mta-ip': '192.0.2.25', 'receiving-mx-hostname': 'mx.there.test', 'receiving-ip': '192.0.2.1', 'failed-session-count': 3, 'failure-reason-code': 'it has' }],
    }]);
    const dmarc = await open('dmarc@there.test');
    assert.equal(dmarc.report.match(/<record>/g)!.length, 2);
    for (const part of ['<count>3</count>', '<source_ip>2001:db8::1</source_ip>', '<reason><type>mailing_list</type></reason>', '<domain>&#60;&#38;&#34;</domain>', '<identifiers><envelope_from>there.test</envelope_from><header_from>', '<identifiers><envelope_from></envelope_from><header_from>', '<scope>mfrom</scope><result>softfail</result>', '<scope>helo</scope><result>', '<policy_published><domain>there.test</domain><adkim>r</adkim><aspf>s</aspf><p>reject</p>', '<pct>100</pct><fo>1:s</fo>']) assert.ok(dmarc.report.includes(part), part);
    for (const r of all) await settled(r.stop());
    await settled(world.stop());
  });

  it('go to the organization that asks for them, to another only where that wants them (RFC 7489 §7.1)', async () => {
    const clock = new WholeClock();
    const world = new QueueWorld(clock);
    const net = new FakeNet();
    const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
    const { queue } = await settled(world.member(net));
    const asked: string[] = [];
    const reports = new DailyReports({ queue, dns: { txt: async (name) => (asked.push(name), []) }, hostname: 'mx.here.test', sender: () => ({ domain: 'here.test', keys: [] }), clock, random: seededRandom(7), logger: silent });
    const day = dayOf(clock.now());
    reports.record(seen({ domain: 'mail.bank.co.uk', rua: ['mailto:a@bank.co.uk', 'mailto:b@reports.bank.co.uk', 'mailto:c@other.co.uk', 'mailto:d@co.uk'] }));
    reports.record(seen({ domain: 'joe.github.io', rua: ['mailto:e@github.io', 'mailto:f@joe.github.io'] }));
    await settled(reports.flush());
    await settled(reports.send(day));
    await clock.advance(60_000);
    for (let k = 0; k < 100 && net.sent.length < 3; k++) await quiet();
    assert.deepEqual(net.sent.map((s) => s.to[0]).sort(), ['a@bank.co.uk', 'b@reports.bank.co.uk', 'f@joe.github.io']);
    assert.deepEqual(asked, ['mail.bank.co.uk._report._dmarc.other.co.uk', 'mail.bank.co.uk._report._dmarc.co.uk', 'joe.github.io._report._dmarc.github.io']);
    await settled(reports.stop());
    await settled(world.stop());
  });

  it('of counts that a newer release wrote nothing is reported and nothing is lost: who can read them does it', async () => {
    const clock = new WholeClock();
    const world = new QueueWorld(clock);
    const net = new FakeNet();
    const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
    const { queue } = await settled(world.member(net));
    let any: boolean[] = [];
    queue.onChanged(() => (any = [...queue.state.messages.values()].filter((m) => m.id.startsWith('report-')).map((m) => m.anyTls).concat(any)));
    const reports = new DailyReports({ queue, dns: { txt: async () => ['v=TLSRPTv1; rua=mailto:tls@there.test'] }, hostname: 'mx.here.test', sender: () => ({ domain: 'here.test', keys: [] }), clock, random: seededRandom(7), logger: silent });
    const day = dayOf(clock.now());
    reports.session({ ...session(), domain: 'broken.test', policy: null as never });
    reports.session(session());
    await settled(reports.flush());
    const tally = new Tally();
    tally.add('there.test', { a: 1 });
    const name = reportName(queue.root, day, 'tls', 'newer');
    const [first, newer] = [sealNamed(queue.keys.events[0], name, Buffer.alloc(0), Buffer.concat([Buffer.of(2), tally.encode().subarray(1)]), seededRandom(1)), sealNamed(queue.keys.events[0], name, Buffer.alloc(0), tally.encode(), seededRandom(1))];
    newer[0]++;
    for (const bytes of [first, newer]) {
      await settled(queue.store.put(name, bytes));
      await assert.rejects(settled(reports.send(day)), { name: 'Unavailable', message: /newer version/ });
      assert.equal(world.store.names.filter((n) => n.includes('/reports/')).length, 2);
    }
    assert.equal(net.sent.length, 0);
    await settled(queue.store.delete(name));
    await settled(reports.send(day));
    assert.equal(world.store.names.filter((n) => n.includes('/reports/')).length, 0);
    // One that can't be made stops no other.
    // A report of bad TLS goes out over bad TLS.
    assert.equal(any[0], true);
    await settled(reports.stop());
    await settled(world.stop());
  });
});
