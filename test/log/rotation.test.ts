// Another cluster secret: what is under the former one counts if it was listed in time, and nothing else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Corrupt, Refused, limits, silent } from '../../src/base/index.ts';
import { check, collect, declareReplaced, formerKeys, guarded, listFormerKeys, wasReplaced } from '../../src/log/index.ts';
import type { Authenticator } from '../../src/log/index.ts';
import { ClusterKeys, mac, macKeyId, verifyMac } from '../../src/seal/index.ts';
import { HOUR, ROOT, Stage } from './scene.ts';
import type { Place } from './scene.ts';
import { openOps, toyBox } from './toy.ts';

function authenticator(...fills: number[]): Authenticator {
  const keys = new ClusterKeys(fills.map((fill) => Buffer.alloc(32, fill)));
  return {
    mac: (name, bytes) => mac(keys, name, bytes[0], ...bytes.slice(1)),
    verify: (name, bytes, made) => void verifyMac(keys, made, name, bytes[0], ...bytes.slice(1)),
    keys: { writing: keys.id, of: macKeyId },
  };
}
const [OLD, NEW] = [1, 2];
const before = authenticator(OLD);
const both = authenticator(NEW, OLD);
const after = authenticator(NEW);
const oldId = before.keys!.writing;

/** A log with a snapshot, a bundle and a tail, all under the former secret. */
async function filled(): Promise<{ s: Stage; a: Place }> {
  const s = new Stage();
  const a = await s.place(2, before).open();
  await a.append('m1');
  await a.append('m2');
  await s.clock.advance(3 * 60_000);
  await a.log.caughtUp();
  assert.equal(await a.snapshot(), true);
  for (const id of ['d1', 'd2']) await a.deliver(id);
  await a.log.writeBundle(0);
  await a.append('m3');
  return { s, a };
}
const shown = 'd1 d2 m1 m2 m3';
const live = (p: Place) => p.live().split(' ').sort().join(' ');
/** With a list: written by a replica that has both, an hour later. */
async function listed() {
  const { s, a } = await filled();
  const b = await s.place(3, both).open();
  await s.clock.advance(HOUR);
  const counts = await listFormerKeys(b.log.reading);
  return { s, a, b, counts };
}
const lists = (s: Stage) => [...s.world.objects.keys()].filter((n) => n.startsWith(`${ROOT}rotated/`));

