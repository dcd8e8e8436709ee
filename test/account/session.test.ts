import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { MessageRecord, Session } from '../../src/imap/session.ts';
import { AccountWorld, append, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const refused = (code: string) => ({ name: 'Refused', code });

describe('a session', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  let s: Session;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
    s = await a.login(bob);
  });
  afterEach(() => world.stop());

  const names = async (session = s) => (await session.mailboxes()).map((m) => m.name).filter((n) => !['Archive', 'Drafts', 'Junk', 'Sent', 'Trash'].includes(n));
  /** A session at a second replica that hears nothing but what it asks for. */
  async function elsewhere(): Promise<Session> {
    world.hints = false;
    return (await world.replica()).login(bob);
  }

  describe('makes, names and removes mailboxes', () => {
    it('with missing parents, once, and says what can not be', async () => {
      const id = await s.create('Work/2025/May', null);
      assert.deepEqual(await names(), ['INBOX', 'Work', 'Work/2025', 'Work/2025/May']);
      assert.equal((await s.status('Work/2025/May')).id, id);
      await assert.rejects(s.create('Work/2025', null), refused('ALREADYEXISTS'));
      await assert.rejects(s.create('inbox', null), refused('ALREADYEXISTS'));
      for (const bad of ['', '/x', 'x/', 'a//b', 'a*', 'a%b', 'a\u0001']) await assert.rejects(s.create(bad, null), refused('CANNOT'), JSON.stringify(bad));
      await assert.rejects(s.create('x'.repeat(limits.mailbox_name_bytes_max + 1), null), refused('LIMIT'));
      await assert.rejects(s.create(Array.from({ length: limits.mailbox_depth_max + 1 }, () => 'd').join('/'), null), refused('LIMIT'));
      await assert.rejects(s.create('Second sent', '\\Sent'), refused('USEATTR'));
      await s.create('inbox/below', null);
      assert.ok((await names()).includes('INBOX/below'));
      await s.create('Cafe\u0301', null);
      assert.ok((await names()).includes('Caf\u00e9'), 'names are NFC');
    });

    it('NONEXISTENT for what is not there', async () => {
      await assert.rejects(s.status('no'), refused('NONEXISTENT'));
      await assert.rejects(s.select('no', false), refused('NONEXISTENT'));
      await assert.rejects(s.delete('no'), refused('NONEXISTENT'));
      await assert.rejects(s.rename('no', 'yes'), refused('NONEXISTENT'));
      await assert.rejects(s.append('no'), refused('TRYCREATE'));
      const inbox = await s.select('INBOX', false);
      await assert.rejects(inbox.copy([1], 'no'), refused('TRYCREATE'));
      await assert.rejects(inbox.move([1], 'no'), refused('TRYCREATE'));
    });

    it('what another replica made is there at once, without a hint', async () => {
      const t = await elsewhere();
      await s.create('New', null);
      await append(t, 'New', [mail('one')]);
      await s.create('Newer', null);
      await append(t, 'INBOX', [mail('two')]);
      const inbox = await t.select('INBOX', false);
      await s.create('Newest', null);
      assert.equal((await inbox.copy(inbox.index.uids, 'Newest')).to.length, 1);
      await assert.rejects(t.create('Newest', null), refused('ALREADYEXISTS'));
    });

    it('two replicas that make one mailbox at once make one', async () => {
      const t = await elsewhere();
      const [x, y] = await Promise.all([s.create('Both', null), t.create('Both', null)]);
      assert.equal(x, y);
      await append(s, 'Both', [mail('one')]);
      await append(t, 'Both', [mail('two')]);
      const q = await contents(t, 'Both');
      assert.deepEqual(subjects(q).sort(), ['one', 'two']);
      assert.deepEqual(await contents(s, 'Both'), q);
      assert.equal((await s.status('Both')).uidValidity, (await t.status('Both')).uidValidity);
    });

    it('RENAME takes the children along; messages stay what they are', async () => {
      await s.create('Old/Inner', null);
      await append(s, 'Old/Inner', [mail('one')]);
      const before = await contents(s, 'Old/Inner');
      const { id, uidValidity } = await s.status('Old/Inner');
      await s.rename('Old', 'New/Place');
      assert.deepEqual(await names(), ['INBOX', 'New', 'New/Place', 'New/Place/Inner']);
      const after = await s.status('New/Place/Inner');
      assert.deepEqual([after.id, after.uidValidity], [id, uidValidity]);
      assert.deepEqual(await contents(s, 'New/Place/Inner'), before);
      await assert.rejects(s.rename('New', 'New/Below'), refused('CANNOT'));
      await s.create('Other', null);
      await assert.rejects(s.rename('New', 'Other'), refused('ALREADYEXISTS'));
      await assert.rejects(s.rename('New', 'Other/*'), refused('CANNOT'));
      await assert.rejects(s.rename('Other', 'inbox'), refused('ALREADYEXISTS'));
    });

    it('RENAME INBOX moves its messages and leaves it empty, with its children', async () => {
      await a.deliver(bob.address, mail('one'));
      await s.create('INBOX/below', null);
      const before = await contents(s, 'INBOX');
      const { uidValidity } = await s.status('INBOX');
      await s.rename('INBOX', 'Kept');
      assert.deepEqual(await names(), ['INBOX', 'INBOX/below', 'Kept']);
      assert.equal((await s.status('INBOX')).messages, 0);
      assert.equal((await s.status('INBOX')).uidValidity, uidValidity);
      const [kept] = await contents(s, 'Kept');
      assert.deepEqual([kept.text, kept.emailId, kept.date, kept.threadId], [before[0].text, before[0].emailId, before[0].date, before[0].threadId]);
      await a.deliver(bob.address, mail('two'));
      assert.deepEqual(subjects(await contents(s, 'INBOX')), ['two']);
      await assert.rejects(s.rename('INBOX', 'Kept'), refused('ALREADYEXISTS'));
    });

    it('DELETE removes what is in it, not its children; the name made again has a greater UIDVALIDITY', async () => {
      await s.create('Gone/Child', null);
      await append(s, 'Gone', [mail('one')]);
      const { uidValidity } = await s.status('Gone');
      await s.delete('Gone');
      assert.deepEqual(await names(), ['INBOX', 'Gone/Child']);
      await s.create('Gone', null);
      const again = await s.status('Gone');
      assert.ok(again.uidValidity > uidValidity);
      assert.equal(again.messages, 0);
      await assert.rejects(s.delete('INBOX'), refused('CANNOT'));
      await assert.rejects(s.delete('inbox'), refused('CANNOT'));
    });

    it('a message that arrived unseen brings a deleted mailbox back', async () => {
      await s.create('Shared', null);
      await append(s, 'Shared', [mail('seen')]);
      const t = await elsewhere();
      await t.status('Shared');
      // Both list before either writes: what t appends, s has not seen when it deletes.
      await Promise.all([append(t, 'Shared', [mail('unseen')]), s.delete('Shared')]);
      for (const session of [s, t]) {
        assert.deepEqual(subjects(await contents(session, 'Shared')), ['unseen']);
      }
      assert.deepEqual(await contents(s, 'Shared'), await contents(t, 'Shared'));
    });

    it('subscribes names, also of mailboxes that are not there', async () => {
      await s.subscribe('Nowhere', true);
      await s.subscribe('Nowhere', true);
      assert.ok((await s.subscriptions()).includes('Nowhere'));
      const t = await elsewhere();
      await t.subscribe('Nowhere', false);
      await s.status('INBOX');
      assert.ok(!(await s.subscriptions()).includes('Nowhere'));
    });

    it('the number of mailboxes has a limit', async () => {
      const before = limits.mailboxes_max;
      limits.mailboxes_max = 8;
      try {
        await s.create('one', null);
        await assert.rejects(s.create('two/three', null), refused('LIMIT'));
        await s.create('two', null);
        await assert.rejects(s.create('three', null), refused('LIMIT'));
        await assert.rejects(s.rename('one', 'three/one'), refused('LIMIT'));
        await s.rename('one', 'three');
      } finally {
        limits.mailboxes_max = before;
      }
    });
  });

  describe('appends', () => {
    it('with flags and date, and tells the UID that the mailbox shows', async () => {
      const appender = await s.append('INBOX');
      appender.begin(['\\Seen', 'work'], { at: 1_600_000_000_000, zone: 120 }, 10);
      await appender.write(Buffer.from('Subject: x'));
      await appender.end();
      const { uids, uidValidity } = await appender.commit();
      const inbox = await s.select('INBOX', false);
      assert.deepEqual([...inbox.index.uids.slice(0, 1)], uids);
      assert.equal(inbox.index.uidValidity, uidValidity);
      assert.deepEqual([...inbox.index.flagsOf(inbox.index.flagSet(0))].sort(), ['\\Seen', 'work']);
      assert.deepEqual([inbox.index.internalDate(0), inbox.index.zone(0), inbox.index.saveDate(0)], [1_600_000_000_000, 120, world.clock.now()]);
    });

    it('several messages as one, or none', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two'), mail('three')]);
      const inbox = await s.select('INBOX', false);
      assert.deepEqual([...inbox.index.uids.slice(0, 3)], uids);
      let n = 0;
      a.mail.faults.script = (operation, name) => (operation === 'put' && name.includes('/blobs/') && n++ % 3 === 1 ? 'fails' : null);
      await assert.rejects(append(s, 'INBOX', [mail('a'), mail('b'), mail('c')]), { name: 'Unavailable' });
      a.mail.faults.script = undefined;
      await inbox.refresh();
      assert.equal(inbox.index.count, 3);
    });

    it('nothing when it is aborted, or ends without a message', async () => {
      const appender = await s.append('INBOX');
      appender.begin([], null, 3);
      await appender.write(Buffer.from('abc'));
      appender.abort();
      assert.deepEqual((await (await s.append('INBOX')).commit()).uids, []);
      assert.equal((await s.status('INBOX')).messages, 0);
    });

    it('within limits: size of a message, quota of the user', async () => {
      const appender = await s.append('INBOX');
      assert.throws(() => appender.begin([], null, limits.message_bytes_max + 1), refused('TOOBIG'));
      const eve = await world.account(a, 'eve', 1000);
      const e = await a.login(eve);
      await append(e, 'INBOX', ['x'.repeat(900)]);
      await assert.rejects(append(e, 'INBOX', ['y'.repeat(200)]), refused('OVERQUOTA'));
      await assert.rejects(append(e, 'INBOX', ['y'.repeat(60), 'y'.repeat(60)]), refused('OVERQUOTA'));
      await append(e, 'INBOX', ['y'.repeat(60)]);
      await append(e, 'INBOX', ['z'.repeat(40)]);
      await assert.rejects(e.append('INBOX'), refused('OVERQUOTA'));
      assert.deepEqual(await e.quota(), { bytes: 1000, bytesMax: 1000, messages: 3, messagesMax: null });
    });
  });

  describe('changes messages', () => {
    const uidsOf = (index: { uids: Uint32Array; count: number }) => [...index.uids.slice(0, index.count)];

    it('flags: each STORE has its own MODSEQ; one that changes nothing has none', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two')]);
      const box = await s.select('INBOX', false);
      const modSeqs = () => uids.map((u) => box.index.modSeq(box.index.find(u)));
      const flags = () => uids.map((u) => [...box.index.flagsOf(box.index.flagSet(box.index.find(u)))].sort());
      await box.store(uids, 'add', ['\\Seen', 'work'], null);
      const first = modSeqs();
      assert.equal(first[0], first[1]);
      await box.store([uids[0]], 'remove', ['work'], null);
      const second = modSeqs();
      assert.ok(second[0] > first[0]);
      assert.equal(second[1], first[1]);
      await box.store(uids, 'replace', ['\\Flagged'], null);
      assert.deepEqual(flags(), [['\\Flagged'], ['\\Flagged']]);
      const third = modSeqs();
      await box.store(uids, 'replace', ['\\Flagged'], null);
      await box.store(uids, 'remove', ['\\Answered'], null);
      assert.deepEqual(modSeqs(), third);
      assert.equal(box.index.highestModSeq, third[0]);
      // Two at once go into one event; each command keeps its own position.
      await Promise.all([box.store([uids[0]], 'add', ['a'], null), box.store([uids[1]], 'add', ['b'], null)]);
      const [x, y] = modSeqs();
      assert.ok(y > x && x > third[0]);
    });

    it('UNCHANGEDSINCE is exact, also for STOREs of one event', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two')]);
      const box = await s.select('INBOX', false);
      const since = box.index.highestModSeq;
      const other = await (await a.login(bob)).select('INBOX', false);
      const before = [...world.store.objects.keys()].length;
      const [x, y] = await Promise.all([box.store([uids[0]], 'add', ['\\Seen'], since), other.store(uids, 'add', ['\\Flagged'], since)]);
      assert.equal([...world.store.objects.keys()].length, before + 1, 'one event');
      assert.deepEqual([x.failed, y.failed], [[], [uids[0]]]);
      assert.deepEqual((await contents(s, 'INBOX')).map((m) => m.flags), [['\\Seen'], ['\\Flagged']]);
      const box2 = await s.select('INBOX', false);
      assert.deepEqual((await box2.store(uids, 'add', ['x'], since)).failed, uids);
      assert.deepEqual((await box2.store(uids, 'add', ['x'], box2.index.highestModSeq)).failed, []);
      // What failed leaves nothing behind.
      a.mail.faults.script = (operation) => (operation === 'put' ? 'fails' : null);
      await world.settled(assert.rejects(box2.store(uids, 'add', ['lost'], null), { name: 'Unavailable' }));
      a.mail.faults.script = undefined;
      assert.deepEqual((await box2.store(uids, 'add', ['y'], box2.index.highestModSeq)).failed, []);
    });

    it('two that replace all flags at once: one of them is the last', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one')]);
      const box = await s.select('INBOX', false);
      await Promise.all([box.store(uids, 'replace', ['a', '\\Seen'], null), box.store(uids, 'replace', ['b'], null)]);
      assert.deepEqual((await contents(s, 'INBOX'))[0].flags, ['b']);
      const again = await s.select('INBOX', false);
      await Promise.all([again.store(uids, 'add', ['c'], null), again.store(uids, 'remove', ['c'], null)]);
      assert.deepEqual((await contents(s, 'INBOX'))[0].flags, ['b']);
    });

    it('too many keywords: LIMIT', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one')]);
      const box = await s.select('INBOX', false);
      await assert.rejects(box.store(uids, 'add', Array.from({ length: limits.keywords_max + 1 }, (_, i) => `k${i}`), null), refused('LIMIT'));
      assert.deepEqual((await contents(s, 'INBOX'))[0].flags, []);
    });

    it('COPY and MOVE: the UIDs told are the ones shown; dates and ids never change', async () => {
      await a.deliver(bob.address, mail('one'));
      await world.advance(5000);
      await append(s, 'INBOX', [mail('two')], ['\\Seen', 'work']);
      const before = await contents(s, 'INBOX');
      await world.advance(60_000);
      const box = await s.select('INBOX', false);
      const uids = uidsOf(box.index);
      const copied = await box.copy([...uids, 999_999], 'Archive');
      assert.deepEqual(copied.from, uids);
      const copies = await contents(s, 'Archive');
      assert.deepEqual(copies.map((m) => m.uid), copied.to);
      assert.equal(copied.uidValidity, (await s.status('Archive')).uidValidity);
      const kept = (m: (typeof before)[0]) => [m.text, m.emailId, m.threadId, m.date, m.flags];
      assert.deepEqual(copies.map(kept), before.map(kept));
      const now = world.clock.now();
      assert.deepEqual(copies.map((m) => m.saved), [now, now], 'SAVEDATE is the time of the copy (RFC 8514 §2)');
      await world.advance(60_000);
      const archive = await s.select('Archive', false);
      const moved = await archive.move([copied.to[1]], 'Trash');
      assert.deepEqual(uidsOf(archive.index), [copied.to[0]]);
      const trash = await contents(s, 'Trash');
      assert.deepEqual(trash.map((m) => m.uid), moved.to);
      assert.deepEqual(kept(trash[0]), kept(before[1]));
      assert.deepEqual((await archive.copy([], 'Trash')).to, []);
      // After a restart, all of it is as it was.
      const all = async (session: Session) => [await contents(session, 'INBOX'), await contents(session, 'Archive'), await contents(session, 'Trash')];
      const here = await all(s);
      a.die();
      const b = await world.replica();
      assert.deepEqual(await all(await b.login(bob)), here);
    });

    it('two that move one message at once move it once', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two')]);
      const x = await s.select('INBOX', false);
      const y = await (await a.login(bob)).select('INBOX', false);
      const [p, q] = await Promise.all([x.move(uids, 'Trash'), y.move([uids[0]], 'Archive')]);
      assert.deepEqual([p.from, q.from], [uids, []]);
      assert.equal((await s.status('Archive')).messages, 0);
      assert.equal((await s.status('Trash')).messages, 2);
    });

    it('MOVE at one replica against EXPUNGE at another keeps the moved copy', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one')]);
      const t = await elsewhere();
      const [x, y] = [await s.select('INBOX', false), await t.select('INBOX', false)];
      await x.store(uids, 'add', ['\\Deleted'], null);
      await y.refresh();
      await Promise.all([x.expunge(null), y.move(uids, 'Archive')]);
      for (const session of [s, t]) {
        assert.equal((await session.status('INBOX')).messages, 0);
        assert.deepEqual(subjects(await contents(session, 'Archive')), ['one']);
      }
    });

    it('EXPUNGE removes what has \\Deleted, of those that are named', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two'), mail('three')]);
      const box = await s.select('INBOX', false);
      const before = box.index.highestModSeq;
      await box.store(uids.slice(0, 2), 'add', ['\\Deleted'], null);
      await box.expunge([uids[1], uids[2]]);
      assert.deepEqual(uidsOf(box.index), [uids[0], uids[2]]);
      assert.deepEqual([...box.index.vanishedSince(before)], [uids[1]]);
      await box.expunge(null);
      assert.deepEqual(uidsOf(box.index), [uids[2]]);
      assert.equal(await box.read(uids[0], 0, 10), null);
      assert.deepEqual(await box.records([uids[0]]), [null]);
      assert.deepEqual((await box.store([uids[0]], 'add', ['x'], null)).failed, []);
    });

    it('what a search asks of many messages is as their records say, and is not kept', async () => {
      const { uids } = await append(s, 'INBOX', [mail('one'), mail('two')]);
      await a.deliver(bob.address, mail('three'));
      const b = await world.replica();
      const box = await (await b.login(bob)).select('INBOX', false);
      const all = Uint32Array.of(...uidsOf(box.index), 999_999);
      await box.gather(all);
      const told = (records: (MessageRecord | null)[]) => records.map((record) => record && [record.index.subject, record.index.values('from'), record.prefix.toString()]);
      const skimmed = told(await box.skim(all));
      assert.equal(b.replica.records.bytes, 0);
      assert.deepEqual(skimmed, told(await box.records(all)));
      assert.deepEqual(skimmed.map((one) => one?.[0]), ['one', 'two', 'three', undefined]);
      assert.equal(skimmed[2]![2], 'Return-Path: <sender@far.test>\r\n');
      assert.ok(b.replica.records.bytes > 0);
      assert.deepEqual(told(await box.skim(uids)), skimmed.slice(0, 2));
    });

    it('any part of a message: over the prefix, inside, beyond the end', async () => {
      const message = mail('one', 'x'.repeat(1000));
      await a.deliver(bob.address, message);
      const box = await s.select('INBOX', true);
      const uid = box.index.uids[0];
      const whole = `Return-Path: <sender@far.test>\r\n${message}`;
      for (const [from, to] of [[0, 10], [5, 40], [20, 60], [40, 900], [0, 99_999], [whole.length - 3, whole.length + 5], [whole.length, whole.length + 1], [7, 7]]) {
        assert.equal((await box.read(uid, from, to))!.toString(), whole.slice(from, to), `${from}-${to}`);
      }
    });
  });

  it('SELECT of another mailbox lets go of the first; CLOSE ends its news', async () => {
    const inbox = await s.select('INBOX', false);
    let heard = 0;
    inbox.onChange = () => heard++;
    await append(s, 'INBOX', [mail('one')]);
    assert.equal(heard, 1);
    await append(s, 'Sent', [mail('one')]);
    assert.equal(heard, 1, 'of its own mailbox only');
    await s.select('Sent', false);
    await append(s, 'INBOX', [mail('two')]);
    assert.equal(heard, 1);
    s.close();
    assert.equal(a.users.counts.sessions, 0);
  });
});
