import assert from 'node:assert/strict';
import { limits, Refused, seededRandom, silent, Unavailable } from '../../src/base/index.ts';
import { Presence } from '../../src/log/index.ts';
import type { LogMutations } from '../../src/log/index.ts';
import { quiet, World, WorldClock, WorldStore } from './world.ts';

const MINUTE = 60_000;

function house(mutations: Partial<LogMutations> = {}, slots = 64) {
  const clock = new WorldClock();
  const world = new World(clock, seededRandom(3));
  let n = 0;
  const presence = (address = `host${n}:1`) => {
    const store = new WorldStore(world, () => false);
    const p = new Presence({ store, clock, random: seededRandom(100 + n++), logger: silent, address, version: '0', seal: (_n, b) => b, open: (_n, b) => b, limits: { ...limits, slots }, mutations });
    return Object.assign(p, { store });
  };
  return { clock, world, presence };
}

describe('presence', () => {
  it('each replica has its own slot, and sees the others', async () => {
    const h = house({}, 4);
    const all = [h.presence(), h.presence(), h.presence(), h.presence()];
    const joined = Promise.all(all.map((p) => p.join()));
    await quiet();
    await h.clock.advance(20 * MINUTE);
    await joined;
    assert.deepEqual(all.map((p) => p.slot).sort(), [0, 1, 2, 3]);
    assert.ok(all.every((p) => p.mayWrite() && p.peers().length === 3));
    assert.ok(all[0].peers().some((p) => p.address === 'host1:1'));
  });

  it('waits while no slot is free, and takes one that was left cleanly at once', async () => {
    const h = house({}, 1);
    const [a, b] = [h.presence(), h.presence()];
    await a.join();
    let joined = false;
    void b.join().then(() => (joined = true));
    await quiet();
    await h.clock.advance(3 * MINUTE);
    assert.equal(joined, false);
    assert.equal(b.mayWrite(), false);
    await a.leave({ unanswered: false });
    await h.clock.advance(MINUTE + 1);
    assert.equal(joined, true);
  });

  it('a slot that was left with a PUT unanswered, or by a crash, is free after 15 minutes', async () => {
    for (const crash of [true, false]) {
      const h = house({}, 1);
      const [a, b] = [h.presence(), h.presence()];
      await a.join();
      if (crash) a.store.die();
      else await a.leave({ unanswered: true });
      let joined = false;
      void b.join().then(() => (joined = true));
      await quiet();
      await h.clock.advance(14 * MINUTE);
      assert.equal(joined, false);
      await h.clock.advance(2 * MINUTE);
      await quiet();
      assert.equal(joined, true);
    }
  });

  it('a switched-off quarantine gives the old slot to the next process at once', async () => {
    for (const slotsReusedAtOnce of [true, false]) {
      const h = house({ slotsReusedAtOnce });
      const a = h.presence('here:1');
      await a.join();
      a.store.die();
      const b = h.presence('here:1');
      await b.join();
      assert.equal(a.slot === b.slot, slotsReusedAtOnce);
    }
  });

  it('without an acknowledged presence for five minutes, by either clock, it may not write', async () => {
    const h = house();
    const a = h.presence();
    await a.join();
    assert.equal(a.mayWrite(), true);
    a.store.die();
    await h.clock.advance(4 * MINUTE);
    assert.equal(a.mayWrite(), true);
    await h.clock.advance(2 * MINUTE);
    assert.equal(a.mayWrite(), false);
  });

  it('who may not write at all is told when its presence is there to be seen: at the start, and after a silence', async () => {
    const h = house();
    let refused = false;
    const store = new WorldStore(h.world, () => false);
    const seen: boolean[] = [];
    const admit = async () => {
      seen.push([...h.world.objects.keys()].some((name) => name.startsWith('replicas/')));
      if (refused) throw new Refused('not this one');
    };
    const presence = (seed: number) => new Presence({ store, clock: h.clock, random: seededRandom(seed), logger: silent, address: 'x:1', version: '0', seal: (_n, b) => b, open: (_n, b) => b, admit });
    const a = presence(1);
    await a.join();
    await h.clock.advance(10 * MINUTE);
    assert.deepEqual(seen, [true], 'once');
    refused = true;
    await h.clock.advance(10 * MINUTE);
    assert.equal(a.mayWrite(), true);
    h.clock.time += 20 * MINUTE;
    await assert.rejects(a.renew(), Refused);
    await h.clock.advance(5 * MINUTE);
    assert.equal(a.mayWrite(), false);
    const before = [...h.world.objects.keys()];
    await assert.rejects(presence(2).join(), Refused);
    assert.deepEqual([...h.world.objects.keys()], before, 'and who never wrote leaves nothing');
    assert.ok(seen.every(Boolean));
  });

  it('who slept and finds its slot taken takes another before it writes', async () => {
    const h = house();
    const a = h.presence();
    await a.join();
    const slot = a.slot!;
    h.clock.time += 20 * MINUTE;
    assert.equal(a.mayWrite(), false);
    // Another took it meanwhile.
    const b = h.presence();
    const { encodePresence } = await import('../../src/log/presence.ts');
    h.world.land('replicas/other', encodePresence({ slot, address: 'x:1', version: '0', since: 0, left: false }), true);
    await a.renew();
    assert.notEqual(a.slot, slot);
    assert.equal(a.mayWrite(), true);
    void b;
  });

  it('takes no slot from a store that does not show what it has acknowledged, or by its own times takes it for old', async () => {
    for (const change of [() => null, (modified: number) => modified - 11 * MINUTE]) {
      const h = house();
      const a = h.presence();
      const list = a.store.list.bind(a.store);
      a.store.list = async (options) => {
        const page = await list(options);
        return { ...page, objects: page.objects.flatMap((row) => (change(row.modified) === null ? [] : [{ ...row, modified: change(row.modified)! }])) };
      };
      await assert.rejects(a.join(), Unavailable);
      assert.equal(a.mayWrite(), false);
      a.store.list = list;
      await a.join();
      assert.equal(a.mayWrite(), true);
    }
  });

  it('says when the times of the store contradict each other, once an hour', async () => {
    const h = house();
    const said: string[] = [];
    const store = new WorldStore(h.world, () => false);
    const list = store.list.bind(store);
    store.list = async (options) => {
      const page = await list(options);
      return { ...page, date: page.date - 3 * MINUTE };
    };
    const logger = { ...silent, error: (message: string) => void said.push(message) };
    const a = new Presence({ store, clock: h.clock, random: seededRandom(1), logger, address: 'x:1', version: '0', seal: (_n, b) => b, open: (_n, b) => b });
    await a.join();
    await h.clock.advance(30 * MINUTE);
    assert.equal(said.length, 1);
    assert.match(said[0], /look at the clocks/);
    await a.leave({ unanswered: false });
  });

  it('a store that does not answer keeps it from joining, and it can try again', async () => {
    const h = house();
    const a = h.presence();
    const put = a.store.put.bind(a.store);
    a.store.put = () => Promise.reject(new Unavailable('away'));
    await assert.rejects(a.join(), Unavailable);
    a.store.put = put;
    await a.join();
    assert.notEqual(a.slot, null);
    await quiet();
  });
});
