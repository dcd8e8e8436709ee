// Attempts that are written down and wait in line for a transaction, and results that wait for company.
import assert from 'node:assert/strict';
import { Places } from '../../src/queue/places.ts';
import { quiet } from '../log/world.ts';
import { WholeClock } from './time.ts';
import { FakeNet, QueueWorld } from './world.ts';
import type { Member } from './world.ts';

const MINUTE = 60_000;

describe('queue/places', () => {
  const never = new AbortController().signal;

  it('so many in all and for one destination; a full one holds up nobody of another', async () => {
    const places = new Places(3, (d) => (d === 'wide' ? Infinity : 2));
    assert.deepEqual([places.enter('a'), places.enter('a'), places.enter('a'), places.enter('wide'), places.enter('b')], [true, true, false, true, false]);
    const order: string[] = [];
    const waits = ['a', 'b', 'a'].map((d, i) => places.wait(d, never).then((ok) => void order.push(`${d}${i} ${ok}`)));
    places.leave('wide');
    await quiet();
    assert.deepEqual(order, ['b1 true']);
    places.leave('a');
    await waits[0];
    places.leave('b');
    await quiet();
    assert.deepEqual(order, ['b1 true', 'a0 true']);
    places.leave('a');
    await waits[2];
    assert.deepEqual(order, ['b1 true', 'a0 true', 'a2 true']);
  });

  it('who gives up takes no place', async () => {
    const places = new Places(1, () => 1);
    assert.ok(places.enter('a'));
    const over = new AbortController();
    const waits = places.wait('a', over.signal);
    over.abort();
    assert.equal(await waits, false);
    assert.equal(await places.wait('a', over.signal), false);
    places.leave('a');
    assert.ok(places.enter('a'));
  });
});

describe('queue/line', () => {
  let clock: WholeClock;
  let world: QueueWorld;
  let net: FakeNet;
  /** Ends the transaction under way. */
  let release: () => void;

  beforeEach(() => {
    clock = new WholeClock();
    world = new QueueWorld(clock, 1, { queue_transactions_per_destination_max: 1 });
    world.planned = true;
    net = new FakeNet();
    net.before = () => new Promise((resolve) => (release = resolve));
  });
  afterEach(() => settled(world.stop()));

  const settled = <T>(promise: Promise<T>): Promise<T> => clock.settled(promise);
  const pass = (ms: number, step?: number): Promise<void> => clock.pass(ms, step);
  /** Three messages to one destination at the first member: one under way, two in line. */
  async function three(members: number): Promise<Member[]> {
    const all: Member[] = [];
    for (let i = 0; i < members; i++) all.push(await settled(world.member(net)));
    for (const to of ['a', 'b', 'c']) await settled(world.submit(all[0], `${to}@there.test`));
    await pass(1000, 100);
    return all;
  }
  const events = () => world.store.names.filter((n) => n.includes('/log/')).length;
  const to = () => net.sent.map((s) => s.to[0][0]).sort().join('');
  const attempts = (m: Member) => [...m.queue.state.messages.values()].map((x) => x.attempts.size);

  it('they are claimed with their message, and go out one after the other', async () => {
    const [a] = await three(2);
    assert.deepEqual(attempts(a), [1, 1, 1]);
    assert.equal(events(), 3);
    net.before = () => {};
    release();
    await pass(1000, 100);
    assert.equal(to(), 'abc');
    assert.equal(world.waiting, 0);
    assert.equal(a.worker.counts.withdrawn, 0);
  });

  it('what is held or dropped while it waits does not go out', async () => {
    const [a, b] = await three(2);
    const [, second, third] = a.queue.state.messages.keys();
    await settled(b.queue.write(() => [{ kind: 'Held', message: second, on: true }, { kind: 'Dropped', message: third }]));
    await settled(a.queue.caughtUp());
    net.before = () => {};
    release();
    await pass(1000, 100);
    assert.equal(to(), 'a');
    assert.deepEqual(attempts(a), [0], 'it is anyone’s again');
    await settled(b.queue.write(() => [{ kind: 'Held', message: second, on: false }]));
    await pass(MINUTE);
    assert.equal(to(), 'ab');
  });

  it('who leaves gives up what waits: another sends it at once, not after the attempt', async () => {
    const [a, b] = await three(2);
    net.before = () => {};
    const stopped = a.stop();
    release();
    await settled(stopped);
    world.members.splice(world.members.indexOf(a), 1);
    await pass(2 * MINUTE);
    assert.equal(to().replace('a', ''), 'bc');
    assert.ok(b.queue.state.messages.size <= 1, 'what was under way is put off');
  });

  it('who waits too long for its time is put back, and goes out once', async () => {
    const [a] = await three(2);
    await pass(3 * MINUTE);
    assert.equal(net.sent.length, 0);
    assert.ok(a.worker.counts.withdrawn >= 2);
    net.before = () => {};
    release();
    await pass(5 * MINUTE);
    assert.equal(to(), 'abc');
    assert.equal(world.waiting, 0);
  });

  it('results that come together are one event, and one that comes with a message is in its event', async () => {
    world = new QueueWorld(clock);
    world.planned = true;
    const releases: (() => void)[] = [];
    net.before = () => new Promise((resolve) => void releases.push(resolve));
    const a = await settled(world.member(net));
    for (const x of ['a', 'b']) await settled(world.submit(a, `${x}@there.test`));
    await pass(100, 10);
    assert.equal(events(), 2);
    for (const go of releases.splice(0)) go();
    await pass(100, 10);
    assert.equal(events(), 3);
    await settled(world.submit(a, 'c@there.test'));
    await pass(100, 10);
    releases.pop()!();
    for (let k = 0; k < 10; k++) await quiet();
    assert.equal(events(), 4, 'it waits for company');
    await settled(world.submit(a, 'd@there.test'));
    assert.equal(events(), 5);
    assert.equal(a.queue.state.messages.size, 1, 'the result came with it');
    net.before = () => {};
    releases.pop()?.();
    await pass(1000, 10);
  });
});
