// The store comes back from a backup: what clients have seen since then is not in it, and is never given out again.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { markRestored } from '../../src/account/index.ts';
import { AccountWorld, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

/** All that a world's store holds, in another one. */
async function backup(from: AccountWorld, to: AccountWorld): Promise<void> {
  const [source, target] = [from.store.client(), to.store.client()];
  const { objects } = await source.list({ prefix: '' });
  for (const { name } of objects) {
    const object = (await source.get(name))!;
    await target.put(name, object.bytes, { firstModified: object.firstModified ?? object.modified });
  }
}

describe('restored from a backup', () => {
  let before: AccountWorld;
  let after: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    before = new AccountWorld(1);
    after = new AccountWorld(2);
    a = await before.replica();
    bob = await before.account(a, 'bob');
  });
  afterEach(async () => {
    await before.stop();
    await after.stop();
  });

  /** Uids that a client has seen before the loss, of mail that came after the backup; then the store is as it was. */
  async function loss(): Promise<{ seen: number[]; kept: number[]; uidValidity: number }> {
    await a.deliver(bob.address, mail('kept'));
    const session = await a.login(bob);
    const kept = (await contents(session, 'INBOX')).map((m) => m.uid);
    await backup(before, after);
    for (let i = 0; i < 5; i++) await a.deliver(bob.address, mail(`lost ${i}`));
    const seen = (await contents(session, 'INBOX')).map((m) => m.uid).filter((uid) => !kept.includes(uid));
    const { uidValidity } = await session.status('INBOX');
    session.close();
    after.clock.time = before.clock.time + 60_000;
    return { seen, kept, uidValidity };
  }

  it('without it UIDs would be given out twice', async () => {
    const { seen } = await loss();
    const b = await after.replica();
    for (let i = 0; i < 5; i++) await b.deliver(bob.address, mail(`new ${i}`));
    const session = await b.login(bob);
    assert.ok((await contents(session, 'INBOX')).some((m) => seen.includes(m.uid)));
  });

  it('goes on 2^24 positions further, with the same UIDVALIDITY, without any secret', async () => {
    const { seen, kept, uidValidity } = await loss();
    const b = await after.replica();
    await after.settled(b.directory.restored());
    await after.settled(markRestored(b.users.logs.of(b.record(bob)), after.clock));
    assert.equal(b.users.logs.of(b.record(bob)).codec.ring, null);
    for (let i = 0; i < 5; i++) await b.deliver(bob.address, mail(`new ${i}`));
    const session = await b.login(bob);
    const rows = await contents(session, 'INBOX');
    assert.deepEqual(subjects(rows), ['kept', 'new 0', 'new 1', 'new 2', 'new 3', 'new 4']);
    assert.deepEqual(rows.slice(0, 1).map((m) => m.uid), kept);
    for (const { uid } of rows.slice(1)) assert.ok(uid > Math.max(...seen) + limits.restored_jump - 10_000 && uid < limits.position_jump_max, String(uid));
    assert.equal((await session.status('INBOX')).uidValidity, uidValidity);
    // Another replica that starts afterwards reads the same, and so does one after a snapshot and a bundle.
    const c = await after.replica();
    assert.deepEqual(await contents(await c.login(bob), 'INBOX'), rows);
    assert.ok(await after.settled(b.users.find(bob.id)!.snapshot()));
    const d = await after.replica();
    assert.deepEqual(await contents(await d.login(bob), 'INBOX'), rows);
  });

  it('is seen by who is logged in at another replica, and may be run twice', async () => {
    await loss();
    const b = await after.replica();
    const c = await after.replica();
    const session = await c.login(bob);
    for (let n = 0; n < 2; n++) await after.settled(markRestored(b.users.logs.of(b.record(bob)), after.clock));
    assert.deepEqual(subjects(await contents(session, 'INBOX')), ['kept']);
    await c.deliver(bob.address, mail('new'));
    const rows = await contents(session, 'INBOX');
    assert.ok(rows[1].uid > 2 * limits.restored_jump - 10_000);
  });

  it('the directory too: claims and changes go on after it', async () => {
    await loss();
    const b = await after.replica();
    const position = b.directory.log.greatest;
    await after.settled(b.directory.restored());
    assert.ok(b.directory.log.greatest > position + limits.restored_jump - 64);
    await after.settled(b.admin.addressAdd('info@x.test', bob.address));
    const c = await after.replica();
    assert.equal(c.directory.state.owner('info@x.test')!.id, bob.id);
    await c.deliver('info@x.test', mail('by the alias'));
  });

  it('a delivery may hold nothing else but that and messages', async () => {
    const user = a.users.logs.of(a.record(bob));
    await user.log.submit('delivered', () => ({ ops: [{ kind: 'SubscriptionChanged', name: 'x', on: true }] }));
    await assert.rejects(a.login(bob), { name: 'Corrupt', message: /a delivery that does more than deliver/ });
  });
});
