// Many sessions of one user, and many mailboxes of one account.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { Selected, Session } from '../../src/imap/session.ts';
import { AccountWorld, append, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

describe('many', function () {
  this.timeout(60_000);
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  it('sessions of one user all hear of every change, and the number has a limit', async () => {
    const sessions: Session[] = [];
    for (let n = 0; n < limits.connections_per_user_max; n++) sessions.push(await a.login(bob));
    await assert.rejects(a.login(bob), { name: 'Refused', code: 'LIMIT' });
    assert.ok(sessions.length >= 50);
    await append(sessions[0], 'INBOX', [mail('one'), mail('two')]);
    const open: Selected[] = [];
    const heard = new Set<number>();
    for (const [n, session] of sessions.entries()) {
      const selected = await session.select('INBOX', false);
      selected.onChange = () => heard.add(n);
      open.push(selected);
    }
    const version = open[0].index.version;
    await open[7].store([open[7].index.uids[0]], 'add', ['\\Flagged'], null);
    assert.equal(heard.size, sessions.length);
    for (const { index } of open) {
      // What each of them has to look at is the change, not the mailbox.
      assert.deepEqual(index.changesSince(version), [{ kind: 'flags', uid: index.uids[0] }]);
      assert.deepEqual(index.flagsOf(index.flagSet(0)), ['\\Flagged']);
    }
    for (const session of sessions) session.close();
    (await a.login(bob)).close();
  });

  it('mailboxes made one by one and at once, listed with their numbers at both replicas', async () => {
    const s = await a.login(bob);
    const wanted = Array.from({ length: 1000 }, (_, n) => `f${n % 10}/m${String(n).padStart(4, '0')}`);
    for (const name of wanted.slice(0, 200)) await s.create(name, null);
    await Promise.all(wanted.slice(200).map((name) => s.create(name, null)));
    await append(s, wanted[999], [mail('one')]);
    const t = await (await world.replica()).login(bob);
    for (const session of [s, t]) {
      await session.statuses(['INBOX']);
      const all = (await session.mailboxes()).map(({ name }) => name).filter((name) => name.includes('/'));
      assert.deepEqual(all, [...wanted].sort());
      const statuses = await session.statuses([...wanted, 'no']);
      assert.equal(statuses.pop(), null);
      assert.equal(statuses.reduce((sum, status) => sum + status!.messages, 0), 1);
      assert.equal(new Set(statuses.map((status) => status!.id)).size, 1000);
    }
    await s.rename('f3', 'g');
    await s.delete('f4/m0004');
    const now = (await s.mailboxes()).map(({ name }) => name);
    assert.deepEqual(now.slice(1), [...now.slice(1)].sort());
    assert.equal(now.filter((name) => name.startsWith('g/')).length, 100);
    assert.equal(now.filter((name) => name.startsWith('f3') || name === 'f4/m0004').length, 0);
  });
});
