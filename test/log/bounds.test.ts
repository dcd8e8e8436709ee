// What is written of a log can be read again: bundles, the list of a snapshot and of a collection, and the log itself have bounds.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { collect, listAll } from '../../src/log/index.ts';
import { HOUR, ROOT, Stage, settledSnapshot } from './scene.ts';
import type { Place } from './scene.ts';
import type { ListOptions, ListPage, ObjectStore } from '../../src/store/index.ts';

const DAY = 24 * HOUR;
const pass = (p: Place) => collect({ ...p.log.reading, random: p.store.world.random });
const named = (s: Stage, folder: string) => [...s.world.objects.keys()].sort().filter((n) => n.startsWith(`${ROOT}${folder}/`));

describe('bounds of a log', () => {
  let kept: typeof limits;
  let s: Stage;
  beforeEach(() => {
    kept = { ...limits };
    s = new Stage();
  });
  afterEach(() => void Object.assign(limits, kept));

  it('what was delivered to somebody who is away goes into as many bundles as it needs', async () => {
    const d = s.place();
    for (let i = 0; i < 40; i++) await d.deliver(`m${i}`);
    limits.bundle_bytes_max = 1000;
    assert.notEqual(await d.log.writeBundle(5), null);
    const bundles = named(s, 'bundles').map((n) => s.world.objects.get(n)!.bytes.length);
    assert.ok(bundles.length > 2 && bundles.every((n) => n < 3000), String(bundles));
    assert.equal(await d.log.writeBundle(0), null);
    for (const name of named(s, 'log').slice(0, -1)) s.world.objects.delete(name);
    const reader = await s.place().open();
    assert.equal(reader.live().split(' ').length, 40);
  });

  it('users change nothing in a log that is too long, mail comes for longer, and a day later all goes on', async () => {
    Object.assign(limits, { log_events_max: 20, log_events_full: 25 });
    const a = await s.place().open();
    for (let i = 0; i < 20; i++) await a.append(`m${i}`);
    await assert.rejects(a.append('more'), { name: 'Refused', code: 'LIMIT' });
    await a.log.submit('session', () => ({ ops: [{ t: 'append', id: 'must', box: 'INBOX' }] }), { must: true });
    for (let i = 0; i < 4; i++) await a.deliver(`d${i}`);
    await assert.rejects(a.deliver('more'), { name: 'Unavailable' });
    await assert.rejects(a.log.submit('session', () => ({ ops: [{ t: 'append', id: 'more', box: 'INBOX' }] }), { must: true }), { name: 'Unavailable' });
    const b = await s.place().open();
    assert.equal(b.live().split(' ').length, 25);
    await settledSnapshot(s, a);
    await s.clock.advance(2 * HOUR);
    await pass(a);
    await s.clock.advance(DAY);
    assert.ok((await pass(a)).deleted.length > 20);
    const c = await s.place().open();
    await c.append('later');
    assert.equal(c.live().split(' ').length, 26);
  });

  it('a list of events that nobody could read is not written, and no part of it', async () => {
    const a = await s.place().open();
    for (let i = 0; i < 40; i++) await a.append(`m${i}`);
    limits.packed_bytes_max = 2000;
    await assert.rejects(settledSnapshot(s, a), { name: 'Refused', code: 'LIMIT' });
    assert.deepEqual([named(s, 'snapshots'), named(s, 'parts')], [[], []]);
    assert.equal((await s.place().open()).live(), a.live());
  });

  it('a collection writes down so many names, and gets to all of them', async () => {
    limits.candidates_max = 7;
    const a = await s.place().open();
    for (let i = 0; i < 20; i++) await a.append(`m${i}`);
    await settledSnapshot(s, a);
    await s.clock.advance(2 * HOUR);
    const left: number[] = [];
    for (let i = 0; i < 4; i++) {
      assert.ok((await pass(a)).candidates <= 7);
      await s.clock.advance(DAY);
      left.push(named(s, 'log').length);
    }
    assert.deepEqual(left, [20, 13, 6, 1]);
  });

  it('a LIST that never ends is not read for ever, and nothing is said of what it showed', async () => {
    const a = await s.place().open();
    await a.append('m');
    limits.list_rows_max = 500;
    let pages = 0;
    const endless = Object.create(a.store, {
      list: {
        value: async ({ prefix, startAfter = '', maxKeys = 1000 }: ListOptions): Promise<ListPage> => {
          pages++;
          const from = Number(startAfter.slice(prefix.length)) || 0;
          return { objects: Array.from({ length: maxKeys }, (_, i) => ({ name: prefix + String(from + 1 + i).padStart(12, '0'), bytes: 1, modified: 0 })), truncated: true, date: 0 };
        },
      },
    }) as ObjectStore;
    await assert.rejects(listAll(endless, `${ROOT}log/`, 100), { name: 'Unavailable', message: /does not end: more than 500 rows/ });
    assert.equal(pages, 6);
    await assert.rejects(listAll(endless, `${ROOT}log/`, 100, { rowsMax: 50 }), { name: 'Unavailable' });
    assert.equal((await listAll(a.store, `${ROOT}log/`, 100)).rows.length, 1);
  });
});
