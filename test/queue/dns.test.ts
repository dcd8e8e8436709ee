// The resolver of the settings against a DNS server of the test's own, over UDP.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { Malformed, Refused, Unavailable, limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Route, dnsOf, hostsFor, signedDnsOf } from '../../src/queue/index.ts';

const name = (text: string) => Buffer.concat([...text.split('.').filter((l) => l !== '').map((l) => Buffer.concat([Buffer.of(l.length), Buffer.from(l)])), Buffer.of(0)]);
const u16 = (n: number) => Buffer.of(n >> 8, n & 255);
type Rdata = { type: number; data: Buffer };
const A = (ip: string): Rdata => ({ type: 1, data: Buffer.from(ip.split('.').map(Number)) });
const MX = (preference: number, host: string): Rdata => ({ type: 15, data: Buffer.concat([u16(preference), name(host)]) });

describe('queue/dns', () => {
  let server: Socket;
  let port: number;
  let zone: Record<string, Rdata[] | number | Buffer>;
  before(async () => {
    server = createSocket('udp4');
    server.on('message', (question, from) => {
      const labels: string[] = [];
      let at = 12;
      for (; question[at] > 0; at += question[at] + 1) labels.push(question.toString('latin1', at + 1, at + 1 + question[at]));
      const type = question.readUInt16BE(at + 1);
      const known = zone[labels.join('.').toLowerCase()];
      const head = (code: number, answers: number) => Buffer.concat([question.subarray(0, 2), u16(0x8180 | code), u16(1), u16(answers), u16(0), u16(0), question.subarray(12, at + 5)]);
      if (Buffer.isBuffer(known)) return server.send(Buffer.concat([head(0, 1), known]), from.port, from.address);
      if (known === undefined || typeof known === 'number') return server.send(head(known ?? 3, 0), from.port, from.address);
      const answers = known.filter((r) => r.type === type);
      server.send(Buffer.concat([head(0, answers.length), ...answers.map((r) => Buffer.concat([u16(0xc00c), u16(r.type), u16(1), u16(0), u16(60), u16(r.data.length), r.data]))]), from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', () => resolve()));
    port = (server.address() as AddressInfo).port;
  });
  after(() => server.close());
  beforeEach(() => {
    zone = { 'there.test': [MX(20, 'b.there.test'), MX(10, 'a.there.test')], 'a.there.test': [A('127.0.0.1')], 'b.there.test': [A('127.0.0.2')], 'plain.test': [A('127.0.0.3')], 'none.test': [MX(0, '')], 'broken.test': 2 };
  });
  const hosts = async (domain: string) => (await hostsFor(domain, dnsOf([`127.0.0.1:${port}`]), seededRandom(1))).map((h) => `${h.name} ${h.address}`);

  it('finds hosts in order', async () => {
    assert.deepEqual(await hosts('there.test'), ['a.there.test 127.0.0.1', 'b.there.test 127.0.0.2']);
    assert.deepEqual(await hosts('plain.test'), ['plain.test 127.0.0.3']);
    await assert.rejects(hosts('none.test'), (e: Refused) => e.smtp === '556 5.1.10');
    await assert.rejects(hosts('gone.test'), (e: Refused) => e.smtp === '550 5.1.2');
    await assert.rejects(hosts('broken.test'), Unavailable);
    assert.throws(() => dnsOf(['no address']), Malformed);
  });

  it('survives answers that go in a loop, are cut, or lie about their length', async () => {
    const record = (data: Buffer, length = data.length) => Buffer.concat([u16(0xc00c), u16(15), u16(1), u16(0), u16(60), u16(length), data]);
    for (const bad of [record(Buffer.concat([u16(10), u16(0xc000 | (12 + 10 + 5 + 14))])), record(Buffer.concat([u16(10), name('a.there.test')]), 60_000), record(u16(10)), Buffer.of(0xc0)]) {
      zone['there.test'] = bad;
      await assert.rejects(hosts('there.test'), (e) => e instanceof Unavailable || e instanceof Refused);
    }
  }).timeout(60_000);

  it('tries no more hosts of a huge answer than its limit, and asks for no more', async () => {
    let asked = 0;
    const many = <T>(make: (i: number) => T): Promise<T[]> => (asked++, Promise.resolve(Array.from({ length: 10_000 }, (_, i) => make(i))));
    const dns = { mx: () => many((i) => ({ exchange: `mx${i}.there.test`, priority: i })), a: () => many((i) => `192.0.2.${i & 255}`), aaaa: () => many((i) => `2001:db8::${i & 255}`), txt: () => many(() => ''), srv: () => many(() => ({ name: '', port: 0, priority: 0, weight: 0 })) };
    const found = await hostsFor('there.test', dns, seededRandom(1));
    assert.equal(found.length, limits.queue_addresses_max);
    assert.ok(asked <= 3, String(asked));
    asked = 0;
    const none = { ...dns, a: () => (asked++, Promise.resolve([])), aaaa: () => (asked++, Promise.resolve([])) };
    await assert.rejects(hostsFor('there.test', none, seededRandom(1)), Refused);
    assert.ok(asked <= 41, String(asked));
  });

  it('reads no answer without end of a resolver that checks signatures (DANE)', async () => {
    let sent = 0;
    const tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        socket.write(Buffer.of(255, 255));
        const more = () => {
          while (!socket.destroyed && sent < 1e9 && socket.write(Buffer.alloc(65536))) sent += 65536;
        };
        socket.on('drain', more);
        more();
      });
    });
    await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', () => resolve()));
    const at = (tcp.address() as AddressInfo).port;
    const udp = createSocket('udp4');
    // Cut off: the rest over TCP.
    udp.on('message', (q, from) => udp.send(Buffer.concat([q.subarray(0, 2), u16(0x8380), u16(1), u16(0), u16(0), u16(0), q.subarray(12, q.length - 11)]), from.port, from.address));
    await new Promise<void>((resolve) => udp.bind(at, '127.0.0.1', () => resolve()));
    try {
      await assert.rejects(signedDnsOf([`127.0.0.1:${at}`], null, systemClock, seededRandom(1))!.ask('there.test', 'MX'), Unavailable);
      assert.ok(sent > 0 && sent < 50e6, String(sent));
    } finally {
      udp.close();
      tcp.close();
    }
  });

  it('sends where it leads', async () => {
    const got: string[] = [];
    const mx = new SMTPServer({ authOptional: true, disableReverseLookup: true, logger: false, closeTimeout: 100, onRcptTo: (a, _s, done) => (got.push(a.address), done()), onData: (s, _x, done) => (s.resume(), s.on('end', () => done())) });
    await new Promise<void>((resolve) => mx.listen(0, '127.0.0.1', () => resolve()));
    const mxPort = ((mx.server as unknown as Server).address() as AddressInfo).port;
    const route = new Route({ smarthost: null, dns: dnsOf([`127.0.0.1:${port}`]), mxPort, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent });
    const message = () => (async function* () {
      yield Buffer.from('Subject: x\r\n\r\nx\r\n');
    })();
    const outcomes = await route.send(route.destination('ben@There.test'), { from: 'anna@here.test', to: [{ index: 0, address: 'ben@There.test' }], bytes: 17, eightBit: false, utf8: false }, message, () => true, new AbortController().signal);
    assert.deepEqual(outcomes.map((o) => [o.result, o.host]), [['delivered', 'a.there.test']]);
    assert.deepEqual(got, ['ben@There.test']);
    route.close();
    await new Promise<void>((resolve) => mx.close(() => resolve()));
  });
});
