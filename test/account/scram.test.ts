// Log-in by SCRAM: by any app password of the user, with one salt, and nothing to see from outside.
import assert from 'node:assert/strict';
import { createAppPassword, wrapInfo, wrapWithToken } from '../../src/seal/index.ts';
import { knownRoot } from '../seal/known.ts';
import { scramProof } from '../seal/scram-proof.ts';
import { AccountWorld } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const HERE = '192.0.2.1';

describe('SCRAM', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  async function login(at: TestReplica, name: string, password: string) {
    const { salt, iterations, nonce } = await world.settled(at.users.scramSalt(name, HERE));
    const proof = scramProof(password, salt, iterations, `said with ${nonce}`);
    const { session, serverSignature } = await world.settled(at.users.scramLogin(name, proof, HERE));
    assert.ok(serverSignature.equals(proof.expected), 'the server proves itself');
    return session;
  }
  const wrong = { name: 'Refused', code: 'AUTHENTICATIONFAILED' };

  it('opens the user by each app password, as shown and without hyphens, at every replica', async () => {
    const token = createAppPassword(world.random);
    const bytes = wrapWithToken(knownRoot(), bob.id, token, world.random);
    await world.settled(a.directory.write(() => [{ kind: 'WrapAdded', user: bob.id, wrap: { ...wrapInfo(bytes), label: '', bytes } }]));
    const b = await world.replica();
    for (const at of [a, b]) {
      for (const password of [bob.password, token.text(), token.text().replaceAll('-', '')]) {
        const session = await login(at, bob.address, password);
        assert.equal((await session.status('INBOX')).messages, 0);
        session.close();
      }
    }
    await world.settled(a.directory.write(() => [{ kind: 'WrapRemoved', user: bob.id, id: token.id }]));
    await assert.rejects(login(a, bob.address, token.text()), wrong);
    (await login(a, bob.address, bob.password)).close();
  });

  it('a session by SCRAM ends with its app password', async () => {
    const session = await login(a, bob.address, bob.password);
    let ended = '';
    session.onEnded = (text) => (ended = text);
    await world.settled(a.directory.write(() => [{ kind: 'WrapRemoved', user: bob.id, id: bob.wrap }]));
    assert.match(ended, /password was changed/);
  });

  it('tells one salt of a user, and one of a name that nobody has, everywhere and always', async () => {
    const b = await world.replica();
    const seen = new Set<string>();
    for (const name of [bob.address, 'nobody@x.test', 'other@x.test', 'no address']) {
      const salts: string[] = [];
      for (const at of [a, b, a]) salts.push((await world.settled(at.users.scramSalt(name, HERE))).salt.toString('hex'));
      assert.equal(salts[0].length, 32);
      assert.deepEqual(salts, [salts[0], salts[0], salts[0]]);
      seen.add(salts[0]);
    }
    assert.equal(seen.size, 4);
    const nonces: string[] = [];
    for (let i = 0; i < 3; i++) nonces.push((await world.settled(a.users.scramSalt(bob.address, HERE))).nonce);
    assert.equal(new Set(nonces).size, 3);
    assert.ok(nonces.every((nonce) => /^[!-+\--~]{24}$/.test(nonce)));
  });

  it('refuses a wrong proof, and its repetition costs time; a "no" needs the store', async () => {
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      const begun = world.clock.now();
      await assert.rejects(login(a, i % 2 === 0 ? bob.address : 'nobody@x.test', 'wrong-wrong'), wrong);
      times.push(world.clock.now() - begun);
    }
    assert.ok(times[3] > times[1], String(times));
    a.home.faults.cut = true;
    await assert.rejects(login(a, bob.address, 'wrong-wrong'), { name: 'Unavailable' });
    await assert.rejects(world.settled(a.users.scramSalt('nobody@x.test', HERE)), { name: 'Unavailable' });
    (await login(a, bob.address, bob.password)).close();
  });

  it('a proof is good for what was said alone', async () => {
    const { salt, iterations } = await world.settled(a.users.scramSalt(bob.address, HERE));
    const proof = scramProof(bob.password, salt, iterations, 'what was said');
    await assert.rejects(world.settled(a.users.scramLogin(bob.address, { ...proof, authMessage: Buffer.from('something else') }, HERE)), wrong);
    await assert.rejects(world.settled(a.users.scramLogin(bob.address, { ...proof, iterations: 1 }, HERE)), wrong);
    await assert.rejects(world.settled(a.users.scramLogin(bob.address, { ...proof, proof: Buffer.alloc(3) }, HERE)), wrong);
    (await world.settled(a.users.scramLogin(bob.address, proof, HERE))).session.close();
  });
});
