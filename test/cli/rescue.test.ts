import assert from 'node:assert/strict';
import { ReplicaAway, Unavailable } from '../../src/base/index.ts';
import { FakeSystem } from './fake-server.ts';

describe('cli/undelete', () => {
  let system: FakeSystem;
  beforeEach(() => (system = new FakeSystem()));

  it('lists what was removed', async () => {
    const at = Date.UTC(2026, 4, 6, 7, 8);
    system.answers.removed = { total: 3, messages: [{ id: 'w-1-0', mailbox: 'Work', mailboxGone: true, from: 'a@x.test', subject: 'b\x1b]0;c', dateMs: at - 60_000, removedMs: at, bytes: 2048 }, { id: 'w-2-0', mailbox: 'INBOX', mailboxGone: false, from: '', subject: '', dateMs: 0, removedMs: 0, bytes: 10 }] };
    const { out, status } = await system.run('undelete ann@x.test --password-stdin', 'secret\n');
    assert.equal(status, 0);
    assert.equal(out, [
      'ID     REMOVED            MAILBOX         SIZE     DATE               FROM      SUBJECT',
      'w-1-0  2026-05-06 07:08Z  Work (deleted)  2.0 KiB  2026-05-06 07:07Z  a@x.test  b?]0;c',
      'w-2-0  1970-01-01 00:00Z  INBOX           10 B     1970-01-01 00:00Z',
      'and 1 that were removed earlier',
      '',
    ].join('\n'));
    assert.deepEqual(system.calls, [['removed', 'ann@x.test', { password: 'secret' }]]);
    system.answers.removed = { total: 0, messages: [] };
    assert.match((await system.run('undelete ann@x.test --password-stdin', 'secret\n')).out, /nothing was removed/);
  });

  it('brings back one, a mailbox, or all', async () => {
    system.answers.undelete = 2;
    assert.equal((await system.run('undelete ann@x.test Work --password-stdin', 's\n')).out, '2 messages brought back\n');
    await system.run('undelete ann@x.test --id w-1-0 --password-stdin', 's\n');
    await system.run('undelete ann@x.test --all --recovery-code --password-stdin', 'code\n');
    assert.deepEqual(system.calls, [
      ['undelete', 'ann@x.test', { password: 's' }, { mailbox: 'Work' }],
      ['undelete', 'ann@x.test', { password: 's' }, { id: 'w-1-0' }],
      ['undelete', 'ann@x.test', { recoveryCode: 'code' }, 'all'],
    ]);
    system.answers.undelete = 0;
    assert.equal((await system.run('undelete ann@x.test Nowhere --password-stdin', 's\n')).status, 1);
    assert.match((await system.run('undelete ann@x.test Work --all --password-stdin', 's\n')).err, /one of MAILBOX, --id ID and --all/);
    assert.match((await system.run('undelete --password-stdin', 's\n')).err, /usage: colombier undelete USER \[MAILBOX\]/);
  });
});

describe('cli/restored', () => {
  it('says what was done, and fails when a log could not be written', async () => {
    const system = new FakeSystem();
    system.answers.restored = { users: 1, failed: [] };
    assert.deepEqual(await system.run('restored'), { status: 0, out: 'the directory and 1 log go on 2^24 positions further\n', err: '' });
    system.answers.restored = { users: 7, failed: [{ user: 'u1', address: 'ann@example.org', problem: 'Unavailable: away' }] };
    const ran = await system.run('restored');
    assert.deepEqual([ran.status, ran.out], [1, 'ann@example.org (u1): Unavailable: away\nthe directory and 7 logs go on 2^24 positions further\n']);
    assert.match(ran.err, /run it again/);
    system.answers.restored = new Unavailable('no quorum');
    assert.match((await system.run('restored')).err, /store not available: no quorum/);
    system.answers.restored = new ReplicaAway('it is starting or stopping');
    assert.equal((await system.run('restored')).err, 'colombier: it is starting or stopping\n');
  });
});
