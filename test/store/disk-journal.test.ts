import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Corrupt, Unavailable, silent, systemClock, systemRandom } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { ObjectStore } from '../../src/store/index.ts';
import { trailer } from '../../src/store/disk-file.ts';
import { placeOf } from '../../src/store/disk-path.ts';
import { BLOCK, decodeHead, decodeRecords, encodeHead, encodeRecord } from '../../src/store/journal-record.ts';

const bytesOf = (i: number): Buffer => Buffer.alloc(3000 + i * 7, i);
const nameOf = (i: number): string => `users/u/blobs/${i.toString(32).padStart(4, '0')}`;

describe('disk: the journal', function () {
  this.timeout(30_000);
  let folder: string;
  let open: ObjectStore[];
  const openAt = async (root: string, clock: Clock = systemClock): Promise<ObjectStore> => {
    const { home } = await openStores({ store: `disk:${root}` }, clock, systemRandom, silent);
    open.push(home);
    return home;
  };
  const journals = (root: string) => fs.readdirSync(`${root}/journal`).filter((leaf) => !leaf.endsWith('.sock')).map((leaf) => `${root}/journal/${leaf}`);
  /** Files with bytes that have no name yet. */
  const unnamed = (root: string) => fs.readdirSync(`${root}/tmp`).filter((leaf) => fs.statSync(`${root}/tmp/${leaf}`).size > 0);
  const fileOf = (root: string, name: string) => join(root, 'objects', placeOf(name).folder, placeOf(name).leaf);
  /** A store that has its journal. */
  const busy = async (root: string, clock?: Clock) => {
    const store = await openAt(root, clock);
    for (let i = 0; i < 8; i++) await store.put(`warm/${i}`, Buffer.from([i]));
    // It is made in the background.
    for (const end = Date.now() + 10_000; ; await new Promise((resolve) => setTimeout(resolve, 5))) {
      await store.put('warm/again', Buffer.from('again'));
      const [path] = journals(root);
      if (path && fs.readFileSync(path).includes('warm/again')) break;
      assert.ok(Date.now() < end, 'the journal is not there');
    }
    return store;
  };
  /** What is on the disk after the power was cut: `taken` is what the kernel had not written; the machine was started again. */
  const powerCut = (root: string, taken: (file: string) => void, otherBoot = true): string => {
    const left = `${folder}/after`;
    fs.rmSync(left, { recursive: true, force: true });
    fs.cpSync(root, left, { recursive: true, preserveTimestamps: true, filter: (path) => !path.endsWith('.sock') });
    for (const path of otherBoot ? journals(left) : []) {
      const bytes = fs.readFileSync(path);
      const head = decodeHead(bytes)!;
      fs.writeFileSync(path, Buffer.concat([encodeHead({ ...head, boot: 'another' }), bytes.subarray(BLOCK)]));
    }
    taken(left);
    return left;
  };
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'colombier-journal-'));
    open = [];
  });
  afterEach(async () => {
    for (const store of open) await store.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('brings back after a power cut all that was acknowledged, whatever the kernel had written of it', async () => {
    const root = `${folder}/store`;
    const store = await busy(root);
    for (let i = 0; i < 60; i += 4) await Promise.all([0, 1, 2, 3].map((k) => store.put(nameOf(i + k), bytesOf(i + k), i % 8 === 0 ? { firstModified: 1_700_000_000_000 + i } : {})));
    await store.delete(nameOf(7));
    await store.put('replicas/r', Buffer.from('one'));
    await store.put('replicas/r', Buffer.from('two'));
    const before = (await store.list({ prefix: '' })).objects;
    const left = powerCut(root, (at) => {
      for (let i = 0; i < 60; i++) {
        const file = fileOf(at, nameOf(i));
        if (i === 7) fs.writeFileSync(file, ''); // its deletion was durable, whatever the copy says
        else if (i % 4 === 0) fs.rmSync(file);
        else if (i % 4 === 1) fs.writeFileSync(file, '');
        else if (i % 4 === 2) fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size));
      }
      fs.rmSync(fileOf(at, nameOf(7)));
      fs.writeFileSync(fileOf(at, 'replicas/r'), Buffer.concat([Buffer.from('one'), trailer(3, null)]));
    });
    const after = await openAt(left);
    for (let i = 0; i < 60; i++) {
      const object = await after.get(nameOf(i));
      if (i === 7) assert.equal(object, null, 'a deleted object came back');
      else assert.ok(object!.bytes.equals(bytesOf(i)), `${i}`);
      if (i % 8 < 4 && i !== 7) assert.equal(object!.firstModified, 1_700_000_000_000 + i - (i % 4));
    }
    assert.equal((await after.get('replicas/r'))!.bytes.toString(), 'two');
    const rows = (await after.list({ prefix: '' })).objects;
    assert.deepEqual(rows.map((row) => [row.name, row.bytes]), before.map((row) => [row.name, row.bytes]));
    rows.forEach((row, i) => assert.ok(Math.abs(row.modified - before[i].modified) < 1000, `${row.name} has another age`));
    await after.close();
    assert.deepEqual(journals(left), []);
    assert.ok((await (await openAt(left)).get(nameOf(0)))!.bytes.equals(bytesOf(0)));
  });

  it('brings back all before a record that was cut off, and nothing of what a used file held before', async () => {
    const root = `${folder}/store`;
    const store = await busy(root);
    for (let i = 0; i < 20; i++) await store.put(nameOf(i), bytesOf(i));
    const left = powerCut(root, (at) => {
      const [path] = journals(at);
      const bytes = fs.readFileSync(path);
      const head = decodeHead(bytes)!;
      const records = decodeRecords(bytes, head.generation);
      const cut = records.findIndex((record) => record.name === nameOf(12));
      const at12 = bytes.indexOf(records[cut].file);
      bytes[at12 + 100] ^= 1;
      fs.writeFileSync(path, bytes);
      for (let i = 0; i < 20; i++) fs.rmSync(fileOf(at, nameOf(i)));
    });
    const after = await openAt(left);
    for (let i = 0; i < 20; i++) assert.equal((await after.get(nameOf(i))) !== null, i < 12, `${i}`);
    await after.close();
    const used = powerCut(root, (at) => {
      const [path] = journals(at);
      const bytes = fs.readFileSync(path);
      const { generation } = decodeHead(bytes)!;
      fs.writeFileSync(path, Buffer.concat([encodeHead({ generation: generation + 1, boot: 'another' }), bytes.subarray(BLOCK)]));
      fs.rmSync(fileOf(at, nameOf(3)));
    });
    assert.equal(await (await openAt(used)).get(nameOf(3)), null);
  });

  it('of a killed process shows nothing that was never shown, but what is as young as a PUT under way', async () => {
    const root = `${folder}/store`;
    let late = 0;
    const store = await busy(root, { ...systemClock, now: () => Date.now() + late });
    for (let i = 0; i < 10; i++) await store.put(nameOf(i), bytesOf(i));
    const killed = (age: number) =>
      powerCut(root, (at) => {
        const [path] = journals(at);
        const bytes = fs.readFileSync(path);
        const { generation, boot } = decodeHead(bytes)!;
        const records = decodeRecords(bytes, generation);
        const file = Buffer.concat([bytesOf(50), trailer(bytesOf(50).length, null)]);
        const last = encodeRecord({ sequence: records.at(-1)!.sequence + 1, complete: records.at(-1)!.sequence, time: Date.now() - age, kind: 'put', name: nameOf(50) }, generation, [file]);
        let end = BLOCK;
        for (const r of records) end += Math.ceil((35 + Buffer.byteLength(r.name) + r.file.length) / BLOCK) * BLOCK;
        Buffer.concat([last, file]).copy(bytes, end);
        fs.writeFileSync(path, bytes);
        assert.equal(decodeRecords(bytes, generation).at(-1)!.name, nameOf(50), boot);
        fs.rmSync(fileOf(at, nameOf(5)));
      }, false);
    const old = await openAt(killed(600_000));
    assert.equal(await old.get(nameOf(50)), null);
    assert.ok(await old.get(nameOf(5)), 'what had been shown is gone because the disk was: it comes back');
    await old.close();
    const young = await openAt(killed(1000));
    assert.ok((await young.get(nameOf(50)))!.bytes.equals(bytesOf(50)));
  });

  it('leaves the journal of a living process alone, also of a stopped one, and takes a dead one over', async () => {
    const root = `${folder}/store`;
    const here = new URL('../../src/', import.meta.url).pathname;
    const script = `
      import { openStores } from '${here}store/index.ts';
      import { silent, systemClock, systemRandom } from '${here}base/index.ts';
      const { home } = await openStores({ store: 'disk:${root}' }, systemClock, systemRandom, silent);
      for (let i = 0; ; i++) { await home.put('users/u/blobs/' + i.toString(32).padStart(4, '0'), Buffer.alloc(3000 + i * 7, i)); process.stdout.write(i + '\\n'); await new Promise((r) => setTimeout(r, 5)); }`;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (piece) => (out += piece));
    const ended = new Promise((resolve) => child.stdout.once('close', resolve));
    try {
      while (!/\n40\n/.test(out)) await new Promise((resolve) => setTimeout(resolve, 5));
      child.kill('SIGSTOP');
      assert.equal(journals(root).length, 1);
      await (await openAt(root)).close();
      assert.equal(journals(root).length, 1);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
    const store = await openAt(root);
    const told = out.split('\n').slice(0, -1).map(Number);
    for (const i of told) assert.ok((await store.get(nameOf(i)))!.bytes.equals(bytesOf(i)));
    for (const end = Date.now() + 10_000; journals(root).length > 0; ) {
      assert.ok(Date.now() < end, 'the journal of a dead process stays');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.deepEqual(fs.readdirSync(`${root}/journal`), []);
  });

  it('one fdatasync serves all that came before it, and one that fails acknowledges nothing', async () => {
    const root = `${folder}/store`;
    const store = await busy(root);
    const real = fs.fdatasync;
    let syncs = 0;
    (fs as any).fdatasync = (fd: number, done: (e: Error | null) => void) => (syncs++, real(fd, done));
    try {
      await Promise.all(Array.from({ length: 32 }, (_, i) => store.put(nameOf(i), bytesOf(i))));
      assert.ok(syncs >= 1 && syncs < 16, `${syncs}`);
      (fs as any).fdatasync = (_fd: number, done: (e: Error | null) => void) => done(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' }));
      await assert.rejects(store.put(nameOf(90), bytesOf(90)), { name: 'Unavailable', message: /input\/output errors \(EIO\)/ });
      assert.equal(await store.get(nameOf(90)), null);
    } finally {
      fs.fdatasync = real;
    }
    await store.put(nameOf(91), bytesOf(91)); // the journal takes nothing more, PUTs go without
    assert.ok((await store.get(nameOf(91)))!.bytes.equals(bytesOf(91)));
    assert.deepEqual(unnamed(root), []);
  });

  describe('an event behind its message', () => {
    const event = 'users/u/log/event';
    const blob = nameOf(1);
    const [told, sealed] = [Buffer.from('event'), bytesOf(1)];
    let root: string;
    let store: ObjectStore;
    let syncs: number;
    const real = fs.fdatasync;
    beforeEach(async () => {
      root = `${folder}/store`;
      store = await busy(root);
      syncs = 0;
      (fs as any).fdatasync = (fd: number, done: (e: Error | null) => void) => (syncs++, real(fd, done));
    });
    afterEach(() => void (fs.fdatasync = real));
    /** After power cuts that took both files, and the journal from each of its blocks on: which of the two came back, in each case. */
    const found = async (): Promise<Set<string>> => {
      const cases = new Set<string>();
      const ends = decodeRecords(fs.readFileSync(journals(root)[0]), 1);
      let end = BLOCK;
      for (const r of ends) end += Math.ceil((35 + Buffer.byteLength(r.name) + r.file.length) / BLOCK) * BLOCK;
      for (let cut = BLOCK; cut <= end; cut += BLOCK) {
        const left = powerCut(root, (at) => {
          for (const name of [event, blob]) fs.rmSync(fileOf(at, name), { force: true });
          const [path] = journals(at);
          fs.writeFileSync(path, fs.readFileSync(path).fill(0, cut));
        });
        const after = await openAt(left);
        cases.add(`${(await after.get(blob)) ? 'message' : ''} ${(await after.get(event)) ? 'event' : ''}`.trim());
        await after.close();
      }
      return cases;
    };

    it('is durable with it, by one fdatasync, and never found without it', async () => {
      const stored = store.put(blob, sealed);
      await store.put(event, told, { after: stored, behind: [blob] });
      assert.equal(syncs, 1);
      assert.ok((await store.get(event))!.bytes.equals(told) && (await store.get(blob))!.bytes.equals(sealed));
      assert.deepEqual(await found(), new Set(['', 'message', 'message event']));
    });

    it('never appears when the message is given up, whenever the power is cut', async () => {
      const gone = new AbortController();
      const stored = store.put(blob, sealed, { signal: gone.signal });
      const put = store.put(event, told, { after: stored, behind: [blob] });
      gone.abort();
      await assert.rejects(stored, Unavailable);
      await assert.rejects(put, Unavailable);
      await store.put('warm/later', told);
      assert.equal(await store.get(event), null);
      assert.deepEqual(unnamed(root), []);
      assert.deepEqual(await found(), new Set(['', 'message', 'message event']), 'not without the message');
      const left = powerCut(root, () => {});
      const after = await openAt(left);
      assert.equal(await after.get(event), null);
      assert.equal(await after.get(blob), null);
    });

    it('appears, and stays, when the message was stored at the second try', async () => {
      const gone = new AbortController();
      const stored = store.put(blob, sealed, { signal: gone.signal }).catch(() => store.put(blob, sealed));
      const put = store.put(event, told, { after: stored, behind: [blob] });
      gone.abort();
      await put;
      assert.ok((await store.get(event))!.bytes.equals(told));
      const left = powerCut(root, (at) => [event, blob].forEach((name) => fs.rmSync(fileOf(at, name))));
      const after = await openAt(left);
      assert.ok((await after.get(event))!.bytes.equals(told));
      assert.ok((await after.get(blob))!.bytes.equals(sealed));
      assert.ok(![...(await found())].includes('event'));
    });

    it('waits for a message that goes without the journal', async () => {
      const large = Buffer.alloc(300_000, 5);
      let there = false;
      const stored = store.put(blob, large).finally(() => (there = true));
      await store.put(event, told, { after: stored, behind: [blob] });
      // Each has its own; what the journal does beside them may have one too.
      assert.ok(there && syncs >= 2, `${there} ${syncs}`);
      assert.ok((await store.get(blob))!.bytes.equals(large));
    });
  });

  it('goes on in other files when one is full, and begins them anew after a checkpoint', async () => {
    const root = `${folder}/store`;
    const store = await busy(root);
    const big = Buffer.alloc(200_000, 7);
    for (let i = 0; i < 800; i += 8) await Promise.all(Array.from({ length: 8 }, (_, k) => store.put(nameOf(i + k), big)));
    const files = journals(root).length;
    assert.ok(files >= 2 && files <= 8, `${files}`);
    const left = powerCut(root, (at) => {
      for (let i = 700; i < 800; i++) fs.rmSync(fileOf(at, nameOf(i)));
    });
    const after = await openAt(left);
    let there = 0;
    for (let i = 0; i < 800; i++) if ((await after.get(nameOf(i)))?.bytes.equals(big)) there++;
    assert.ok(there >= 700, `${there}`);
    await store.close();
    assert.deepEqual(fs.readdirSync(`${root}/journal`), []);
  });

  it('reads journals of version 1 for ever, and refuses a newer one', async () => {
    const kept = Buffer.from(fs.readFileSync(new URL('../../fixtures/store/disk-journal-1.hex', import.meta.url), 'latin1').replace(/\s/g, ''), 'hex');
    const bytes = Buffer.alloc(3 * BLOCK);
    kept.copy(bytes, 0, 0, 64);
    kept.copy(bytes, BLOCK, 64);
    const head = decodeHead(bytes)!;
    assert.deepEqual(head, { generation: 3, boot: 'b00t' });
    const file = Buffer.concat([Buffer.from('coo'), trailer(3, 5)]);
    assert.deepEqual(decodeRecords(bytes, 3), [{ sequence: 9, complete: 8, time: 1_700_000_000_123, kind: 'put', name: 'a/ü', file }]);
    assert.deepEqual(Buffer.concat([encodeHead(head).subarray(0, 64), encodeRecord({ sequence: 9, complete: 8, time: 1_700_000_000_123, kind: 'put', name: 'a/ü' }, 3, [file]), file]), kept);
    const newer = encodeHead(head);
    newer[4] = 2;
    const { crc32 } = await import('node:zlib');
    newer.writeUInt32BE(crc32(newer.subarray(0, 16)), 16);
    assert.throws(() => decodeHead(newer), { name: 'Corrupt', message: /newer version/ });
    await openAt(`${folder}/store`);
    fs.writeFileSync(`${folder}/store/journal/abc-0`, newer);
    await assert.rejects(openAt(`${folder}/store`), { name: 'Corrupt', message: /newer version/ });
  });

  it('any bytes as a journal: records or none, never an error', () => {
    const good = Buffer.concat([encodeHead({ generation: 1, boot: 'x' }), encodeRecord({ sequence: 1, complete: 0, time: 1, kind: 'put', name: 'a' }, 1, [Buffer.from('b')]), Buffer.from('b'), Buffer.alloc(100)]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }), fc.nat(good.length), (changes, cut) => {
        const bytes = Buffer.from(good);
        for (const [at, value] of changes) bytes[at] = value;
        const part = bytes.subarray(0, cut);
        try {
          const head = decodeHead(part);
          if (head) for (const record of decodeRecords(part, head.generation)) assert.ok(record.file.length <= part.length);
        } catch (e) {
          assert.ok(e instanceof Corrupt, String(e));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