describe('another cluster secret', () => {
  it('who has both reads what is under either', async () => {
    const { s } = await filled();
    const b = await s.place(3, both).open();
    await b.append('m4');
    assert.equal(live(b), `${shown} m4`);
    // Who was not restarted yet can't read that: first all accept both, then all write under the new one.
    await assert.rejects(s.place(4, before).open(), Corrupt);
    assert.equal(live(await s.place(5, authenticator(OLD, NEW)).open()), `${shown} m4`);
  });

  it('who has the new one alone is told that something is under another', async () => {
    const { s } = await filled();
    await assert.rejects(s.place(4, after).open(), Corrupt);
  });

  it('a list of everything under the former one stands for it, so it may be thrown away', async () => {
    const { s, counts } = await listed();
    assert.deepEqual([...counts], [[oldId, 7]], 'five events, a snapshot, a bundle');
    for (const keys of [both, after]) assert.equal(live(await s.place(5, keys).open()), shown);
    const c = await s.place(6, after).open();
    await c.append('m4');
    for await (const finding of check({ ...c.log.reading, source: { open: openOps, box: toyBox } })) assert.fail(finding.text);
    // Snapshots under the new one take the place of all that.
    await s.clock.advance(3 * 60_000);
    await c.log.caughtUp();
    assert.equal(await c.snapshot(), true);
    for (let i = 0; i < 6; i++) {
      await s.clock.advance(25 * HOUR);
      await collect({ ...c.log.reading, random: s.world.random });
    }
    assert.equal(s.count('bundles/') + s.events().length, 1);
    assert.equal(live(await s.place(7, after).open()), `${shown} m4`);
  });

  it('nobody is listed while something under the former one is young', async () => {
    const { s } = await filled();
    const b = await s.place(3, both).open();
    await assert.rejects(listFormerKeys(b.log.reading), Refused);
    assert.deepEqual(lists(s), []);
  });

  it('is counted: what is under the former one, and what nothing but that one vouches for', async () => {
    const { s } = await filled();
    const b = await s.place(3, both).open();
    assert.deepEqual(await formerKeys(b.log.reading), { former: 7, unlisted: 7 });
    await s.clock.advance(HOUR);
    await listFormerKeys(b.log.reading);
    assert.deepEqual(await formerKeys(b.log.reading), { former: 7, unlisted: 0 });
    const written = lists(s);
    await listFormerKeys(b.log.reading);
    assert.deepEqual(lists(s), written, 'the same list has the same name');
    await s.places[0].append('forged');
    assert.deepEqual(await formerKeys(b.log.reading), { former: 7, unlisted: 0 });
  });

  it('who would write under one that was replaced is told, by whoever has the new one, and by nobody else', async () => {
    const { s } = await filled();
    const { store } = s.place(3);
    const reversed = authenticator(OLD, NEW);
    assert.equal(await wasReplaced(store, reversed), false);
    // Anyone who may write into the store.
    s.world.land(`secrets/rotated/${oldId}-0000`, Buffer.concat([Buffer.of(2), Buffer.alloc(60, 1)]), true);
    await declareReplaced(store, authenticator(3), [oldId]);
    await declareReplaced(store, before, [oldId]);
    assert.equal(await wasReplaced(store, reversed), false);
    await declareReplaced(store, both, [oldId]);
    assert.deepEqual(await Promise.all([reversed, both, after].map((keys) => wasReplaced(store, keys))), [true, false, false]);
  });

  it('an event under the former one that came later counts for nothing, and harms nobody', async () => {
    const { s, a, b } = await listed();
    await a.append('forged');
    await b.log.refresh(0, true);
    await b.log.caughtUp();
    assert.equal(live(b), shown);
    for (const keys of [both, after]) {
      const c = await s.place(8, keys).open();
      assert.equal(live(c), shown);
      await c.append('more');
      await c.expunge('more');
    }
    // So does a snapshot.
    await s.clock.advance(3 * 60_000);
    await a.log.caughtUp().catch(() => {});
    assert.equal(live(await s.place(9, after).open()), shown);
  });

  it('what is listed and was altered since is Corrupt', async () => {
    for (const kind of ['log', 'snapshots', 'bundles']) {
      const { s } = await listed();
      const name = [...s.world.objects.keys()].filter((n) => n.startsWith(`${ROOT}${kind}/`)).at(-1)!;
      const object = s.world.objects.get(name)!;
      object.bytes = Buffer.from(object.bytes);
      object.bytes[object.bytes.length - 30] ^= 1;
      for (const keys of [both, after]) await assert.rejects(s.place(6, keys).open(), Corrupt, kind);
    }
  });

  it('a list that is altered, or not under the secret in use, stands for nothing', async () => {
    const { s } = await listed();
    const [name] = lists(s);
    const object = s.world.objects.get(name)!;
    const bytes = object.bytes;
    object.bytes = Buffer.from(bytes);
    object.bytes[40] ^= 1;
    await assert.rejects(s.place(6, after).open(), Corrupt);
    object.bytes = bytes;
    // For who writes under the former one it says nothing.
    assert.equal(live(await s.place(7, authenticator(OLD, NEW)).open()), shown);
  });

  it('costs a request or two where something is under the former one, and none elsewhere', async () => {
    const { s } = await listed();
    const plain = await filled();
    const cost = async (stage: Stage, keys: Authenticator) => {
      const p = stage.place(6, keys);
      return p.cost(() => p.open());
    };
    assert.equal(await cost(plain.s, before), '3 LIST 4 GET 1 PUT');
    assert.equal(await cost(s, after), '4 LIST 5 GET 1 PUT');
  });
});

describe('the stored form of a list', () => {
  it('is read as ever', async () => {
    const bytes = Buffer.from(readFileSync(new URL('../../fixtures/log/rotated-1.hex', import.meta.url), 'utf8').replace(/\s/g, ''), 'hex');
    const s = new Stage();
    const p = s.place(2, after);
    s.world.land(`${ROOT}rotated/${oldId}-0000000000000000`, bytes, true);
    const name = `${ROOT}log/0000000000000042-w-1`;
    const pieces = [Buffer.from('clear'), Buffer.from('sealed')];
    const made = before.mac(name, pieces);
    const guard = guarded(after) as Authenticator & { load(reading: unknown): Promise<void> };
    await guard.load({ ...p.log.reading, limits, logger: silent });
    guard.verify(name, pieces, made);
    assert.throws(() => guard.verify(name, [pieces[0], Buffer.from('Sealed')], made), Corrupt);
    assert.throws(() => guard.verify(`${name}2`, pieces, before.mac(`${name}2`, pieces)), Corrupt);
  });
});
