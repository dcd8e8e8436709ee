// Sending over real sockets to servers in this process that accept, put off, refuse and hang up.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';
import { Refused, Unavailable, limits, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { Route, hostsFor } from '../../src/queue/index.ts';
import type { Dns, Smarthost } from '../../src/queue/index.ts';
import { QueueWorld } from './world.ts';

interface Mx {
  port: number;
  got: { from: string; to: string[]; text: string; secure: boolean; body?: string }[];
  connections: number;
  close(): Promise<void>;
}

const code = (text: string) => Object.assign(new Error(text.slice(4)), { responseCode: Number(text.slice(0, 3)) });

async function mx(options: SMTPServerOptions = {}, on: { rcpt?: (address: string) => string | null; data?: (text: string) => string | null; cut?: 'data' | 'dot' } = {}): Promise<Mx> {
  const got: Mx['got'] = [];
  const out: Partial<Mx> = { got, connections: 0 };
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    logger: false,
    closeTimeout: 100,
    onConnect: (_s, done) => (out.connections!++, done()),
    onRcptTo: (address, _s, done) => {
      const no = on.rcpt?.(address.address) ?? null;
      done(no === null ? null : code(no));
    },
    onData: (stream, session, done) => {
      const pieces: Buffer[] = [];
      const socket = (session as unknown as { _c?: unknown }) && connections.get(session.id);
      if (on.cut === 'data') socket?.destroy();
      stream.on('data', (p) => pieces.push(p));
      stream.on('end', () => {
        const text = Buffer.concat(pieces).toString();
        const no = on.data?.(text) ?? null;
        if (no !== null) return done(code(no));
        got.push({ from: (session.envelope.mailFrom as { address: string }).address, to: session.envelope.rcptTo.map((r) => r.address), text, secure: session.secure });
        if (on.cut === 'dot') return void socket?.destroy();
        done();
      });
    },
    ...options,
  });
  const connections = new Map<string, { destroy(): void }>();
  const attach = (server as unknown as { connect: (...a: unknown[]) => unknown }).connect;
  (server as unknown as { connect: unknown }).connect = function (this: unknown, socket: unknown, ...rest: unknown[]) {
    const before = new Set((server as unknown as { connections: Set<{ id: string; _socket: { destroy(): void } }> }).connections);
    const result = attach.call(this, socket, ...rest);
    for (const c of (server as unknown as { connections: Set<{ id: string; _socket: { destroy(): void } }> }).connections) if (!before.has(c)) connections.set(c.id, { destroy: () => c._socket.destroy() });
    return result;
  };
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return Object.assign(out, { port: ((server.server as unknown as Server).address() as AddressInfo).port, close: () => new Promise<void>((resolve) => server.close(() => resolve())) }) as Mx;
}

const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
const dnsTo = (over: Partial<Dns> = {}): Dns => ({ mx: async () => [{ exchange: 'mx.there.test', priority: 10 }], a: async () => ['127.0.0.1'], aaaa: missing, txt: missing, srv: missing, ...over });

function route(port: number, more: { dns?: Dns; smarthost?: Smarthost; from?: (domain: string) => string[]; clock?: Clock } = {}): Route {
  return new Route({ smarthost: more.smarthost ?? null, from: more.from, dns: more.dns ?? dnsTo(), mxPort: port, hostname: 'here.test', clock: more.clock ?? systemClock, random: seededRandom(1), logger: silent });
}

const text = 'From: anna@here.test\r\nSubject: x\r\n\r\n.dots\r\n..and more\r\nend\r\n';
const envelope = (...to: string[]) => ({ from: 'anna@here.test', to: to.map((address, index) => ({ index, address })), bytes: text.length, eightBit: false, utf8: false });
const message = () => (async function* () {
  yield Buffer.from(text);
})();
const always = () => true;
const send = (r: Route, to: string[], mayEnd = always, over = new AbortController().signal) => r.send('there.test', envelope(...to), message, mayEnd, over);

