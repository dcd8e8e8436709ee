import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { listRemoved, undelete } from '../../src/account/index.ts';
import type { RemovedList } from '../../src/account/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { knownRoot } from '../seal/known.ts';
import { AccountWorld, append, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const DAY = 24 * 60 * 60 * 1000;

describe('undelete', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  let session: Session;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
    session = await a.login(bob);
  });
  afterEach(() => world.stop());

  const list = (at = a): Promise<RemovedList> => world.settled(at.users.borrow(at.record(bob), knownRoot(), listRemoved));
  const restore = (what: Parameters<typeof undelete>[1], at = a): Promise<number> => world.settled(at.users.borrow(at.record(bob), knownRoot(), (open) => undelete(open, what)));
  async function expunge(mailbox: string, uids: number[]): Promise<void> {
    const selected = await session.select(mailbox, false);
    await selected.store(uids, 'add', ['\\Deleted'], null);
    await selected.expunge(uids);
    selected.close();
  }

  it('lists what was removed, and brings it back as it was, under a new UID', async () => {
    const { uids, uidValidity } = await append(session, 'INBOX', [mail('stays'), mail('=?utf-8?q?gr=C3=BCn?='), mail('third')], ['\\Seen', 'work']);
    const before = await contents(session, 'INBOX');
    await expunge('INBOX', uids.slice(1));
    const { total, messages } = await list();
    assert.equal(total, 2);
    assert.deepEqual(messages.map(({ subject, mailbox, mailboxGone, from, removedMs }) => ({ subject, mailbox, mailboxGone, from, removedMs })), ['third', 'grün'].map((subject) => ({ subject, mailbox: 'INBOX', mailboxGone: false, from: 'ann@far.test', removedMs: world.clock.now() })));
    assert.equal(await restore({ id: messages[1].id }), 1);
    const rows = await contents(session, 'INBOX');
    assert.deepEqual(rows.map(({ flags, emailId, threadId, date, text }) => ({ flags, emailId, threadId, date, text })), before.slice(0, 2).map(({ flags, emailId, threadId, date, text }) => ({ flags, emailId, threadId, date, text })));
    assert.ok(rows[1].uid > uids[2]);
    assert.equal((await session.status('INBOX')).uidValidity, uidValidity);
    assert.deepEqual((await list()).messages.map((m) => m.subject), ['third']);
    assert.equal(await restore({ id: messages[1].id }), 0, 'it is there already');
    assert.equal(await restore('all'), 1);
    assert.deepEqual(await list(), { total: 0, messages: [] });
  });

  it('brings back a deleted mailbox with its messages and no other mailbox', async () => {
    await session.create('Work', null);
    await append(session, 'Work', [mail('one'), mail('two')]);
    const { uidValidity } = await session.status('Work');
    await append(session, 'INBOX', [mail('other')]);
    await expunge('INBOX', (await contents(session, 'INBOX')).map((m) => m.uid));
    await session.delete('Work');
    const { messages } = await list();
    assert.deepEqual(messages.map((m) => [m.subject, m.mailbox, m.mailboxGone]).sort(), [['one', 'Work', true], ['other', 'INBOX', false], ['two', 'Work', true]]);
    assert.equal(await restore({ mailbox: 'Work' }), 2);
    assert.deepEqual(subjects(await contents(session, 'Work')), ['one', 'two']);
    assert.equal((await session.status('Work')).uidValidity, uidValidity);
    assert.deepEqual((await list()).messages.map((m) => m.subject), ['other']);
    assert.equal(await restore({ mailbox: 'Nowhere' }), 0);
  });

  it('a MOVE removes nothing, nor does a copy that is left, nor a repetition of a sender', async () => {
    const { uids } = await append(session, 'INBOX', [mail('moved'), mail('copied')]);
    let selected = await session.select('INBOX', false);
    await selected.move([uids[0]], 'Archive');
    await selected.copy([uids[1]], 'Archive');
    selected.close();
    await expunge('INBOX', [uids[1]]);
    const twice = mail('twice');
    const b = await world.replica();
    world.hints = false;
    await Promise.all([a.deliver(bob.address, twice), b.deliver(bob.address, twice)]);
    await world.advance(10_000);
    assert.deepEqual(subjects(await contents(session, 'INBOX')), ['twice']);
    assert.equal((await list()).total, 0);
    // Both copies gone: one comes back, where it was last.
    selected = await session.select('Archive', false);
    const rows = [...selected.index.uids.slice(0, selected.index.count)];
    selected.close();
    await world.advance(1000);
    await expunge('Archive', rows);
    assert.deepEqual((await list()).messages.map((m) => [m.subject, m.mailbox]).sort(), [['copied', 'Archive'], ['moved', 'Archive']]);
    assert.equal(await restore('all'), 2);
    assert.deepEqual(subjects(await contents(session, 'Archive')), ['moved', 'copied']);
    assert.deepEqual(subjects(await contents(session, 'INBOX')), ['twice']);
  });

  it('works from a snapshot, at a replica where the user is not logged in, and keeps nothing of the secret', async () => {
    const { uids } = await append(session, 'INBOX', Array.from({ length: 30 }, (_, i) => mail(`n${i}`)));
    await expunge('INBOX', uids.slice(10));
    assert.ok(await world.settled(a.users.find(bob.id)!.snapshot()));
    session.close();
    const b = await world.replica();
    assert.equal((await list(b)).messages.length, 20);
    assert.equal(await restore('all', b), 20);
    await world.advance(2 * limits.user_linger_ms);
    assert.equal(b.users.find(bob.id), null);
    assert.equal(b.users.logs.known(bob.id)!.codec.ring, null);
    const rows = await contents(await b.login(bob), 'INBOX');
    assert.deepEqual(subjects(rows), Array.from({ length: 30 }, (_, i) => `n${i}`));
  });

  it('offers what was removed up to 23 days ago, though its record is kept longer', async () => {
    const { uids } = await append(session, 'INBOX', [mail('old'), mail('young')]);
    await expunge('INBOX', [uids[0]]);
    await world.advance(2 * DAY);
    await expunge('INBOX', [uids[1]]);
    world.clock.time += 22 * DAY;
    const b = await world.replica();
    assert.deepEqual((await list(b)).messages.map((m) => m.subject), ['young']);
    assert.equal(await restore('all', b), 1);
  });

  it('needs the user\'s secret', async () => {
    await assert.rejects(world.settled(a.admin.rootKey(a.record(bob), { password: 'wrong-wrong' })), { name: 'Refused' });
  });
});
