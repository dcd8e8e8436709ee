import assert from 'node:assert/strict';
import { Corrupt, limits, Unavailable } from '../../src/base/index.ts';
import { check, collect, isCovered, needed, readManifests, readStanding } from '../../src/log/index.ts';
import type { LogMutations } from '../../src/log/index.ts';
import { HOUR, ROOT, Stage, settledSnapshot } from './scene.ts';
import type { Place } from './scene.ts';
import { openOps, toyBox } from './toy.ts';

const DAY = 24 * HOUR;
const idOf = (r: { writer: string; seq: number }) => `${r.writer}#${r.seq}`;
const pass = (p: Place, mutations: Partial<LogMutations> = {}) => collect({ ...p.log.reading, random: p.store.world.random, mutations });
const findings = async (p: Place) => {
  const all = [];
  for await (const f of check({ ...p.log.reading, source: { open: openOps, box: toyBox } })) all.push(f);
  return all;
};

describe('snapshots', () => {
  it('a reader needs the snapshot and the events that it does not cover, and no others', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 20; i++) await a.append(`m${i}`);
    await settledSnapshot(s, a);
    await a.append('late');
    const b = s.place();
    // Manifest, part, the one event, and that one made certain.
    assert.equal(await b.cost(() => b.open()), '3 LIST 3 GET 1 PUT');
    assert.equal(b.live(), a.live());
    assert.equal(b.log.late().length, 0);
    assert.equal(b.log.uncovered, 1);
    await b.log.caughtUp();
    assert.equal(b.state.uidNext('INBOX'), a.state.uidNext('INBOX'));
  });

  it('a delivering replica starts from its floor and digest', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 20; i++) await a.append(`m${i}`);
    await settledSnapshot(s, a);
    const d = s.place();
    await d.deliver('new');
    assert.ok(d.log.closed > 0);
    await a.log.caughtUp();
    assert.equal(a.log.late().length, 0);
    assert.ok(a.live().includes('new'));
  });

  it('none is written while something at or below its floor is late', async () => {
    const s = new Stage();
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    a.store.parks = b.store.parks = () => true;
    const both = [a.append('m1'), b.append('m2')];
    await s.quiet();
    s.world.commit(true);
    s.world.commit(true);
    await Promise.all(both);
    a.store.parks = b.store.parks = () => false;
    s.tell();
    await s.clock.advance(5 * 60_000);
    await a.log.caughtUp();
    assert.equal(await a.snapshot(), false);
    await a.repair();
    assert.equal(await a.snapshot(), true);
  });

  it('two side by side are joined: what one removed stays removed, what one never saw stays', async () => {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    await a.append('both');
    s.tell();
    await a.append('onlyA');
    // B hears nothing of A's second event; each makes a snapshot of what it knows.
    await b.expunge('both');
    await s.clock.advance(3 * 60_000);
    await Promise.all([a.snapshot(), b.snapshot()]);
    const c = await s.place().open();
    assert.equal(c.live(), 'onlyA');
  });

  it('one that landed later than its window counts for nothing', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    await settledSnapshot(s, a);
    const [name] = [...s.world.objects.keys()].filter((n) => n.includes('/snapshots/'));
    s.world.objects.get(name)!.modified += limits.snapshot_window_ms + 1;
    assert.deepEqual(await readManifests(a.log.reading), []);
    assert.equal((await s.place().open()).live(), 'm1');
  });

  it('an altered manifest is Corrupt', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    await settledSnapshot(s, a);
    const [name] = [...s.world.objects.keys()].filter((n) => n.includes('/snapshots/'));
    const o = s.world.objects.get(name)!;
    o.bytes = Buffer.from(o.bytes);
    o.bytes[10] ^= 1;
    await assert.rejects(s.place().open(), Corrupt);
  });
});

