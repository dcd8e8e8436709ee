import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { AccountWorld, append, contents, mail } from './world.ts';
import type { TestReplica } from './world.ts';

const refused = (code: string) => ({ name: 'Refused', code });

describe('room for mail', () => {
  let world: AccountWorld;
  let a: TestReplica;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
  });
  afterEach(() => world.stop());

  it('what takes the place of another message needs only what it is larger by', async () => {
    const e = await a.login(await world.account(a, 'rex', 1000));
    await append(e, 'INBOX', ['x'.repeat(900)]);
    const replacing = async (text: string, bytes: number) => {
      const appender = await e.append('INBOX', { bytes });
      appender.begin([], null, text.length);
      await appender.write(Buffer.from(text));
      await appender.end();
      await appender.commit();
    };
    await replacing('y'.repeat(1000), 900);
    assert.equal((await e.quota()).bytes, 1900);
    await assert.rejects(replacing('y'.repeat(901), 900), refused('OVERQUOTA'));
    await replacing('y'.repeat(100), 1000);
  });
  it('is not passed by what says its size only as it comes (CATENATE)', async () => {
    const e = await a.login(await world.account(a, 'rex', 1000));
    const catenated = async (...pieces: number[]) => {
      const appender = await e.append('INBOX');
      try {
        appender.begin([], null, 0);
        for (const bytes of pieces) await appender.write(Buffer.alloc(bytes, 'x'));
        await appender.end();
        await appender.commit();
      } catch (error) {
        appender.abort();
        throw error;
      }
    };
    await assert.rejects(catenated(600, 401), refused('OVERQUOTA'));
    await catenated(600, 300);
    assert.equal((await e.quota()).bytes, 900);
    await assert.rejects(catenated(101), refused('OVERQUOTA'));
  });
  it('is taken once, by however many sessions at once', async () => {
    const account = await world.account(a, 'rex', 1000);
    const sessions = await Promise.all([1, 2, 3].map(() => a.login(account)));
    const appenders = await Promise.all(sessions.map((s) => s.append('INBOX')));
    appenders[0].begin([], null, 600);
    assert.throws(() => appenders[1].begin([], null, 600), refused('OVERQUOTA'));
    appenders[1].abort();
    appenders[0].abort();
    appenders[2].begin([], null, 600);
    await appenders[2].write(Buffer.alloc(600, 'x'));
    await appenders[2].end();
    const { uids } = await appenders[2].commit();
    assert.equal((await sessions[0].quota()).bytes, 600);
    await append(sessions[0], 'INBOX', ['y'.repeat(100)]);
    await sessions[0].create('Other', null);
    const boxes = await Promise.all(sessions.map((s) => s.select('INBOX', false)));
    await world.settled(a.admin.quota(account.address, 1500, null));
    const copies = await Promise.allSettled(boxes.map((box) => box.copy(uids, 'Other')));
    assert.deepEqual(copies.map((c) => c.status).sort(), ['fulfilled', 'rejected', 'rejected']);
    assert.equal((await sessions[0].quota()).bytes, 1300);
    await append(sessions[0], 'INBOX', ['z'.repeat(200)]);
  });
  it('is asked for by COPY too, and there may be a limit of messages', async () => {
    const account = await world.account(a, 'max', 1000);
    const e = await a.login(account);
    const { uids } = await append(e, 'INBOX', ['x'.repeat(300), 'y'.repeat(300)]);
    const box = await e.select('INBOX', false);
    await e.create('Other', null);
    await assert.rejects(box.copy(uids, 'Other'), refused('OVERQUOTA'));
    await box.copy([uids[0]], 'Other');
    await box.move(uids, 'Other');
    await world.settled(a.admin.quota(account.address, 0, 4));
    assert.deepEqual(await e.quota(), { bytes: 900, bytesMax: null, messages: 3, messagesMax: 4 });
    await assert.rejects(append(e, 'INBOX', ['z', 'z']), refused('OVERQUOTA'));
    await append(e, 'INBOX', ['z']);
    await assert.rejects(e.append('INBOX'), refused('OVERQUOTA'));
    const replacing = await e.append('INBOX', { bytes: 1 });
    replacing.begin([], null, 2);
    assert.throws(() => replacing.begin([], null, 2), refused('OVERQUOTA'));
    replacing.abort();
    await assert.rejects(a.receiver.recipient(account.address, null), refused('OVERQUOTA'));
    await world.settled(a.admin.quota(account.address, null, 0));
    await a.receiver.recipient(account.address, null);
  });
  it('refuses what would make an event that nobody could read again', async () => {
    const { packed_bytes_max: kept } = limits;
    const account = await world.account(a, 'max');
    const e = await a.login(account);
    limits.packed_bytes_max = 4000;
    try {
      const long = { name: 'Refused', code: 'LIMIT' };
      await assert.rejects(append(e, 'INBOX', Array.from({ length: 12 }, (_, i) => mail(`${i} ${'x'.repeat(200)}`))), long);
      await assert.rejects(world.settled(e.setMetadata(null, [{ entry: '/private/x', value: Buffer.alloc(5000, 'x') }])), long);
      await append(e, 'INBOX', [mail('one'), mail('two')]);
    } finally {
      limits.packed_bytes_max = kept;
    }
    const b = await world.replica();
    assert.equal((await contents(await b.login(account), 'INBOX')).length, 2);
  });
  it('names of mailboxes have a limit, removed ones and subscriptions too', async () => {
    const s = await a.login(await world.account(a, 'max'));
    const { mailbox_names_chars_max: before } = limits;
    try {
      await s.create('one', null);
      limits.mailbox_names_chars_max = 80;
      for (let i = 0; i < 10; i++) await s.subscribe(`name ${i}`, true).catch(() => {});
      assert.ok((await s.subscriptions()).filter((name) => name.startsWith('name ')).length < 5, 'short names cost more than their characters');
      await assert.rejects(s.subscribe('name', true), refused('LIMIT'));
      await assert.rejects(s.create('two', null), refused('LIMIT'));
      await assert.rejects(s.rename('one', 'a longer name'), refused('LIMIT'));
      await s.subscribe('name 0', false);
      await assert.rejects(s.subscribe('name', true), refused('LIMIT'));
      await s.delete('one');
      await assert.rejects(s.create('two', null), refused('LIMIT'));
    } finally {
      limits.mailbox_names_chars_max = before;
    }
  });
});
