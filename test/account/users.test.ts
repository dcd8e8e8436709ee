import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { AccountWorld, append, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';
import { wrapInfo, wrapWithToken, createAppPassword } from '../../src/seal/index.ts';
import { knownRoot } from '../seal/known.ts';

describe('who is logged in', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  async function secondPassword(): Promise<Account> {
    const token = createAppPassword(world.random);
    const bytes = wrapWithToken(knownRoot(), bob.id, token, world.random);
    await world.settled(a.directory.write(() => [{ kind: 'WrapAdded', user: bob.id, wrap: { ...wrapInfo(bytes), label: '', bytes } }]));
    return { ...bob, password: token.text(), wrap: token.id };
  }

  it('refuses a wrong password, and its repetition costs time', async () => {
    const wrong = { ...bob, password: 'wrong-wrong' };
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      const begun = world.clock.now();
      await world.settled(assert.rejects(a.login(wrong), { name: 'Refused', code: 'AUTHENTICATIONFAILED' }));
      times.push(world.clock.now() - begun);
    }
    assert.ok(times[3] >= 8 * limits.password_delay_ms_min && times[3] > times[1], String(times));
    await a.login(bob);
  });

  it('a "no" needs the store', async () => {
    a.home.faults.cut = true;
    await world.settled(assert.rejects(a.login({ ...bob, password: 'wrong-wrong' }), { name: 'Unavailable' }));
    await a.login(bob); // a "yes" needs the directory in memory, and the user's bucket
  });

  it('makes the default mailboxes once, also when two replicas open a new user at once', async () => {
    const b = await world.replica();
    world.hints = false;
    const [x, y] = await Promise.all([a.login(bob), b.login(bob)]);
    const names = ['INBOX', 'Archive', 'Drafts', 'Junk', 'Sent', 'Trash'];
    await world.advance(7000);
    for (const session of [x, y]) {
      await session.status('INBOX');
      const rows = await session.mailboxes();
      assert.deepEqual(rows.map((m) => m.name), names);
      assert.ok(rows.every((m) => m.subscribed || m.name === 'INBOX'));
      assert.deepEqual(rows.map((m) => m.specialUse), [null, '\\Archive', '\\Drafts', '\\Junk', '\\Sent', '\\Trash']);
    }
    assert.deepEqual(await x.mailboxes(), await y.mailboxes());
    await x.delete('Archive');
    x.close();
    y.close();
    await world.advance(120_000);
    assert.deepEqual((await (await a.login(bob)).mailboxes()).map((m) => m.name), names.filter((n) => n !== 'Archive'), 'what was deleted is not made again');
  });

  it('keeps secret, state and what was read a minute after the last session, not longer', async () => {
    const session = await a.login(bob);
    const { codec, root } = a.users.logs.known(bob.id)!;
    const { blobs, records } = a.replica;
    const empty = { blobs: blobs.bytes, records: records.bytes };
    await append(session, 'INBOX', [mail('read')]);
    const [{ uid, emailId }] = await contents(session, 'INBOX');
    const box = await session.select('INBOX', false);
    await box.records([uid]);
    assert.ok(records.find(root, emailId) && blobs.bytes > empty.blobs);
    assert.equal(records.find('users/another/', emailId), null);
    session.close();
    assert.ok(codec.ring);
    await world.advance(30_000);
    const again = await a.login(bob);
    again.close();
    await world.advance(40_000);
    assert.ok(codec.ring, 'the minute began anew');
    await world.advance(30_000);
    assert.equal(codec.ring, null);
    assert.equal(a.users.find(bob.id), null);
    assert.deepEqual({ blobs: blobs.bytes, records: records.bytes }, empty);
    await a.deliver(bob.address, mail('without secret'));
    assert.equal((await contents(await a.login(bob), 'INBOX')).length, 2);
  });

  it('a log-in while the last state is still being put away waits for it', async () => {
    const session = await a.login(bob);
    for (let i = 0; i < limits.snapshot_events + 1; i++) await append(session, 'INBOX', [mail(`m${i}`)]);
    a.mail.faults.latencyMs = [2000, 2000];
    await append_(session);
    session.close();
    await world.advance(limits.user_linger_ms - 1000);
    const open = a.users.find(bob.id)!;
    open.snapshotSoon();
    await world.advance(1500);
    assert.equal(a.users.find(bob.id), null, 'it is being put away');
    const again = await world.settled(a.login(bob));
    a.mail.faults.latencyMs = undefined;
    await world.advance(20_000);
    assert.equal((await again.status('INBOX')).messages, limits.snapshot_events + 2);

    async function append_(s: typeof session) {
      await world.settled(append(s, 'INBOX', [mail('last')]));
    }
  });

  it('a user who is removed: sessions end everywhere, and nobody logs in or gets mail', async () => {
    const b = await world.replica();
    const ended: string[] = [];
    for (const r of [a, b]) (await r.login(bob)).onEnded = (text) => ended.push(text);
    await world.settled(a.admin.userRemove(bob.address));
    await world.advance(10);
    assert.equal(ended.length, 2, 'at the other replica by the hint');
    assert.deepEqual([a.users.counts, b.users.counts], [{ users: 0, sessions: 0 }, { users: 0, sessions: 0 }]);
    for (const r of [a, b]) {
      await world.settled(assert.rejects(r.login(bob), { code: 'AUTHENTICATIONFAILED' }));
      await world.settled(assert.rejects(r.receiver.recipient(bob.address, null), { smtp: '550 5.1.1' }));
    }
  });

  it('an app password that is removed ends the sessions that it opened, and no others', async () => {
    const b = await world.replica();
    const phone = await secondPassword();
    const ended: string[] = [];
    for (const r of [a, b]) {
      (await r.login(bob)).onEnded = () => ended.push('desk');
      (await r.login(phone)).onEnded = () => ended.push('phone');
    }
    await world.settled(a.admin.appPasswordRemove(bob.address, phone.wrap));
    await world.advance(10);
    assert.deepEqual(ended, ['phone', 'phone']);
    assert.deepEqual([a.users.counts.sessions, b.users.counts.sessions], [1, 1]);
    await world.settled(assert.rejects(b.login(phone), { code: 'AUTHENTICATIONFAILED' }));
  });

  it('without hints the poll of the directory ends them', async () => {
    const b = await world.replica();
    world.hints = false;
    let ended = 0;
    (await b.login(bob)).onEnded = () => ended++;
    await world.settled(a.admin.userRemove(bob.address));
    await world.advance(limits.directory_poll_ms * 1.2);
    assert.equal(ended, 1);
  });

  it('one user can not hold all connections, also when all open at once', async () => {
    const tries = await Promise.allSettled(Array.from({ length: limits.connections_per_user_max + 5 }, () => a.login(bob)));
    assert.equal(tries.filter((t) => t.status === 'rejected').length, 5);
    assert.equal(a.users.counts.sessions, limits.connections_per_user_max);
  });

  it('a log-in that meets the end of the replica is refused, and leaves nothing open', async () => {
    a.mail.faults.latencyMs = [1000, 1000];
    const login = a.login(bob);
    const stopping = a.users.stop();
    await world.settled(assert.rejects(login, { name: 'Refused', code: 'UNAVAILABLE' }));
    await world.settled(stopping);
    assert.equal(a.users.counts.sessions, 0);
  });

  it('a failed opening is tried again by the next log-in', async () => {
    a.mail.faults.cut = true;
    await world.settled(assert.rejects(a.login(bob), { name: 'Unavailable' }));
    a.mail.faults.cut = false;
    await a.deliver(bob.address, mail('one'));
    assert.deepEqual(subjects(await contents(await a.login(bob), 'INBOX')), ['one']);
  });

  it('an altered event is loud and never skipped over', async () => {
    for (let i = 0; i < 3; i++) await a.deliver(bob.address, mail(`m${i}`));
    const name = [...world.store.objects.keys()].filter((n) => n.startsWith(`users/${bob.id}/log/`))[1];
    const object = world.store.objects.get(name)!;
    object.bytes = Buffer.from(object.bytes);
    object.bytes[object.bytes.length - 40] ^= 1;
    const b = await world.replica();
    await assert.rejects(b.login(bob), { name: 'Corrupt' });
  });

  it('the log-in of one user does not keep another\'s log in memory for ever', async () => {
    // Two logs of one user in one process would take the same positions: what is in use is never forgotten.
    const log = a.users.logs.of(a.record(bob));
    const recipient = await a.receiver.recipient(bob.address, null);
    a.users.logs.forget(bob.id);
    const transaction = a.receiver.begin({ from: 'x@far.test', recipients: [recipient], declaredBytes: null });
    await transaction.write(Buffer.from(mail('one')));
    const current = a.users.logs.of(a.record(bob));
    assert.notEqual(current, log);
    for (const { error } of await transaction.commit(() => Buffer.alloc(0))) assert.equal(error, null);
    assert.ok(current.log.known > 0, 'the delivery went through the log that others use');
    assert.equal(log.log.known, 0);
  });
});