describe('an event that one snapshot has and another passed over', () => {
  /** A's snapshot lists e; B's floor lies above e and B had not seen it; e is in the log. */
  async function hole() {
    const s = new Stage();
    const a = await s.place(2).open();
    const b = await s.place(3).open();
    await a.append('first');
    s.tell();
    const e = await a.append('e');
    const object = s.world.objects.get(s.events().at(-1)!)!;
    const name = s.events().at(-1)!;
    a.hints.length = 0;
    await s.clock.advance(3 * 60_000);
    await a.log.caughtUp();
    assert.equal(await a.snapshot(), true);
    // B's world has neither: e shows up again only after B's snapshot.
    const snapshots = [...s.world.objects].filter(([n]) => n.includes('/snapshots/') || n.includes('/parts/'));
    for (const [n] of snapshots) s.world.objects.delete(n);
    s.world.objects.delete(name);
    await b.append('second');
    await b.append('third');
    await s.clock.advance(3 * 60_000);
    await b.log.caughtUp();
    assert.equal(await b.snapshot(), true);
    for (const [n, o] of snapshots) s.world.objects.set(n, o);
    s.world.objects.set(name, object);
    return { s, a, b, e: e!, name };
  }

  it('is known to be absent from the second', async () => {
    const { a, e } = await hole();
    const manifests = await readManifests(a.log.reading);
    assert.equal(manifests.length, 2);
    assert.equal(needed(manifests, () => true).length, 2);
    assert.deepEqual(await readStanding(a.log.reading), manifests);
    const [m, n] = manifests;
    const has = (x: typeof m) => isCovered([x], idOf(e.ref), true, e.ref.position);
    assert.deepEqual([has(m), has(n)].sort(), [false, true]);
    assert.ok(manifests.every((x) => x.floor >= e.ref.position));
  });

  it('is not deleted while both stand, however often a pass looks, and readers of both keep its message', async () => {
    const { s, a, e, name } = await hole();
    for (let i = 0; i < 4; i++) {
      await s.clock.advance(DAY + HOUR);
      const { joinNeeded } = await pass(a);
      assert.equal(joinNeeded, true);
    }
    assert.ok(s.world.objects.has(name));
    const c = await s.place(4).open();
    assert.deepEqual(c.live().split(' ').sort(), ['e', 'first', 'second', 'third']);
    // So are B's own, by A's snapshot.
    assert.ok(c.log.late().some((l) => idOf(l.event.ref) === idOf(e.ref) && l.passedOver && l.uid));
  });

  it('goes after a session repaired it and joined them; the joined snapshot has it', async () => {
    const { s, a, name } = await hole();
    const c = await s.place(4).open();
    await c.repair();
    await settledSnapshot(s, c);
    for (let i = 0; i < 5; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(a);
    }
    assert.ok(!s.world.objects.has(name));
    assert.equal(s.count('snapshots/'), 1);
    const d = await s.place(5).open();
    assert.deepEqual(d.live().split(' ').sort(), ['e', 'first', 'second', 'third']);
    assert.equal(d.log.late().length, 0);
  });
});

describe('bundles', () => {
  it('who does not log in for months is opened with few requests', async () => {
    const s = new Stage();
    const d = s.place();
    for (let i = 0; i < 40; i++) await d.deliver(`m${i}`);
    assert.ok(await d.log.writeBundle(10));
    assert.equal(await d.log.writeBundle(10), null, 'and once only');
    await s.clock.advance(2 * HOUR);
    await pass(d);
    await s.clock.advance(DAY);
    await pass(d);
    assert.equal(s.events().length, 1, 'the newest event stays');
    const r = s.place();
    assert.equal(await r.cost(() => r.open()), '3 LIST 1 GET 0 PUT');
    assert.equal(r.state.live('INBOX').length, 40);
    assert.equal(r.log.late().length, 0);
  });

  it('covers exactly what is in it: another event below its greatest position stays', async () => {
    const s = new Stage();
    const [a, d] = [await s.place(2).open(), s.place(3)];
    await d.deliver('m1');
    await a.append('session');
    await d.deliver('m2');
    await d.log.writeBundle(0);
    for (let i = 0; i < 3; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(d);
    }
    assert.deepEqual((await s.place(4).open()).live().split(' ').sort(), ['m1', 'm2', 'session']);
  });

  it('noticed when it covers by position', async () => {
    const s = new Stage();
    const [a, d] = [await s.place(2).open(), s.place(3)];
    await d.deliver('m1');
    await a.append('session');
    await d.deliver('m2');
    await d.log.writeBundle(0);
    for (let i = 0; i < 3; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(d, { bundleCoversByFloor: true });
    }
    const r = await s.place(4).open();
    assert.ok(!r.live().includes('session'));
  });
});

