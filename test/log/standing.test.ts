// Snapshots of which a newer one lists every event: a reader looks at no more of them than that.
import assert from 'node:assert/strict';
import { PartGone, needed, readManifests, readStanding } from '../../src/log/index.ts';
import { ROOT, Stage, settledSnapshot } from './scene.ts';

/** A's snapshots, one after each event, and B's and A's after them. */
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
  return { s, a };
}

describe('snapshots of which the newest lists every event', () => {
  it('are as good as not there', async () => {
    const { s, a } = await several();
    const all = await readManifests(a.log.reading);
    assert.equal(all.length, 5);
    assert.deepEqual(await readStanding(a.log.reading), all.slice(-1));
    assert.deepEqual(needed(all, () => true), all.slice(-1));
    assert.equal((await s.place().open()).live(), 'm0 m1 m2 last');
  });

  it('are read when the newest has lost a part', async () => {
    const { s, a } = await several();
    const [newest] = await readStanding(a.log.reading);
    for (const id of newest.partIds) s.world.objects.delete(`${ROOT}parts/${id}`);
    const c = s.place();
    await assert.rejects(c.open(), PartGone);
    assert.equal((await c.open()).live(), 'm0 m1 m2 last');
  });
});
