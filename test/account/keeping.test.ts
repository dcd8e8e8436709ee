// What keeps a store small and openings quick, and large messages.
import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { limits } from '../../src/base/index.ts';
import { AccountWorld, append, contents, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const MIB = 1024 * 1024;
const DAY = 24 * 60 * 60_000;

/** Files of this program that are open and have no name any more; none where the system does not tell. Other tests may have left some open. */
const namelessFiles = (): string[] => process.platform !== 'linux' ? [] : readdirSync('/proc/self/fd').flatMap((fd) => {
  try {
    return [readlinkSync(`/proc/self/fd/${fd}`)];
  } catch {
    return [];
  }
}).filter((path) => /colombier-.* \(deleted\)/.test(path));

describe('keeping', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  const named = (part: string) => [...world.store.objects.keys()].filter((n) => n.startsWith(`users/${bob.id}/${part}`));
  async function fingerprint(r: TestReplica): Promise<string> {
    const open = r.users.find(bob.id)!;
    await open.fresh();
    await open.need({ kind: 'everything' });
    return open.state.fingerprint();
  }

  it('after 200 events a fresh replica opens with few requests, and the same state', async () => {
    const session = await a.login(bob);
    const box = await session.select('INBOX', false);
    for (let i = 0; i < 90; i++) {
      await a.deliver(bob.address, mail(`m${i}`));
      const uid = box.index.uids[box.index.count - 1];
      await box.store([uid], 'add', i % 2 ? ['\\Seen', `k${i % 5}`] : ['\\Flagged', '\\Deleted'], null);
      if (i % 10 === 9) await box.expunge(null);
      if (i % 7 === 0) await box.copy([uid], 'Archive');
    }
    await world.advance(10_000);
    assert.equal(named('snapshots/').length, 1);
    const b = await world.replica();
    const there = await world.settled(b.login(bob));
    assert.ok(b.mail.counts.get <= 2 * limits.snapshot_events / 3, `${b.mail.counts.get} GETs`);
    assert.deepEqual(await contents(there, 'INBOX'), await contents(session, 'INBOX'));
    assert.deepEqual(await contents(there, 'Archive'), await contents(session, 'Archive'));
    assert.equal(await fingerprint(b), await fingerprint(a));
    const open = a.users.find(bob.id)!;
    await world.settled(open.snapshot());
    const c = await world.replica();
    await world.settled(c.login(bob));
    assert.ok(c.mail.counts.get <= 20, `${c.mail.counts.get} GETs with a new snapshot`);
    assert.equal(await fingerprint(c), await fingerprint(a));
  });

  it('who never logs in gets bundles: the first log-in reads few objects', async () => {
    const deliveries = limits.bundle_events + 60;
    for (let i = 0; i < deliveries; i++) await a.deliver(bob.address, mail(`m${i}`));
    await world.settled(a.upkeep.step());
    assert.equal(named('bundles/').length, 1);
    const before = { ...a.mail.counts };
    for (let i = 0; i < 5; i++) await world.settled(a.upkeep.step());
    assert.deepEqual(a.mail.counts, before, 'nothing new, nothing asked');
    const b = await world.replica();
    const session = await world.settled(b.login(bob));
    assert.ok(b.mail.counts.get < 20, `${b.mail.counts.get} GETs`);
    assert.equal((await session.status('INBOX')).messages, deliveries);
    for (let i = 0; i < 5; i++) await a.deliver(bob.address, mail(`later${i}`));
    assert.equal((await contents(session, 'INBOX')).length, deliveries + 5);
  });

  it('collection in two passes a day apart leaves the mailbox as it was, and deletes what nobody needs', async function () {
    this.timeout(60_000);
    let session = await a.login(bob);
    for (let i = 0; i < 40; i++) await a.deliver(bob.address, mail(`m${i}`));
    const box = await session.select('INBOX', false);
    await box.store(box.index.uids.slice(0, 10), 'add', ['\\Deleted'], null);
    await box.expunge(null);
    const open = () => a.users.find(bob.id)!;
    const pass = async () => world.settled(a.upkeep.collect(a.users.logs.of(a.record(bob)), open()));
    await world.advance(2 * limits.put_window_ms);
    assert.equal(await world.settled(open().snapshot()), true);
    const before = await contents(session, 'INBOX');
    const events = named('log/').length;
    await world.advance(2 * limits.snapshot_settled_ms);
    await pass();
    assert.equal(named('log/').length, events, 'the first pass only writes down');
    await pass();
    assert.equal(named('log/').length, events, 'a second pass at once too');
    await world.advance(DAY + 60_000);
    await pass();
    assert.ok(named('log/').length < 5, `${named('log/').length} events of ${events} are left`);
    assert.equal(named('blobs/').length, 40, 'blobs of expunged messages stay for a month');
    assert.deepEqual(await contents(session, 'INBOX'), before);
    const b = await world.replica();
    const there = await world.settled(b.login(bob));
    assert.deepEqual(await contents(there, 'INBOX'), before);
    assert.equal(await fingerprint(b), await fingerprint(a));
    await append(there, 'INBOX', [mail('new')]);
    // A month later, and a day after that: new processes, so that no clock has to tick all the while.
    for (const later of [31 * DAY, DAY + 60_000]) {
      await world.stop();
      world.clock.time += later;
      a = await world.replica();
      session = await world.settled(a.login(bob));
      await pass();
    }
    assert.equal(named('blobs/').length, 31, 'ten expunged ones went, thirty and the new one stay');
    assert.equal((await contents(session, 'INBOX')).length, 31);
  });

  it('a large message goes through a nameless file, in bounded memory', async function () {
    this.timeout(60_000);
    const size = 20 * MIB;
    const recipient = await a.receiver.recipient(bob.address, size);
    const before = namelessFiles();
    const open = (): number => namelessFiles().filter((path) => !before.includes(path)).length;
    const transaction = a.receiver.begin({ from: 's@far.test', recipients: [recipient], declaredBytes: size });
    await transaction.write(Buffer.from('Subject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n'));
    const line = Buffer.alloc(64 * 1024, `${'x'.repeat(70)}\r\n`);
    const { spoolBudget } = a.replica;
    let most = 0;
    for (let at = 0; at < size; at += line.length) {
      await transaction.write(line);
      most = Math.max(most, spoolBudget.used);
    }
    assert.ok(most <= MIB, `${most} bytes in memory`);
    if (process.platform === 'linux') assert.equal(open(), 1);
    await transaction.write(Buffer.from('\r\n--b\r\nContent-Type: text/plain\r\n\r\nthe part behind\r\n--b--\r\n'));
    for (const { error } of await transaction.commit(() => Buffer.alloc(0))) assert.equal(error, null);
    await new Promise((r) => setTimeout(r, 20));
    if (process.platform === 'linux') assert.equal(open(), 0, 'the file is gone');
    assert.equal(spoolBudget.used, 0);

    const box = await (await a.login(bob)).select('INBOX', true);
    const uid = box.index.uids[0];
    const parts = (await box.records([uid]))[0]!.index.body.parts!;
    assert.equal(parts.length, 2);
    let bytes = 0;
    const get = a.mail.get.bind(a.mail);
    a.mail.get = async (...args) => {
      const object = await get(...args);
      bytes += object!.bytes.length;
      return object;
    };
    const asked = { ...a.mail.counts };
    const { bodyStart, bodyEnd } = parts[1];
    assert.equal((await box.read(uid, bodyStart, bodyEnd))!.toString(), 'the part behind');
    assert.deepEqual({ ...a.mail.counts }, { ...asked, get: asked.get + 1 });
    assert.ok(bytes <= 2 * 64 * 1024 + 2048, `${bytes} bytes read`);
    bytes = 0;
    const middle = (await box.read(uid, 10 * MIB, 10 * MIB + 100))!;
    assert.equal(middle.length, 100);
    assert.ok(bytes <= 2 * 64 * 1024 + 2048, `${bytes} bytes read`);
  });

  it('an aborted message leaves no file and no memory taken', async () => {
    const before = namelessFiles();
    for (const chunks of [1, 12, 40]) {
      const transaction = a.receiver.begin({ from: 's@far.test', recipients: [await a.receiver.recipient(bob.address, null)], declaredBytes: null });
      for (let i = 0; i < chunks; i++) await transaction.write(Buffer.alloc(64 * 1024, 'y'));
      const last = transaction.write(Buffer.alloc(600 * 1024, 'z'));
      transaction.abort(); // while a piece is on its way to the file
      await last.catch(() => {});
      await new Promise((r) => setTimeout(r, 20));
      assert.equal(a.replica.spoolBudget.used, 0, `${chunks} chunks`);
      assert.deepEqual(namelessFiles().filter((path) => !before.includes(path)), []);
    }
    assert.equal(named('').length, 0);
  });

  it('no plaintext reaches the store: subject, text, folder, flag, address', async () => {
    const session = await a.login(bob);
    await session.create('Geheimfach', null);
    await append(session, 'Geheimfach', [mail('Betreffzeile', 'Fliesstext\r\n')], ['stichwort']);
    await a.deliver(bob.address, mail('Zweitbetreff', 'Fliesstext\r\n'));
    assert.equal(await world.settled(a.users.find(bob.id)!.snapshot()), true);
    let searched = 0;
    for (const [name, { bytes }] of world.store.objects) {
      searched += bytes.length;
      for (const word of ['Geheimfach', 'Betreffzeile', 'Zweitbetreff', 'Fliesstext', 'stichwort', 'far.test', 'x.test', 'bob']) {
        assert.ok(!bytes.includes(word) && !name.includes(word), `${word} in ${name}`);
      }
    }
    assert.ok(searched > 2000);
  });
});
