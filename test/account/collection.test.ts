// What the background deletes of users, and of those who are users no more.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { confirmedOnce } from '../../src/account/confirmed.ts';
import { AccountWorld, append, contents, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

describe('collection', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  const named = (part: string, id = bob.id) => [...world.store.objects.keys()].filter((n) => n.startsWith(`users/${id}/${part}`));
  const put = (name: string) => world.settled(a.mail.put(name, Buffer.from('nobody names it')));
  /** Everything stops, and starts again later: nothing that matters is in a process. */
  async function later(ms: number): Promise<void> {
    await world.stop();
    world.clock.time += ms;
    a = await world.replica();
  }

  it('a blob that nobody references goes, though its user comes for a minute a day, and passes without the secret lie between', async function () {
    this.timeout(60_000);
    const orphan = `users/${bob.id}/blobs/orphan`;
    await put(orphan);
    for (let i = 0; i < 5; i++) await a.deliver(bob.address, mail(`m${i}`));
    let session = await world.settled(a.login(bob));
    await append(session, 'Sent', [mail('sent')]);
    session.close();
    assert.equal(named('blobs/').length, 7);
    let gone = 0;
    for (let day = 1; gone === 0 && day < 5; day++) {
      await later(day === 1 ? 31 * DAY : DAY);
      await put(`users/${bob.id}/blobs/young${day}`);
      // By names alone, before and after.
      await world.settled(a.upkeep.step());
      session = await world.settled(a.login(bob));
      await world.advance(2 * MINUTE);
      session.close();
      await world.advance(2 * limits.user_linger_ms);
      assert.equal(a.users.find(bob.id), null);
      if (!world.store.objects.has(orphan)) gone = day;
      await later(7 * 60 * MINUTE);
      await world.settled(a.upkeep.step());
    }
    assert.equal(gone, 2, 'written down at the first visit, deleted at the second');
    assert.equal(named('blobs/').filter((n) => n.includes('young')).length, 2, 'what is young stays');
    assert.equal(named('blobs/').length, 8);
    session = await world.settled(a.login(bob));
    assert.equal((await contents(session, 'INBOX')).length, 5);
    assert.equal((await contents(session, 'Sent')).length, 1);
  });

  it('messages expunged a month ago lose their blobs; those of a copy stay', async function () {
    this.timeout(60_000);
    let session = await world.settled(a.login(bob));
    await append(session, 'INBOX', [mail('copied'), mail('expunged'), mail('kept')]);
    const box = await session.select('INBOX', false);
    const [copied, expunged] = box.index.uids;
    await box.copy([copied], 'Archive');
    await box.store([copied, expunged], 'add', ['\\Deleted'], null);
    await box.expunge(null);
    for (const ms of [31 * DAY, DAY + 60 * MINUTE]) {
      await later(ms);
      session = await world.settled(a.login(bob));
      await world.advance(2 * MINUTE);
    }
    assert.equal(named('blobs/').length, 2);
    assert.equal((await contents(session, 'Archive')).length, 1);
    assert.equal((await contents(session, 'INBOX')).length, 1);
  });

  it('replicas share the work: of those that are there one does it, each day another', async function () {
    this.timeout(60_000);
    const three = ['ra', 'rb', 'rc'];
    const members = { list: three };
    const replicas: TestReplica[] = [];
    for (const self of three) replicas.push(await world.replica({ members: () => ({ self, others: members.list.filter((m) => m !== self) }) }));
    const done = async (): Promise<string[]> => {
      const who: string[] = [];
      for (const [i, r] of replicas.entries()) {
        const before = r.mail.counts.list;
        await world.settled(r.upkeep.step());
        if (r.mail.counts.list > before) who.push(three[i]);
      }
      return who;
    };
    const seen = new Set<string>();
    for (let day = 0; day < 12; day++) {
      const who = await done();
      assert.equal(who.length, 1, `day ${day}: ${who}`);
      seen.add(who[0]);
      world.clock.time += DAY;
    }
    assert.deepEqual([...seen].sort(), three);
    // One that is there no more is not waited for.
    members.list = ['rb'];
    assert.deepEqual((await done()).filter((w) => w === 'rb'), ['rb']);
  });

  it('what a removed user left goes a month later; a user whom the directory does not know stays', async function () {
    this.timeout(60_000);
    const eve = await world.account(a, 'eve');
    for (let i = 0; i < 3; i++) await a.deliver(eve.address, mail(`m${i}`));
    await put('users/unknown/blobs/x');
    await world.settled(a.admin.userRemove(eve.address));
    for (const days of [0, 20, 11]) {
      assert.ok(named('', eve.id).length >= 6, `${named('', eve.id).length}`);
      await later(days * DAY);
      for (let i = 0; i < 4; i++) await world.settled(a.upkeep.step());
    }
    assert.deepEqual(named('', eve.id), []);
    assert.equal(named('', 'unknown').length, 1);
    assert.equal(a.directory.state.users.has(eve.id), false);
  });

  it('what was made certain once is not made certain again', async () => {
    const store = confirmedOnce(world.store.client());
    assert.equal(confirmedOnce(store), store);
    for (let i = 0; i < 3; i++) for (const name of ['users/x/snapshots/a', 'users/x/snapshots/b']) await store.confirm(name, Buffer.from('x'), 1);
    assert.equal(store.counts.put, 2);
    const failing = world.store.client({ fails: 1 });
    confirmedOnce(failing);
    await assert.rejects(failing.confirm('users/x/snapshots/c', Buffer.from('x'), 1));
    failing.faults = {};
    await failing.confirm('users/x/snapshots/c', Buffer.from('x'), 1);
    assert.ok(world.store.objects.has('users/x/snapshots/c'), 'a failure is not remembered');
  });
});
