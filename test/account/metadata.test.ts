import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { AccountWorld } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const shown = async (session: Session, name: string | null) => (await session.metadata(name)).map(({ entry, value }) => `${entry}=${Buffer.from(value)}`);

describe('annotations', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  it('are the same at every replica, and follow a mailbox that is renamed', async () => {
    const x = await a.login(bob);
    await x.setMetadata('Archive', [{ entry: '/private/colour', value: Buffer.from('grey') }, { entry: '/private/x', value: Buffer.from('y') }]);
    await x.setMetadata(null, [{ entry: '/private/own', value: Buffer.from('z') }]);
    const b = await world.replica();
    const y = await b.login(bob);
    assert.deepEqual(await shown(y, 'Archive'), ['/private/colour=grey', '/private/x=y']);
    assert.deepEqual(await shown(y, null), ['/private/own=z']);
    await y.setMetadata('Archive', [{ entry: '/private/x', value: null }]);
    await y.rename('Archive', 'Old');
    assert.deepEqual(await shown(x, 'Old'), ['/private/colour=grey']);
    await assert.rejects(shown(x, 'Archive'), { name: 'Refused', code: 'NONEXISTENT' });
    await x.create('Archive', null);
    assert.deepEqual(await shown(x, 'Archive'), []);
  });

  it('are those of INBOX and of the mailbox that takes its messages, when it is renamed', async () => {
    const x = await a.login(bob);
    await x.setMetadata('INBOX', [{ entry: '/private/colour', value: Buffer.from('grey') }]);
    await x.rename('INBOX', 'Old');
    assert.deepEqual([await shown(x, 'INBOX'), await shown(x, 'Old')], [['/private/colour=grey'], ['/private/colour=grey']]);
    // Where they can't be doubled, the messages go all the same.
    const value = Buffer.alloc(limits.metadata_value_bytes_max);
    for (let k = 1; k * value.length < limits.metadata_bytes_max; k++) await x.setMetadata('INBOX', [{ entry: `/private/${k}`, value }]);
    await x.rename('INBOX', 'Older');
    assert.deepEqual(await shown(x, 'Older'), []);
  });

  it('are a change of their mailbox, which HIGHESTMODSEQ tells, and of no other', async () => {
    const x = await a.login(bob);
    const modSeqs = async () => (await x.statuses(['INBOX', 'Archive'])).map((s) => s!.highestModSeq);
    const before = await modSeqs();
    await x.setMetadata('Archive', [{ entry: '/private/colour', value: Buffer.from('grey') }]);
    await x.setMetadata(null, [{ entry: '/private/own', value: Buffer.from('z') }]);
    const after = await modSeqs();
    assert.deepEqual([after[0], after[1] > before[1]], [before[0], true]);
    await x.setMetadata('Archive', [{ entry: '/private/colour', value: Buffer.from('grey') }]);
    assert.deepEqual(await modSeqs(), after, 'what is said again changes nothing');
    assert.equal((await (await (await world.replica()).login(bob)).status('Archive')).highestModSeq, after[1]);
  });

  it('have a limit for all together', async () => {
    const x = await a.login(bob);
    const value = Buffer.alloc(limits.metadata_value_bytes_max);
    for (let k = 0; k * value.length < limits.metadata_bytes_max; k++) await x.setMetadata(null, [{ entry: `/private/${k}`, value }]);
    await assert.rejects(x.setMetadata(null, [{ entry: '/private/one-more', value: Buffer.from('x') }]), { name: 'Refused', code: 'METADATA TOOMANY' });
    await x.setMetadata(null, [{ entry: '/private/0', value: null }]);
    await x.setMetadata(null, [{ entry: '/private/one-more', value: Buffer.from('x') }]);
  });

  it('leave the selected mailbox alone, as looking into another one does', async () => {
    const x = await a.login(bob);
    const selected = await x.select('INBOX', false);
    let told = 0;
    selected.onChange = () => told++;
    const looked = await x.look('Archive');
    assert.equal(looked.index.count, 0);
    looked.close();
    await a.deliver(bob.address, 'Message-ID: <1@x>\r\nSubject: new\r\n\r\nhello\r\n');
    await selected.refresh();
    assert.equal(selected.index.count, 1);
    assert.ok(told > 0);
  });
});
