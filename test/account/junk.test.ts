// Mail that belongs into Junk, and what people teach by moving mail into it or out of it.
import assert from 'node:assert/strict';
import type { Learn } from '../../src/account/index.ts';
import { AccountWorld, append, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

describe('junk', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  const learned: { kind: string; read: () => Promise<Buffer | null> }[] = [];
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
    learned.length = 0;
    (a.replica as { learn?: Learn }).learn = (kind, read) => void learned.push({ kind, read });
  });
  afterEach(() => world.stop());
  const deliver = async (text: string, junk: boolean) => {
    const recipient = await a.receiver.recipient(bob.address, null);
    const transaction = a.receiver.begin({ from: 'x@far.test', recipients: [recipient], declaredBytes: null });
    await transaction.write(Buffer.from(text));
    const [{ error }] = await transaction.commit(() => Buffer.from('X-Prefix: 1\r\n'), junk);
    if (error) throw error;
  };

  it('takes mail before its user ever logged in, and is there and subscribed afterwards', async () => {
    await deliver(mail('spam'), true);
    await deliver(mail('good'), false);
    const session = await a.login(bob);
    assert.deepEqual(subjects(await contents(session, 'Junk')), ['spam']);
    assert.deepEqual(subjects(await contents(session, 'INBOX')), ['good']);
    const junk = (await session.mailboxes()).filter((m) => m.name.startsWith('Junk'));
    assert.deepEqual(junk.map((m) => [m.name, m.specialUse]), [['Junk', '\\Junk']]);
    assert.ok((await session.subscriptions()).includes('Junk'));
    await session.create('Later', null);
    await deliver(mail('again'), true);
    assert.deepEqual(subjects(await contents(session, 'Junk')), ['spam', 'again']);
  });

  it('is the same mailbox when it has another name', async () => {
    const session = await a.login(bob);
    await session.rename('Junk', 'Rubbish');
    await deliver(mail('spam'), true);
    assert.deepEqual(subjects(await contents(session, 'Rubbish')), ['spam']);
    assert.equal((await session.mailboxes()).some((m) => m.name === 'Junk'), false);
  });

  it('teaches what was moved or copied into it or out of it, as it came', async () => {
    const session = await a.login(bob);
    const text = mail('bad');
    await deliver(text, false);
    await deliver(mail('good'), true);
    const inbox = await session.select('INBOX', false);
    await inbox.move([inbox.index.uids[0]], 'Junk');
    assert.deepEqual(learned.map((l) => l.kind), ['spam']);
    assert.equal((await learned[0].read())!.toString(), text);
    const junk = await session.select('Junk', false);
    await junk.copy([junk.index.uids[0]], 'Archive');
    await junk.move([junk.index.uids[0]], 'INBOX');
    assert.deepEqual(learned.map((l) => l.kind), ['spam', 'ham', 'ham']);
  });

  it('teaches nothing by Trash, by other moves, or by what is gone', async () => {
    const session = await a.login(bob);
    await append(session, 'Junk', [mail('one'), mail('two')]);
    await append(session, 'INBOX', [mail('three'), mail('four')]);
    const junk = await session.select('Junk', false);
    await junk.move([junk.index.uids[0]], 'Trash');
    const inbox = await session.select('INBOX', false);
    await inbox.move([inbox.index.uids[0]], 'Archive');
    assert.equal(learned.length, 0);
    await inbox.move([inbox.index.uids[0]], 'Junk');
    const again = await session.select('Junk', false);
    await again.store(Array.from(again.index.uids), 'add', ['\\Deleted'], null);
    await again.expunge(null);
    assert.equal(await learned[0].read(), null);
  });

  it('teaches no more of one command than the limit', async () => {
    const session = await a.login(bob);
    await append(session, 'INBOX', Array.from({ length: 60 }, (_, i) => mail(`m${i}`)));
    const inbox = await session.select('INBOX', false);
    await inbox.move(Array.from(inbox.index.uids), 'Junk');
    assert.equal(learned.length, 50);
  });
});
