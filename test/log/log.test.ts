import assert from 'node:assert/strict';
import { Corrupt, Refused, Unavailable, limits } from '../../src/base/index.ts';
import { readEvent } from '../../src/log/index.ts';
import { HOUR, MINUTE, ROOT, Stage } from './scene.ts';
import { toyAuthenticator } from './toy.ts';
import type { ToyOp } from './toy.ts';

const headers = (s: Stage) => s.events().map((n) => readEvent(toyAuthenticator, ROOT, n, s.world.objects.get(n)!.bytes).header);

describe('what the log costs in requests', () => {
  it('a warm delivery: 1 LIST and 1 PUT', async () => {
    const s = new Stage();
    const a = s.place();
    await a.deliver('m1');
    await s.clock.advance(2000);
    assert.equal(await a.cost(() => a.deliver('m2')), '1 LIST 0 GET 1 PUT');
  });

  it('a delivery after a LIST that began less than a second ago: 1 PUT', async () => {
    const s = new Stage();
    const a = s.place();
    await a.log.refresh(0);
    assert.equal(await a.cost(() => a.deliver('m1')), '0 LIST 0 GET 1 PUT');
  });

  it('a session\'s change after another replica\'s hint: 1 LIST and 1 PUT', async () => {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    await a.append('m1');
    s.tell();
    assert.equal(b.live(), 'm1');
    await s.clock.advance(2000);
    assert.equal(await b.cost(() => b.append('m2')), '1 LIST 0 GET 1 PUT');
  });

  it('without a hint the other reads once, and makes certain what nobody acknowledged', async () => {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    await a.append('m1');
    assert.equal(await b.cost(() => b.log.caughtUp()), '1 LIST 1 GET 1 PUT');
    assert.equal(b.live(), 'm1');
    await a.append('m2');
    await a.append('m3');
    // m2 is known to be acknowledged, because its writer went on.
    assert.equal(await b.cost(() => b.log.caughtUp()), '1 LIST 2 GET 1 PUT');
  });

  it('callers at once share a LIST', async () => {
    const s = new Stage();
    const a = await s.place().open();
    assert.equal(await a.cost(() => Promise.all(Array.from({ length: 20 }, () => a.log.caughtUp()))), '2 LIST 0 GET 0 PUT');
  });
});

describe('positions', () => {
  it('begin above 1, which an empty mailbox gives as its HIGHESTMODSEQ', async () => {
    const s = new Stage();
    const [a, b] = [await s.place(0).open(), await s.place(1).open()];
    assert.equal((await b.append('m1'))!.first, 65);
    assert.equal((await a.append('m2'))!.first, 64);
  });
});

describe('group commit', () => {
  it('what arrives while a PUT is under way goes into one event, each with its own position', async () => {
    const s = new Stage();
    const a = await s.place(5).open();
    const done = await Promise.all(['m1', 'm2', 'm3', 'm4'].map((id) => a.append(id)));
    assert.equal(s.events().length, 1);
    assert.deepEqual(done.map((d) => d!.first), [5, 69, 133, 197]);
    assert.deepEqual(new Set(done.map((d) => d!.ref.position)), new Set([197]));
    assert.deepEqual(a.state.live('INBOX').map((e) => e.uid), [5, 69, 133, 197]);
  });

  it('deliveries and sessions take turns and never share an event', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await Promise.all([a.append('m1'), a.deliver('m2'), a.append('m3'), a.deliver('m4')]);
    assert.deepEqual(headers(s).map((h) => h.kind).sort(), ['delivered', 'session']);
    assert.equal(a.live().split(' ').length, 4);
  });

  it('a build that throws rejects only its own submission, and one that gives nothing is null', async () => {
    const s = new Stage();
    const a = await s.place().open();
    const [bad, none, good] = await Promise.allSettled([
      a.log.submit('session', () => {
        throw new Refused('no');
      }),
      a.log.submit('session', () => null),
      a.append('m1'),
    ]);
    assert.equal(bad.status === 'rejected' && bad.reason instanceof Refused, true);
    assert.equal(none.status === 'fulfilled' && none.value, null);
    assert.equal(good.status, 'fulfilled');
  });

  it('what an event tells of is stored first; when that fails the others of its event go on', async () => {
    const s = new Stage();
    const a = await s.place().open();
    let fail = (_: Error) => {};
    const gone = new Promise<void>((_, reject) => (fail = reject));
    const ops = (id: string): ToyOp[] => [{ t: 'append', id, box: 'INBOX' }];
    const bad = assert.rejects(a.log.submit('session', () => ({ ops: ops('bad'), after: gone })), /blob/);
    const good = a.append('good');
    await s.clock.advance(100);
    assert.equal(s.events().length, 0);
    fail(new Unavailable('the blob'));
    await Promise.all([bad, good]);
    assert.equal(a.live(), 'good');
    assert.equal(s.events().length, 1);
    assert.equal((await s.place().open()).live(), 'good');
  });

  it('a batch ends at the limit of its positions; a command beyond 2^22 positions is refused', async () => {
    const s = new Stage();
    const a = await s.place().open();
    const many = (n: number): ToyOp[] => Array.from({ length: n }, (_, i) => ({ t: 'append', id: `m${i}-${n}`, box: 'INBOX' }));
    const submit = (n: number) => a.log.submit('session', () => ({ ops: many(n) }), { positions: n });
    await Promise.all([submit(limits.event_batch_positions_max), submit(1)]);
    assert.equal(s.events().length, 2);
    await assert.rejects(submit(2 ** 22 / 64 + 1), Refused);
  });
});

