// Addresses that lead elsewhere: in the queue before the 250, from an address to which failures come back, sealed with ARC.
import assert from 'node:assert/strict';
import { authenticate } from 'mailauth';
import { Refused, Unavailable, seededRandom } from '../../src/base/index.ts';
import { Forwarder, srsAddress, srsSender } from '../../src/queue/index.ts';
import { NOTIFY } from '../../src/queue/ops.ts';
import { createDomainKeys, publicRecord, readSecret } from '../../src/verify/index.ts';
import type { SigningKey } from '../../src/verify/index.ts';
import { quiet } from '../log/world.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld, memorySpool } from './world.ts';
import type { Member } from './world.ts';

const DAY = 86_400_000;

/** Whole milliseconds, as the machine's. */
describe('queue/srs', () => {
  const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  it('leads back, for three weeks, and only with the right hash', () => {
    const now = 20_000 * DAY;
    for (const from of ['eve@far.test', 'a=b+c@Far.test', 'SRS0=abc=de=x.test=joe@fwd.test']) {
      const made = srsAddress(from, 'here.test', key, now)!;
      assert.match(made, /^SRS0=[a-z2-7]{10}=[a-z2-7]{2}=.*@here\.test$/);
      assert.equal(srsSender(made, [other, key], now + 20 * DAY), from);
      assert.equal(srsSender(made.toLowerCase(), [key], now)!.toLowerCase(), from.toLowerCase());
      assert.equal(srsSender(made, [key], now + 23 * DAY), null);
      assert.equal(srsSender(made, [other], now), null);
      assert.equal(srsSender(made.replace('=far', '=evil').replace('=Far', '=evil').replace('=fwd', '=evil'), [key], now), null);
    }
    for (const from of ['"a b"@x.test', 'ä@x.test', `${'x'.repeat(200)}@x.test`, '@x.test', 'x@[192.0.2.1]']) assert.equal(srsAddress(from, 'here.test', key, now), null);
    for (const bad of ['SRS0=@here.test', 'SRS0=a=b@here.test', 'SRS0=aaaaaaaaaa=aa==@here.test', 'srs0']) assert.equal(srsSender(bad, [key], now), null);
  });
});

