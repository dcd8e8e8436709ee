// Snapshots of which a part is gone.
import assert from 'node:assert/strict';
import { Corrupt } from '../../src/base/index.ts';
import { PartGone, check, collect, readManifests } from '../../src/log/index.ts';
import type { SnapshotSource } from '../../src/log/index.ts';
import { HOUR, Stage } from './scene.ts';
import type { Place } from './scene.ts';
import { openOps, toyBox } from './toy.ts';

const DAY = 24 * HOUR;
const pass = (p: Place) => collect({ ...p.log.reading, random: p.store.world.random });
const findings = async (p: Place) => {
  const all = [];
  for await (const f of check({ ...p.log.reading, source: { open: openOps, box: toyBox } })) all.push(f);
  return all;
};

describe('a snapshot of a log that is closed meanwhile', () => {
  it('is not written', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m0');
    await s.clock.advance(3 * 60_000);
    const state = a.state.encode(false);
    const source: SnapshotSource = {
      prepare: async () => a.log.detach(),
      encode: () => ({ parts: [{ key: 'all', bytes: state }], kept: [], messages: 0, bytes: 0 }),
    };
    assert.equal(await a.log.writeSnapshot(source), false);
    assert.equal(s.count('snapshots/'), 0);
  });
});

describe('a snapshot that was stored in part, its writer never told OK', () => {
  /** B's snapshot, that no read of a collection shows until its parts are gone; with an earlier one of A beside it, or alone. */
  async function hollow(beside: boolean) {
    const s = new Stage();
    s.world.confirmFails = 0;
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    for (let i = 0; i < 3; i++) await a.append(`m${i}`);
    await s.clock.advance(3 * 60_000);
    await a.log.caughtUp();
    if (beside) assert.equal(await a.snapshot(), true);
    await a.append('m3');
    await s.clock.advance(3 * 60_000);
    await b.log.caughtUp();
    b.store.parks = (name) => name.includes('/snapshots/');
    b.snapshot().catch(() => {});
    await s.quiet();
    const [put] = s.world.parked.splice(0);
    s.world.land(put.name, put.bytes, false);
    return { s, a, name: put.name, parts: s.count('parts/') };
  }
  /** Its parts are collected, and then it is shown to everybody. */
  async function shownAgain(beside: boolean) {
    const stage = await hollow(beside);
    const { s, a, parts } = stage;
    s.world.partialShown = 0;
    for (let i = 0; i < 3; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(a);
    }
    assert.equal(s.count('parts/'), parts - 1);
    s.world.partialShown = 1;
    return stage;
  }
  /** The first to read it finds that a part is gone, and that what counts has to be read anew. */
  async function opened(s: Stage): Promise<Place> {
    const c = s.place();
    await assert.rejects(c.open(), PartGone);
    return c.open();
  }

  for (const beside of [true, false]) {
    it(`is left out, since ${beside ? 'another one' : 'the log'} has all that it has; and is collected`, async () => {
      const { s, a, name } = await shownAgain(beside);
      const c = await opened(s);
      assert.equal(c.live(), 'm0 m1 m2 m3');
      assert.deepEqual((await findings(a)).map((f) => [f.level, f.name]), [['note', name]]);
      for (let i = 0; i < 3; i++) {
        await pass(a);
        await s.clock.advance(DAY + HOUR);
      }
      assert.ok(!s.world.objects.has(name));
      assert.equal((await s.place().open()).live(), 'm0 m1 m2 m3');
    });
  }

  it('is not left out when an event that it has is nowhere else', async () => {
    const { s, a } = await shownAgain(false);
    s.world.objects.delete(s.events()[1]);
    await assert.rejects(opened(s), Corrupt);
    await assert.rejects(pass(a), Corrupt);
    assert.ok((await findings(a)).some((f) => f.level === 'error' && /part of a snapshot is gone/.test(f.text)));
  });

  /** C writes a snapshot that keeps a part of the one stored in part, if it may. */
  async function kept(s: Stage, c: Place, name: string): Promise<string[]> {
    const manifest = (await readManifests(c.log.reading)).find((m) => m.name === name)!;
    let kept: { key: string; id: string }[] = [];
    const source: SnapshotSource = {
      encode: (present) => {
        kept = manifest.partIds.filter((id) => present.has(id)).map((id) => ({ key: 'all', id }));
        return { parts: kept.length > 0 ? [] : [{ key: 'all', bytes: c.state.encode(false) }], kept, messages: 0, bytes: 0 };
      },
    };
    assert.equal(await c.log.writeSnapshot(source), true);
    return kept.map((p) => p.id);
  }

  it('keeps its parts when another snapshot keeps them', async () => {
    const { s, a, name } = await hollow(true);
    s.world.partialShown = 1;
    const c = await s.place().open();
    assert.equal((await kept(s, c, name)).length, 1);
    s.world.partialShown = 0;
    for (let i = 0; i < 5; i++) {
      await s.clock.advance(DAY + HOUR);
      await pass(a);
    }
    assert.equal((await s.place().open()).live(), 'm0 m1 m2 m3');
  });

  it('gives no part to another that is gone', async () => {
    const { s, name } = await shownAgain(true);
    const c = await opened(s);
    assert.deepEqual(await kept(s, c, name), []);
    assert.equal((await s.place().open()).live(), 'm0 m1 m2 m3');
  });

  it('costs the writer of the next snapshot one LIST', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m0');
    await s.clock.advance(3 * 60_000);
    // The log, the snapshots; a part and the manifest.
    assert.equal(await a.cost(() => a.snapshot()), '2 LIST 0 GET 2 PUT');
    assert.equal(await a.cost(() => a.snapshot()), '3 LIST 1 GET 2 PUT');
  });
});