describe('giving up', () => {
  it('no answer within a minute: Unavailable, a new writer, the position stays spent', async () => {
    const s = new Stage();
    const a = await s.place(9).open();
    a.store.parks = () => true;
    const first = a.append('m1');
    first.catch(() => {});
    await s.quiet();
    const { writer } = a.log;
    await s.clock.advance(59_000);
    a.store.parks = () => false;
    await s.clock.advance(2000);
    await assert.rejects(first, Unavailable);
    assert.notEqual(a.log.writer, writer);
    const second = await a.append('m2');
    assert.equal(second!.first, 9 + 64);
    assert.equal(second!.ref.seq, 1);
    // A new log of the same process, with the same slot, knows it too.
    assert.equal(a.identity.spent.get(ROOT), 9);
  });

  it('what lasts until somebody mends it is told at once, and the position stays spent', async () => {
    const s = new Stage();
    const a = await s.place(9).open();
    const put = a.store.put.bind(a.store);
    a.store.put = () => Promise.reject(new Unavailable('the disk is full', { lasting: true }));
    const { writer } = a.log;
    await assert.rejects(a.append('m1'), /the disk is full/);
    assert.notEqual(a.log.writer, writer);
    a.store.put = put;
    assert.equal((await a.append('m1'))!.first, 9 + 64);
  });

  it('an answer that comes after the minute is not believed', async () => {
    const s = new Stage();
    const a = await s.place().open();
    a.store.parks = () => true;
    const first = a.append('m1');
    first.catch(() => {});
    await s.quiet();
    // The machine slept: no timer has run when the answer is there.
    s.clock.time += 61_000;
    s.world.commit(true);
    await assert.rejects(first, Unavailable);
  });

  it('without a slot, or with a presence that is too old, nothing is sent', async () => {
    const s = new Stage();
    const a = await s.place().open();
    a.identity.may = false;
    await assert.rejects(a.append('m1'), Unavailable);
    a.identity.may = true;
    a.identity.slot = null;
    await assert.rejects(a.append('m1'), Unavailable);
    assert.equal(s.events().length, 0);
  });

  it('a resend has the same name and the same bytes', async () => {
    const s = new Stage();
    const a = await s.place().open();
    a.store.parks = () => true;
    const done = a.append('m1');
    await s.quiet();
    const [put] = s.world.parked.splice(0);
    put.answer!.reject(new Unavailable('no quorum'));
    await s.quiet();
    await s.clock.advance(1000);
    assert.equal(s.world.parked[0].name, put.name);
    assert.deepEqual(s.world.parked[0].bytes, put.bytes);
    s.world.commit(true);
    await done;
  });
});