describe('queue/route', () => {
  const open: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(x: T): T => (open.push(x), x);
  afterEach(async () => {
    for (const x of open.splice(0).reverse()) await x.close();
  });

  it('sends over TLS that nobody signed, and uses the connection again', async () => {
    const there = keep(await mx());
    const r = keep(route(there.port));
    for (let i = 0; i < 3; i++) assert.deepEqual((await send(r, ['ben@there.test', 'cleo@there.test'])).map((o) => [o.result, o.status[0], o.host]), [['delivered', '2', 'mx.there.test'], ['delivered', '2', 'mx.there.test']]);
    assert.deepEqual(there.got[0], { from: 'anna@here.test', to: ['ben@there.test', 'cleo@there.test'], text, secure: true });
    assert.equal(there.got.length, 3);
    assert.equal(there.connections, 1);
  });

  it('ends a connection that nobody used for a while, and none that was used meanwhile', async () => {
    const there = keep(await mx());
    const waiting = new Set<() => void>();
    const after: Clock['after'] = (ms, run) => {
      if (ms !== limits.queue_connection_idle_ms) return systemClock.after(ms, run);
      waiting.add(run);
      return () => waiting.delete(run);
    };
    const r = keep(route(there.port, { clock: { ...systemClock, after } }));
    const ends = () => {
      for (const run of [...waiting]) run();
      waiting.clear();
    };
    const delivered = async () => assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    for (let i = 0; i < 3; i++) await delivered();
    assert.equal(waiting.size, 1, 'the time counts from its last use');
    ends();
    await delivered();
    assert.equal(there.connections, 2);
    ends();
    r.close();
    assert.equal(waiting.size, 0);
  });

  it('tells recipients apart', async () => {
    const there = keep(await mx({}, { rcpt: (a) => (a.startsWith('no') ? '550 5.1.1 who' : a.startsWith('later') ? '451 4.7.1 wait' : null) }));
    const r = keep(route(there.port));
    const outcomes = await send(r, ['no@there.test', 'ben@there.test', 'later@there.test']);
    assert.deepEqual(outcomes.map((o) => [o.recipient, o.result, o.status]), [[0, 'failed', '5.1.1'], [1, 'delivered', outcomes[1].status], [2, 'deferred', '4.7.1']]);
    assert.deepEqual(there.got[0].to, ['ben@there.test']);
    assert.deepEqual((await send(r, ['no@there.test'])).map((o) => o.result), ['failed']);
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
  });

  it('puts off and gives up by what is said after the message', async () => {
    let say: string | null = '451 4.3.0 full';
    const there = keep(await mx({}, { data: () => say }));
    const r = keep(route(there.port));
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => [o.result, o.status]), [['deferred', '4.3.0']]);
    say = '554 5.7.1 spam';
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => [o.result, o.status, o.text.includes('spam')]), [['failed', '5.7.1', true]]);
  });

  it('puts off when the other hangs up, before the message or with its answer', async () => {
    for (const cut of ['data', 'dot'] as const) {
      const there = keep(await mx({}, { cut }));
      // A second address of the same host: after the last line it must not be tried.
      const r = keep(route(there.port, { dns: dnsTo({ a: async () => ['127.0.0.1', '127.0.0.1'] }) }));
      assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['deferred']);
      if (cut === 'dot') assert.equal(there.got.length, 1);
    }
  });

  it('hands over no last line when the time is over', async () => {
    const there = keep(await mx());
    const r = keep(route(there.port));
    let asked = 0;
    // It is asked before connecting too: only at the end it says no.
    const outcomes = await send(r, ['ben@there.test'], () => ++asked < 2);
    assert.deepEqual(outcomes.map((o) => o.result), ['deferred']);
    await systemClock.sleep(50);
    assert.equal(there.got.length, 0);
    assert.ok(asked >= 2);
  });

  it('goes to the next host when one is closed or has nothing to say', async () => {
    const there = keep(await mx());
    const dns = dnsTo({
      mx: async () => [{ exchange: 'second.there.test', priority: 20 }, { exchange: 'first.there.test', priority: 10 }],
      a: async (name) => (name.startsWith('first') ? ['127.0.0.9'] : ['127.0.0.1']),
    });
    const r = keep(route(there.port, { dns }));
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => [o.result, o.host]), [['delivered', 'second.there.test']]);
    const nobody = keep(route(1));
    const [o] = await send(nobody, ['ben@there.test']);
    assert.equal(o.result, 'deferred');
    assert.match(o.text, /4\.4\.1.*ECONNREFUSED/);
  });

  it('speaks in clear to a server whose STARTTLS is broken', async () => {
    const there = keep(await mx({ hideSTARTTLS: true }));
    const r = keep(route(there.port));
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.equal(there.got[0].secure, false);
    // Offers STARTTLS and then talks nonsense.
    let clear = 0;
    const broken = createServer((s) => {
      let tls = false;
      s.on('error', () => {});
      s.write('220 hi\r\n');
      s.on('data', (d) => {
        const line = d.toString();
        if (tls) return void s.destroy();
        if (line.startsWith('EHLO')) s.write('250-hi\r\n250 STARTTLS\r\n');
        else if (line.startsWith('STARTTLS')) (tls = true), s.write('220 go\r\nnonsense nonsense nonsense nonsense\r\n');
        else if (line.startsWith('DATA')) s.write('354 go\r\n');
        else if (line.includes('\r\n.\r\n') || line.startsWith('MAIL') || line.startsWith('RCPT')) clear++, s.write('250 ok\r\n');
        else s.write('250 ok\r\n');
      });
    });
    await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', () => resolve()));
    keep({ close: () => new Promise<void>((resolve) => broken.close(() => resolve())) });
    const r2 = keep(route((broken.address() as AddressInfo).port));
    assert.deepEqual((await send(r2, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.ok(clear >= 2);
  });

  it('logs in at a smarthost, and never in clear or to a certificate that nobody signed', async () => {
    const asked: string[] = [];
    const there = keep(await mx({ authOptional: false, onAuth: (a, _s, done) => (asked.push(`${a.username}:${a.password}`), done(null, { user: 'x' })) }));
    const untrusted = keep(route(0, { smarthost: { host: '127.0.0.1', port: there.port, auth: { user: 'u', pass: 'p' } } }));
    const [o] = await untrusted.send('smarthost', envelope('ben@there.test'), message, always, new AbortController().signal);
    assert.equal(o.result, 'deferred');
    assert.equal(asked.length, 0);
    const clear = keep(await mx({ hideSTARTTLS: true, allowInsecureAuth: true, onAuth: (a, _s, done) => (asked.push(String(a.username)), done(null, { user: 'x' })) }));
    const r = keep(route(0, { smarthost: { host: '127.0.0.1', port: clear.port, auth: { user: 'u', pass: 'p' } } }));
    assert.equal((await r.send('smarthost', envelope('ben@there.test'), message, always, new AbortController().signal))[0].result, 'deferred');
    assert.equal(asked.length, 0);
    const open = keep(route(0, { smarthost: { host: '127.0.0.1', port: clear.port, auth: null } }));
    assert.equal(open.destination('ben@there.test'), 'smarthost');
    assert.equal((await open.send('smarthost', envelope('ben@there.test'), message, always, new AbortController().signal))[0].result, 'delivered');
  });

  it('leaves by the address of its sender\'s domain, and never by a connection of another', async () => {
    const addresses: string[] = [];
    const there = keep(await mx({ onConnect: (s, done) => (addresses.push(s.remoteAddress), done()) }));
    // Of either kind: the one that fits the host's.
    const r = keep(route(there.port, { from: (domain) => ({ 'here.test': ['::1', '127.0.0.7'], 'other.test': ['127.0.0.8'] })[domain] ?? [] }));
    for (const from of ['anna@here.test', 'ben@Other.test', 'anna@here.test', 'cleo@third.test']) {
      const outcomes = await r.send('there.test', { ...envelope('ben@there.test'), from }, message, always, new AbortController().signal);
      assert.deepEqual(outcomes.map((o) => o.result), ['delivered']);
    }
    assert.deepEqual(addresses.map((a) => a.replace('::ffff:', '')), ['127.0.0.7', '127.0.0.8', '127.0.0.1']);
    assert.equal(there.got.length, 4);
  });

  it('returns what needs an extension that is not there', async () => {
    const there = keep(await mx({ hideSMTPUTF8: true, hide8BITMIME: true } as SMTPServerOptions));
    const r = keep(route(there.port));
    assert.deepEqual((await r.send('there.test', { ...envelope('ben@there.test'), utf8: true }, message, always, new AbortController().signal)).map((o) => [o.result, o.status]), [['failed', '5.6.7']]);
    assert.deepEqual((await r.send('there.test', { ...envelope('ben@there.test'), eightBit: true }, message, always, new AbortController().signal)).map((o) => [o.result, o.status]), [['failed', '5.6.3']]);
    // That there is no such form now says nothing about the message; the connection serves the next one.
    const later = () => Promise.reject(new Unavailable('no room'));
    assert.deepEqual((await r.send('there.test', { ...envelope('ben@there.test'), eightBit: true, sevenBits: later }, message, always, new AbortController().signal)).map((o) => [o.result, o.status, o.text]), [['deferred', '4.3.0', '451 4.3.0 Unavailable: no room']]);
    assert.equal((await send(r, ['ben@there.test']))[0].result, 'delivered');
    assert.equal(there.connections, 1);
    const small = keep(await mx({ size: 10 }));
    const r2 = keep(route(small.port));
    assert.deepEqual((await send(r2, ['ben@there.test'])).map((o) => [o.result, o.status]), [['failed', '5.3.4']]);
  });

  it('orders hosts as RFC 5321 asks', async () => {
    const random = seededRandom(3);
    const fails = (c: string) => () => Promise.reject(Object.assign(new Error(c), { code: c }));
    const names = async (dns: Dns, domain = 'there.test') => (await hostsFor(domain, dns, random)).map((h) => `${h.name} ${h.address}`);
    assert.deepEqual(await names(dnsTo({ mx: missing })), ['there.test 127.0.0.1']);
    assert.deepEqual(await names(dnsTo(), '[192.0.2.1]'), ['[192.0.2.1] 192.0.2.1']);
    assert.deepEqual(await names(dnsTo(), '[IPv6:2001:db8::1]'), ['[IPv6:2001:db8::1] 2001:db8::1']);
    assert.deepEqual(await names(dnsTo({ aaaa: async () => ['::1', '::2'] })), ['mx.there.test ::1', 'mx.there.test 127.0.0.1', 'mx.there.test ::2']);
    assert.deepEqual(await names(dnsTo({ aaaa: fails('ESERVFAIL') })), ['mx.there.test 127.0.0.1']);
    await assert.rejects(names(dnsTo({ mx: async () => [{ exchange: '', priority: 0 }] })), (e: Refused) => e instanceof Refused && e.smtp === '556 5.1.10');
    await assert.rejects(names(dnsTo({ mx: missing, a: missing })), (e: Refused) => e.smtp === '550 5.1.2');
    await assert.rejects(names(dnsTo({ a: fails('EBADNAME'), aaaa: fails('EBADNAME') })), (e: Refused) => e.smtp === '550 5.1.2');
    await assert.rejects(names(dnsTo({ mx: fails('ESERVFAIL') })), Unavailable);
    await assert.rejects(names(dnsTo({ a: fails('ETIMEOUT') })), Unavailable);
    const many = dnsTo({ mx: async () => Array.from({ length: 500 }, (_, i) => ({ exchange: `mx${i}.there.test`, priority: 1 })) });
    assert.equal((await names(many)).length, 8);
  });

  it('storm: three replicas, a server that puts off, drops and refuses, and kills: all arrive', async () => {
    let n = 0;
    const moods = ['ok', 'later', 'ok', 'ok', 'refuse-once', 'ok'];
    const there = keep(await mx({}, { rcpt: () => (moods[n++ % moods.length] === 'later' ? '451 4.7.1 wait' : null), data: () => (n++ % 7 === 0 ? '451 4.3.0 again' : null) }));
    // The attempt is short, and so is the wait for a dead one.
    const world = new QueueWorld(systemClock, 5, { queue_attempt_ms: 1600, queue_answer_ms: 300, queue_margin_ms: 200, queue_retry_ms_min: 50, queue_retry_ms_max: 200, queue_takeover_ms: 100, queue_look_ms: 50, queue_poll_ms: 200, submission_recipients_per_hour_max: 1e6, submission_recipients_per_day_max: 1e6, queue_snapshot_events: 25 });
    const routes = [0, 1, 2, 3].map(() => keep(route(there.port)));
    const members = await Promise.all(routes.slice(0, 3).map((r) => world.member(r)));
    const count = 90;
    for (let i = 0; i < count; i++) {
      await world.submit(members[i % 3 === 1 && i >= 30 ? 0 : i % 3], `r${i}@there.test`, `Subject: ${i}\r\n\r\nx\r\n`);
      if (i === 29) members[1].die();
      if (i === 60) members.push(await world.member(routes[3]));
    }
    const until = systemClock.now() + 15_000;
    while (world.waiting > 0 && systemClock.now() < until) await systemClock.sleep(100);
    assert.equal(world.waiting, 0);
    const seen = new Map<string, number>();
    for (const g of there.got) for (const to of g.to) seen.set(to, (seen.get(to) ?? 0) + 1);
    assert.equal(seen.size, count);
    const twice = [...seen.values()].filter((k) => k > 1).length;
    // Only what the killed one had handed over without writing its result: at most its attempts at that moment.
    assert.ok(twice <= 4, `${twice} twice`);
    await world.stop();
  }).timeout(30_000);
});
