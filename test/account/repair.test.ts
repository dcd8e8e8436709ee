// `check --repair`: what it mends, and that it leaves alone what it can't.
import assert from 'node:assert/strict';
import { limits } from '../../src/base/index.ts';
import { checkUser, openingSource, repairUser, UserLogs } from '../../src/account/index.ts';
import { AccountWorld, append, contents, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const HOUR = 60 * 60_000;

describe('repair', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  let before: unknown;
  const named = (part: string) => [...world.store.objects.keys()].filter((n) => n.startsWith(`users/${bob.id}/${part}`)).sort();
  const object = (name: string) => world.store.objects.get(name)!;
  const alter = (name: string) => {
    const { bytes } = object(name);
    object(name).bytes = Buffer.from(bytes.map((b, i) => (i === bytes.length - 3 ? b ^ 1 : b)));
  };

  /** Snapshots, collected events, and a tail that none covers. */
  beforeEach(async function () {
    this.timeout(60_000);
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
    const session = await world.settled(a.login(bob));
    for (let i = 0; i < 6; i++) await a.deliver(bob.address, mail(`m${i}`));
    await append(session, 'Sent', [mail('sent')]);
    await world.advance(2 * limits.put_window_ms);
    await world.settled(a.users.find(bob.id)!.snapshot());
    for (let i = 0; i < 3; i++) await a.deliver(bob.address, mail(`later${i}`));
    await world.settled(a.users.find(bob.id)!.snapshot());
    await a.deliver(bob.address, mail('last'));
    before = [await contents(session, 'INBOX'), await contents(session, 'Sent')];
    session.close();
    await world.advance(2 * limits.user_linger_ms);
    if (/keys/.test(this.currentTest!.title)) return;
    await repair(false);
    assert.deepEqual(await check(true), []);
  });
  afterEach(() => world.stop());

  const root = () => world.settled(a.admin.rootKey(a.record(bob), { password: bob.password }));
  async function check(secret: boolean): Promise<string[]> {
    const found: string[] = [];
    const reader = { ...a.replica, identity: { slot: null, mayWrite: () => false, spent: new Map() } };
    const by = secret ? { at: new UserLogs(reader, () => false).of(a.record(bob)), root: await root() } : undefined;
    await world.settled(checkUser(reader, a.record(bob), (name, problem) => found.push(`${name}: ${problem}`), by));
    return found;
  }
  async function repair(secret: boolean): Promise<string[]> {
    const done: string[] = [];
    const record = a.record(bob);
    const by = { at: new UserLogs(a.replica, () => false).of(record), root: await root() };
    await world.settled(repairUser({
      replica: a.replica,
      record,
      mended: (name, what) => done.push(`${name}: ${what}`),
      secret: secret ? { source: openingSource(a.replica, record, by), borrow: (run) => a.users.borrow(record, by.root, run) } : undefined,
    }));
    return done;
  }
  async function shown(): Promise<unknown> {
    const b = await world.replica();
    const session = await world.settled(b.login(bob));
    return [await contents(session, 'INBOX'), await contents(session, 'Sent')];
  }

  it('leaves a log in order as it is', async () => {
    const names = named('');
    const done = await repair(true);
    assert.equal(done.length, 1);
    assert.match(done[0], /stored once more/);
    assert.deepEqual(named(''), names);
    assert.deepEqual(await shown(), before);
  });

  it('takes away wrapped keys that a killed command left', async () => {
    const proof = { password: bob.password };
    const taken = await world.settled(a.admin.appPassword(bob.address, proof, 'taken back'));
    const kept = await world.settled(a.admin.appPassword(bob.address, proof, 'kept'));
    const bytes = world.store.objects.get(`users/${bob.id}/keys/${taken.id}`)!.bytes;
    await world.settled(a.admin.appPasswordRemove(bob.address, taken.id));
    // As of commands that were killed before the directory knew of it, or after.
    for (const id of [taken.id, 'unknown', 'young']) {
      if (id === 'young') await world.advance(2 * limits.claim_end_ms);
      await world.settled(a.mail.put(`users/${bob.id}/keys/${id}`, bytes));
    }
    await world.settled(repair(false));
    assert.deepEqual(named('keys/').filter((n) => !n.endsWith(bob.wrap)), ['young', kept.id].map((id) => `users/${bob.id}/keys/${id}`).sort());
    assert.deepEqual(named('damaged/').length, 1);
    assert.deepEqual((await check(false)).map((text) => text.split(': ')[1]), ['a wrapped key that the directory does not know']);
  });

  it('puts wrapped keys back', async () => {
    assert.deepEqual(named('keys/'), []);
    assert.match((await check(false)).join(), /missing/);
    assert.match((await repair(false)).join(), /is back/);
    const [key] = named('keys/');
    const { bytes } = object(key);
    assert.deepEqual(await check(false), []);
    alter(key);
    assert.match((await repair(false)).join(), /altered/);
    assert.ok(object(key).bytes.equals(bytes));
    assert.deepEqual(await check(false), []);
    // What a newer release says of a key stays as it is.
    const newer = Buffer.concat([Buffer.of(2), bytes.subarray(1)]);
    object(key).bytes = newer;
    assert.match((await check(false)).join(), /newer version/);
    await repair(false);
    assert.ok(object(key).bytes.equals(newer));
  });

  it('what only some nodes have is stored again', async () => {
    const name = named('snapshots/')[0];
    object(name).full = false;
    for (let i = 0; i < 5 && !object(name).full; i++) await repair(false);
    assert.equal(object(name).full, true);
  });

  it('an altered snapshot goes aside when the log has all of it; with the secret another is written', async () => {
    const [first, second] = named('snapshots/');
    alter(second);
    await assert.rejects(shown(), /authentic|Corrupt|written/i);
    assert.notDeepEqual(await check(false), []);
    const done = await repair(true);
    assert.ok(done.some((d) => d.startsWith(second) && /taken out of the way/.test(d)), done.join('\n'));
    assert.ok(done.some((d) => /new snapshot/.test(d)), done.join('\n'));
    assert.deepEqual(await check(true), []);
    assert.deepEqual(await shown(), before);
    assert.equal(named('damaged/').length, 1, 'nothing is thrown away');
    assert.ok(object(first));
  });

  it('a part that no longer opens, or is gone: its snapshot goes aside', async () => {
    const parts = named('parts/');
    alter(parts[0]);
    world.store.remove(parts.at(-1)!);
    assert.notDeepEqual(await check(true), []);
    await repair(true);
    assert.deepEqual(await check(true), []);
    assert.deepEqual(await shown(), before);
  });

  it('the only snapshot of collected events stays, altered as it is: a log that lacks mail is never shown', async function () {
    this.timeout(60_000);
    // A day and more: the events that all snapshots list go.
    for (const ms of [2 * HOUR, 26 * HOUR, 26 * HOUR, 26 * HOUR]) {
      await world.stop();
      world.clock.time += ms;
      a = await world.replica();
      await world.settled(a.upkeep.collect(a.users.logs.of(a.record(bob)), null));
    }
    assert.ok(named('log/').length < 6, `${named('log/').length}`);
    for (const name of named('snapshots/')) alter(name);
    const names = named('snapshots/');
    for (const secret of [false, true]) {
      const done = await repair(secret).catch((e: Error) => [e.message]);
      assert.ok(!done.some((d) => /out of the way/.test(d)), done.join('\n'));
    }
    assert.deepEqual(named('snapshots/'), names);
    assert.notDeepEqual(await check(false), []);
    await assert.rejects(shown());
  });

  it('an altered event that a snapshot has goes aside; one that is nowhere else is given up with the secret, and comes back from a backup', async function () {
    this.timeout(60_000);
    const events = named('log/');
    alter(events[2]);
    assert.match((await repair(false)).join('\n'), /elsewhere/);
    assert.deepEqual(await shown(), before);

    // The one before last: only the log has it, and the last one has seen it.
    await a.deliver(bob.address, mail('after'));
    const lost = named('log/').at(-2)!;
    const good = object(lost).bytes;
    alter(lost);
    assert.ok(!(await repair(false)).some((d) => d.startsWith(lost)), 'without the secret nothing is given up');
    await assert.rejects(shown());
    // Whoever saw it wrote an hour ago, at least.
    await world.stop();
    world.clock.time += 2 * HOUR;
    a = await world.replica();
    const done = await repair(true);
    assert.ok(done.some((d) => /given up, and others/.test(d)), done.join('\n'));
    const [inbox] = (await shown()) as { text: string }[][];
    const subjects = inbox.map((m) => /Subject: (\w+)/.exec(m.text)![1]);
    assert.deepEqual(subjects, ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'later0', 'later1', 'later2', 'after']);
    // From a backup.
    await world.settled(a.mail.put(lost, good));
    const b = await world.replica();
    const session = await world.settled(b.login(bob));
    await world.advance(10_000);
    assert.equal((await contents(session, 'INBOX')).length, 11);
  });
});