describe('queue/forward', () => {
  let clock: WholeClock;
  let world: QueueWorld;
  let net: FakeNet;
  let member: Member;
  let forwarder: Forwarder;
  let postmasters: string[];
  const records = new Map<string, string>();
  let keys: SigningKey[];
  before(async () => {
    keys = (await createDomainKeys('1')).map(({ selector, algorithm, secret }) => {
      records.set(`${selector}._domainkey.here.test`, publicRecord(algorithm, secret));
      return { domain: 'here.test', selector, algorithm, secret: readSecret(secret) };
    });
  });
  beforeEach(async () => {
    clock = new WholeClock();
    world = new QueueWorld(clock);
    net = new FakeNet();
    member = await settled(world.member(net));
    postmasters = ['postmaster@*'];
    const leads: Record<string, string> = { 'info@here.test': 'Ben@away.test', 'all@here.test': 'team@else.test' };
    forwarder = new Forwarder({
      receiver: world.inboxes, queue: member.queue, hasDomain: (d) => d === 'here.test', postmasters: (d) => postmasters.map((p) => p.replace('*', d)), keysOf: () => keys, hostname: 'mx.here.test', spool: () => memorySpool() as never, clock, random: seededRandom(3),
      forwardOf: (address) => (leads[address.toLowerCase()] ? { alias: address.toLowerCase(), target: leads[address.toLowerCase()] } : null), onQueued: (id) => member.worker.own(id), plan: (spec) => member.worker.plan(spec),
    });
    world.front = forwarder;
  });
  afterEach(() => settled(world.stop()));
  const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
  const pass = async (ms: number) => {
    for (let t = 0; t < ms; t += 5000) {
      await clock.advance(5000);
      for (let k = 0; k < 10; k++) await quiet();
    }
  };
  const found = 'Authentication-Results: mx.here.test;\r\n\tspf=pass smtp.mailfrom=far.test;\r\n\tarc=none\r\n';
  async function comes(from: string, to: string[], { text = 'From: eve@far.test\r\nSubject: hello\r\n\r\nHi.\r\n', prefix = found, junk = false, utf8 = false } = {}) {
    const recipients = [];
    for (const address of to) recipients.push(await settled(forwarder.recipient(address, null)));
    const transaction = forwarder.begin({ from, recipients, declaredBytes: null, utf8 });
    await settled(transaction.write(Buffer.from(text)));
    const outcomes = await settled(transaction.commit((r) => Buffer.from(`Return-Path: <${from}>\r\nDelivered-To: ${r.address}\r\nReceived: by here\r\n${prefix}`), junk));
    return outcomes.map((o) => o.error);
  }

  it('hands on, to each by its own way, and the rest stays here', async () => {
    assert.deepEqual(await comes('eve@far.test', ['info@here.test', 'anna@here.test', 'all@here.test']), [null, null, null]);
    await pass(30_000);
    assert.deepEqual(net.sent.map((s) => s.to[0]).sort(), ['Ben@away.test', 'team@else.test']);
    assert.deepEqual(world.inboxes.got.map((g) => [g.from, g.to]), [['eve@far.test', 'anna@here.test']]);
    const { text, from } = net.sent.find((s) => s.to[0] === 'Ben@away.test')!;
    assert.match(text, /^ARC-Seal: i=1;/);
    assert.match(text, /\r\nDelivered-To: info@here\.test\r\nReceived: by here\r\nAuthentication-Results: mx\.here\.test;/);
    assert.doesNotMatch(text, /Return-Path/);
    assert.match(from, /^SRS0=.*=far\.test=eve@here\.test$/);
    const resolver = async (name: string) => (records.has(name) ? [[records.get(name)!]] : Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' })));
    const seen = await authenticate(Buffer.from(text), { ip: '192.0.2.1', helo: 'x', sender: from, resolver, mta: 'z.test' } as never);
    assert.equal((seen.arc as { status: { result: string } }).status.result, 'pass');
  });

  it('hands on once, in however many forms an address was named', async () => {
    const forms = ['info@here.test', 'INFO@here.test', 'Info@Here.Test'];
    assert.deepEqual(await comes('eve@far.test', [...forms, 'all@here.test']), [null, null, null, null]);
    await pass(30_000);
    assert.deepEqual(net.sent.map((s) => s.to[0]).sort(), ['Ben@away.test', 'team@else.test']);
  });

  it('asks for SMTPUTF8 where that came with the message and its header needs it (RFC 6531 §3.6)', async () => {
    const [wide, plain] = ['From: eve@far.test\r\nSubject: grüße\r\n\r\nHi.\r\n', 'From: eve@far.test\r\nSubject: hello\r\n\r\ngrüße\r\n'];
    for (const [text, utf8] of [[wide, true], [wide, false], [plain, true]] as const) await comes('eve@far.test', ['info@here.test'], { text, utf8 });
    await pass(30_000);
    assert.deepEqual(net.sent.map(({ envelope }) => [envelope.utf8, envelope.eightBit]), [[true, true], [false, true], [false, true]]);
  });

  it('a sender here hears of an address that leads elsewhere what it asked for (RFC 3461 §5.2.7)', async () => {
    const send = (to: string[], notify: string[]) => settled(world.submit(member, to, undefined, { notify, ret: 'HDRS', envid: 'e1' }));
    const asked = () => net.sent.map(({ envelope: { envid, ret, to } }) => [envid, ret, ...to.map((r) => r.notify)]);
    await send(['info@here.test'], ['SUCCESS']);
    await send(['info@here.test'], ['NEVER']);
    await send(['info@here.test'], []);
    await pass(30_000);
    assert.deepEqual(asked().sort(), [['e1', 'HDRS', 0], ['e1', 'HDRS', NOTIFY.never], ['e1', 'HDRS', NOTIFY.success]]);
    // Delivered it is not: the one notice tells that it was handed on.
    assert.deepEqual(world.inboxes.got.map((g) => [g.to, /^Subject: (.*)\r$/m.exec(g.text)?.[1], /^Final-Recipient: (.*)\r$/m.exec(g.text)?.[1]]), [['anna@here.test', 'Your message was handed on', 'rfc822; Ben@away.test']]);
    // What fails is told to nobody who did not send it.
    net.answer = () => '550 5.1.1 nobody';
    await send(['info@here.test'], ['FAILURE']);
    world.owns = () => false;
    await pass(30_000);
    assert.equal(world.inboxes.got.length, 1);
  });

  it('writes what it sends at once in one event with the messages, and none of it when the store does not take that', async () => {
    const written = () => world.store.names.filter((n) => n.includes('/log/')).length;
    const places = world.limits.queue_attempts_per_destination_max;
    net.destination = () => 'one';
    // Blobs are taken, events are not: what was reserved for these is free again.
    const put = member.store.put.bind(member.store);
    const refused = Object.assign(new Unavailable('not now'), { lasting: true });
    member.store.put = (name, ...rest) => (name.includes('/log/') ? Promise.reject(refused) : put(name, ...rest));
    for (let i = 0; i <= places; i++) assert.ok((await comes('eve@far.test', ['info@here.test']))[0] instanceof Unavailable);
    member.store.put = put;
    assert.deepEqual([written(), net.sent.length], [0, 0]);
    const held: (() => void)[] = [];
    net.before = () => new Promise<void>((resolve) => held.push(resolve));
    await comes('eve@far.test', ['info@here.test', 'all@here.test']);
    const first = [written(), [...member.queue.state.messages.values()].map((m) => m.attempts.size)];
    net.before = () => {};
    for (const go of held) go();
    assert.deepEqual(first, [1, [1, 1]]);
    await pass(30_000);
    assert.deepEqual([net.sent.map((s) => s.to[0]).sort(), world.waiting], [['Ben@away.test', 'team@else.test'], 0]);
  });

  it('seals only what was checked here, and on top of what is whole', async () => {
    for (const prefix of ['', found.replace('mx.here.test', 'evil.test'), found.replace('arc=none', 'arc=fail')]) await comes('eve@far.test', ['info@here.test'], { prefix });
    await pass(30_000);
    assert.equal(net.sent.length, 3);
    for (const { text } of net.sent) assert.doesNotMatch(text, /ARC-/);
  });

  it('tells the postmaster of a failure after the 250, and nobody outside', async () => {
    net.answer = (address) => (address === 'Ben@away.test' ? '550 5.1.1 gone' : null);
    await comes('eve@far.test', ['info@here.test']);
    await pass(30_000);
    assert.deepEqual([net.sent.length, world.waiting], [0, 0]);
    const [{ from, to, text }, ...more] = world.inboxes.got;
    assert.deepEqual([more.length, from], [0, '']);
    assert.match(to, /^SRS0=.*=far\.test=eve@here\.test$/);
    assert.match(text, /^Subject: A forwarded message could not be delivered\r\n/m);
    assert.match(text, /A message from eve@far\.test [^]*Its sender was not told[^]*Final-Recipient: rfc822; Ben@away\.test\r\nAction: failed\r\nStatus: 5\.1\.1/);
    assert.match(text, /Delivered-To: info@here\.test\r\n[^]*Subject: hello/);
  });

  it('tells the postmaster too what comes back from where it was handed on to, and no stranger anything', async () => {
    net.answer = () => '451 4.2.0 later';
    await comes('eve@far.test', ['info@here.test']);
    const [{ from }] = [...member.queue.state.messages.values()];
    await assert.rejects(async () => comes('eve@far.test', [from]), (e: Refused) => e.smtp === '550 5.7.1');
    await assert.rejects(async () => comes('eve@far.test', ['anna@here.test', from]), (e: Refused) => e.smtp === '550 5.7.1');
    await assert.rejects(settled(forwarder.recipient(from.replace('eve', 'abe'), null)), (e: Refused) => e.smtp === '550 5.1.1');
    const bounce = { text: 'From: <>\r\nSubject: failure\r\n\r\nx\r\n', prefix: '' };
    assert.deepEqual(await comes('', [from], bounce), [null]);
    assert.deepEqual(world.inboxes.got.map((g) => [g.from, g.to]), [['', from]]);
    await pass(30_000);
    assert.deepEqual(net.sent, []);
    // Without a postmaster nobody here can hear it, and that is said before the 250.
    postmasters = ['nobody@*'];
    await assert.rejects(async () => comes('', [from], bounce), (e: Refused) => e.smtp === '550 5.1.1' && /nobody@here\.test/.test(e.message));
    postmasters = ['nobody@*', 'ben@*'];
    assert.deepEqual(await comes('', [from], { ...bounce, text: `${bounce.text}again` }), [null]);
  });

  it('has a postmaster for who names no domain (RFC 5321 §4.5.1)', async () => {
    postmasters = ['nobody@here.test', 'ben@here.test'];
    assert.deepEqual(await comes('eve@far.test', ['Postmaster']), [null]);
    assert.deepEqual(world.inboxes.got.map((g) => g.to), ['Postmaster']);
    postmasters = [];
    await assert.rejects(settled(forwarder.recipient('postmaster', null)), { name: 'Refused', smtp: '550 5.1.1' });
  });

  it('tells a postmaster who is elsewhere, and ends when that fails', async () => {
    net.answer = (address) => (address === 'Ben@away.test' ? '550 5.1.1 gone' : null);
    postmasters = ['all@*'];
    await comes('eve@far.test', ['info@here.test']);
    await pass(30_000);
    assert.deepEqual(net.sent.map((s) => [s.from, s.to]), [['', ['team@else.test']]]);
    net.answer = () => '550 5.1.1 gone';
    await comes('eve@far.test', ['info@here.test'], { text: 'From: x@far.test\r\n\r\nmore\r\n' });
    await pass(60_000);
    assert.deepEqual([net.sent.length, world.waiting], [1, 0]);
  });

  it('keeps the notice while the postmaster has no room', async () => {
    net.answer = () => '550 5.1.1 gone';
    world.inboxes.error = new Refused('Mailbox is full', 'OVERQUOTA', '552 5.2.2');
    await comes('eve@far.test', ['info@here.test']);
    await pass(30_000);
    assert.deepEqual([world.inboxes.got.length, world.waiting], [0, 1]);
    world.inboxes.error = null;
    await pass(120_000);
    assert.deepEqual([world.inboxes.got.length, world.waiting], [1, 0]);
  });

  it('refuses spam and loops before its 250, and says so when the store is away', async () => {
    assert.equal((await comes('eve@far.test', ['info@here.test'], { junk: true }))[0]!.name, 'Refused');
    // Some stored and some refused would be 451 in SMTP, and so again and again.
    assert.deepEqual((await comes('eve@far.test', ['anna@here.test', 'info@here.test'], { junk: true })).map((e) => e?.name), ['Refused', 'Refused']);
    assert.equal(world.inboxes.got.length, 0);
    await assert.rejects(comes('eve@far.test', ['info@here.test'], { text: 'Delivered-To: INFO@here.test\r\nFrom: x@y\r\n\r\n' }), (e: Refused) => e.smtp === '554 5.4.6');
    member.store.faults.cut = true;
    assert.ok((await comes('eve@far.test', ['info@here.test']))[0] instanceof Unavailable);
    member.store.faults.cut = false;
    await pass(60_000);
    assert.equal(net.sent.length, 0);
  });

  it('leaves senders here and the null sender as they are, and stands in where no address can', async () => {
    await comes('anna@here.test', ['info@here.test']);
    await comes('', ['info@here.test']);
    await comes('"a b"@far.test', ['info@here.test']);
    await pass(30_000);
    assert.deepEqual(net.sent.map((s) => s.from), ['anna@here.test', '', 'postmaster@here.test']);
  });
});
