// What administrators take away while somebody is using it, and two of them who do at once what can not both be.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { keyName, userRoot } from '../../src/store/index.ts';
import { AccountWorld, contents, mail, subjects } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const CHOSEN = 'a-long-password';

describe('what is taken away meanwhile', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let b: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld(1);
    a = await world.replica();
    b = await world.replica();
    bob = await world.account(a, 'bob');
    await world.advance(10);
  });
  afterEach(() => world.stop());

  /** Argon2 works in a thread, in its own time. */
  async function derived<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const end = () => void (done = true);
    promise.then(end, end);
    while (!done) await new Promise((r) => setTimeout(r, 2)).then(() => world.advance(5));
    return promise;
  }

  const keysOf = (user: string): string[] => [...world.store.objects.keys()].filter((n) => n.startsWith(keyName(userRoot(user), '')));

  /** A message to that address of which all but the end has come; `end` gives its answer. */
  async function begun(at: TestReplica, address: string, message: string): Promise<() => Promise<Error | null>> {
    const recipient = await world.settled(at.receiver.recipient(address, null));
    const transaction = at.receiver.begin({ from: 'sender@far.test', recipients: [recipient], declaredBytes: null });
    await transaction.write(Buffer.from(message));
    return async () => (await world.settled(transaction.commit(() => Buffer.alloc(0))))[0].error;
  }

  it('mail on its way to a user who is removed is put off, and reaches who has the address then', async function () {
    this.timeout(20_000);
    const message = mail('on its way');
    const end = await begun(b, bob.address, message);
    await world.settled(a.admin.userRemove(bob.address));
    await derived(a.admin.userAdd(bob.address, CHOSEN));
    await world.advance(10);
    assert.match((await end() as { smtp?: string } | null)?.smtp ?? 'acknowledged', /^451 /);
    await world.settled(b.deliver(bob.address, message));
    assert.deepEqual(subjects(await contents(await derived(b.users.login(bob.address, CHOSEN, '127.0.0.1')), 'INBOX')), ['on its way']);
  });

  it('mail on its way to an address that is moved does not come to its former user', async () => {
    const eve = await world.account(a, 'eve');
    await world.settled(a.admin.addressAdd('info@x.test', bob.address));
    await world.advance(10);
    const end = await begun(b, 'info@x.test', mail('for info'));
    await world.settled(a.admin.addressRemove('info@x.test'));
    await world.settled(a.admin.addressAdd('info@x.test', eve.address));
    await world.advance(10);
    assert.match((await end() as { smtp?: string } | null)?.smtp ?? 'acknowledged', /^451 /);
    assert.deepEqual(await contents(await b.login(bob), 'INBOX'), []);
  });

  it('a log-in whose password is taken back while the mailbox is opened leaves nothing open', async () => {
    b.mail.faults.latencyMs = [2000, 2000];
    const login = b.login(bob);
    await world.advance(1000);
    await world.settled(a.directory.write(() => [{ kind: 'WrapRemoved', user: bob.id, id: bob.wrap }]));
    await world.settled(assert.rejects(login, { code: 'UNAVAILABLE' }));
    await world.advance(limits.user_linger_ms + 10_000);
    assert.deepEqual(b.users.counts, { users: 0, sessions: 0 });
  });

  it('who proves it with what is taken back meanwhile changes nothing, and leaves nothing', async () => {
    const before = keysOf(bob.id);
    a.mail.faults.latencyMs = [5000, 5000];
    const made = a.admin.appPassword(bob.address, { password: bob.password }, 'thief');
    await world.advance(1000);
    await world.settled(b.directory.write(() => [{ kind: 'WrapRemoved', user: bob.id, id: bob.wrap }]));
    await world.settled(assert.rejects(made, { code: 'AUTHENTICATIONFAILED' }));
    assert.deepEqual(keysOf(bob.id), before);
    assert.equal(b.directory.state.users.get(bob.id)!.wraps.size, 0);
  });

  it('who is removed meanwhile gets no new password: nobody is told of one', async function () {
    this.timeout(20_000);
    const changed = a.admin.password(bob.address, { password: bob.password }, CHOSEN);
    await world.settled(b.admin.userRemove(bob.address));
    await derived(assert.rejects(changed, { code: 'NONEXISTENT' }));
  });

  it('a recovery code is spent once, though two use it at once', async function () {
    this.timeout(30_000);
    const { recoveryCode, id, address } = await derived(a.admin.userAdd('eve@x.test', CHOSEN));
    const tries = await derived(Promise.allSettled([1, 2].map((n) => a.admin.recover(address, recoveryCode, `${CHOSEN}-${n}`))));
    assert.deepEqual(tries.map((t) => t.status).sort(), ['fulfilled', 'rejected']);
    assert.equal(keysOf(id).length, 1);
    const kinds = [...a.directory.state.users.get(id)!.wraps.values()].map((w) => w.kind).sort();
    assert.deepEqual(kinds, ['password', 'recovery']);
  });

  it('a domain and an address in it: of removing and adding at once at most one is done', async function () {
    this.timeout(60_000);
    const done = [0, 0, 0, 0];
    for (let n = 0; n < 60; n++) {
      const domain = `d${n}.test`;
      await world.settled(a.admin.domainAdd(domain));
      await world.advance(10);
      world.hints = n % 2 === 0;
      for (const r of [a, b]) r.home.faults = { latencyMs: [1, 60], slowMs: [100, 1000], slow: 0.2 };
      const told = await world.settled(Promise.all([
        a.admin.domainRemove(domain).then(() => true, () => false),
        world.clock.sleep(Math.floor(world.random.unit() * 300)).then(() => b.admin.addressAdd(`info@${domain}`, bob.address)).then(() => true, () => false),
      ]));
      for (const r of [a, b]) {
        r.home.faults = {};
        await world.settled(r.directory.caughtUp());
        assert.equal(r.directory.state.hasDomain(domain), !told[0], `${n}: the domain, ${told}`);
        assert.equal(r.directory.state.owner(`info@${domain}`) !== null, told[1], `${n}: the address, ${told}`);
        assert.equal(r.directory.state.addresses().some((c) => c.address === `info@${domain}`), told[1], `${n}: the address, ${told}`);
      }
      done[Number(told[0]) + 2 * Number(told[1])]++;
    }
    assert.ok(done[1] > 0 && done[2] > 0 && done[3] === 0, String(done));
  });

  it('an address for a user who is removed at once is not told to lead there', async function () {
    this.timeout(60_000);
    const LIST_MS = 200;
    let refused = 0;
    for (let delay = 0; delay <= 1400; delay += 50) {
      const user = await world.account(a, `u${delay}`);
      const address = `info${delay}@x.test`;
      await world.advance(10);
      world.hints = delay % 100 === 0;
      b.home.faults.latencyMs = [LIST_MS, LIST_MS];
      let told = 0;
      const added = b.admin.addressAdd(address, user.address).then(() => void (told = world.clock.now()), (e) => assert.equal(e.code, 'NONEXISTENT', `${delay}: ${e.message}`));
      await world.advance(delay);
      await world.settled(a.admin.userRemove(user.address));
      const removed = world.clock.now();
      await world.settled(added);
      b.home.faults = {};
      await world.settled(b.directory.caughtUp());
      if (told === 0) refused++;
      else assert.ok(told <= removed + LIST_MS + 60, `${delay}: told ${told - removed} ms after the user was gone`);
      for (const r of [a, b]) assert.deepEqual(r.directory.state.claimsOf(address), []);
    }
    assert.ok(refused > 5, String(refused));
  });

  it('a user whose adding was killed is not there, and an hour later the address is free', async function () {
    this.timeout(20_000);
    let puts = 0;
    a.home.faults.script = (operation) => (operation === 'put' && puts++ > 0 ? 'fails' : null);
    a.admin.userAdd('eve@x.test', CHOSEN).catch(() => {});
    for (let n = 0; n < 2000 && puts < 2; n++) await new Promise((r) => setTimeout(r, 5)).then(() => world.advance(10));
    a.die();
    await world.settled(b.directory.caughtUp());
    assert.equal(b.directory.state.users.size, 2, 'its claim had come, its confirmation had not');
    await derived(assert.rejects(b.admin.userAdd('eve@x.test', CHOSEN), /free an hour later/));
    await world.advance(limits.claim_end_ms + 60_000);
    await derived(b.admin.userAdd('eve@x.test', CHOSEN));
    assert.equal(b.directory.state.users.size, 2);
  });

  it('a command sees what another replica was told a moment ago, without hints too', async () => {
    world.hints = false;
    for (const [one, other] of [[a, b], [b, a]]) {
      await world.settled(other.admin.addressAdd('first@x.test', bob.address));
      await world.settled(one.admin.domainAdd('y.test'));
      await world.settled(assert.rejects(other.admin.domainAdd('y.test'), { code: 'ALREADYEXISTS' }));
      await world.settled(one.admin.addressAdd('info@x.test', bob.address));
      await world.settled(other.admin.addressRemove('info@x.test'));
      await world.settled(one.admin.addressRemove('first@x.test'));
      await world.settled(other.admin.domainRemove('y.test'));
    }
  });

  it('a user is removed by the own address, not by another', async () => {
    await world.settled(a.admin.addressAdd('info@x.test', bob.address));
    await world.settled(a.admin.addressAdd('@x.test', bob.address));
    for (const other of ['info@x.test', '@x.test']) await world.settled(assert.rejects(a.admin.userRemove(other), { code: 'CANNOT' }));
    await world.settled(a.admin.userRemove('Bob@X.test'));
    assert.equal(a.directory.state.users.size, 0);
  });
});
