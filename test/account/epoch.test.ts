import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { AccountWorld } from './world.ts';

const message = (n: number) => `From: a@b.c\r\nSubject: ${n}\r\nMessage-ID: <${n}@b.c>\r\n\r\ntext ${n}\r\n`;

describe('account: epochs', () => {
  it('UIDs that would pass 2^31 begin anew under another UIDVALIDITY, and nothing is lost', async function () {
    this.timeout(20_000);
    const world = new AccountWorld(7);
    const one = await world.replica();
    const account = await world.account(one, 'anna');
    for (let n = 1; n <= 3; n++) await world.settled(one.deliver(account.address, message(n)));
    const session = await world.settled(one.login(account));
    const before = await world.settled(session.select('INBOX', true));
    const validity = before.index.uidValidity;
    assert.equal(before.index.count, 3);
    const user = one.users.find(account.id)!;
    // Each restore from a backup goes 2^24 further.
    for (let n = 0; n < 2 ** 31 / limits.restored_jump; n++) await world.settled(user.at.log.submit('session', () => ({ ops: [{ kind: 'Restored', at: 1 }] }), { jump: limits.restored_jump }));
    session.close();
    const two = await world.replica();
    const there = await world.settled(two.login(account));
    const after = await world.settled(there.select('INBOX', true));
    assert.equal(after.index.count, 3);
    assert.equal(after.index.uidValidity, validity + 2 ** 20);
    assert.ok(after.index.uidNext < 2 ** 20, `small UIDs again: ${after.index.uidNext}`);
    const text = await world.settled(after.read(after.index.uids[2], 0, 1000));
    assert.match(String(text), /text 3/);
    await world.settled(two.deliver(account.address, message(4)));
    await world.settled(after.refresh());
    assert.equal(after.index.count, 4);
  });
});
