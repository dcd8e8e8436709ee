// What a server must show before mail is handed to it: DANE and MTA-STS, against good and bad certificates over real TLS.
import assert from 'node:assert/strict';
import type { AddressInfo, Server } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { Unavailable, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Route, targetsFor } from '../../src/queue/index.ts';
import type { Dns, DnsAnswer, SignedDns, StsPolicy, Tlsa, TlsSession, UnreadPolicy } from '../../src/queue/index.ts';
import { Authority, tlsaData } from './authority.ts';
import type { Certificate } from './authority.ts';

const HOST = 'mx.there.test';
const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
const plain: Dns = { mx: async () => [{ exchange: HOST, priority: 10 }], a: async () => ['127.0.0.1'], aaaa: missing, txt: missing, srv: missing };

/** A signed zone, or parts of it that are not. */
function signedDns(tlsa: Tlsa[], { unsigned = [], broken = [] }: { unsigned?: string[]; broken?: string[] } = {}): SignedDns {
  return {
    ask: async (name, type): Promise<DnsAnswer> => {
      if (broken.includes(type)) throw new Unavailable('SERVFAIL');
      const mx = type === 'MX' ? [{ exchange: HOST, priority: 10 }] : [];
      return { id: 1, code: 0, truncated: false, signed: !unsigned.includes(type), name, mx, addresses: type === 'A' ? ['127.0.0.1'] : [], tlsa: type === 'TLSA' && /^_\d+\._tcp\.mx\.there\.test$/.test(name) ? tlsa : [] };
    },
  };
}
const record = (usage: number, selector: 0 | 1, cert: string): Tlsa => ({ usage, selector, matching: 1, data: tlsaData(cert, selector) });
const policy = (mode: StsPolicy['mode'], mx = [HOST]): StsPolicy => ({ mode, mx, maxAgeMs: 1e9 });

