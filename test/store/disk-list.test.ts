import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { limits, seededRandom, silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { MemoryWorld, eventName, hexPosition, openStores } from '../../src/store/index.ts';
import type { ListOptions, ObjectStore } from '../../src/store/index.ts';
import { DiskIo } from '../../src/store/disk-io.ts';
import { placeOf } from '../../src/store/disk-path.ts';

const X = Buffer.from('x');

describe('disk: LIST', function () {
  this.timeout(30_000);
  let folder: string;
  const open = async (): Promise<ObjectStore> => (await openStores({ store: `disk:${folder}` }, systemClock, systemRandom, silent)).home;
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'colombier-disk-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('puts objects where they are found again', () => {
    const places = ['a', 'users/u/log/0123456789abcdef-w-1', 'log/0123456789abcdef', 'users/u/log/short', 'users/u/blobs/k7', 'u/snapshots/0123456789abcdef-x', 'directory/log/0000000000000040-w-1/x'].map((name) => Object.values(placeOf(name)).join(' '));
    assert.deepEqual(places, [' a', 'users/u/log/%01234567/%89/%ab 0123456789abcdef-w-1', 'log/%01234567/%89/%ab 0123456789abcdef', 'users/u/log short', 'users/u/blobs/%k k7', 'u/snapshots 0123456789abcdef-x', 'directory/log/0000000000000040-w-1 x']);
  });

  // Names that meet the fan folders of logs and ids, their neighbours, and names without any.
  const hex = fc.constantFrom('0', '1', 'f');
  const position = fc.tuple(fc.array(hex, { minLength: 1, maxLength: 5 }), fc.constantFrom(0, 4, 8, 11)).map(([d, zeros]) => d.join('').padEnd(16 - zeros, '0').padStart(16, '0'));
  const leaf = fc.oneof(
    position.chain((p) => fc.constantFrom(`${p}-a-1`, `${p}-b-2`, p, `${p}~`)),
    fc.constantFrom('0', '00000000', '0000000000', '000000000000', '1', 'f', 'a', 'ab', 'abc', 'b', '~', '-', '.a', 'B', '0000000000000001'),
  );
  const parent = fc.constantFrom('', 'log/', 'u/log/', 'u/blobs/', 'u/parts/', 'u/blobs/a/', 'u/log/0000000000000000/', 'u/log/00000000/', 'u/logs/', 'u-/log/');
  const name = fc.tuple(parent, leaf).map(([p, l]) => p + l);
  const cutName = fc.tuple(fc.oneof(name, parent), fc.nat(40)).map(([n, cut]) => n.slice(0, cut));
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), name, who: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), name, who: fc.nat(1) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('list' as const), prefix: cutName, startAfter: fc.option(fc.oneof(cutName, name, name.map((n) => `${n}~`)), { nil: undefined }), maxKeys: fc.option(fc.integer({ min: 1, max: 7 }), { nil: undefined }), who: fc.nat(1) }) },
  );

  it('answers as the memory store does, at two processes that write at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        fs.rmSync(folder, { recursive: true, force: true });
        const disks = [await open(), await open()];
        const memory = new MemoryWorld(systemClock, seededRandom(1)).client();
        const taken = new Map<string, 'object' | 'folder'>();
        const listBoth = async (options: ListOptions, who: number) => {
          const [a, b] = [await disks[who].list(options), await memory.list(options)];
          assert.deepEqual({ names: a.objects.map((o) => [o.name, o.bytes]), truncated: a.truncated }, { names: b.objects.map((o) => [o.name, o.bytes]), truncated: b.truncated });
        };
        for (const s of steps) {
          if (s.kind === 'list') {
            await listBoth({ prefix: s.prefix, startAfter: s.startAfter, maxKeys: s.maxKeys }, s.who);
          } else if (s.kind === 'delete') {
            await disks[s.who].delete(s.name);
            await memory.delete(s.name);
          } else {
            // A name can't be an object and a folder on disk (nor does names.ts make such).
            const above = s.name.split('/').slice(0, -1).map((_, i, all) => all.slice(0, i + 1).join('/'));
            if (taken.get(s.name) === 'folder' || above.some((f) => taken.get(f) === 'object')) continue;
            taken.set(s.name, 'object');
            for (const f of above) taken.set(f, 'folder');
            await disks[s.who].put(s.name, X);
            await memory.put(s.name, X);
          }
        }
        for (const who of [0, 1]) await listBoth({ prefix: '' }, who);
        // Pages of any size, one after the other, are the whole.
        const all: string[] = [];
        for (let startAfter: string | undefined; ; ) {
          const page = await disks[0].list({ prefix: '', startAfter, maxKeys: 3 });
          all.push(...page.objects.map((o) => o.name));
          if (!page.truncated) break;
          startAfter = all.at(-1);
        }
        assert.deepEqual(all, (await memory.list({ prefix: '' })).objects.map((o) => o.name));
      }),
      { numRuns: 60 },
    );
  });

  it('leaves out nothing but what it told before, whoever writes and deletes', async () => {
    const event = fc.integer({ min: 1, max: 12 }).map((n) => eventName('users/u/', { position: n * 20_000, writer: 'w', seq: n }));
    const does = fc.record({ kind: fc.constantFrom('put' as const, 'put' as const, 'delete' as const, 'list' as const, 'list' as const), name: event, who: fc.nat(1), maxKeys: fc.integer({ min: 1, max: 5 }) });
    let leftOut = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(does, { minLength: 10, maxLength: 60 }), async (steps) => {
        fs.rmSync(folder, { recursive: true, force: true });
        const disks = [await open(), await open()];
        const readers = disks.map((store) => ({ store, told: undefined as number | undefined, knows: new Set<string>() }));
        const there = new Set<string>();
        for (const { kind, name, who, maxKeys } of steps) {
          if (kind === 'put') {
            await disks[who].put(name, X);
            there.add(name);
          } else if (kind === 'delete') {
            await disks[who].delete(name);
            there.delete(name);
          } else {
            const reader = readers[who];
            const said: string[] = [];
            let told: number | undefined;
            for (let startAfter: string | undefined; ; startAfter = said.at(-1)) {
              const page = await reader.store.list({ prefix: 'users/u/log/', startAfter, maxKeys, told: reader.told });
              told ??= page.told;
              said.push(...page.objects.map((o) => o.name));
              if (!page.truncated) break;
            }
            assert.deepEqual(said, [...said].sort());
            assert.ok(said.every((n) => there.has(n)));
            for (const n of there) assert.ok(reader.knows.has(n) || said.includes(n), `${n} was not told`);
            leftOut += there.size - said.length;
            Object.assign(reader, { told, knows: new Set(there) });
          }
        }
        await Promise.all(disks.map((disk) => disk.close()));
      }),
      { numRuns: 25 },
    );
    assert.ok(leftOut > 0);
  });

  it('sees what another process wrote within one tick of the file system, and what it deleted', async () => {
    const [a, b] = [await open(), await open()];
    const event = (position: number) => eventName('users/u/', { position, writer: 'w', seq: position });
    const list = async () => (await a.list({ prefix: 'users/u/log/' })).objects.map((o) => Number(o.name.slice(-1)));
    await b.put(event(1), X);
    const place = join(folder, 'objects', placeOf(event(1)).folder);
    const { mtimeMs } = fs.statSync(place);
    // As a clock with ticks of a second would show it: the folder's time stays what it was.
    const sameTick = () => fs.utimesSync(place, mtimeMs / 1000, mtimeMs / 1000);
    sameTick();
    assert.deepEqual(await list(), [1]);
    await b.put(event(2), X);
    sameTick();
    assert.deepEqual(await list(), [1, 2]);
    await b.delete(event(1));
    sameTick();
    assert.deepEqual(await list(), [2]);
    await b.put(event(1), X);
    // Long ago: now the folder is remembered, and any new time shows that it changed.
    const old = (age: number) => fs.utimesSync(place, Date.now() / 1000 - age, Date.now() / 1000 - age);
    old(100);
    assert.deepEqual(await list(), [1, 2]);
    await b.put(event(3), X);
    assert.deepEqual(await list(), [1, 2, 3]);
    old(50);
    assert.deepEqual(await list(), [1, 2, 3]);
    await b.delete(event(2));
    old(40);
    assert.deepEqual(await list(), [1, 3]);
  });

  it('reads few folders for the end of a long log, and forgets what is too much', async () => {
    const kept = limits.disk_rows_kept_max;
    limits.disk_rows_kept_max = 500;
    const store = await open();
    const names: string[] = [];
    for (let i = 1; i <= 600; i++) names.push(`users/u/log/${hexPosition(i * 4096)}-w-${i}`);
    await Promise.all(names.map((n) => store.put(n, X)));
    const read: string[] = [];
    const real = fs.readdirSync;
    (fs as any).readdirSync = (path: string, ...rest: []) => (read.push(path), (real as any)(path, ...rest));
    try {
      const page = await store.list({ prefix: 'users/u/log/', startAfter: names[589] });
      assert.deepEqual(page.objects.map((o) => o.name), names.slice(590));
      assert.ok(read.length <= 5, read.join('\n'));
      for (let i = 0; i < 2; i++) assert.deepEqual((await store.list({ prefix: 'users/u/log/' })).objects.map((o) => o.name), names);
    } finally {
      fs.readdirSync = real;
      limits.disk_rows_kept_max = kept;
    }
  });

  it('uses the pool while the disk is slow, with the same answers', async () => {
    let time = 0;
    // Every look at the clock finds it 30 ms later: each call seems to have met the disk.
    const slow = { ...systemClock, monotonic: () => (time += 30) };
    const { home } = await openStores({ store: `disk:${folder}` }, slow, systemRandom, silent);
    const names = ['a', 'users/u/blobs/abc', ...Array.from({ length: 30 }, (_, i) => `users/u/log/${hexPosition(i * 9000 + 1)}-w-${i + 1}`)];
    for (const n of names) await home.put(n, Buffer.from(n));
    for (const n of names) assert.equal((await home.get(n))!.bytes.toString(), n);
    assert.deepEqual((await home.list({ prefix: '' })).objects.map((o) => o.name), names);
    assert.equal(await home.get('none'), null);
    assert.deepEqual((await home.list({ prefix: 'none/' })).objects, []);
  });

  it('takes a call that read nothing from the disk for no slow disk, unless it was very slow', async () => {
    const pooled = async (step: number): Promise<boolean> => {
      let time = 0;
      const io = new DiskIo({ ...systemClock, monotonic: () => (time += step) });
      const stats = Array.from({ length: 5 }, () => io.stat(folder));
      await Promise.all(stats);
      return stats.some((s) => s instanceof Promise);
    };
    assert.equal(await pooled(1), false);
    assert.equal(await pooled(3), false);
    assert.equal(await pooled(30), true);
  });
});