describe('waiting', () => {
  /** B has seen an event of A that is then lost, and C finds B's. */
  async function hole() {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    await a.append('m1');
    s.tell();
    const lost = s.events()[0];
    await b.append('m2');
    const object = s.world.objects.get(lost)!;
    s.world.objects.delete(lost);
    return { s, lost, object, c: s.place() };
  }

  it('while an event waits for one that is gone the state is not shown', async () => {
    const { c } = await hole();
    await c.open();
    await assert.rejects(c.log.caughtUp(), Unavailable);
    assert.equal(c.live(), '');
  });

  it('after an hour it may be said to be lost; if it is found later it is passed over', async () => {
    const { s, c, lost, object } = await hole();
    await c.open();
    await assert.rejects(c.log.caughtUp(), Unavailable);
    assert.deepEqual(c.log.lost(), []);
    await s.clock.advance(61 * MINUTE);
    await assert.rejects(c.log.caughtUp(), Unavailable);
    const [ref] = c.log.lost();
    assert.ok(lost.endsWith(`-${ref.writer}-${ref.seq}`));
    await c.log.submit('session', () => ({ ops: [{ t: 'lost', ref }] }));
    await c.log.caughtUp();
    assert.equal(c.live(), 'm2');
    s.world.objects.set(lost, object);
    await c.log.refresh(0, true);
    await c.log.caughtUp();
    assert.deepEqual(c.log.late().map((l) => [l.event.ref.seq, l.passedOver]), [[1, true]]);
  });

  it('a replica that remembers an event that is gone stores it again', async () => {
    const { s, lost, c } = await hole();
    await s.clock.advance(31 * MINUTE);
    await s.places[1].log.caughtUp();
    assert.ok(s.world.objects.has(lost));
    await c.open();
    await c.log.caughtUp();
    assert.equal(c.live(), 'm1 m2');
  });

  it('an altered event is Corrupt and never skipped over', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    const o = s.world.objects.get(s.events()[0])!;
    o.bytes = Buffer.from(o.bytes);
    o.bytes[o.bytes.length - 2] ^= 1;
    await assert.rejects(s.place().open(), Corrupt);
  });

  it('an event too far beyond the log is refused', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    s.world.land(`${ROOT}log/${(2 ** 30).toString(16).padStart(16, '0')}-zz-1`, Buffer.from('x'), true);
    const b = s.place();
    await b.deliver('m2');
    assert.ok(b.log.greatest < 2 ** 20, 'a delivering replica takes no position from a forged name');
  });

  it('Restored jumps ahead, and others follow', async () => {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    await a.append('m1');
    await a.log.submit('session', () => ({ ops: [{ t: 'flag', id: 'm1', f: 'x', on: true }] }), { jump: limits.restored_jump });
    await b.log.caughtUp();
    assert.ok((await b.append('m2'))!.first > limits.restored_jump);
  });

  it('a log that was not listed for 12 hours is forgotten', async () => {
    const s = new Stage();
    const a = await s.place().open();
    await a.append('m1');
    await s.clock.advance(12 * HOUR + MINUTE);
    await assert.rejects(a.log.caughtUp(), Unavailable);
    assert.equal(a.forgot, 1);
    await a.open();
    assert.equal(a.live(), 'm1');
  });
});

describe('lateness in the common case', () => {
  it('thousands of events that have all seen each other are compared with nothing', async () => {
    const s = new Stage();
    const [a, b] = [await s.place().open(), await s.place().open()];
    for (let i = 0; i < 300; i++) {
      await (i % 2 ? a : b).append(`m${i}`);
      s.tell();
    }
    assert.equal(a.log.late().length, 0);
    assert.equal(b.log.late().length, 0);
    assert.equal(a.live(), b.live());
    assert.ok(headers(s).every((h) => h.seen.above.size <= 2));
  });

  it('of two that have not seen each other the smaller is late, and a repair ends it', async () => {
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
    for (const r of [a, b]) assert.deepEqual(r.log.late().map((l) => [l.event.ref.position, l.uid, l.passedOver]), [[2, true, false]]);
    await b.repair();
    s.tell();
    for (const r of [a, b]) assert.equal(r.log.late().length, 0);
    assert.equal(a.live(), 'm2 m1');
  });
});
