// One budget for all that is kept in memory.
import assert from 'node:assert/strict';
import { Corrupt, limits, owned, seededRandom } from '../../src/base/index.ts';
import { BlobCache, MemoryBudget, RecordCache } from '../../src/account/index.ts';
import { Cache } from '../../src/account/memory.ts';
import type { Keeper } from '../../src/account/memory.ts';
import { MessageScanner, encodeIndex } from '../../src/message/index.ts';
import { BlobSealer, openBlob } from '../../src/seal/index.ts';
import type { Content } from '../../src/state/index.ts';
import type { ObjectStore } from '../../src/store/index.ts';
import { WorldClock } from '../log/world.ts';
import { knownPublic } from '../seal/known.ts';
import { AccountWorld, contents, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const KIB = 1024;

function scan(message: string) {
  const scanner = new MessageScanner();
  scanner.push(Buffer.from(message));
  return scanner.finish();
}

describe('one budget of memory', () => {
  it('what was used longest ago goes first, whoever keeps it', async () => {
    const clock = new WorldClock();
    const budget = new MemoryBudget(100, clock);
    const a = new Cache<number>('a', budget);
    const b = new Cache<number>('b', budget);
    for (let i = 0; i < 5; i++) {
      a.set(`${i}`, i, 10);
      b.set(`${i}`, i, 10);
      await clock.advance(60_000);
    }
    assert.equal(budget.used, 100);
    // The oldest of b is asked for, so it is the youngest now.
    assert.equal(b.get('0'), 0);
    a.set('new', 9, 20);
    assert.ok(budget.used <= 100, `${budget.used}`);
    assert.equal(a.get('0'), undefined);
    assert.equal(a.get('new'), 9);
    assert.equal(b.get('0'), 0);
    assert.ok(budget.evictions > 0);
  });

  it('what can not go makes room for itself, but leaves a quarter to the rest', () => {
    const budget = new MemoryBudget(100, new WorldClock());
    const fixed = { name: 'fixed', bytes: 0, spare: 0, anytime: true, evict: () => 0 };
    budget.join(fixed satisfies Keeper);
    const a = new Cache<number>('a', budget);
    for (let i = 0; i < 20; i++) a.set(`${i}`, i, 5);
    assert.ok(a.bytes > 80);
    fixed.bytes = 60;
    budget.grew();
    assert.ok(a.bytes <= 40 && a.bytes >= 20, `${a.bytes}`);
    fixed.bytes = 1000;
    for (let i = 20; i < 60; i++) a.set(`${i}`, i, 5);
    assert.ok(a.bytes <= 25 && a.bytes >= 10, `${a.bytes}`);
  });

  describe('of a replica', () => {
    let world: AccountWorld;
    let a: TestReplica;
    let bob: Account;
    const MAX = 300 * KIB;
    let budget: MemoryBudget;
    beforeEach(async () => {
      world = new AccountWorld();
      budget = new MemoryBudget(MAX, world.clock);
      a = await world.replica({ memory: budget });
      bob = await world.account(a, 'bob');
    });
    afterEach(() => world.stop());

    it('a mailbox that nobody looks at goes and comes back; messages are read again', async function () {
      this.timeout(60_000);
      let session = await world.settled(a.login(bob));
      for (let i = 0; i < 120; i++) await a.deliver(bob.address, mail(`m${i}`, `${'x'.repeat(70)}\r\n`.repeat(40)));
      const box = await session.select('INBOX', false);
      const moved = box.index.uids.slice(0, 60);
      await box.move(moved, 'Archive');
      const open = a.users.find(bob.id)!;
      await world.settled(open.snapshot());
      const before = [await contents(session, 'INBOX'), await contents(session, 'Archive')];
      await session.select('INBOX', true);
      await world.advance(2 * limits.poll_without_peers_ms);
      assert.ok(budget.used <= MAX, `${budget.used} bytes of ${MAX}`);
      assert.ok(budget.evictions > 0);
      // Something that wants all the room: the rows of Archive go, those of INBOX, which is selected, stay.
      const greedy = { name: 'greedy', bytes: 0, spare: 0, anytime: true, evict: () => 0 };
      budget.join(greedy);
      greedy.bytes = MAX;
      await world.advance(6 * 60_000);
      const archive = (await session.status('Archive')).messages;
      assert.equal(archive, 60);
      const loaded = open.state.loadedRows.map((id) => open.state.byId(id)?.name);
      assert.deepEqual(loaded, ['INBOX']);
      greedy.bytes = 0;
      assert.deepEqual([await contents(session, 'INBOX'), await contents(session, 'Archive')], before);
      session.close();
      await world.advance(2 * limits.user_linger_ms);
      assert.equal(budget.parts.states, 0, 'who has left takes nothing');
      session = await world.settled(a.login(bob));
      assert.deepEqual(await contents(session, 'Archive'), before[1]);
    });

    it('new mail of who is logged in here is at hand; of who is not, or too large, it is not', async () => {
      const kept = () => budget.parts.messages;
      await a.deliver(bob.address, mail('before', 'somebody is not there\r\n'));
      assert.equal(kept(), 0, 'nobody is logged in');
      const session = await world.settled(a.login(bob));
      const box = await session.select('INBOX', true);
      const text = mail('now', 'here is a text\r\n');
      await a.deliver(bob.address, text);
      assert.ok(kept() >= text.length && kept() < 2 * text.length, `${kept()} bytes for ${text.length}`);
      await a.deliver(bob.address, mail('large', 'x'.repeat(70).concat('\r\n').repeat(4000)));
      assert.ok(kept() < 2 * text.length, 'what is larger than is kept whole is not held');
      const gets = a.mail.counts.get;
      assert.ok((await box.read(box.index.uids[1], 0, Infinity))!.toString('latin1').endsWith(text));
      assert.equal(a.mail.counts.get, gets, 'read without the store');
      session.close();
      await world.advance(2 * limits.user_linger_ms);
      assert.equal(kept(), 0, 'who has left takes nothing');
    });

    it('slices of a large message are fetched once', async () => {
      const bytes = Buffer.alloc(900 * KIB, 'abcdefghi\r\n');
      bytes.write('Subject: large\r\n\r\n');
      await a.deliver(bob.address, bytes);
      const session = await world.settled(a.login(bob));
      const box = await session.select('INBOX', true);
      const uid = box.index.uids[0];
      const prefix = (await box.read(uid, 0, 60))!.indexOf('Subject');
      await world.advance(1000);
      const gets = a.mail.counts.get;
      const slice = 16 * KIB;
      for (let at = 0; at < 256 * KIB; at += slice) assert.ok((await box.read(uid, prefix + at, prefix + at + slice))!.equals(bytes.subarray(at, at + slice)), `${at}`);
      assert.ok(a.mail.counts.get - gets <= 5, `${a.mail.counts.get - gets} GETs for 16 slices`);
      assert.ok((await box.read(uid, 0, Infinity))!.subarray(prefix).equals(bytes));
      // Every edge of a sealed chunk.
      for (let at = 64 * KIB - 40; at < 64 * KIB + 40; at++) assert.ok((await box.read(uid, prefix + at, prefix + at + 3))!.equals(bytes.subarray(at, at + 3)), `${at}`);
      const end = prefix + bytes.length;
      assert.ok((await box.read(uid, end - 10, end + 10))!.equals(bytes.subarray(-10)));
    });
  });

  it('what is kept holds nothing besides', () => {
    const cache = new RecordCache(100_000);
    // Something small first, so that the pool is in use.
    const small = Buffer.from('small');
    const content = { index: Buffer.alloc(0), prefix: Buffer.from('Received: x\r\n'), contentKey: Buffer.alloc(77, 'k'), emailId: 'e' } as unknown as Content;
    content.index = encodeIndex(scan('Subject: x\r\n\r\ny'));
    const record = cache.add('users/u/', content);
    assert.ok(small.buffer.byteLength > 4096 && record.prefix.buffer.byteLength < 4096, `${record.prefix.buffer.byteLength} bytes for ${record.prefix.length}`);
    const { ref } = cache.kept('users/u/', 'e')!;
    assert.ok(Buffer.from(content.contentKey).equals(ref.contentKey) && ref.contentKey.buffer === record.prefix.buffer);
    assert.equal(cache.kept('users/v/', 'e'), null, "another user's");
    assert.equal(owned(small).toString(), 'small');
    assert.equal(owned(small).buffer.byteLength, 5);
  });

  /** A sealed message of `bytes` times the letter x. */
  function sealedMessage(bytes: number) {
    const sealer = new BlobSealer(knownPublic().blob, seededRandom(1));
    const pieces = [...sealer.push(Buffer.alloc(bytes, 'x'))];
    const { pieces: last, contentKey, plainBytes } = sealer.finish();
    return { sealed: Buffer.concat([...pieces, ...last]), contentKey, plainBytes };
  }

  it('an altered message is never read; damage around it costs nobody the mail', async () => {
    const { sealed, contentKey, plainBytes } = sealedMessage(1000);
    const read = (at: number) => {
      const altered = Buffer.from(sealed);
      altered[at] ^= 1;
      const store = { get: async () => ({ bytes: altered }) } as unknown as ObjectStore;
      return new BlobCache(10_000_000).read(store, 'users/u/', { blob: 'b', contentKey, plainBytes }, 0, 1000);
    };
    const finalTag = sealed.length - 16;
    // The message and the tag of its chunk.
    for (let at = finalTag - 1016; at < finalTag; at += 7) await assert.rejects(read(at), Corrupt, `byte ${at}`);
    for (const at of [0, 50, 130, finalTag, sealed.length - 1]) {
      assert.ok((await read(at)).equals(Buffer.alloc(1000, 'x')), `byte ${at}`);
      const altered = Buffer.from(sealed);
      altered[at] ^= 1;
      assert.throws(() => openBlob(contentKey, altered), Corrupt, `check finds byte ${at}`);
    }
  });

  it('what is read while its user goes is not kept', async () => {
    for (const bytes of [1000, 600 * KIB]) {
      const { sealed, contentKey, plainBytes } = sealedMessage(bytes);
      let meanwhile = () => {};
      const store = {
        async get(_name: string, { from = 0, to = sealed.length } = {}) {
          await null;
          meanwhile();
          return { bytes: sealed.subarray(from, to) };
        },
      } as unknown as ObjectStore;
      const cache = new BlobCache(10_000_000);
      const read = () => cache.read(store, 'users/u/', { blob: 'b', contentKey, plainBytes }, 0, 900);
      meanwhile = () => cache.forget('users/u/');
      assert.equal((await read()).length, 900);
      assert.equal(cache.bytes, 0);
      meanwhile = () => {};
      await read();
      assert.ok(cache.bytes >= 900);
    }
  });

  it('caches alone have budgets of their own', () => {
    assert.equal(new BlobCache(1000).bytes, 0);
    assert.equal(new RecordCache(1000).bytes, 0);
  });
});
