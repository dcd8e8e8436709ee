// Policies of MTA-STS: their text, how long they count, and how they are fetched; and DNS messages of any shape.
import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { existsSync, readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Unavailable, limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { StsPolicies, decodeAnswer, decodePolicy, encodePolicy, encodeQuestion, fetchTextBy, parseStsPolicy, policyShelf, queueKeys, signedDnsOf, stsAllows, stsRecordId } from '../../src/queue/index.ts';
import type { Dns } from '../../src/queue/index.ts';
import { ClusterKeys } from '../../src/seal/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import { WorldClock } from '../log/world.ts';
import { knownCluster } from '../seal/known.ts';
import { Authority } from './authority.ts';

const text = (mode = 'enforce', age = 86400, mx = 'mx.there.test') => `version: STSv1\r\nmode: ${mode}\r\nmx: ${mx}\r\nmax_age: ${age}\r\n`;
const DAY = 86_400_000;

describe('queue/sts', () => {
  it('reads records and policies, and refuses what is none', () => {
    assert.equal(stsRecordId(['v=STSv1; id=20160831085700Z;']), '20160831085700Z');
    assert.equal(stsRecordId(['other', 'v=STSv1;id=a1; x=y']), 'a1');
    for (const bad of [[], ['v=STSv1; id=a', 'v=STSv1; id=b'], ['v=STSv12; id=a'], ['v=STSv1; id=a b!'], ['v=STSv1']]) assert.equal(stsRecordId(bad), null);
    assert.deepEqual(parseStsPolicy('version: STSv1\nmode: testing\nmx: *.there.test\nmx: MX.Else.test.\nnew: thing\nmode: none\nmax_age: 99999999999'.replace('99999999999', '9999999999')), { mode: 'testing', mx: ['*.there.test', 'mx.else.test'], maxAgeMs: 31557600_000 });
    for (const bad of ['', text('strict'), text().replace('STSv1', 'STSv2'), text().replace('mx: mx.there.test\r\n', ''), text('enforce', -1), text('enforce', 1, 'a b'), text('enforce', 1, '*.*.test'), 'mx: a\n'.repeat(1000) + text()]) assert.throws(() => parseStsPolicy(bad), { name: 'Malformed' });
    const p = parseStsPolicy(text('enforce', 1, '*.there.test'));
    assert.deepEqual(['mx.there.test', 'MX.there.test.', 'a.b.there.test', 'there.test', 'xthere.test'].map((h) => stsAllows(p, h)), [true, true, false, false, false]);
  });

  it('reads its frozen format', () => {
    const kept = { domain: 'there.test', id: 'a1', fetchedAt: 1234567890123, mode: 'testing' as const, maxAgeMs: 86400_000, mx: ['*.there.test', 'mx.else.test'] };
    const file = new URL('../../fixtures/queue/policy-1.hex', import.meta.url);
    assert.ok(existsSync(file), encodePolicy(kept).toString('hex'));
    const frozen = Buffer.from(readFileSync(file, 'utf8').trim(), 'hex');
    assert.deepEqual(decodePolicy(frozen), kept);
    assert.deepEqual(encodePolicy(kept), frozen);
    assert.throws(() => decodePolicy(Buffer.concat([Buffer.of(2), frozen.subarray(1)])), { name: 'Corrupt', message: /newer/ });
  });

  it('keeps a policy for its time, whatever DNS and HTTPS say, also after a restart', async () => {
    const clock = new WorldClock();
    const store = new MemoryWorld(clock, seededRandom(1));
    const keys = queueKeys(knownCluster());
    let record: string[] | null = ['v=STSv1; id=1'];
    let answer: string | null = text();
    let fetched = 0;
    const make = () => new StsPolicies({
      dns: { txt: async () => record ?? Promise.reject(new Error('none')) },
      fetch: async (host, path) => {
        fetched++;
        assert.equal(host + path, 'mta-sts.there.test/.well-known/mta-sts.txt');
        return answer ?? Promise.reject(new Unavailable('away'));
      },
      shelf: policyShelf(store.client(), 'queue/0/', keys, seededRandom(fetched + 2)), clock, logger: silent,
    });
    let policies = make();
    const mode = async () => (await policies.policyOf('there.test'))?.mode ?? null;
    assert.equal(await mode(), 'enforce');
    assert.equal(await mode(), 'enforce');
    assert.equal(fetched, 1);
    for (const name of store.names) assert.doesNotMatch(name, /there/);
    // Somebody on the way takes DNS away, and the replica starts anew.
    [record, answer] = [null, null];
    policies = make();
    assert.equal(await mode(), 'enforce');
    record = ['v=STSv1; id=2'];
    policies = make();
    assert.equal(await mode(), 'enforce');
    assert.equal(fetched, 2);
    await clock.advance(limits.sts_ask_ms + 1);
    answer = text('none');
    assert.equal(await mode(), 'none');
    assert.equal(store.names.length, 1, 'the older one is gone');
    [record, answer] = [null, null];
    await clock.advance(DAY + 1);
    assert.equal(await mode(), null, 'its time is over');
    // A damaged one is read anew.
    store.client().put(store.names[0], Buffer.from('nonsense'));
    policies = make();
    [record, answer] = [['v=STSv1; id=3'], text('testing')];
    assert.equal(await mode(), 'testing');
    const away = make();
    store.client().faults.cut = false;
    assert.equal((await away.policyOf('there.test'))?.mode, 'testing');
  });

  it('finds what was kept under a former cluster secret, and keeps it under the one in use', async () => {
    const world = new MemoryWorld(new WorldClock(), seededRandom(4));
    const store = world.client();
    const shelf = (...fills: number[]) => policyShelf(store, 'queue/0/', queueKeys(new ClusterKeys(fills.map((fill) => Buffer.alloc(32, fill)))), seededRandom(9));
    await shelf(1).put('there.test', 1000, Buffer.from('old'));
    assert.equal((await shelf(2, 1).get('there.test'))?.toString(), 'old');
    assert.equal(await shelf(2).get('there.test'), null);
    await shelf(2, 1).put('there.test', 2000, Buffer.from('new'));
    assert.equal((await shelf(2).get('there.test'))?.toString(), 'new');
    assert.equal((await shelf(2, 1).get('there.test'))?.toString(), 'new');
    assert.equal(world.names.length, 1);
  });

  it('says why a policy is not known, in the words of the report (RFC 8460 §4.3.2)', async () => {
    const clock = new WorldClock();
    let answer: () => Promise<string> = () => Promise.reject(new Unavailable('https://mta-sts.there.test: 404'));
    let record = ['v=STSv1; id=1'];
    const kept: { bytes: Uint8Array | null } = { bytes: null };
    const policies = new StsPolicies({ dns: { txt: async () => record }, fetch: () => answer(), shelf: { get: async () => kept.bytes, put: async (_, __, bytes) => void (kept.bytes = bytes) }, clock, logger: silent });
    const told = async () => {
      await clock.advance(limits.sts_ask_ms + limits.sts_fetch_again_ms + 1);
      const found = await policies.policyOf('there.test');
      // Again, from memory.
      assert.deepEqual(await policies.policyOf('there.test'), found);
      return found && (found.mode === 'unread' ? found.type : found.mode);
    };
    assert.equal(await told(), 'sts-policy-fetch-error');
    answer = async () => 'version: STSv1';
    assert.equal(await told(), 'sts-policy-invalid');
    for (const code of ['CERT_HAS_EXPIRED', 'ERR_TLS_CERT_ALTNAME_INVALID', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE']) {
      answer = () => Promise.reject(Object.assign(new Error(code), { code }));
      assert.equal(await told(), 'sts-webpki-invalid', code);
    }
    record = [];
    assert.equal(await told(), null);
    [record, answer] = [['v=STSv1; id=2'], async () => text()];
    assert.equal(await told(), 'enforce');
    // What is kept is in force, whatever happens to a newer one.
    [record, answer] = [['v=STSv1; id=3'], () => Promise.reject(new Unavailable('away'))];
    assert.equal(await told(), 'enforce');
  });

  describe('fetch', function () {
    this.timeout(30_000);
    const roots = getCACertificates('default');
    const open: Server[] = [];
    let authority: Authority;
    before(async () => {
      authority = await Authority.create();
      setDefaultCACertificates([...roots, authority.root.cert]);
    });
    after(() => setDefaultCACertificates(roots));
    afterEach(async () => {
      for (const s of open.splice(0)) await new Promise<void>((resolve) => (s.closeAllConnections(), s.close(() => resolve())));
    });
    const dns = { a: async () => ['127.0.0.1'], aaaa: () => Promise.reject(new Error('none')) } as unknown as Dns;

    async function fetches(names: string[], respond: (res: import('node:http').ServerResponse, path: string) => void, days = 30): Promise<string> {
      const server = createServer(await authority.issue(names, days), (req, res) => respond(res, req.url!));
      open.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      return fetchTextBy(dns, (server.address() as AddressInfo).port, 'here.test', systemClock)('mta-sts.there.test', '/x.txt');
    }
    const good = (res: import('node:http').ServerResponse, body: string | Buffer = text(), type = 'text/plain; charset=utf-8') => res.writeHead(200, { 'content-type': type }).end(body);

    it('takes a small text from the right server', async () => {
      assert.equal(await fetches(['mta-sts.there.test'], (res, path) => (assert.equal(path, '/x.txt'), good(res))), text());
    });
    it('refuses other names, expired certificates, redirects, other types and errors', async () => {
      const right = ['mta-sts.there.test'];
      await assert.rejects(fetches(['there.test'], (res) => good(res)), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
      await assert.rejects(fetches(right, (res) => good(res), -2), { code: 'CERT_HAS_EXPIRED' });
      await assert.rejects(fetches(right, (res) => res.writeHead(302, { location: '/y.txt' }).end()), /302/);
      await assert.rejects(fetches(right, (res) => good(res, text(), 'text/html')), /text\/html/);
      await assert.rejects(fetches(right, (res) => res.writeHead(404).end()), /404/);
    });
    it('reads no policy of a gigabyte', async () => {
      let sent = 0;
      const endless = (res: import('node:http').ServerResponse) => {
        res.writeHead(200, { 'content-type': 'text/plain' });
        const more = () => {
          while (!res.destroyed && sent < 1e9 && res.write(Buffer.alloc(65536, 65))) sent += 65536;
        };
        res.on('drain', more);
        more();
      };
      await assert.rejects(fetches(['mta-sts.there.test'], endless));
      assert.ok(sent < 50e6, String(sent));
    });
  });
});

describe('queue/validating', () => {
  it('takes the word of resolvers at loopback, or of those that the settings trust', () => {
    const trusts = (servers: string[], trusted: boolean | null = null) => signedDnsOf(servers, trusted, systemClock, seededRandom(1)) !== null;
    assert.deepEqual([['127.0.0.1'], ['127.0.0.1:5353', '[::1]:53', '::1'], ['127.0.0.1', '192.0.2.1'], ['192.0.2.1'], ['127.0.0.11']].map((s) => trusts(s)), [true, true, false, false, false]);
    assert.deepEqual([trusts(['192.0.2.1'], true), trusts(['127.0.0.1'], false)], [true, false]);
    assert.throws(() => trusts(['dns.test']), { name: 'Malformed' });
  });
});

describe('queue/dns-message', () => {
  const u16 = (n: number) => Buffer.of(n >> 8, n & 255);
  const question = encodeQuestion(7, 'there.test', 'MX');
  const asked = question.subarray(12, 12 + 12 + 4);
  const reply = (flags: number, records: Buffer[], counted = records.length) => Buffer.concat([u16(7), u16(0x8180 | flags), u16(1), u16(counted), u16(0), u16(0), asked, ...records]);
  const rr = (owner: Buffer, type: number, data: Buffer, length = data.length) => Buffer.concat([owner, u16(type), u16(1), u16(0), u16(60), u16(length), data]);
  const SELF = u16(0xc00c);
  const name = (t: string) => Buffer.concat([...t.split('.').map((l) => Buffer.concat([Buffer.of(l.length), Buffer.from(l)])), Buffer.of(0)]);
  const mx = Buffer.concat([u16(10), Buffer.of(2), Buffer.from('mx'), SELF]);

  it('reads answers, compressed and through aliases', () => {
    const a = decodeAnswer(reply(0x20, [rr(SELF, 15, mx)]), 'There.test.', 'MX');
    assert.deepEqual([a.signed, a.truncated, a.code, a.mx], [true, false, 0, [{ priority: 10, exchange: 'mx.there.test' }]]);
    assert.equal(decodeAnswer(reply(0, []), 'there.test', 'MX').signed, false);
    const aliased = decodeAnswer(reply(0x20, [rr(SELF, 5, name('else.test')), rr(name('else.test'), 15, mx), rr(name('stranger.test'), 15, mx)]), 'there.test', 'MX');
    assert.deepEqual([aliased.name, aliased.mx.length], ['else.test', 1]);
    assert.equal(decodeAnswer(reply(0x200, []), 'there.test', 'MX').truncated, true);
    assert.throws(() => encodeQuestion(1, `${'a'.repeat(64)}.test`, 'MX'), { name: 'Malformed' });
    assert.throws(() => encodeQuestion(1, 'a..test', 'MX'), { name: 'Malformed' });
  });

  it('refuses loops, lies about lengths, answers to other questions, and whatever else, in bounded time', () => {
    const bad = [
      reply(0, [rr(u16(0xc000 | 28), 15, mx)]),
      reply(0, [rr(SELF, 15, Buffer.concat([u16(10), u16(0xc000 | (28 + 14))]))]),
      reply(0, [rr(SELF, 15, mx, 60_000)]),
      reply(0, [rr(SELF, 15, mx)], 400),
      reply(0, [rr(SELF, 5, name('b.test')), rr(name('b.test'), 5, SELF)]),
      Buffer.concat([reply(0, []).subarray(0, 4), u16(2), reply(0, []).subarray(6)]),
      question,
      Buffer.alloc(0),
    ];
    for (const [i, b] of bad.entries()) assert.throws(() => decodeAnswer(b, 'there.test', 'MX'), { name: 'Malformed' }, String(i));
    assert.throws(() => decodeAnswer(reply(0, [rr(SELF, 15, mx)]), 'other.test', 'MX'), { name: 'Malformed' });
    const random = seededRandom(4);
    const whole = reply(0x20, [rr(SELF, 15, mx), rr(SELF, 5, name('else.test')), rr(name('else.test'), 15, mx)]);
    for (let i = 0; i < 20_000; i++) {
      const b = Buffer.from(whole.subarray(0, i % 3 ? undefined : Math.floor(random.unit() * whole.length)));
      for (let k = 0; k < 3 && b.length > 0; k++) b[Math.floor(random.unit() * b.length)] = Math.floor(random.unit() * 256);
      try {
        decodeAnswer(b, 'there.test', 'MX');
      } catch (e) {
        assert.equal((e as Error).name, 'Malformed', String((e as Error).stack));
      }
    }
  });
});