describe('collection', () => {
  it('does not look at a log of this hour', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 3; i++) await a.append(`m${i}`);
    await settledSnapshot(s, a);
    const { get } = a.store.counts;
    await pass(a);
    assert.equal(a.store.counts.get, get);
    await s.clock.advance(HOUR);
    await pass(a);
    assert.ok(a.store.counts.get > get);
  });

  it('deletes in a later pass only, a day after, and never the newest event', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 10; i++) await a.append(`m${i}`);
    await settledSnapshot(s, a);
    await s.clock.advance(2 * HOUR);
    const first = await pass(a);
    assert.equal(first.deleted.length, 0);
    assert.equal(first.candidates, 9);
    await s.clock.advance(23 * HOUR);
    assert.equal((await pass(a)).deleted.length, 0);
    await s.clock.advance(HOUR + 1);
    assert.equal((await pass(a)).deleted.length, 9);
    assert.equal(s.events().length, 1);
    assert.equal(s.count('candidates/'), 0);
    assert.equal((await s.place().open()).live().split(' ').length, 10);
    assert.deepEqual(await findings(a), []);
  });

  /** A reader has read the manifests; before it reads their parts another snapshot is written, and collected for. */
  async function slowReader(mutations: Partial<LogMutations>) {
    const s = new Stage();
    const a = await s.place(2).open();
    await a.append('m1');
    await settledSnapshot(s, a);
    const r = s.place(3);
    await r.log.attach({
      ...r.source,
      load: async (views, fetch) => {
        await a.append('m2');
        await settledSnapshot(s, a);
        await s.clock.advance(2 * HOUR);
        for (let i = 0; i < 3; i++) await pass(a, mutations);
        return r.source.load(views, fetch);
      },
    });
    await r.log.caughtUp();
    return r.live();
  }

  it('harms no reader that is under way', async () => assert.equal(await slowReader({}), 'm1 m2'));
  it('and would, in one pass', async () => assert.rejects(slowReader({ onePassCollection: true }), Unavailable));

  it('superseded snapshots and their parts go, the last snapshot stays', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let round = 0; round < 3; round++) {
      await a.append(`m${round}`);
      await settledSnapshot(s, a);
      await s.clock.advance(HOUR);
    }
    assert.equal(s.count('snapshots/'), 3);
    for (let i = 0; i < 5; i++) {
      await pass(a);
      await s.clock.advance(DAY + HOUR);
    }
    assert.equal(s.count('snapshots/'), 1);
    assert.equal(s.count('parts/'), 1);
    assert.equal((await s.place().open()).live(), 'm0 m1 m2');
  });

  it('an event stays while an uncovered one bears a lower floor', async () => {
    const s = new Stage();
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    b.store.parks = () => true;
    const old = b.append('old');
    old.catch(() => {});
    await s.quiet();
    const [put] = s.world.parked;
    for (let i = 0; i < 5; i++) await a.append(`m${i}`);
    await s.clock.advance(5 * 60_000);
    await a.log.caughtUp();
    assert.equal(await a.snapshot(), true);
    s.world.land(put.name, put.bytes, true);
    for (let i = 0; i < 3; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(a);
    }
    assert.equal(s.events().length, 6);
  });

  it('blobs that nothing references go after 30 days, others never', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    for (const id of ['used', 'orphan']) s.world.land(`${ROOT}blobs/${id}`, Buffer.from(id), true);
    const blobs = () => collect({ ...a.log.reading, random: s.world.random, referenced: async (ids) => new Set(ids.filter((id) => id === 'used')) });
    for (let day = 0; day < 33; day++) {
      if (day === 29) assert.equal(s.count('blobs/'), 2);
      await blobs();
      await s.clock.advance(DAY + 1);
    }
    assert.equal(s.count('blobs/'), 1);
    assert.ok(s.world.objects.has(`${ROOT}blobs/used`));
  });
});

describe('a replica that was away while the log was collected', () => {
  async function away(mutations: Partial<LogMutations>) {
    const s = new Stage(mutations);
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    await a.append('before');
    s.tell();
    for (let i = 0; i < 5; i++) await b.append(`m${i}`);
    await settledSnapshot(s, b);
    await s.clock.advance(2 * HOUR);
    for (let i = 0; i < 5; i++) {
      await pass(b, mutations);
      await b.log.caughtUp().catch(() => b.open());
      await s.clock.advance(11 * HOUR);
    }
    await b.log.caughtUp();
    await b.append('after');
    await a.log.caughtUp().catch(() => (a.log.attached ? undefined : a.open()));
    await a.log.caughtUp();
    return a.live().split(' ').sort();
  }

  it('forgets, opens the log again and shows all', async () => {
    assert.deepEqual(await away({}), ['after', 'before', 'm0', 'm1', 'm2', 'm3', 'm4']);
  });

  it('would show less, or nothing for ever, if it did not forget', async () => {
    const shown = await away({ neverForget: true }).catch((): string[] => []);
    assert.ok(!shown.includes('m1'));
  });
});

describe('check', () => {
  it('says nothing of a log in order, and names what is wrong with another', async () => {
    const s = new Stage();
    const a = await s.place().open();
    for (let i = 0; i < 4; i++) await a.append(`m${i}`);
    assert.deepEqual(await findings(a), []);
    const [, second, third] = s.events();
    s.world.objects.delete(second);
    const o = s.world.objects.get(third)!;
    o.bytes = Buffer.concat([o.bytes, Buffer.from('!')]);
    s.world.land(`${ROOT}log/stranger`, Buffer.from('x'), true);
    const found = await findings(a);
    assert.deepEqual(found.filter((f) => f.level === 'error').map((f) => f.name.slice(-12)).length >= 3, true);
    assert.ok(found.some((f) => f.name === third && /MAC/.test(f.text)));
    assert.ok(found.some((f) => f.name.endsWith('stranger')));
    assert.ok(found.some((f) => /is gone/.test(f.text)));
  });
});

