// What every adapter must do: one set of tests for disk, s3 and memory.
import assert from 'node:assert/strict';
import { Malformed, Unavailable, seededRandom } from '../../src/base/index.ts';
import type { ObjectStore } from '../../src/store/index.ts';

export interface Subject {
  store: ObjectStore;
  /** Another handle on the same objects: another process, or another client. */
  other: ObjectStore;
  close(): Promise<void>;
}

const text = (o: { bytes: Buffer } | null) => o && o.bytes.toString('latin1');
const names = (page: { objects: { name: string }[] }) => page.objects.map((o) => o.name);
const CHARACTERS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._~-';

/** `open` gives an empty place each time it is called, or one whose earlier names don't begin with `root`. */
export function contract(title: string, open: (this: Mocha.Context) => Promise<Subject>): void {
  describe(`${title}: the contract of ObjectStore`, function () {
    this.timeout(30_000);
    let subject: Subject;
    let store: ObjectStore;
    let n = 0;
    let root = '';
    before(async function () {
      subject = await open.call(this);
      store = subject.store;
    });
    beforeEach(() => {
      root = `c${n++}/`;
    });
    after(async () => {
      await subject?.close();
    });
    const put = (leaf: string, body = leaf) => store.put(root + leaf, Buffer.from(body));
    const leaves = (page: { objects: { name: string }[] }) => names(page).map((name) => name.slice(root.length));

    it('gives back what was put, to every handle', async () => {
      await put('a/b', 'hello');
      for (const s of [store, subject.other]) {
        const object = (await s.get(`${root}a/b`))!;
        assert.equal(text(object), 'hello');
        assert.equal(object.size, 5);
        assert.equal(object.firstModified, null);
        assert.deepEqual(names(await s.list({ prefix: root })), [`${root}a/b`]);
      }
    });

    it('takes bytes in pieces, and the caller may use its buffer again', async () => {
      const piece = Buffer.from('one');
      await store.put(`${root}pieces`, [piece, Buffer.from('two'), Buffer.alloc(0), new Uint8Array([33])]);
      piece.fill(0);
      assert.equal(text(await store.get(`${root}pieces`)), 'onetwo!');
    });

    it('sends nothing when the caller says that it is too late', async () => {
      await assert.rejects(store.put(`${root}late`, Buffer.from('late'), { maySend: () => false }), Unavailable);
      assert.equal(await store.get(`${root}late`), null);
      let asked = 0;
      await store.put(`${root}early`, Buffer.from('early'), { maySend: () => ++asked > 0 });
      assert.equal(text(await store.get(`${root}early`)), 'early');
      assert.ok(asked > 0);
    });

    it('shows nothing before what it comes after, and nothing ever when that fails', async () => {
      let allow = () => {};
      let asked = 0;
      const after = new Promise<void>((resolve) => (allow = resolve));
      const put = store.put(`${root}after`, Buffer.from('after'), { after, maySend: () => ++asked > 0 });
      await new Promise((resolve) => setTimeout(resolve, 30));
      for (const s of [store, subject.other]) assert.equal(await s.get(`${root}after`), null);
      const before = asked;
      allow();
      await put;
      assert.ok(asked > before, 'not asked again whether it may be sent');
      assert.equal(text(await subject.other.get(`${root}after`)), 'after');
      const failed = Promise.reject(new TypeError('no'));
      await assert.rejects(store.put(`${root}never`, Buffer.from('never'), { after: failed }), Unavailable);
      assert.equal(await subject.other.get(`${root}never`), null);
    });

    it('says null for an object that is missing, and lists nothing', async () => {
      assert.equal(await store.get(`${root}none`), null);
      assert.equal(await store.get(`${root}none/at/all`, { from: 3, to: 5 }), null);
      const page = await store.list({ prefix: `${root}none/` });
      assert.deepEqual([page.objects, page.truncated], [[], false]);
    });

    it('lists in bytewise order, whole prefixes and partial ones', async () => {
      const all = ['b-c', 'b.c', 'b/c', 'b/d/e', 'bc', 'B', 'b~', 'a', 'b_', 'b0'];
      for (const leaf of all) await put(leaf);
      assert.deepEqual(leaves(await store.list({ prefix: root })), [...all].sort());
      assert.deepEqual(leaves(await store.list({ prefix: `${root}b` })), [...all].sort().filter((l) => l.startsWith('b')));
      assert.deepEqual(leaves(await store.list({ prefix: `${root}b/` })), ['b/c', 'b/d/e']);
      assert.deepEqual(leaves(await store.list({ prefix: `${root}b/d` })), ['b/d/e']);
    });

    it('lists after a name, which need not exist, and no more than asked', async () => {
      for (const leaf of ['log/0000000000000001-a-1', 'log/0000000000010001-a-2', 'log/0000000000010002-b-1', 'log/0000000100000000-a-3', 'logs', 'lof']) await put(leaf);
      const list = (startAfter: string, maxKeys?: number) => store.list({ prefix: `${root}log/`, startAfter: root + startAfter, maxKeys });
      assert.deepEqual(leaves(await list('log/')), ['log/0000000000000001-a-1', 'log/0000000000010001-a-2', 'log/0000000000010002-b-1', 'log/0000000100000000-a-3']);
      assert.deepEqual(leaves(await list('log/0000000000000001~')), ['log/0000000000010001-a-2', 'log/0000000000010002-b-1', 'log/0000000100000000-a-3']);
      assert.deepEqual(leaves(await list('log/0000000000010001-a-2')), ['log/0000000000010002-b-1', 'log/0000000100000000-a-3']);
      assert.deepEqual(leaves(await list('log/0000000100000000~')), []);
      assert.deepEqual(leaves(await list('a')), leaves(await list('log/')));
      assert.deepEqual(leaves(await list('m')), []);
      const first = await list('log/', 2);
      assert.deepEqual([leaves(first), first.truncated], [['log/0000000000000001-a-1', 'log/0000000000010001-a-2'], true]);
      const rest = await list('log/0000000000010001-a-2', 2);
      assert.deepEqual([leaves(rest), rest.truncated], [['log/0000000000010002-b-1', 'log/0000000100000000-a-3'], false]);
    });

    it('shows size and age in a LIST, by its own time', async () => {
      const { date } = await put('aged', '12345');
      const page = await store.list({ prefix: root });
      const [row] = page.objects;
      assert.equal(row.bytes, 5);
      // S3 tells whole seconds in its headers.
      assert.ok(Math.abs(row.modified - date) < 5000, `${row.modified} ${date}`);
      const object = (await store.get(row.name))!;
      assert.ok(Math.abs(object.modified - row.modified) < 1000);
      assert.ok(page.date >= date - 1000 && object.date >= page.date - 1000);
    });

    it('answers ranges, also beyond the end', async () => {
      await put('range', '0123456789');
      const get = async (from?: number, to?: number) => {
        const object = (await store.get(`${root}range`, { from, to }))!;
        assert.equal(object.size, 10);
        return text(object);
      };
      assert.equal(await get(0, 3), '012');
      assert.equal(await get(4), '456789');
      assert.equal(await get(undefined, 2), '01');
      assert.equal(await get(8, 100), '89');
      assert.equal(await get(9, 10), '9');
      assert.equal(await get(10, 12), '');
      assert.equal(await get(50), '');
      assert.equal(await get(3, 3), '');
      await assert.rejects(store.get(`${root}range`, { from: 3, to: 2 }), Malformed);
      await assert.rejects(store.get(`${root}range`, { from: -1 }), Malformed);
    });

    it('stores objects of no bytes', async () => {
      await store.put(`${root}empty`, Buffer.alloc(0));
      assert.equal((await store.get(`${root}empty`))!.size, 0);
      assert.equal(text(await store.get(`${root}empty`, { from: 0, to: 10 })), '');
      assert.equal((await store.list({ prefix: root })).objects[0].bytes, 0);
      await store.putStream(`${root}empty2`, 0, async function* () {});
      assert.equal(text(await store.get(`${root}empty2`)), '');
    });

    it('stores 20 MB, whole and as a stream, and reads a part in its middle', async () => {
      const bytes = 20 * 1024 * 1024;
      const big = Buffer.alloc(bytes, seededRandom(7).bytes(99_991));
      await store.put(`${root}big`, [big.subarray(0, 1_000_000), big.subarray(1_000_000)]);
      let calls = 0;
      await store.putStream(`${root}stream`, bytes, async function* () {
        calls++;
        for (let at = 0; at < bytes; at += 700_001) yield big.subarray(at, at + 700_001);
      });
      assert.ok(calls >= 1);
      for (const leaf of ['big', 'stream']) {
        assert.ok((await store.get(root + leaf))!.bytes.equals(big), leaf);
        const part = (await store.get(root + leaf, { from: 10_000_000, to: 10_065_536 }))!;
        assert.ok(part.bytes.equals(big.subarray(10_000_000, 10_065_536)), leaf);
        assert.equal(part.size, bytes);
      }
      assert.deepEqual((await store.list({ prefix: root })).objects.map((o) => o.bytes), [bytes, bytes]);
    });

    it('refuses a stream that is shorter or longer than it said', async () => {
      for (const bytes of [4, 6]) {
        const source = async function* () {
          yield Buffer.from('12345');
        };
        await assert.rejects(store.putStream(`${root}wrong`, bytes, source), Unavailable);
      }
      assert.equal(await store.get(`${root}wrong`), null);
    });

    it('overwrites with the same bytes', async () => {
      await put('again', 'same');
      await put('again', 'same');
      await subject.other.put(`${root}again`, Buffer.from('same'));
      assert.equal(text(await store.get(`${root}again`)), 'same');
      assert.equal((await store.list({ prefix: root })).objects.length, 1);
    });

    it('overwrites with other bytes (presence does), seen by all', async () => {
      await put('replicas/w1', 'one');
      await subject.other.put(`${root}replicas/w1`, Buffer.from('second'));
      assert.equal(text(await store.get(`${root}replicas/w1`)), 'second');
      assert.equal((await store.list({ prefix: root })).objects[0].bytes, 6);
    });

    it('keeps firstModified, by put and by confirm', async () => {
      await store.put(`${root}first`, Buffer.from('x'), { firstModified: 1_700_000_000_123 });
      const object = (await store.get(`${root}first`))!;
      assert.equal(object.firstModified, 1_700_000_000_123);
      assert.equal(text(object), 'x');
      assert.equal((await store.get(`${root}first`, { from: 0, to: 0 }))!.firstModified, 1_700_000_000_123);
      assert.equal((await store.list({ prefix: root })).objects[0].bytes, 1);
      await put('seen', 'y');
      const [, seen] = (await store.list({ prefix: root })).objects;
      await store.confirm(`${root}seen`, Buffer.from('y'), seen.modified);
      const confirmed = (await subject.other.get(`${root}seen`))!;
      assert.equal(text(confirmed), 'y');
      // Either the object was whole already, and its age is unchanged, or the first age is kept beside it.
      assert.equal(Math.floor((confirmed.firstModified ?? confirmed.modified) / 1000), Math.floor(seen.modified / 1000));
      await store.confirm(`${root}log/0000000000000007-w-1`, Buffer.from('z'), 5);
      assert.equal((await store.get(`${root}log/0000000000000007-w-1`))!.firstModified, 5);
    });

    it('deletes, again and again, and what is put anew is there', async () => {
      for (const leaf of ['d/log/0000000000000001-a-1', 'd/blobs/abc', 'd/plain']) {
        await put(leaf);
        await store.delete(root + leaf);
        await subject.other.delete(root + leaf);
        assert.equal(await store.get(root + leaf), null);
        assert.deepEqual(leaves(await store.list({ prefix: `${root}d/` })), []);
        await put(leaf);
        assert.deepEqual(leaves(await subject.other.list({ prefix: `${root}d/` })), [leaf]);
        await store.delete(root + leaf);
      }
    });

    it('takes all characters that names may have, and refuses others', async () => {
      const leaf = `${CHARACTERS}/${CHARACTERS}/.x/x./..x/blobs/${CHARACTERS}/log/${CHARACTERS}`;
      await put(leaf, 'odd');
      assert.equal(text(await store.get(root + leaf)), 'odd');
      assert.deepEqual(leaves(await store.list({ prefix: root, startAfter: `${root}${CHARACTERS}/` })), [leaf]);
      for (const bad of ['', '/', '/a', 'a/', 'a//b', '.', '..', 'a/../b', './a', 'a/..', 'a b', 'ä', 'a%b', 'a\0', 'a\n', 'a\\b', 'a+b', 'x'.repeat(201), 'x/'.repeat(520) + 'x']) {
        await assert.rejects(async () => store.put(bad, Buffer.from('x')), Malformed, JSON.stringify(bad));
        await assert.rejects(async () => store.get(bad), Malformed, JSON.stringify(bad));
        await assert.rejects(async () => store.delete(bad), Malformed, JSON.stringify(bad));
      }
      for (const bad of ['/', '../', 'a/../b', 'a//', 'a b']) await assert.rejects(async () => store.list({ prefix: bad }), Malformed, bad);
      await assert.rejects(async () => store.list({ prefix: '', maxKeys: 0 }), Malformed);
    });

    it('serves many at once', async () => {
      const ids = Array.from({ length: 120 }, (_, i) => `${i % 2 ? 'log/0000000000' : 'blobs/'}${String(i).padStart(6, '0')}-w-1`);
      await Promise.all(ids.map((leaf, i) => (i % 3 ? store : subject.other).put(root + leaf, Buffer.from(leaf))));
      const all = leaves(await store.list({ prefix: root }));
      assert.deepEqual(all, [...ids].sort());
      const got = await Promise.all(ids.map((leaf) => subject.other.get(root + leaf)));
      assert.deepEqual(got.map(text), ids);
      await Promise.all(ids.map((leaf) => store.delete(root + leaf)));
      assert.deepEqual(leaves(await subject.other.list({ prefix: root })), []);
    });

    it('ends when its caller gives up', async () => {
      const signal = AbortSignal.abort(new Unavailable('enough'));
      const enough = { name: 'Unavailable', message: 'enough' };
      await assert.rejects(async () => store.put(`${root}x`, Buffer.from('x'), { signal }), enough);
      await assert.rejects(async () => store.get(`${root}x`, { signal }), enough);
      await assert.rejects(async () => store.list({ prefix: root, signal }), enough);
      await assert.rejects(async () => store.delete(`${root}x`, { signal }), enough);
      assert.equal(await store.get(`${root}x`), null);
      // In the middle of it, with a reason that isn't ours.
      const ended = new AbortController();
      const slow = store.putStream(
        `${root}slow`,
        3,
        async function* () {
          yield Buffer.from('1');
          ended.abort(new Error('gone'));
          yield Buffer.from('23');
        },
        { signal: ended.signal },
      );
      await assert.rejects(slow, Unavailable);
    });

    it('counts its requests', async () => {
      const { put, get, list, delete: del } = store.counts;
      await store.put(`${root}n`, Buffer.from('x'));
      await store.get(`${root}n`);
      await store.get(`${root}none`);
      await store.list({ prefix: root });
      await store.delete(`${root}n`);
      assert.deepEqual({ ...store.counts }, { put: put + 1, get: get + 2, list: list + 1, delete: del + 1 });
    });
  });
}
