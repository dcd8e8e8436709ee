import assert from 'node:assert/strict';
import { AccountWorld, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

describe('delivery', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  it('is seen by a session of the same replica, at once', async () => {
    const session = await a.login(bob);
    const inbox = await session.select('INBOX', false);
    let heard = 0;
    inbox.onChange = () => heard++;
    await a.deliver(bob.address, mail('one'));
    assert.equal(inbox.index.count, 1);
    assert.equal(heard, 1);
    const uid = inbox.index.uids[0];
    const text = (await inbox.read(uid, 0, Infinity))!.toString();
    assert.match(text, /^Return-Path: <sender@far\.test>\r\nFrom: Ann/);
    assert.equal(inbox.index.size(0), text.length);
    assert.equal((await inbox.records([uid]))[0]!.index.envelope.subject, 'one');
  });

  it('is seen at another replica by its hint, without a request of that one', async () => {
    const b = await world.replica();
    const inbox = await (await b.login(bob)).select('INBOX', false);
    const before = { ...b.mail.counts };
    await a.deliver(bob.address, mail('one'));
    assert.equal(inbox.index.count, 1);
    assert.deepEqual(b.mail.counts, before);
  });

  it('is seen at another replica by its poll alone', async () => {
    world.hints = false;
    const b = await world.replica();
    const inbox = await (await b.login(bob)).select('INBOX', false);
    await a.deliver(bob.address, mail('one'));
    assert.equal(inbox.index.count, 0);
    await world.advance(7000);
    assert.equal(inbox.index.count, 1);
  });

  it('is the same mailbox at both replicas, byte for byte', async () => {
    const b = await world.replica();
    const sessions = [await a.login(bob), await b.login(bob)];
    for (let i = 0; i < 10; i++) await (i % 2 ? a : b).deliver(bob.address, mail(`m${i}`));
    const [x, y] = [await contents(sessions[0], 'INBOX'), await contents(sessions[1], 'INBOX')];
    assert.equal(x.length, 10);
    assert.deepEqual(x, y);
  });

  it('waits for nobody to be logged in', async () => {
    for (let i = 0; i < 3; i++) await a.deliver(bob.address, mail(`m${i}`));
    const b = await world.replica();
    assert.deepEqual(subjects(await contents(await b.login(bob), 'INBOX')), ['m0', 'm1', 'm2']);
  });

  it('reads a message for two users once, and makes one copy for two addresses of one user', async () => {
    const eve = await world.account(a, 'eve');
    await world.settled(a.directory.claim('robert@x.test', bob.id, false));
    await a.deliver([bob.address, eve.address, 'robert@x.test', 'bob+tag@x.test'], mail('one'));
    assert.equal((await contents(await a.login(bob), 'INBOX')).length, 1);
    assert.equal((await contents(await a.login(eve), 'INBOX')).length, 1);
    assert.equal([...world.store.objects.keys()].filter((n) => n.includes('/blobs/')).length, 2);
  });

  it('that a sender repeats after a lost 250 is there once, whatever the order of its addresses', async () => {
    await world.settled(a.directory.claim('robert@x.test', bob.id, false));
    const message = mail('one');
    await a.deliver([bob.address, 'robert@x.test'], message);
    const b = await world.replica();
    await b.deliver(['robert@x.test', bob.address], message);
    await b.deliver([bob.address], mail('two'));
    assert.deepEqual(subjects(await contents(await a.login(bob), 'INBOX')), ['one', 'two']);
  });

  it('whose PUT was done and whose answer was lost is there once', async () => {
    let lost = 0;
    a.mail.faults.script = (operation, name) => (operation === 'put' && name.includes('/log/') && lost++ === 0 ? 'answerLost' : null);
    await world.settled(a.deliver(bob.address, mail('one')));
    assert.equal(lost, 2, 'sent again, under the same name');
    assert.equal((await contents(await a.login(bob), 'INBOX')).length, 1);
  });

  it('is 451 while the store is away, and the same message comes once when it is back', async () => {
    const session = await a.login(bob);
    const inbox = await session.select('INBOX', false);
    const message = mail('one');
    a.mail.faults.cut = true;
    const begun = world.clock.now();
    await assert.rejects(world.settled(a.deliver(bob.address, message)), { name: 'Unavailable' });
    await assert.rejects(world.settled(inbox.refresh()), { name: 'Unavailable' });
    await assert.rejects(world.settled(session.select('INBOX', false)), { name: 'Unavailable' });
    await assert.rejects(world.settled(session.status('INBOX')), { name: 'Unavailable' });
    assert.ok(world.clock.now() - begun < 150_000);
    a.mail.faults.cut = false;
    await world.settled(a.deliver(bob.address, message));
    assert.equal((await world.settled(contents(session, 'INBOX'))).length, 1, 'the session lived on');
  });

  it('is stored before it is answered: blob, then event', async () => {
    const order: string[] = [];
    a.mail.faults.script = (operation, name) => {
      if (operation === 'put') order.push(name.split('/')[2]);
      return null;
    };
    await a.deliver(bob.address, mail('one'));
    assert.deepEqual(order, ['blobs', 'log']);
  });

  it('leaves nothing but garbage when the blob can not be stored', async () => {
    a.mail.faults.script = (operation, name) => (operation === 'put' && name.includes('/blobs/') ? 'fails' : null);
    await assert.rejects(world.settled(a.deliver(bob.address, mail('one'))), { name: 'Unavailable' });
    a.mail.faults.script = undefined;
    assert.equal((await contents(await a.login(bob), 'INBOX')).length, 0);
    assert.equal([...world.store.objects.keys()].filter((n) => n.includes('/log/') && n.startsWith('users/')).length, 1, 'the default mailboxes');
  });

  it('is refused above the quota, and taken again when the quota has room', async () => {
    const eve = await world.account(a, 'eve', 2000);
    await a.deliver(eve.address, mail('one', 'x'.repeat(1500)));
    await assert.rejects(a.receiver.recipient(eve.address, 1000), { name: 'Refused', code: 'OVERQUOTA', smtp: '552 5.2.2' });
    const session = await a.login(eve);
    const inbox = await session.select('INBOX', false);
    assert.equal((await session.quota()).bytesMax, 2000);
    await inbox.store(inbox.index.uids, 'add', ['\\Deleted'], null);
    await inbox.expunge(null);
    await a.receiver.recipient(eve.address, 1000);
  });

  it('knows nobody whom the directory does not know, and relays for nobody', async () => {
    const unknown = assert.rejects(a.receiver.recipient('nobody@x.test', null), { name: 'Refused', smtp: '550 5.1.1' });
    await world.settled(unknown);
    await world.settled(assert.rejects(a.receiver.recipient('x@far.test', null), { name: 'Refused', smtp: '550 5.7.1' }));
    await assert.rejects(a.receiver.recipient('not an address', null), { name: 'Malformed' });
  });

  it('puts off all mail while there is no domain at all: the store may not be the one that it was', async () => {
    const empty = new AccountWorld(3);
    const b = await empty.replica();
    const unknown = () => empty.settled(assert.rejects(b.receiver.recipient('bob@x.test', null), { name: 'Refused', smtp: '451 4.3.0' }));
    await unknown();
    const ann = await empty.account(b, 'ann');
    await empty.settled(assert.rejects(b.receiver.recipient('bob@x.test', null), { name: 'Refused', smtp: '550 5.1.1' }));
    assert.ok(await b.receiver.recipient(ann.address, null));
    await empty.stop();
  });

  it('costs a warm replica one LIST and two PUT; a flag change one LIST and one PUT', async () => {
    await a.deliver(bob.address, mail('warm'));
    await world.advance(5000);
    const before = { ...a.mail.counts };
    await a.deliver(bob.address, mail('one'));
    const cost = (from: typeof before) => ({ put: a.mail.counts.put - from.put, get: a.mail.counts.get - from.get, list: a.mail.counts.list - from.list, delete: a.mail.counts.delete - from.delete });
    assert.deepEqual(cost(before), { put: 2, get: 0, list: 1, delete: 0 });
    const inbox = await (await a.login(bob)).select('INBOX', false);
    await world.advance(5000);
    const then = { ...a.mail.counts };
    await inbox.store([inbox.index.uids[0]], 'add', ['\\Seen'], null);
    assert.deepEqual(cost(then), { put: 1, get: 0, list: 1, delete: 0 });
    await world.advance(5000);
    const last = { ...a.mail.counts };
    await a.deliver(bob.address, mail('to a session'));
    assert.deepEqual(cost(last), { put: 2, get: 0, list: 1, delete: 0 });
  });

  it('an idle session costs one LIST a minute, and nobody connected costs nothing', async () => {
    const session = await a.login(bob);
    await session.select('INBOX', false);
    await world.advance(61_000);
    const before = { ...a.mail.counts };
    await world.advance(10 * 60_000);
    assert.ok(Math.abs(a.mail.counts.list - before.list - 10) <= 1, `${a.mail.counts.list - before.list} LISTs in ten minutes`);
    assert.deepEqual({ ...a.mail.counts, list: 0 }, { ...before, list: 0 });
    session.close();
    await world.advance(90_000);
    assert.equal(a.users.counts.users, 0);
    await world.advance(COLLECTED_MS);
    const idle = { ...a.mail.counts };
    await world.advance(10 * 60_000);
    assert.deepEqual(a.mail.counts, idle);
  });
});

/** Upkeep looks at a log soon after the start, then only every six hours. */
const COLLECTED_MS = 60_000;
