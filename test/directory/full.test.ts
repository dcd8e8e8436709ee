// The directory is read as a whole by every replica: what it could not read is refused.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { AccountWorld, DOMAIN } from '../account/world.ts';

describe('directory: full', () => {
  it('refuses what makes it larger, at any replica, and takes what makes it smaller', async () => {
    const { packed_bytes_max: before } = limits;
    const world = new AccountWorld();
    try {
      const a = await world.replica();
      const { id } = await world.account(a, 'first');
      limits.packed_bytes_max = 12_000;
      const full = { name: 'Refused', code: 'LIMIT' };
      let users = 0;
      await assert.rejects(async () => {
        for (; users < 100; users++) await world.account(a, `u${users}`);
      }, full);
      assert.ok(users > 1 && users < 50, String(users));
      await world.settled(a.directory.snapshot());
      const b = await world.replica();
      await world.settled(b.directory.caughtUp());
      await assert.rejects((async () => {
        for (let i = 0; i < 20; i++) await world.settled(b.directory.claim(`${'x'.repeat(50)}${i}@${DOMAIN}`, id, false));
      })(), full);
      await world.settled(b.directory.write(() => [{ kind: 'UserRemoved', user: id }]));
      assert.equal(b.directory.state.users.size, users);
    } finally {
      limits.packed_bytes_max = before;
      await world.stop();
    }
  });
});
