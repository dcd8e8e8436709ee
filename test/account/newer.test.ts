// A replica that meets what a newer release wrote: it says so, refuses, and harms nothing.
import assert from 'node:assert/strict';
import { Corrupt, Unavailable, createLogger, limits, reason, silent } from '../../src/base/index.ts';
import { checkUser, openingSource, repairUser, UserLogs } from '../../src/account/index.ts';
import { Presence, encodePresence } from '../../src/log/index.ts';
import { openNamed, sealNamed } from '../../src/seal/index.ts';
import { knownCluster } from '../seal/known.ts';
import { REPLICAS } from '../../src/store/index.ts';
import { AccountWorld, append, contents, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const DAY = 24 * 60 * 60_000;

describe('a newer format', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  let before: { text: string }[];
  const named = (prefix: string) => [...world.store.objects.keys()].filter((n) => n.startsWith(prefix)).sort();
  const ofBob = (part: string) => named(`users/${bob.id}/${part}`);

  beforeEach(async function () {
    this.timeout(60_000);
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
    // A bundle, snapshots, and a tail.
    for (let i = 0; i < limits.bundle_events + 5; i++) await a.deliver(bob.address, mail(`m${i}`));
    await world.settled(a.upkeep.step());
    const session = await world.settled(a.login(bob));
    await append(session, 'Sent', [mail('sent')]);
    await world.advance(2 * limits.put_window_ms);
    await world.settled(a.users.find(bob.id)!.snapshot());
    await a.deliver(bob.address, mail('last'));
    before = await contents(session, 'INBOX');
    session.close();
    await world.advance(2 * limits.user_linger_ms);
    await world.settled(a.stop());
  });
  afterEach(() => world.stop());

  /** The first byte of every stored format is its version. */
  async function meets(name: string, says = /newer version/): Promise<void> {
    const object = world.store.objects.get(name)!;
    const { bytes } = object;
    object.bytes = Buffer.from(bytes);
    object.bytes[0]++;
    const log: string[] = [];
    const b = await world.replica({ logger: createLogger('debug', (line) => void log.push(line)) });
    const names = named('users/');
    const said = await world.settled(b.login(bob).then(() => 'nothing', (e) => (e instanceof Corrupt ? reason(e) : `not Corrupt: ${reason(e)}`)));
    assert.match(said, says, name);
    // What the background does, and an administrator in need.
    world.clock.time += 2 * DAY;
    await world.settled(b.upkeep.collect(b.users.logs.of(b.record(bob)), null).catch(() => {}));
    const root = await world.settled(b.admin.rootKey(b.record(bob), { password: bob.password }));
    const reader = { ...b.replica, identity: { slot: null, mayWrite: () => false, spent: new Map() } };
    const found: string[] = [];
    await world.settled(checkUser(reader, b.record(bob), (_, problem) => found.push(problem), { at: new UserLogs(reader, () => false).of(b.record(bob)), root }));
    assert.match(found.join('\n'), says, name);
    const source = openingSource(b.replica, b.record(bob), { at: new UserLogs(reader, () => false).of(b.record(bob)), root });
    await world.settled(repairUser({ replica: b.replica, record: b.record(bob), mended: () => {}, secret: { source, borrow: (run) => b.users.borrow(b.record(bob), root, run) } }).catch(() => {}));
    assert.deepEqual(names.filter((n) => !world.store.objects.has(n) && !n.includes('/candidates/')), [], `${name}: nothing goes`);
    assert.deepEqual(ofBob('damaged/'), []);
    await world.settled(b.stop());
    // The release that knows it.
    object.bytes = bytes;
    const c = await world.replica();
    const session = await world.settled(c.login(bob));
    assert.deepEqual(await contents(session, 'INBOX'), before, name);
  }

  it('of an event', () => meets(ofBob('log/').at(-1)!));
  it('of a bundle', () => meets(ofBob('bundles/')[0]));
  it('of a snapshot', () => meets(ofBob('snapshots/').at(-1)!));
  it('of a part of a snapshot', async function () {
    this.timeout(60_000);
    // The root, whose id no name tells: whichever keeps the user from being opened.
    let refused = 0;
    for (const name of ofBob('parts/')) {
      await meets(name).then(() => refused++, () => world.store.objects.get(name)!.bytes[0]--);
      for (const r of [...world.replicas]) await world.settled(r.stop());
    }
    assert.ok(refused >= 1);
  });

  it('of a blob: the message is told as damaged, and nothing of it is shown', async () => {
    const name = ofBob('blobs/')[0];
    const { bytes } = world.store.objects.get(name)!;
    // Which format it has its event says. This is in the tag of its only chunk, before the final tag.
    const at = bytes.length - 20;
    bytes[at] ^= 1;
    const b = await world.replica();
    const session = await world.settled(b.login(bob));
    await assert.rejects(contents(session, 'INBOX'), Corrupt);
    bytes[at] ^= 1;
    const box = await session.select('INBOX', true);
    assert.equal(box.index.count, before.length);
  });

  it('of the directory: nobody is told that a user is unknown, and no replica starts on half of it', async () => {
    const name = named('directory/log/').at(-1)!;
    const { bytes } = world.store.objects.get(name)!;
    const newer = Buffer.from(bytes);
    newer[0]++;
    world.store.objects.get(name)!.bytes = newer;
    await assert.rejects(world.replica(), /newer version/);
    assert.ok(world.store.objects.get(name)!.bytes.equals(newer));
    world.store.objects.get(name)!.bytes = bytes;
    const c = await world.replica();
    assert.equal((await contents(await world.settled(c.login(bob)), 'INBOX')).length, before.length);
  });

  it('of a presence that is not authentic: it keeps nobody from starting, and is named once and counted', async () => {
    const keys = knownCluster().directory;
    const NOTHING = Buffer.alloc(0);
    const said: string[] = [];
    const store = world.store.client();
    const presence = () => new Presence({
      store, clock: world.clock, random: world.random, logger: createLogger('error', (line) => void said.push(line)), address: 'h:1', version: '0',
      seal: (name, plain) => sealNamed(keys[0], name, NOTHING, plain, world.random),
      open: (name, sealed) => openNamed(keys, name, NOTHING, sealed),
    });
    // Of a newer release by its first byte, and of nobody; and one of this cluster whose first byte was altered.
    const plain = encodePresence({ slot: 3, address: 'x:1', version: '9', since: 0, left: false });
    const altered = sealNamed(keys[0], `${REPLICAS}altered`, NOTHING, plain, world.random);
    altered[0]++;
    await store.put(`${REPLICAS}altered`, altered);
    await store.put(`${REPLICAS}stranger`, Buffer.concat([Buffer.of(2), Buffer.alloc(90, 7)]));
    const p = presence();
    await world.settled(p.join());
    assert.notEqual(p.slot, null);
    assert.equal(p.strangers, 2);
    for (let i = 0; i < 3; i++) {
      await world.advance(limits.presence_renew_ms + 1000);
      await world.settled(p.renew());
    }
    assert.deepEqual([said.filter((line) => line.includes('not authentic')).length, p.mayWrite()], [2, true]);
    // An authentic one of a newer release refuses, as it must.
    const newer = Buffer.from(plain);
    newer[0]++;
    await store.put(`${REPLICAS}newer`, sealNamed(keys[0], `${REPLICAS}newer`, NOTHING, newer, world.random));
    await assert.rejects(world.settled(presence().join()), (e) => e instanceof Unavailable && /newer version/.test(e.message));
    await store.delete(`${REPLICAS}stranger`);
    await store.delete(`${REPLICAS}newer`);
    await world.settled(p.renew());
    assert.equal(p.strangers, 1);
    await p.leave({ unanswered: false });
  });

  it('of a presence: whoever comes and can not tell which slot is free does not start', async () => {
    const presence = () => new Presence({ store: world.store.client(), clock: world.clock, random: world.random, logger: silent, address: 'h:1', version: '0', seal: (_n, b) => b, open: (_n, b) => b });
    const first = presence();
    await world.settled(first.join());
    await world.settled(world.store.client().put(`${REPLICAS}newer`, Buffer.of(2, 0, 0, 0)));
    await assert.rejects(world.settled(presence().join()), (e) => e instanceof Unavailable && /newer version/.test(e.message));
    // The newer one has read this one's presence, and has another slot.
    await world.advance(limits.presence_valid_ms + limits.presence_renew_ms);
    assert.equal(first.mayWrite(), true);
    await world.settled(world.store.client().delete(`${REPLICAS}newer`));
    const second = presence();
    await world.settled(second.join());
    assert.notEqual(second.slot, first.slot);
    await second.leave({ unanswered: false });
    await first.leave({ unanswered: false });
  });
});
