import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Refused } from '../../src/base/index.ts';
import { House } from './dialogue.ts';

describe('smtp/drain', () => {
  let house: House;
  afterEach(() => house.stop());

  it('tells the idle, finishes what is under way, then is gone', async () => {
    house = await new House(false).start();
    const idle = await house.hello();
    const busy = await house.data();
    busy.raw('half\r\n');
    const drained = house.server.drain(5000);
    await idle.expect('421 4.3.2');
    await idle.closed();
    busy.raw('whole\r\n.\r\n');
    await busy.expect('250 2.6.0');
    await busy.expect('421 4.3.2');
    busy.end();
    await drained;
    assert.equal(house.post.stored.length, 1);
    assert.equal(house.server.connections, 0);
    const e = await new Promise<NodeJS.ErrnoException>((resolve) => connect(house.port, '127.0.0.1').on('error', resolve));
    assert.equal(e.code, 'ECONNREFUSED');
  });

  it('waits for a commit, and takes no second message', async () => {
    house = await new House(false).start();
    let commit = () => {};
    house.post.onCommit = () => new Promise((resolve) => (commit = () => resolve(null)));
    const d = await house.data();
    d.raw('a\r\n.\r\nMAIL FROM:<b@c.example>\r\n');
    while (house.post.begun === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const drained = house.server.drain(5000);
    await d.silence(30);
    commit();
    await d.expect('250 2.6.0');
    await d.expect('421 4.3.2');
    await d.closed();
    await drained;
  });

  it('does not wait longer than it was told', async () => {
    house = await new House(false).start();
    const d = await house.data();
    d.raw('half');
    await house.server.drain(50);
    await d.expect('421 4.3.2');
    await d.closed();
    assert.equal(house.post.aborted, 1);
  });

  it('says clearly that a port is taken', async () => {
    house = await new House(true).start();
    await assert.rejects(house.server.listen('127.0.0.1', house.port), (e: Error) => e instanceof Refused && /LMTP cannot listen on 127\.0\.0\.1 port \d+: another program has this port/.test(e.message));
    await assert.rejects(house.server.listen('192.0.2.1', 0), /this machine has no such address/);
  });
});