describe('queue/tls', function () {
  this.timeout(30_000);
  let authority: Authority;
  let certificates: Record<'good' | 'otherName' | 'expired' | 'self' | 'foreign', Certificate>;
  const roots = getCACertificates('default');
  const open: { close(): unknown }[] = [];
  let sessions: TlsSession[] = [];

  before(async () => {
    authority = await Authority.create();
    const other = await Authority.create('somebody else');
    certificates = { good: await authority.issue([HOST]), otherName: await authority.issue(['mx.elsewhere.test']), expired: await authority.issue([HOST], -2), self: (await Authority.create('self')).root, foreign: await other.issue([HOST]) };
    setDefaultCACertificates([...roots, authority.root.cert]);
  });
  after(() => setDefaultCACertificates(roots));
  afterEach(async () => {
    for (const x of open.splice(0).reverse()) await x.close();
    sessions = [];
  });

  /** A server with that certificate; null: without TLS. */
  async function mx(certificate: Certificate | null, promises = false): Promise<{ port: number; got: { secure: boolean; requireTls: boolean }[]; named: (string | undefined)[] }> {
    const named: (string | undefined)[] = [];
    const got: { secure: boolean; requireTls: boolean }[] = [];
    const server = new SMTPServer({
      ...(certificate ?? {}), hideREQUIRETLS: !promises, authOptional: true, disableReverseLookup: true, logger: false, closeTimeout: 100, ...(certificate === null ? { disabledCommands: ['STARTTLS'] } : {}),
      onSecure: (_, session, done) => (named.push((session as { servername?: string }).servername), done()),
      onData: (stream, session, done) => {
        stream.resume();
        stream.on('end', () => {
          got.push({ secure: session.secure, requireTls: (session.envelope as { requireTLS?: boolean }).requireTLS ?? false });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    open.push({ close: () => new Promise<void>((resolve) => server.close(() => resolve())) });
    return { port: ((server.server as unknown as Server).address() as AddressInfo).port, got, named };
  }

  function send(port: number, more: { signed?: SignedDns; sts?: StsPolicy | UnreadPolicy | null }, envelope: { requireTls?: boolean; anyTls?: boolean } = {}) {
    const route = new Route({ smarthost: null, dns: plain, mxPort: port, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent, signed: more.signed ?? null, sts: async () => more.sts ?? null, onSession: (s) => sessions.push(s) });
    open.push(route);
    const message = () => (async function* () {
      yield Buffer.from('Subject: x\r\n\r\nx\r\n');
    })();
    return route.send('there.test', { from: 'anna@here.test', to: [{ index: 0, address: 'ben@there.test' }], bytes: 17, eightBit: false, utf8: false, ...envelope }, message, () => true, new AbortController().signal).then(([o]) => o);
  }
  async function delivers(certificate: Certificate | null, more: Parameters<typeof send>[1], envelope: Parameters<typeof send>[2] = {}): Promise<boolean> {
    const there = await mx(certificate);
    const outcome = await send(there.port, more, envelope);
    assert.equal(there.got.length, outcome.result === 'delivered' ? 1 : 0);
    if (outcome.result !== 'delivered') assert.equal(outcome.status, '4.7.5', outcome.text);
    return outcome.result === 'delivered';
  }

  it('an enforced policy (MTA-STS) takes a certificate that is valid for the name, and no other', async () => {
    const sts = policy('enforce');
    assert.equal(await delivers(certificates.good, { sts }), true);
    for (const bad of ['otherName', 'expired', 'self', 'foreign'] as const) assert.equal(await delivers(certificates[bad], { sts }), false, bad);
    assert.equal(await delivers(null, { sts }), false, 'without TLS');
    assert.equal(await delivers(certificates.good, { sts: policy('enforce', ['other.there.test']) }), false, 'not named');
    assert.deepEqual(sessions.map((s) => s.failure?.type ?? 'none'), ['none', 'certificate-host-mismatch', 'certificate-expired', 'certificate-not-trusted', 'certificate-not-trusted', 'starttls-not-supported', 'validation-failure']);
    // The last one was not connected to.
    assert.deepEqual(sessions.map((s) => s.from), [...Array<string>(6).fill('127.0.0.1'), '']);
    assert.deepEqual(sessions.map((s) => s.policy.type), Array(7).fill('sts'));
  });

  it('a policy that is tested, or none, delivers all the same, and the report tells', async () => {
    for (const certificate of [certificates.expired, certificates.good, null]) assert.equal(await delivers(certificate, { sts: policy('testing') }), true);
    assert.equal(await delivers(certificates.self, { sts: policy('none') }), true);
    assert.equal(await delivers(certificates.self, { sts: { mode: 'unread', type: 'sts-policy-invalid', why: 'not a policy' } }), true);
    assert.deepEqual(sessions.map((s) => s.failure?.type ?? 'none'), ['certificate-expired', 'none', 'starttls-not-supported', 'none', 'sts-policy-invalid']);
    assert.deepEqual(sessions.map((s) => [s.policy.type, s.from]), ['sts', 'sts', 'sts', 'no-policy-found', 'sts'].map((type) => [type, '127.0.0.1']));
  });

  it('a policy that came since a connection was made counts for the next message', async () => {
    const there = await mx(certificates.self);
    let sts: StsPolicy | null = null;
    const route = new Route({ smarthost: null, dns: plain, mxPort: there.port, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent, sts: async () => sts });
    open.push(route);
    const next = async () => (await route.send('there.test', { from: 'anna@here.test', to: [{ index: 0, address: 'ben@there.test' }], bytes: 17, eightBit: false, utf8: false }, () => (async function* () {
      yield Buffer.from('Subject: x\r\n\r\nx\r\n');
    })(), () => true, new AbortController().signal))[0].status;
    assert.deepEqual([await next(), await next(), there.named.length], ['2.0.0', '2.0.0', 1]);
    sts = policy('enforce');
    assert.equal(await next(), '4.7.5');
    assert.equal(there.got.length, 2);
  });

  it('DANE takes what TLSA names, by the server or by its authority, and nothing else', async () => {
    const { good, self, expired, otherName, foreign } = certificates;
    const chain = (c: Certificate) => authority.chain(c);
    const cases: [string, Certificate | null, Tlsa[], boolean][] = [
      ['3 0 1', good, [record(3, 0, good.cert)], true],
      ['3 1 1, nobody else trusts it', self, [record(3, 1, self.cert)], true],
      ['3 1 1, expired and of another name', expired, [record(3, 1, expired.cert)], true],
      ['3 1 1 of another', good, [record(3, 1, self.cert)], false],
      ['two records, the second fits', good, [record(3, 1, self.cert), record(3, 1, good.cert)], true],
      ['2 0 1', chain(good), [record(2, 0, authority.root.cert)], true],
      ['2 1 1', chain(good), [record(2, 1, authority.root.cert)], true],
      ['2 0 1, another name', chain(otherName), [record(2, 0, authority.root.cert)], false],
      ['2 0 1, expired', chain(expired), [record(2, 0, authority.root.cert)], false],
      ['2 0 1, not shown', good, [record(2, 0, self.cert)], false],
      ['2 0 1, shown but did not sign', chain(foreign), [record(2, 0, authority.root.cert)], false],
      ['no TLS', null, [record(3, 1, good.cert)], false],
      ['usages of PKIX ask for TLS only', self, [record(1, 1, good.cert)], true],
      ['the same without TLS', null, [record(1, 1, good.cert)], false],
    ];
    for (const [name, certificate, records, fits] of cases) assert.equal(await delivers(certificate, { signed: signedDns(records) }), fits, name);
    // DANE is asked first: a policy that would refuse does not matter.
    assert.equal(await delivers(self, { signed: signedDns([record(3, 1, self.cert)]), sts: policy('enforce') }), true);
    assert.equal(await delivers(good, { signed: signedDns([record(3, 1, self.cert)]), sts: policy('enforce') }), false);
  });

  it('DANE rests on signed answers only, and an answer that is held back stops the mail', async () => {
    const wrong = [record(3, 1, certificates.self.cert)];
    for (const unsigned of ['MX', 'A', 'TLSA']) assert.equal(await delivers(certificates.good, { signed: signedDns(wrong, { unsigned: [unsigned] }) }), true, unsigned);
    assert.equal(await delivers(certificates.good, { signed: signedDns([]) }), true, 'no records');
    assert.equal(await delivers(certificates.good, { signed: signedDns(wrong, { broken: ['TLSA'] }) }), false);
    const there = await mx(certificates.good);
    assert.deepEqual([(await send(there.port, { signed: signedDns(wrong, { broken: ['MX'] }) })).status, there.got.length], ['4.4.3', 0]);
  });

  it('follows an alias to the name whose records count', async () => {
    const asked: string[] = [];
    const base = signedDns([]);
    const signed: SignedDns = { ask: async (name, type) => {
      if (type === 'TLSA') asked.push(name);
      return { ...(await base.ask(name, type)), name: type === 'A' ? 'real.there.test' : name };
    } };
    await targetsFor('there.test', { dns: plain, signed, sts: null, random: seededRandom(1), port: 25 });
    assert.deepEqual(asked, ['_25._tcp.real.there.test', `_25._tcp.${HOST}`]);
    // A server that has certificates of several names hears which one is meant.
    const { good } = certificates;
    for (const at of ['real.there.test', HOST]) {
      const there = await mx(good);
      const known: SignedDns = { ask: async (name, type) => ({ ...(await signed.ask(name, type)), tlsa: type === 'TLSA' && name.endsWith(`_tcp.${at}`) ? [record(3, 1, good.cert)] : [] }) };
      assert.deepEqual([(await send(there.port, { signed: known })).result, there.named], ['delivered', [at]]);
    }
  });

  it('REQUIRETLS goes only where the certificate was checked and the promise is given', async () => {
    const { good } = certificates;
    const sts = policy('enforce');
    const promising = await mx(good, true);
    assert.deepEqual([(await send(promising.port, { sts }, { requireTls: true })).result, promising.got], ['delivered', [{ secure: true, requireTls: true }]]);
    const silentOne = await mx(good);
    assert.deepEqual([(await send(silentOne.port, { sts }, { requireTls: true })).status, silentOne.got.length], ['5.7.30', 0]);
    const unproven = await mx(good, true);
    assert.deepEqual([(await send(unproven.port, {}, { requireTls: true })).status, unproven.got.length], ['5.7.10', 0]);
    assert.equal(await delivers(certificates.expired, { sts }, { anyTls: true }), true, 'TLS-Required: No');
  });
});
