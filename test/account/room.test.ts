import assert from 'node:assert/strict';
import { AccountWorld, append } from './world.ts';
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
});
