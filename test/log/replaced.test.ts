// Snapshots that a newer one replaces: a reader need not read them.
import assert from 'node:assert/strict';
import { PartGone, needed, readStanding } from '../../src/log/index.ts';
import { ROOT, Stage } from './scene.ts';
import type { Place } from './scene.ts';

/** Snapshot at a time when `closed` has reached all that is there. */
async function settledSnapshot(s: Stage, p: Place): Promise<void> {
  await s.clock.advance(3 * 60_000);
  await p.log.caughtUp();
  assert.equal(await p.snapshot(), true);
}

describe('snapshots that a newer one replaces', () => {
  /** A's snapshots, one after each event, and B's after them; then one more event. */
  async function several() {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    for (let i = 0; i < 3; i++) {
      await a.append(`m${i}`);
      await settledSnapshot(s, a);
    }
    await settledSnapshot(s, b);
    await b.append('last');
    await settledSnapshot(s, a);
    return { s, a, names: [...s.world.objects.keys()].filter((n) => n.includes('/snapshots/')) };
  }

  it('are not read, whoever wrote them', async () => {
    const { s, a, names } = await several();
    assert.equal(names.length, 5);
    const [newest, ...others] = await readStanding(a.log.reading);
    assert.deepEqual([newest.replaced.length, others], [4, []]);
    const c = s.place();
    // The newest manifest and its part; the newest event is in it.
    assert.equal(await c.cost(() => c.open()), '3 LIST 2 GET 0 PUT');
    assert.equal(c.live(), 'm0 m1 m2 last');
  });

  it('are others than one that landed meanwhile', async () => {
    const { s, a, names } = await several();
    const b = await s.place().open();
    b.store.parks = (name) => name.includes('/snapshots/');
    const slow = b.snapshot();
    await s.quiet();
    await a.append('meanwhile');
    assert.equal(await a.snapshot(), true);
    s.world.commit(true);
    assert.equal(await slow, true);
    const standing = await readStanding(a.log.reading);
    assert.deepEqual(standing.map((m) => m.replaced.length), [names.length, names.length]);
    assert.equal(needed(standing, () => true).length, 1);
    assert.equal((await s.place().open()).live(), 'm0 m1 m2 last meanwhile');
    // The next one has looked.
    await settledSnapshot(s, a);
    assert.equal((await readStanding(a.log.reading)).length, 1);
  });

  it('are read when the one that says so lost a part', async () => {
    const { s, a } = await several();
    const [newest] = await readStanding(a.log.reading);
    for (const id of newest.partIds) s.world.objects.delete(`${ROOT}parts/${id}`);
    const c = s.place();
    await assert.rejects(c.open(), PartGone);
    assert.equal((await c.open()).live(), 'm0 m1 m2 last');
  });
});
