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

describe('a store that answers out of the past', () => {
  /** A replica that knows of m0 and m1, while the store shows a log that ends before m1. */
  const shortened = async () => {
    const s = new Stage();
    const a = s.place();
    await a.deliver('m0');
    await a.deliver('m1');
    const [name, object] = [...s.world.objects].at(-1)!;
    s.world.objects.delete(name);
    return { s, a, restore: () => s.world.objects.set(name, object) };
  };

  it('does not have a log shown shorter than who opens it knows it to be', async () => {
    const { s, a, restore } = await shortened();
    await a.open();
    await assert.rejects(a.log.caughtUp(), { name: 'Unavailable', message: /does not show an event that was there/ });
    a.log.detach();
    await s.clock.advance(HOUR / 2);
    await a.open();
    await assert.rejects(a.log.caughtUp(), Unavailable);
    restore();
    await a.log.caughtUp();
    assert.equal(a.live(), 'm0 m1');
  });

  it('… and after an hour what it took can be given up', async () => {
    const { s, a, restore } = await shortened();
    await a.open();
    await assert.rejects(a.log.caughtUp(), Unavailable);
    assert.deepEqual(a.log.lost(), []);
    await s.clock.advance(HOUR);
    const [ref] = a.log.lost();
    await a.log.submit('session', () => ({ ops: [{ t: 'lost', ref }] }));
    await a.log.caughtUp();
    assert.equal(a.live(), 'm0');
    restore();
    await a.log.refresh(0, true);
    await a.log.caughtUp();
    assert.equal(a.log.late().length, 1);
  });

  it('… nor by who has known of it by a hint alone', async () => {
    const { s, a, restore } = await shortened();
    const b = s.place();
    s.tell();
    await b.open();
    await assert.rejects(b.log.caughtUp(), Unavailable);
    restore();
    await b.log.caughtUp();
    assert.equal(b.live(), 'm0 m1');
    assert.equal(a.log.known, 2);
  });

  it('has nothing missed that was collected, or forgotten with all else', async () => {
    const { s, a } = await shortened();
    await s.clock.advance(13 * HOUR);
    await a.log.refresh(0);
    await a.open();
    await a.log.caughtUp();
    assert.equal(a.live(), 'm0');
  });
});
