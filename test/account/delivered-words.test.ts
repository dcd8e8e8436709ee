// Words of mail for users who are away: whoever logs in later, anywhere, searches without reading what came meanwhile.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { MemoryBudget, SearchMemory } from '../../src/account/index.ts';
import { OtherRules, PART_HEAD, entriesOf } from '../../src/account/search-part.ts';
import { decodeWords, encodeWords, openWords, sealWords } from '../../src/account/words-object.ts';
import { Corrupt, limits, seededRandom } from '../../src/base/index.ts';
import { gramsOf } from '../../src/message/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { ClusterKeys, MAC_BYTES, createClusterSecret, mac } from '../../src/seal/index.ts';
import { knownCluster, knownPublic, knownRing } from '../seal/known.ts';
import { wordsFrozen } from './search-freeze.ts';
import { AccountWorld, append, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const HOUR = 60 * 60_000;
const BIRDS = ['heron', 'cormorant', 'pelican', 'flamingo', 'kestrel', 'dunnock', 'siskin', 'plover', 'avocet', 'whimbrel'];

/** The same object as another version would have written it. */
function asVersion(version: number, name: string, bytes: Buffer): Buffer {
  const body = bytes.subarray(1 + MAC_BYTES);
  return Buffer.concat([Buffer.of(version), mac(knownCluster(), name, Buffer.of(version), body), body]);
}

describe('account: words of mail for users who are away', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  const background = () => new SearchMemory(1 << 20, () => 0);
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica({ search: background(), words: true });
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  const objects = (of = 'words', account = bob) => [...world.store.objects.keys()].filter((name) => name.startsWith(`users/${account.id}/${of}/`));
  const deliver = async (count: number, to = bob.address, at = a) => {
    for (let n = 0; n < count; n++) await world.settled(at.deliver(to, mail(`letter ${n}`, `A ${BIRDS[n % 10]} and nothing else.\r\n`)));
  };
  /** Until all that waits was looked at. */
  const taken = async () => {
    for (let n = 0; n < 100; n++) await world.advance(100);
  };
  async function emailIds(session: Session): Promise<string[]> {
    const selected = await world.settled(session.look('INBOX'));
    const { index } = selected;
    const ids = [...index.uids.slice(0, index.count)].map((uid) => index.emailId(index.find(uid)));
    selected.close();
    return ids;
  }
  /** What the index says without any reading of messages: which of them may have a text, and how many it knows. */
  async function sift(replica: TestReplica, session: Session, text: string, account = bob): Promise<{ may: number[]; known: number }> {
    const ids = await emailIds(session);
    const sifted = (await world.settled(replica.users.find(account.id)!.search!.index.sift(ids.length, (k) => ids[k], [{ grams: gramsOf(text.toUpperCase()), header: false }])))!;
    return { may: ids.flatMap((_, k) => (sifted.absent[0][k] === 0 ? [k] : [])), known: sifted.known.reduce((sum, one) => sum + one, 0) };
  }
  /** Names of blobs that the replica reads from now on. */
  const blobsRead = (replica: TestReplica) => {
    const names: string[] = [];
    const get = replica.mail.get.bind(replica.mail);
    replica.mail.get = (name, ...rest) => {
      if (name.includes('/blobs/')) names.push(name);
      return get(name, ...rest);
    };
    return names;
  };

  it('are known at once where they were taken', async () => {
    await deliver(20);
    await taken();
    const read = blobsRead(a);
    const session = await world.settled(a.login(bob));
    assert.deepEqual(await sift(a, session, 'cormorant'), { may: [1, 11], known: 20 });
    assert.deepEqual(await sift(a, session, 'nightingale'), { may: [], known: 20 });
    await taken();
    assert.deepEqual([read, objects()], [[], []]);
  });

  it('are stored now and then, sealed, and known at another replica', async () => {
    const b = await world.replica({ search: background() });
    await deliver(20);
    await taken();
    assert.deepEqual(objects(), [], 'not for each message');
    await world.advance(6 * HOUR);
    assert.equal(objects().length, 1);
    assert.match(objects()[0], /\/words\/[0-9a-z]{26}$/);
    const { bytes } = world.store.objects.get(objects()[0])!;
    for (const text of [...BIRDS, 'letter', 'From']) assert.ok(!bytes.includes(text) && !bytes.includes(text.toUpperCase()));
    const read = blobsRead(b);
    const session = await world.settled(b.login(bob));
    assert.deepEqual(await sift(b, session, 'flamingo'), { may: [3, 13], known: 20 });
    await taken();
    assert.deepEqual(read, []);
  });

  it('go into the index of the user, whose secret alone opens it', async () => {
    for (let n = 0; n < 9; n++) {
      await deliver(5);
      await taken();
      await world.advance(6 * HOUR);
    }
    assert.equal(objects().length, 9);
    const session = await world.settled(a.login(bob));
    assert.equal((await sift(a, session, 'heron')).known, 45);
    const { index } = a.users.find(bob.id)!.search!;
    await world.settled(index.tidy(new Set(await emailIds(session))));
    assert.deepEqual([objects().length, objects('search').length], [0, 1]);
    assert.equal((await sift(a, session, 'heron')).known, 45);
  });

  it('of a few messages are not stored, of many at once', async () => {
    await deliver(3);
    await taken();
    await world.advance(6 * HOUR);
    assert.deepEqual(objects(), []);
    const texts = (n: number) => Array.from({ length: 3000 }, (_, k) => ((n * 3000 + k) * 7919).toString(36)).join(' ');
    for (let n = 0; n < 40; n++) await world.settled(a.deliver(bob.address, mail(`long ${n}`, `${texts(n).replace(/(.{70})/g, '$1\r\n')}\r\n`)));
    await taken();
    await taken();
    assert.ok(objects().length >= 1, 'a full object does not wait');
  });

  it('are stored when the replica leaves, unless the user was removed', async () => {
    const cleo = await world.account(a, 'cleo');
    await deliver(5);
    await deliver(5, cleo.address);
    await taken();
    await world.settled(a.directory.write(() => [{ kind: 'UserRemoved', user: cleo.id }]));
    await world.settled(a.words!.stop());
    assert.deepEqual([objects().length, objects('words', cleo).length], [1, 0]);
    await deliver(5);
    await taken();
    assert.equal(objects().length, 1, 'nothing more is taken');
  });

  it('of two users never meet', async () => {
    const cleo = await world.account(a, 'cleo');
    await world.settled(a.deliver([bob.address, cleo.address], mail('both', 'A heron.\r\n')));
    await deliver(4, cleo.address);
    await taken();
    const [of, other] = [await world.settled(a.login(bob)), await world.settled(a.login(cleo))];
    assert.deepEqual(await sift(a, of, 'heron'), { may: [0], known: 1 });
    assert.deepEqual(await sift(a, other, 'pelican', cleo), { may: [3], known: 5 });
  });

  it('give way to all else and take no more memory than they may', async () => {
    const { words_waiting_bytes_max: waiting, words_gathered_bytes_max: gathered } = limits;
    let busy = true;
    const memory = new MemoryBudget(1 << 30, world.clock);
    const b = await world.replica({ search: new SearchMemory(1 << 20, () => (busy ? world.clock.monotonic() : 0)), words: true, memory });
    limits.words_waiting_bytes_max = 4000;
    try {
      await deliver(20, bob.address, b);
      const { words } = b;
      assert.ok(words!.bytes > 0 && words!.bytes <= 4000);
      assert.ok(words!.wantedBytes < 4000, 'nor is a text kept on its way that would find no room');
      await world.advance(10_000);
      const { bytes } = words!;
      assert.ok(bytes > 2000, 'it waits');
      busy = false;
      await taken();
      await taken();
      assert.ok(words!.bytes > 0 && words!.bytes < bytes);
      // Beyond what may be gathered the largest is stored early.
      limits.words_gathered_bytes_max = words!.bytes + 10;
      await deliver(5, bob.address, b);
      await taken();
      assert.deepEqual([words!.bytes, objects().length], [0, 1]);
      await deliver(5, bob.address, b);
      limits.words_waiting_bytes_max = waiting;
      await deliver(5, bob.address, b);
      await taken();
      assert.ok(words!.evict(Infinity, Infinity) > 0);
      assert.equal(words!.bytes, 0);
      await world.advance(100);
      assert.equal(objects().length, 2, 'for want of memory it is stored early');
    } finally {
      Object.assign(limits, { words_waiting_bytes_max: waiting, words_gathered_bytes_max: gathered });
    }
  });

  it('of large messages are taken when the user is there', async () => {
    await world.settled(a.deliver(bob.address, mail('large', `A heron.\r\n${'x'.repeat(78)}\r\n`.repeat(1000))));
    assert.equal(a.words!.bytes, 0);
  });

  it('that are lost, altered, under another name or of another cluster cost a reading, never a message', async () => {
    await deliver(20);
    await taken();
    await world.advance(6 * HOUR);
    const [name] = objects();
    const { bytes } = world.store.objects.get(name)!;
    const pieces = decodeWords(knownCluster(), name, bytes);
    const stranger = ClusterKeys.parse([createClusterSecret(seededRandom(5))]);
    const damages: [string, Buffer][] = [
      ['altered', Buffer.from(bytes.map((b, i) => (i === bytes.length - 1 ? b ^ 1 : b)))],
      ['cut', bytes.subarray(0, bytes.length - 1)],
      ['empty', Buffer.alloc(0)],
      ['of another cluster', encodeWords(stranger, name, pieces)],
      ['of an older version', asVersion(0, name, bytes)],
      ['with an altered version', Buffer.concat([Buffer.of(2), bytes.subarray(1)])],
      ['with what is no part', encodeWords(knownCluster(), name, [sealWords(knownPublic().event, name, 0, Buffer.of(...PART_HEAD, 5), seededRandom(1))])],
    ];
    for (const [what, damaged] of damages) {
      world.store.remove(objects()[0] ?? '');
      world.store.land(name, damaged, true, null);
      const b = await world.replica({ search: new SearchMemory(1 << 20) });
      const session = await world.settled(b.login(bob));
      assert.deepEqual(await sift(b, session, 'heron'), { may: Array.from({ length: 20 }, (_, k) => k), known: 0 }, what);
      assert.deepEqual(objects(), [], what);
      await world.settled(b.stop());
    }
    // What a newer release wrote stays.
    world.store.land(name, asVersion(2, name, bytes), true, null);
    const session = await world.settled(a.login(bob));
    assert.equal((await sift(a, session, 'heron')).known, 0);
    await append(session, 'INBOX', [mail('one')]);
    assert.equal(objects().length, 1);
  });

  it('are read as they were first stored', async () => {
    assert.ok(existsSync(wordsFrozen));
    const frozen = JSON.parse(readFileSync(wordsFrozen, 'utf8')) as { name: string; plain: string; bytes: string };
    const bytes = Buffer.from(frozen.bytes, 'hex');
    const pieces = decodeWords(knownCluster(), frozen.name, bytes);
    assert.equal(pieces.length, 2);
    const plain = await openWords(knownRing().events, frozen.name, pieces);
    assert.equal(plain.toString('hex'), frozen.plain);
    assert.equal([...entriesOf(plain)].length, 4);
    assert.equal(encodeWords(knownCluster(), frozen.name, pieces).toString('hex'), frozen.bytes);
    assert.throws(() => decodeWords(knownCluster(), frozen.name, asVersion(2, frozen.name, bytes)), (e) => e instanceof OtherRules && !e.older);
    await assert.rejects(openWords(knownRing().events, frozen.name, [...pieces].reverse()), Corrupt);
    await assert.rejects(openWords(knownRing().events, `${frozen.name}x`, pieces), Corrupt);
  });
});
