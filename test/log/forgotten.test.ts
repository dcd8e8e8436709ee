// A log that is not listed for twelve hours forgets all names, and begins anew with the snapshots that are there then.
import assert from 'node:assert/strict';
import { Unavailable } from '../../src/base/index.ts';
import { HOUR, Stage } from './scene.ts';
import { ToyState } from './toy.ts';

describe('a log that is forgotten while it is being opened', () => {
  it('is opened anew: what a newer snapshot has in it is shown', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m0');
    assert.equal(await a.snapshot(), true);
    const b = s.place();
    let go = () => {};
    const slow = new Promise<void>((resolve) => (go = resolve));
    const opening = b.log.attach({ ...b.source, load: async (views, fetch) => (await slow, ToyState.load(views, fetch)) });
    const outcome = opening.then(() => null, (e) => e);
    await s.quiet();
    await s.clock.advance(13 * HOUR);
    const c = await s.place().open();
    await c.append('m1');
    await s.clock.advance(HOUR / 6);
    assert.equal(await c.snapshot(), true);
    // A delivery lists, and finds that nothing was listed for half a day.
    await b.deliver('m2');
    go();
    assert.ok((await outcome) instanceof Unavailable);
    await b.open();
    assert.equal(b.live(), 'm0 m1 m2');
  });
});
