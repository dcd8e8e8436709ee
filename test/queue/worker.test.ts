// Sending by any replica: nothing is lost, and nothing is sent twice but in the windows that are named here.
import assert from 'node:assert/strict';
import { Unavailable, limits } from '../../src/base/index.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';
import type { Member } from './world.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Whole milliseconds, as the machine's. */
describe('queue/worker', () => {
  let clock: WholeClock;
  let world: QueueWorld;
  let net: FakeNet;
  beforeEach(() => {
    clock = new WholeClock();
    world = new QueueWorld(clock);
    net = new FakeNet();
  });
  afterEach(() => settled(world.stop()));

  const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
  const pass = (ms: number, step?: number): Promise<void> => clock.pass(ms, step);
  const members = async (n: number, mutations?: Parameters<QueueWorld['member']>[1]): Promise<Member[]> => {
    const all: Member[] = [];
    for (let i = 0; i < n; i++) all.push(await settled(world.member(net, mutations)));
    return all;
  };
  const dsns = () => world.inboxes.got.filter((g) => g.from === '');

  it('sends at once, once, and leaves nothing behind', async () => {
    const [a] = await members(3);
    await settled(world.submit(a, ['ben@there.test', 'cleo@there.test', 'dan@far.test']));
    await pass(10 * MINUTE);
    assert.deepEqual(net.sent.map((s) => [s.destination, s.to]).sort(), [['far.test', ['dan@far.test']], ['there.test', ['ben@there.test', 'cleo@there.test']]]);
    assert.match(net.sent[0].text, /^Received: by test\r\n(Date: .*\r\nMessage-ID: <.*>\r\n|Message-ID: <.*>\r\nDate: .*\r\n)From: anna@here\.test\r\nSubject: hello\r\n\r\nHello\.\r\n$/);
    assert.equal(world.waiting, 0);
    assert.deepEqual(world.blobs(), []);
    assert.deepEqual(world.inboxes.got, []);
  });

  it('writes what it sends at once in one event with the message, and nobody else begins', async () => {
    world.planned = true;
    const [a] = await members(3);
    await settled(world.submit(a, ['ben@there.test', 'cleo@there.test', 'dan@far.test']));
    await pass(10 * MINUTE);
    assert.deepEqual(net.sent.map((s) => [s.destination, s.to]).sort(), [['far.test', ['dan@far.test']], ['there.test', ['ben@there.test', 'cleo@there.test']]]);
    assert.equal(world.waiting, 0);
    // One for the message, one or two for the results.
    assert.ok(world.store.names.filter((n) => n.includes('/log/')).length <= 3);
    // It dies with its message: the others wait until the attempt is over.
    net.before = () => {
      a.die();
      return new Promise(() => {});
    };
    await settled(world.submit(a, 'eve@there.test'));
    net.before = () => {};
    await pass(10 * MINUTE);
    assert.equal(net.sent.length, 2);
    await pass(30 * MINUTE);
    assert.equal(net.sent.length, 3);
  });

  it('delivers to users here at once, without the queue, and from the queue when others are meant too', async () => {
    const [a] = await members(1);
    await settled(world.submit(a, ['ben@here.test']));
    assert.equal(world.inboxes.got.length, 1);
    assert.equal(world.store.names.filter((n) => n.startsWith('queue/')).length, 0);
    await settled(world.submit(a, ['cleo@here.test', 'dan@far.test']));
    await pass(MINUTE);
    assert.deepEqual(world.inboxes.got.map((g) => g.to), ['ben@here.test', 'cleo@here.test']);
    assert.equal(net.sent.length, 1);
    assert.match(world.inboxes.got[1].text, /^Return-Path: <anna@here\.test>\r\nDelivered-To: cleo@here\.test\r\nReceived: by test\r\n/);
  });

  it('takes over from a replica that died before it sent', async () => {
    const [a, b] = await members(2);
    net.before = () => {
      a.die();
      return new Promise(() => {});
    };
    await settled(world.submit(a, 'ben@there.test'));
    net.before = () => {};
    await pass(5 * MINUTE);
    assert.equal(net.sent.length, 0, 'the attempt of the dead is respected');
    await pass(25 * MINUTE);
    assert.equal(net.sent.length, 1);
    assert.equal(b.queue.state.messages.size, 0);
  });

  it('takes over what a replica took in and never tried', async () => {
    const [a, b] = await members(2);
    a.worker.own = () => a.die();
    await settled(world.submit(a, 'ben@there.test'));
    await pass(3 * MINUTE);
    assert.equal(net.sent.length, 1);
    assert.equal(b.queue.state.messages.size, 0);
  });

  it('window 1: twice when its sender dies between the last line and its own result', async () => {
    const [a] = await members(2);
    net.after = () => void (world.members.includes(a) && a.die());
    await settled(world.submit(a, 'ben@there.test'));
    await pass(HOUR);
    assert.equal(net.sent.length, 2);
    assert.equal(world.waiting, 0);
  });

  it('window 2: twice when its sender loses the store for longer than the attempt', async () => {
    const [a] = await members(2);
    net.after = () => void (a.store.faults.cut = true);
    await settled(world.submit(a, 'ben@there.test'));
    await pass(10 * MINUTE);
    assert.equal(net.sent.length, 1);
    await pass(HOUR);
    assert.equal(net.sent.length, 2);
  });

  it('once when the store comes back within the attempt', async () => {
    const [a] = await members(2);
    let first = true;
    net.after = () => {
      if (first) a.store.faults.cut = true;
      first = false;
    };
    await settled(world.submit(a, 'ben@there.test'));
    await pass(5 * MINUTE);
    a.store.faults.cut = false;
    await pass(HOUR);
    assert.equal(net.sent.length, 1);
    assert.equal(world.waiting, 0);
  });

  it('once when its sender was stopped for long before the last line', async () => {
    const [a] = await members(2);
    let stopped = true;
    net.before = async () => {
      if (!stopped) return;
      stopped = false;
      await clock.sleep(2 * HOUR);
    };
    await settled(world.submit(a, 'ben@there.test'));
    await pass(3 * HOUR, 30_000);
    assert.equal(net.sent.length, 1, 'the other one sent it, and the first one saw that its time was over');
  });

  it('twice without the look at the clocks: the check above can fail', async () => {
    const [a] = await members(2, { noTimeCheck: true });
    let stopped = true;
    net.before = async () => {
      if (!stopped) return;
      stopped = false;
      await clock.sleep(2 * HOUR);
    };
    const send = net.send.bind(net);
    net.send = (d, e, m, mayEnd) => send(d, e, m, mayEnd, new AbortController().signal);
    await settled(world.submit(a, 'ben@there.test'));
    await pass(3 * HOUR, 30_000);
    assert.equal(net.sent.length, 2);
  });

  for (const [name, mutations, twice] of [['once', undefined, false], ['twice without the LIST after the claim', { noConfirm: true }, true]] as const) {
    it(`two replicas that claim at one moment: ${name}`, async () => {
      let doubled = 0;
      for (let seed = 1; seed <= 12; seed++) {
        clock = new WholeClock();
        world = new QueueWorld(clock, seed);
        net = new FakeNet();
        world.hints = false;
        const [a, b] = await members(2, mutations);
        for (const m of [a, b]) m.store.faults.latencyMs = [5, 200];
        a.worker.own = () => {};
        await settled(world.submit(a, 'ben@there.test'));
        await settled(Promise.all([a.queue.caughtUp(), b.queue.caughtUp()]));
        const [id] = a.queue.state.messages.keys();
        Object.getPrototypeOf(a.worker).own.call(a.worker, id);
        b.worker.own(id);
        await pass(30 * MINUTE, 1000);
        assert.ok(net.sent.length >= 1);
        if (net.sent.length > 1) doubled++;
        await settled(world.stop());
      }
      assert.equal(doubled > 0, twice, `${doubled} of 12`);
    });
  }

  it('puts off as long as the message is old, tells the sender after four hours, and gives up after five days', async () => {
    const [a] = await members(2);
    const tries: number[] = [];
    const begun = clock.now();
    net.answer = () => {
      tries.push(clock.now() - begun);
      return '451 4.7.1 greylisted';
    };
    await settled(world.submit(a, 'ben@there.test'));
    await pass(4 * HOUR - 10 * MINUTE, 30_000);
    assert.ok(tries.length > 4 && tries.length < 20, String(tries.length));
    assert.ok(tries[1] >= 5 * MINUTE && tries[1] < 6 * MINUTE, String(tries[1]));
    assert.equal(dsns().length, 0);
    await pass(30 * MINUTE, 30_000);
    assert.equal(dsns().length, 1);
    assert.match(dsns()[0].text, /Action: delayed\r\nStatus: 4\.7\.1\r\nRemote-MTA: dns; mx\.there\.test\r\nDiagnostic-Code: smtp; 451 4\.7\.1 greylisted/);
    await pass(117 * HOUR, 10 * MINUTE);
    assert.equal(world.waiting, 0);
    assert.equal(dsns().length, 2);
    assert.match(dsns()[1].text, /Action: failed\r\nStatus: 4\.4\.7/);
    assert.ok(tries.length > 90 && tries.length < 130, String(tries.length));
  }).timeout(60_000);

  it('tells the sender of a failure, once, though two replicas see it', async () => {
    const [a] = await members(3);
    net.answer = (address) => (address.startsWith('ben') ? '550 5.1.1 no such user' : null);
    await settled(world.submit(a, ['ben@there.test', 'cleo@there.test'], 'Subject: secret plan\r\n\r\nthe body\r\n'));
    await pass(10 * MINUTE);
    assert.equal(net.sent.length, 1);
    assert.equal(dsns().length, 1);
    const { to, text } = dsns()[0];
    assert.equal(to, 'anna@here.test');
    assert.match(text, /multipart\/report; report-type=delivery-status/);
    assert.match(text, /Final-Recipient: rfc822; ben@there\.test\r\nAction: failed\r\nStatus: 5\.1\.1/);
    assert.match(text, /text\/rfc822-headers\r\n\r\nReceived[^]*Subject: secret plan\r\n\r\n--/);
    assert.doesNotMatch(text, /the body|cleo/);
    assert.equal(world.waiting, 0);
    assert.deepEqual(world.blobs(), []);
  });

  it('brings the message back with RET=FULL, and says nothing with NOTIFY=NEVER', async () => {
    const [a] = await members(1);
    net.answer = () => '550 5.7.1 no';
    await settled(world.submit(a, 'ben@there.test', 'Subject: x\r\n\r\nthe body\r\n', { ret: 'FULL' }));
    await pass(MINUTE);
    assert.match(dsns()[0].text, /message\/rfc822\r\n[^]*the body\r\n/);
    await settled(world.submit(a, 'ben@there.test', 'Subject: x\r\n\r\nthe body\r\n', { notify: ['NEVER'] }));
    await pass(MINUTE);
    assert.equal(dsns().length, 1);
    assert.equal(world.waiting, 0);
    net.answer = () => null;
    await settled(world.submit(a, 'ben@there.test', 'Subject: x\r\n\r\nthe body\r\n', { notify: ['SUCCESS'], ret: 'FULL' }));
    await pass(MINUTE);
    assert.match(dsns()[1].text, /Action: relayed\r\nStatus: 2\.0\.0/);
    assert.doesNotMatch(dsns()[1].text, /the body/, 'RET is about failures (RFC 3461 §4.3)');
  });

  it('brings the header alone back where it is asked for, where nothing is, and of what is large', async () => {
    const [a] = await members(1);
    net.answer = () => '550 5.7.1 no';
    const large = 'a line of the body\r\n'.repeat(limits.dsn_original_bytes_max / 20 + 1);
    for (const [ret, body] of [['HDRS', 'the body\r\n'], ['', 'the body\r\n'], ['FULL', large]] as const) await settled(world.submit(a, 'ben@there.test', `Subject: secret plan\r\n\r\n${body}`, { ret }));
    await pass(MINUTE);
    assert.equal(dsns().length, 3);
    for (const { text } of dsns()) assert.match(text, /text\/rfc822-headers\r\n\r\nReceived[^]*Subject: secret plan\r\n\r\n--/);
  });

  it('says nothing of success where the other server does (DSN), and of what arrived here that it arrived', async () => {
    const [a, b] = await members(2);
    net.tells = true;
    await settled(world.submit(a, ['ben@there.test', 'cleo@here.test'], 'Subject: x\r\n\r\nthe body\r\n', { notify: ['SUCCESS'] }));
    await pass(MINUTE);
    assert.deepEqual([net.sent.length, world.waiting, b.queue.state.messages.size], [1, 0, 0]);
    const notices = world.inboxes.got.filter((g) => g.from === '').map((g) => g.text);
    assert.equal(notices.length, 1);
    assert.match(notices[0], /Final-Recipient: rfc822; cleo@here\.test\r\nAction: delivered\r\n/);
    // What fails there is ours to tell all the same.
    net.answer = () => '550 5.1.1 who';
    await settled(world.submit(a, 'ben@there.test', 'Subject: x\r\n\r\nthe body\r\n', { notify: ['SUCCESS', 'FAILURE'] }));
    await pass(MINUTE);
    assert.equal(world.inboxes.got.filter((g) => g.from === '' && /Action: failed/.test(g.text)).length, 1);
  });

  it('keeps a notice until the store of the user takes it', async () => {
    const [a] = await members(1);
    net.answer = () => '550 5.7.1 no';
    world.inboxes.error = new Unavailable('no store');
    await settled(world.submit(a, 'ben@there.test'));
    await pass(10 * MINUTE);
    assert.equal(world.waiting, 1);
    world.inboxes.error = null;
    await pass(10 * MINUTE);
    assert.equal(dsns().length, 1);
    assert.equal(world.waiting, 0);
  });

  it('holds, releases, retries and drops', async () => {
    const [a, b] = await members(2);
    net.answer = () => '451 4.0.0 later';
    await settled(world.submit(a, 'ben@there.test'));
    await pass(10_000);
    const [id] = b.queue.state.messages.keys();
    await settled(b.queue.write(() => [{ kind: 'Held', message: id, on: true }]));
    net.answer = () => null;
    await pass(HOUR);
    assert.equal(net.sent.length, 0);
    await settled(b.queue.write(() => [{ kind: 'Held', message: id, on: false }]));
    await pass(MINUTE);
    assert.equal(net.sent.length, 1);
    net.answer = () => '451 4.0.0 later';
    await settled(world.submit(a, 'ben@there.test'));
    await pass(10_000);
    const [again] = b.queue.state.messages.keys();
    net.answer = () => null;
    await settled(b.queue.write(() => [{ kind: 'Retried', message: again, at: clock.now() }]));
    await pass(MINUTE);
    assert.equal(net.sent.length, 2);
    net.answer = () => '451 4.0.0 later';
    await settled(world.submit(a, 'ben@there.test'));
    await pass(10_000);
    const [third] = b.queue.state.messages.keys();
    await settled(b.queue.write(() => [{ kind: 'Dropped', message: third }]));
    await pass(HOUR);
    assert.equal(world.waiting, 0);
    assert.equal(dsns().length, 0);
  });

  it('holds a message until its time, by any replica, and counts its age from there (FUTURERELEASE)', async () => {
    const [a] = await members(2);
    await settled(world.submit(a, ['ben@here.test', 'dan@there.test'], 'Subject: later\r\n\r\nx\r\n', { releaseAt: clock.now() + 30 * HOUR }));
    a.die();
    await pass(29 * HOUR, MINUTE);
    assert.deepEqual([net.sent.length, world.inboxes.got.length, dsns().length], [0, 0, 0]);
    net.answer = () => '451 4.7.1 greylisted';
    await pass(2 * HOUR, MINUTE);
    assert.deepEqual([world.inboxes.got.length, dsns().length, world.waiting], [1, 0, 1], 'no notice of delay yet');
    net.answer = () => null;
    await pass(2 * HOUR, MINUTE);
    assert.equal(net.sent.length, 1);
    assert.equal(world.waiting, 0);
  });

  it('limits recipients of an hour through all replicas', async () => {
    world = new QueueWorld(clock, 1, { submission_recipients_per_hour_max: 5 });
    const [a, b] = await members(2);
    await settled(world.submit(a, ['a@there.test', 'b@there.test', 'c@there.test']));
    await settled(b.queue.caughtUp());
    await assert.rejects(settled(world.submit(b, ['a@there.test', 'b@there.test', 'c@there.test'])), /too many recipients/);
    await settled(world.submit(b, ['a@there.test', 'b@there.test']));
    await pass(2 * HOUR, MINUTE);
    await settled(world.submit(b, ['a@there.test', 'b@there.test']));
  });

  it('limits recipients of a day through all replicas, also of one that began since', async () => {
    world = new QueueWorld(clock, 1, { submission_recipients_per_hour_max: 4, submission_recipients_per_day_max: 6 });
    const [a] = await members(1);
    await settled(world.submit(a, ['a@there.test', 'b@there.test', 'c@there.test', 'd@there.test']));
    await pass(2 * HOUR, MINUTE);
    const [b] = await members(1);
    await assert.rejects(settled(world.submit(b, ['a@there.test', 'b@there.test', 'c@there.test'])), /too many recipients/);
    await settled(world.submit(b, ['a@there.test', 'b@there.test']));
    await pass(20 * HOUR, 10 * MINUTE);
    await assert.rejects(settled(world.submit(a, 'a@there.test')), /too many recipients/);
    await pass(5 * HOUR, 10 * MINUTE);
    await settled(world.submit(a, 'a@there.test'));
  });

  it('ends a notice that can not be delivered: nobody is told of it', async () => {
    const [a] = await members(2);
    const tries: number[] = [];
    net.answer = (address) => (tries.push(clock.now()), address.startsWith('ben') ? '550 5.1.1 no such user' : '451 4.7.1 later');
    // As a mail app sends a receipt: from nobody.
    await settled(world.submit(a, ['ben@there.test', 'cleo@there.test'], 'Subject: read\r\n\r\nx\r\n', { from: '', notify: ['FAILURE', 'DELAY'] }));
    await pass(6 * HOUR, MINUTE);
    assert.ok(tries.length > 5, String(tries.length));
    await pass(115 * HOUR, 10 * MINUTE);
    assert.equal(world.waiting, 0);
    assert.deepEqual([world.inboxes.got, net.sent, world.blobs()], [[], [], []]);
  }).timeout(60_000);

  it('tells nobody else what became of a message: its sender has that address no more', async () => {
    const [a] = await members(1);
    net.answer = () => '550 5.1.1 no such user';
    world.owns = (user, address) => user === 'anna' && address === 'anna@here.test' && net.sent.length + world.waiting === 0;
    await settled(world.submit(a, 'ben@there.test'));
    await pass(MINUTE);
    assert.equal(world.waiting, 0);
    assert.deepEqual(world.inboxes.got, []);
  });

  it('takes no message whose sender\'s password is taken back before its end', async () => {
    const [a] = await members(1);
    const submission = await a.outbox.login('anna', 'x', '127.0.0.1');
    for (const to of ['ben@here.test', 'ben@there.test']) {
      world.holds = true;
      const sending = submission.begin({ from: 'anna@here.test', recipients: [{ address: to, notify: [], orcpt: '' }], declaredBytes: null, ret: '', envid: '', utf8: false });
      await sending.write(Buffer.from('From: anna@here.test\r\nSubject: x\r\n\r\n'));
      world.holds = false;
      await assert.rejects(settled(sending.commit('Received: by test\r\n')), { code: 'AUTHENTICATIONFAILED' });
    }
    await pass(MINUTE);
    assert.deepEqual([world.waiting, net.sent, world.inboxes.got], [0, [], []]);
  });

  it('has 250 only after it is durable', async () => {
    const [a] = await members(1);
    a.store.faults.cut = true;
    await assert.rejects(settled(world.submit(a, 'ben@there.test')), Unavailable);
    await pass(MINUTE);
    assert.equal(net.sent.length, 0);
  });
});
