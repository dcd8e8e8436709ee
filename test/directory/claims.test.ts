// The directory of several replicas over one store, where anything may come in any order and some of it not at all.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { decodeDirectoryOps, encodeDirectoryOps } from '../../src/directory/index.ts';
import type { DirectoryOp } from '../../src/directory/index.ts';
import { AccountWorld } from '../account/world.ts';
import type { TestReplica } from '../account/world.ts';

const bytes = Buffer.from('00', 'hex');
const user = (id: string): DirectoryOp => ({ kind: 'UserAdded', user: id, at: 5, publicKeys: bytes, ring: bytes, bucket: '', quotaBytes: 0 });
const ADDRESS = 'a@x.test';

describe('directory', () => {
  let world: AccountWorld;
  afterEach(() => world.stop());
  async function make(seed: number, replicas: number): Promise<TestReplica[]> {
    world = new AccountWorld(seed);
    const all = [];
    for (let i = 0; i < replicas; i++) all.push(await world.replica());
    await world.settled(all[0].directory.write(() => [{ kind: 'DomainAdded', domain: 'x.test' }, user('u0'), user('u1'), user('u2')]));
    for (const r of all) await world.settled(r.directory.caughtUp());
    return all;
  }
  const owner = (r: TestReplica) => r.directory.state.owner(ADDRESS)?.id ?? null;

  it('of those who claim an address at once at most one gets it, whoever hears of what and when', async function () {
    this.timeout(60_000);
    const wins = [0, 0, 0];
    for (let seed = 1; seed <= 120; seed++) {
      const all = await make(seed, 3);
      world.hints = seed % 3 === 0;
      const faulty = seed % 2 === 0;
      for (const r of all) {
        r.home.faults = { latencyMs: [1, 60], slowMs: [100, 3000], slow: 0.1, ...(faulty ? { answerLost: 0.1, fails: 0.05, partial: 0.1, quorum: 0.05 } : {}) };
      }
      const told = await Promise.all(all.map(async (r, i) => {
        await world.clock.sleep(Math.floor(world.random.unit() * 150));
        return r.directory.claim(ADDRESS, `u${i}`, false).then(() => 'yes', (e: Error) => e.name);
      }).map((p) => world.settled(p)));
      for (const r of all) r.home.faults = {};
      world.store.heal();
      for (const r of all) await world.settled(r.directory.caughtUp());
      const owners = all.map(owner);
      assert.deepEqual(owners, [owners[0], owners[0], owners[0]], `seed ${seed}: replicas agree`);
      const yes = told.flatMap((t, i) => (t === 'yes' ? [`u${i}`] : []));
      assert.ok(yes.length <= 1, `seed ${seed}: ${yes.length} were told that they have it`);
      if (yes.length === 1) assert.equal(owners[0], yes[0], `seed ${seed}: who was told so has it`);
      if (!faulty) assert.ok(told.every((t) => t === 'yes' || t === 'Refused'), `seed ${seed}: ${told}`);
      wins[yes.length]++;
      await world.stop();
    }
    assert.ok(wins[0] > 0 && wins[1] > 20, `won by nobody ${wins[0]} times, by one ${wins[1]} times`);
  });

  it('a claim whose claimer died is in the way for an hour by the store\'s time, not longer', async () => {
    const [a, b] = await make(1, 2);
    await world.settled(a.directory.write(() => [{ kind: 'AddressClaimed', address: ADDRESS, user: 'u1', primary: false, at: 0 }]));
    a.die();
    await world.advance(limits.claim_end_ms - 60_000);
    await world.settled(assert.rejects(b.directory.claim(ADDRESS, 'u2', false), { name: 'Refused', code: 'ALREADYEXISTS' }));
    await world.advance(120_000);
    await world.settled(b.directory.claim(ADDRESS, 'u2', false));
    assert.equal(owner(b), 'u2');
  });

  it('a user whose making was broken off is told apart, and can go an hour later, and nobody else', async () => {
    const [a, b] = await make(1, 2);
    await world.settled(a.directory.claim('whole@x.test', 'whole', true, () => [user('whole')]));
    await world.settled(a.directory.write(() => [{ kind: 'AddressClaimed', address: ADDRESS, user: 'cut', primary: true, at: 0 }, user('cut')]));
    a.die();
    await world.settled(b.directory.caughtUp());
    assert.deepEqual(b.directory.state.begun().map((c) => c.user), ['cut']);
    await world.advance(limits.claim_end_ms - 60_000);
    assert.deepEqual(await world.settled(b.directory.endBegun()), []);
    await world.advance(120_000);
    assert.deepEqual(await world.settled(b.directory.endBegun()), ['cut']);
    assert.deepEqual([[...b.directory.state.users.keys()].sort(), b.directory.state.begun()], [['u0', 'u1', 'u2', 'whole'], []]);
  });

  it('of an ending and a confirmation that have not seen each other the ending wins, everywhere', async () => {
    const [a, b, c] = await make(1, 3);
    world.hints = false;
    const id = (await world.settled(a.directory.write(() => [{ kind: 'AddressClaimed', address: ADDRESS, user: 'u1', primary: false, at: 0 }])))!;
    await world.settled(Promise.all([a, b, c].map((r) => r.directory.caughtUp())));
    await world.settled(Promise.all([a.directory.write(() => [{ kind: 'AddressConfirmed', claim: id }]), b.directory.write(() => [{ kind: 'ClaimEnded', claim: id }])]));
    await world.settled(Promise.all([a, b, c].map((r) => r.directory.caughtUp())));
    assert.deepEqual([a, b, c].map(owner), [null, null, null]);
  });

  it('a claimer who lost the store before the confirmation withdraws when it is back', async () => {
    const [a, b] = await make(1, 2);
    let puts = 0;
    a.home.faults.script = (operation) => (operation === 'put' && puts++ > 0 ? 'fails' : null);
    await world.settled(assert.rejects(a.directory.claim(ADDRESS, 'u1', false), { name: 'Unavailable' }));
    await world.settled(assert.rejects(b.directory.claim(ADDRESS, 'u2', false), { name: 'Refused' }));
    a.home.faults.script = undefined;
    await world.advance(5 * 60_000);
    await world.settled(b.directory.claim(ADDRESS, 'u2', false));
    assert.equal(owner(b), 'u2');
  });

  it('a "no" is asked of the store, a "yes" is not; all who wait share one LIST, at most one a second', async () => {
    const [a, b] = await make(1, 2);
    world.hints = false;
    await world.settled(a.directory.claim(ADDRESS, 'u1', false));
    await world.advance(2000);
    assert.equal(owner(b), null, 'not known yet');
    await world.settled(b.directory.ask());
    assert.equal(owner(b), 'u1');
    await world.advance(2000);
    const before = b.home.counts.list;
    const begun = world.clock.now();
    const asked: Promise<void>[] = [];
    for (let i = 0; i < 100; i++) {
      asked.push(b.directory.ask());
      await world.advance(50);
    }
    await world.settled(Promise.all(asked));
    const lists = b.home.counts.list - before;
    const seconds = (world.clock.now() - begun) / 1000;
    assert.ok(lists >= 5 && lists <= seconds + 1, `${lists} LISTs in ${seconds} s`);
    b.home.faults.cut = true;
    await world.settled(assert.rejects(b.directory.ask(), { name: 'Unavailable' }));
    b.home.faults.cut = false;
    await world.settled(b.directory.ask());
  });

  it('an answer is of a LIST that began after the question', async () => {
    const [a, b] = await make(1, 2);
    world.hints = false;
    b.home.faults.latencyMs = [200, 200];
    const early = b.directory.ask();
    await world.advance(100); // its LIST is under way
    await world.settled(a.directory.claim(ADDRESS, 'u1', false));
    const late = b.directory.ask();
    await world.settled(Promise.all([early, late]));
    assert.equal(owner(b), 'u1');
  });

  it('who is forgotten because the store was away for a day reads all anew, also at the second try', async () => {
    const [a, b] = await make(1, 2);
    b.home.faults.cut = true;
    world.hints = false;
    await world.advance(13 * 60 * 60_000);
    await world.settled(a.directory.claim(ADDRESS, 'u1', false));
    // The first LIST comes through, the reading of events does not.
    let gets = 0;
    b.home.faults = { script: (operation) => (operation === 'get' && gets++ < 3 ? 'fails' : null) };
    await world.settled(b.directory.ask().catch(() => {}));
    await world.advance(2 * limits.directory_poll_ms);
    assert.equal(owner(b), 'u1');
    await world.settled(b.directory.write(() => [{ kind: 'QuotaChanged', user: 'u1', quotaBytes: 5 }]));
  });

  it('reads many changes from a snapshot, and comes to the same state', async () => {
    const [a] = await make(1, 1);
    for (let i = 0; i < limits.snapshot_events + 20; i++) await world.settled(a.directory.write(() => [{ kind: 'QuotaChanged', user: 'u1', quotaBytes: i }]));
    await world.advance(60_000);
    const b = await world.replica();
    assert.deepEqual(b.directory.state.encode(), a.directory.state.encode());
    assert.ok([...world.store.objects.keys()].some((n) => n.startsWith('directory/snapshots/')));
    assert.ok(b.home.counts.get < 60, `${b.home.counts.get} GETs`);
  });

  describe('altered by who holds the bucket', () => {
    const logNames = () => [...world.store.objects.keys()].filter((n) => n.startsWith('directory/log/')).sort();
    const change = (name: string, to: (b: Buffer) => Buffer) => {
      const object = world.store.objects.get(name)!;
      object.bytes = to(Buffer.from(object.bytes));
    };
    const refuses = () => assert.rejects(world.replica(), { name: 'Corrupt' });

    it('any bit, any cut: Corrupt, at the start of every replica', async () => {
      const [a] = await make(1, 1);
      await world.settled(a.directory.claim(ADDRESS, 'u1', false));
      const name = logNames()[1];
      const whole = Buffer.from(world.store.objects.get(name)!.bytes);
      for (let at = 0; at < whole.length; at += 7) {
        change(name, (b) => (b[at] ^= 1, b));
        await refuses();
        change(name, () => whole);
      }
      for (const length of [0, 1, 20, whole.length - 1]) {
        change(name, (b) => b.subarray(0, length));
        await refuses();
        change(name, () => whole);
      }
      await world.replica();
    });

    it('two events in each other\'s place; an event of a user\'s log; one that is gone', async () => {
      const [a] = await make(1, 1);
      const claims = ['p@x.test', 'q@x.test'];
      for (const [i, address] of claims.entries()) await world.settled(a.directory.claim(address, `u${i + 1}`, false));
      const [first, second] = [logNames()[1], logNames()[3]];
      const [x, y] = [first, second].map((n) => Buffer.from(world.store.objects.get(n)!.bytes));
      change(first, () => y);
      await refuses();
      change(second, () => x);
      await refuses();
      change(first, () => x);
      change(second, () => y);
      const [, gone] = logNames();
      const kept = world.store.objects.get(gone)!.bytes;
      world.store.remove(gone);
      // Its writer's next event waits for it: no replica shows a directory with a hole.
      await world.settled(assert.rejects(world.replica(), { name: 'Unavailable' }));
      world.store.land(gone, kept, true, null);
      const b = await world.replica();
      assert.equal(b.directory.state.owner('p@x.test')?.id, 'u1');
    });

    it('a running replica never takes a forged hint: an address is led to no other key', async () => {
      const [a, b] = await make(1, 2);
      world.hints = false;
      await world.settled(a.directory.claim(ADDRESS, 'u1', false));
      const [name] = logNames().slice(-1);
      const forged = Buffer.from(world.store.objects.get(name)!.bytes);
      for (let at = 0; at < forged.length; at += 5) {
        const one = Buffer.from(forged);
        one[at] ^= 4;
        b.directory.hint(name, one);
        b.directory.hint(name.replace(/-1$/, '-9'), forged);
      }
      assert.equal(owner(b), null);
      assert.equal(b.directory.state.users.size, 3);
      // The body alone, unsealed, as whoever knows the format but not the secret would write it.
      b.directory.hint(name, encodeDirectoryOps([{ kind: 'AddressClaimed', address: ADDRESS, user: 'u2', primary: true, at: 1 }]));
      assert.equal(owner(b), null);
      assert.throws(() => decodeDirectoryOps(forged), { name: 'Corrupt' });
    });
  });
});
