// Rules that a random history needs rarely: each with one history that needs it, and the same one without the rule.
import assert from 'node:assert/strict';
import { collect } from '../../src/log/index.ts';
import type { LogMutations } from '../../src/log/index.ts';
import { HOUR, MINUTE, Stage } from './scene.ts';
import type { Place } from './scene.ts';

/** An append whose PUT gets no answer until it is given up; the object is the caller's to land. */
async function abandoned(s: Stage, a: Place, id: string) {
  a.store.parks = () => true;
  const done = a.append(id);
  done.catch(() => {});
  await s.quiet();
  a.store.parks = () => false;
  const [put] = s.world.parked.splice(0);
  return { put, done };
}

describe('a position once tried is spent', () => {
  async function uids(mutations: Partial<LogMutations>) {
    const s = new Stage(mutations);
    const a = await s.place(9).open();
    const { put } = await abandoned(s, a, 'm1');
    await s.clock.advance(61_000);
    await a.append('m2');
    s.world.land(put.name, put.bytes, true);
    await a.log.refresh(0, true);
    await a.log.caughtUp();
    return a.state.live('INBOX').map((e) => e.uid);
  }
  it('so two messages never have one UID', async () => assert.deepEqual(await uids({}), [9, 73]));
  it('and without the rule they have', async () => assert.deepEqual(await uids({ positionsNotSpent: true }), [9, 9]));
});

describe('a floor says what its digest says, and no more', () => {
  /** E is stored in part and no LIST of B shows it; B's floor passes it; C finds it, within its window. */
  async function late(mutations: Partial<LogMutations>) {
    const s = new Stage(mutations);
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    await b.append('m0');
    const { put } = await abandoned(s, a, 'e');
    s.world.partialShown = 0;
    s.world.land(put.name, put.bytes, false);
    await s.clock.advance(130_000);
    await b.log.caughtUp();
    await b.append('x');
    assert.equal(b.log.closed, 3);
    // What a client that knows UIDNEXT only has synchronised up to.
    const uidNext = b.state.uidNext('INBOX');
    s.world.partialShown = 1;
    s.world.confirmFails = 0;
    const c = await s.place(4).open();
    if (c.log.late().length > 0) await c.repair();
    return { shown: c.state.live('INBOX').filter((e) => e.id === 'e' && e.uid >= uidNext).length, kinds: c.log.late().length };
  }
  it('so a client that synchronised past an event is shown it anew', async () => assert.deepEqual(await late({}), { shown: 1, kinds: 0 }));
  it('the first write after it was passed over counts too when nothing else conflicts', async () => {
    const s = new Stage();
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    await b.append('m0');
    const { put } = await abandoned(s, a, 'e');
    s.world.partialShown = 0;
    s.world.land(put.name, put.bytes, false);
    await s.clock.advance(130_000);
    await b.log.caughtUp();
    await b.append('x');
    s.world.partialShown = 1;
    s.world.confirmFails = 0;
    const c = await s.place(4).open();
    assert.deepEqual(c.log.late().map((l) => [l.event.ref.position, l.uid, l.passedOver]), [[2, true, true]]);
  });
});

describe('trusting floors', () => {
  /** As above, but E and what it could conflict with have seen each other: only the digest of X tells. */
  async function passedOver(mutations: Partial<LogMutations>) {
    const s = new Stage(mutations);
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    await b.append('m0');
    s.tell();
    const { put } = await abandoned(s, a, 'e');
    // A third replica's event beyond E, in another mailbox, lets B's floor pass E.
    const d = await s.place(5).open();
    await d.append('elsewhere', 'Archive');
    await d.append('there', 'Archive');
    s.tell();
    s.world.partialShown = 0;
    s.world.land(put.name, put.bytes, false);
    await s.clock.advance(130_000);
    await b.log.caughtUp();
    await b.append('x');
    const uidNext = b.state.uidNext('INBOX');
    s.world.partialShown = 1;
    s.world.confirmFails = 0;
    const c = await s.place(4).open();
    if (c.log.late().length > 0) await c.repair();
    return c.state.live('INBOX').some((e) => e.id === 'e' && e.uid >= uidNext);
  }
  it('hides the event from who synchronised past it', async () => assert.equal(await passedOver({ trustFloors: true }), false));
  it('and with the digest it is shown', async () => assert.equal(await passedOver({}), true));
});

describe('an event that landed long after its writer gave up', () => {
  /** All that it could conflict with is in a snapshot and collected when it lands. */
  async function shown(mutations: Partial<LogMutations>) {
    const s = new Stage(mutations);
    const [a, b] = [await s.place(2).open(), await s.place(3).open()];
    const { put } = await abandoned(s, a, 'e');
    for (let i = 0; i < 4; i++) await b.append(`m${i}`);
    // The newest event is never collected: it is one of another mailbox.
    await b.append('elsewhere', 'Archive');
    await s.clock.advance(5 * MINUTE);
    await b.log.caughtUp();
    assert.equal(await b.snapshot(), true);
    const uidNext = b.state.uidNext('INBOX');
    const collected = async () => {
      for (let i = 0; i < 4; i++) {
        await s.clock.advance(25 * HOUR);
        await collect({ ...b.log.reading, random: s.world.random });
      }
    };
    await collected();
    // The next snapshot doesn't list what is collected already, and makes the first one needless.
    await b.log.caughtUp().catch(() => b.open());
    await b.append('there', 'Archive');
    await s.clock.advance(5 * MINUTE);
    await b.log.caughtUp();
    assert.equal(await b.snapshot(), true);
    await collected();
    assert.equal(s.count('snapshots/'), 1);
    assert.equal(s.events().length, 1);
    s.world.land(put.name, put.bytes, true);
    const c = await s.place(4).open();
    if (c.log.late().length > 0) await c.repair();
    assert.equal(c.log.late().length, 0);
    return c.state.live('INBOX').some((e) => e.id === 'e' && e.uid >= uidNext);
  }
  it('gets a new UID before it is shown', async () => assert.equal(await shown({}), true));
  it('and without the rule a client would never ask for it', async () => assert.equal(await shown({ noPassedOver: true }), false));
});

describe('a LIST that shows what its writer never heard of', () => {
  it('is stored again before it counts, with the time that was seen first', async () => {
    const s = new Stage();
    const a = await s.place(2).open();
    const { put } = await abandoned(s, a, 'e');
    s.world.partialShown = 1;
    s.world.confirmFails = 0;
    s.world.land(put.name, put.bytes, false);
    const landed = s.world.objects.get(put.name)!.modified;
    await s.clock.advance(MINUTE + 1);
    s.world.confirmFails = 1;
    await assert.rejects(s.place(4).open(), /could not be stored again: \S/);
    s.world.confirmFails = 0;
    const b = await s.place(3).open();
    assert.equal(b.live(), 'e');
    assert.equal(s.world.objects.get(put.name)!.full, true);
    assert.equal(s.world.objects.get(put.name)!.modified, landed);
    assert.equal(b.log.late().length, 0);
  });
});
