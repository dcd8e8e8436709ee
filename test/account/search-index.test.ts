// The search index of a user as replicas share it: parts in the store that anyone may lose.
import assert from 'node:assert/strict';
import { SearchMemory } from '../../src/account/index.ts';
import { PART_HEAD } from '../../src/account/search-part.ts';
import { seededRandom, systemClock } from '../../src/base/index.ts';
import { parseKeys } from '../../src/imap/search/keys.ts';
import { search } from '../../src/imap/search/run.ts';
import type { Session } from '../../src/imap/session.ts';
import { View } from '../../src/imap/view.ts';
import { Args } from '../../src/imap/wire/index.ts';
import { SEARCH_RULES } from '../../src/message/index.ts';
import { sealNamed } from '../../src/seal/index.ts';
import { knownRing } from '../seal/known.ts';
import { AccountWorld, append, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const BIRDS = ['heron', 'cormorant', 'pelican', 'flamingo', 'kestrel', 'dunnock', 'siskin', 'plover', 'avocet', 'whimbrel'];
const HOUR = 60 * 60_000;

describe('account: search index', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let bob: Account;
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica({ search: new SearchMemory(1 << 20) });
    bob = await world.account(a, 'bob');
  });
  afterEach(() => world.stop());

  const parts = () => [...world.store.objects.keys()].filter((name) => name.startsWith(`users/${bob.id}/search/`));
  const indexAt = (replica: TestReplica) => replica.users.find(bob.id)!.search!.index;

  /** UIDs in INBOX, and how many messages were read for it. */
  async function find(replica: TestReplica, session: Session, keys: string): Promise<{ places: number[]; read: number }> {
    const selected = await world.settled(session.look('INBOX'));
    const view = new View(selected);
    const out = { line() {}, write() {}, raw() {}, full: false, drain: async () => {} };
    let read = 0;
    const reading = selected.read.bind(selected);
    selected.read = (uid, from, to) => (read++, reading(uid, from, to));
    const context = { view, selected, out, clock: systemClock, tag: '' } as unknown as Parameters<typeof search>[0];
    const uids = await world.settled(search(context, parseKeys(new Args(`A1 ${keys}`, [], 3), 'utf-8')));
    const places = [...uids].map((uid) => view.seqOf(uid) - 1);
    selected.close();
    return { places, read };
  }

  /** Writes what was learnt. */
  const written = (replica: TestReplica) => world.settled(indexAt(replica).write());
  const fill = async (session: Session, from = 0, to = 20) => append(session, 'INBOX', Array.from({ length: to - from }, (_, k) => mail(`letter ${from + k}`, `A ${BIRDS[(from + k) % 10]} and nothing else, ${'ab'.repeat(from + k)}.\r\n`)));

  it('learns new mail of who is logged in here without the store, delivered or appended', async () => {
    const session = await a.login(bob);
    await world.settled(session.select('INBOX', true));
    await a.deliver(bob.address, mail('new', 'a heron\r\n'));
    const gets = a.mail.counts.get;
    const learnt = () => world.settled(a.users.find(bob.id)!.search!.catchUp());
    await learnt();
    assert.equal(a.mail.counts.get, gets, 'nothing was read');
    assert.deepEqual(await find(a, session, 'BODY heron'), { places: [0], read: 1 });
    assert.deepEqual(await find(a, session, 'BODY pelican'), { places: [], read: 0 }, 'it was learnt');
    await append(session, 'INBOX', [mail('appended', 'a pelican\r\n')]);
    await learnt();
    assert.equal(a.mail.counts.get, gets, 'nothing was read');
    assert.deepEqual(await find(a, session, 'BODY pelican'), { places: [1], read: 1 });
    assert.equal(a.mail.counts.get, gets, 'it is in memory');
    const b = await world.replica();
    await b.deliver(bob.address, mail('of another', 'a plover\r\n'));
    await learnt();
    assert.equal(a.mail.counts.get, gets + 1, 'what came another way is read');
  });

  it('what one replica has read, another need not read; names and bytes say nothing', async () => {
    const session = await a.login(bob);
    await fill(session);
    assert.deepEqual(await find(a, session, 'BODY cormorant'), { places: [1, 11], read: 20 });
    await written(a);
    assert.equal(parts().length, 1);
    assert.match(parts()[0], /\/search\/[0-9a-z]{26}$/);
    const bytes = world.store.objects.get(parts()[0])!.bytes;
    for (const text of BIRDS) assert.ok(!bytes.includes(text) && !bytes.includes(text.toUpperCase()));
    const b = await world.replica({ search: new SearchMemory(1 << 20) });
    const there = await world.settled(b.login(bob));
    assert.deepEqual(await find(b, there, 'BODY cormorant'), { places: [1, 11], read: 2 });
    assert.deepEqual(await find(b, there, 'TEXT nightingale'), { places: [], read: 0 });
    // What comes later is learnt where it is searched first; the other replica hears of it by its next LIST.
    await fill(session, 20, 25);
    assert.deepEqual(await find(b, there, 'BODY heron'), { places: [0, 10, 20], read: 7 });
    await written(b);
    await world.advance(61_000);
    assert.deepEqual(await find(a, session, 'BODY heron'), { places: [0, 10, 20], read: 3 });
  });

  it('copies and moved messages are known already', async () => {
    const session = await a.login(bob);
    const { uids } = await fill(session);
    await find(a, session, 'BODY heron');
    const selected = await session.select('INBOX', false);
    await selected.copy(uids, 'INBOX');
    assert.deepEqual(await find(a, session, 'BODY siskin'), { places: [6, 16, 26, 36], read: 4 });
  });

  it('is made in the background, and gives way', async () => {
    const b = await world.replica({ search: new SearchMemory(1 << 20, () => 0) });
    const session = await world.settled(b.login(bob));
    await fill(session);
    await world.settled(session.look('INBOX'));
    const slowly = async () => {
      for (let n = 0; n < 120; n++) await world.advance(500);
    };
    await world.advance(2_000);
    assert.equal(b.users.find(bob.id)!.search!.index.size.messages, 0, 'not while a client is at work');
    await slowly();
    assert.equal(indexAt(b).size.messages, 20);
    assert.deepEqual(await find(b, session, 'BODY plover'), { places: [7, 17], read: 2 });
    await a.deliver(bob.address, mail('late', 'A plover.\r\n'));
    await slowly();
    assert.deepEqual(await find(b, session, 'BODY plover'), { places: [7, 17, 20], read: 3 });
    assert.deepEqual(await find(b, session, 'TEXT from:'), { places: Array.from({ length: 21 }, (_, k) => k), read: 21 });
    assert.deepEqual(await find(b, session, 'TEXT nightingale'), { places: [], read: 0 });
  });

  it('of a large message reads the texts alone, whoever reads it first', async () => {
    const attachment = `${Buffer.alloc(57, 'attached').toString('base64')}\r\n`.repeat(8000);
    const message = `Subject: large\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nEin gr=FCner Specht.\r\n--b\r\nContent-Type: application/x-any; name="hoopoe.bin"\r\nContent-Transfer-Encoding: base64\r\n\r\n${attachment}--b--\r\n`;
    const b = await world.replica({ search: new SearchMemory(1 << 20, () => 0) });
    const session = await world.settled(b.login(bob));
    await append(session, 'INBOX', [message, 'Subject: small\r\n\r\nSpatz\r\n']);
    await world.settled(session.look('INBOX'));
    for (let n = 0; n < 40; n++) await world.advance(250);
    assert.equal(indexAt(b).size.messages, 2);
    assert.deepEqual(await find(b, session, 'BODY amsel'), { places: [], read: 0 });
    assert.deepEqual((await find(b, session, 'FUZZY BODY "gruner specht"')).places, [0]);
    assert.deepEqual((await find(b, session, 'BODY hoopoe')).places, [0]);
    assert.ok(indexAt(b).size.bytes < 200);
    // The same by a search.
    const c = await world.replica({ search: new SearchMemory(1 << 20) });
    const there = await world.settled(c.login(bob));
    assert.deepEqual((await find(c, there, 'BODY hoopoe')).places, [0]);
    assert.equal(indexAt(c).size.bytes, indexAt(b).size.bytes);
  });

  it('waits while others have the process, but not for ever', async () => {
    let busy = true;
    const b = await world.replica({ search: new SearchMemory(1 << 20, () => (busy ? world.clock.monotonic() : 0)) });
    const session = await world.settled(b.login(bob));
    await fill(session);
    await world.settled(session.look('INBOX'));
    const seconds = async (n: number) => {
      for (let k = 0; k < 4 * n; k++) await world.advance(250);
    };
    await seconds(12);
    assert.equal(indexAt(b).size.messages, 0);
    await seconds(10);
    assert.equal(indexAt(b).size.messages, 16, 'one batch');
    busy = false;
    await seconds(5);
    assert.equal(indexAt(b).size.messages, 20);
  });

  it('damage is no error: what is altered, cut, swapped or gone is made again', async () => {
    const session = await a.login(bob);
    await fill(session);
    await find(a, session, 'BODY heron');
    await written(a);
    const [name] = parts();
    const good = Buffer.from(world.store.objects.get(name)!.bytes);
    const random = seededRandom(9);
    const damages: (() => Buffer | null)[] = [
      () => null,
      () => Buffer.alloc(0),
      () => good.subarray(0, good.length - 1),
      () => good.subarray(0, 5),
      ...Array.from({ length: 5 }, () => () => {
        const bad = Buffer.from(good);
        bad[Math.floor(random.unit() * bad.length)] ^= 1 << Math.floor(random.unit() * 8);
        return bad;
      }),
      // Sealed by us, and no part at all.
      () => sealNamed(knownRing().sessions[0], name, Buffer.alloc(0), Buffer.concat([PART_HEAD, Buffer.from('no entries')]), random),
      () => sealNamed(knownRing().sessions[0], name, Buffer.alloc(0), Buffer.alloc(0), random),
    ];
    for (const damage of damages) {
      const bytes = damage();
      for (const one of parts()) if (one !== name) world.store.remove(one);
      if (bytes) world.store.land(name, bytes, true, null);
      else world.store.remove(name);
      const b = await world.replica({ search: new SearchMemory(1 << 20) });
      const there = await world.settled(b.login(bob));
      assert.deepEqual(await find(b, there, 'BODY pelican'), { places: [2, 12], read: 20 });
      await written(b);
      assert.deepEqual(parts().length, 1);
      assert.notEqual(parts()[0], name);
      assert.deepEqual(await find(b, there, 'BODY pelican'), { places: [2, 12], read: 2 });
      b.die();
      world.store.land(name, good, true, null);
    }
  });

  it('a part that another has deleted, and that is in memory no more, is made again', async () => {
    const b = await world.replica({ search: new SearchMemory(1) });
    const session = await world.settled(b.login(bob));
    await fill(session);
    await find(b, session, 'BODY heron');
    await written(b);
    await fill(session, 20, 22);
    await find(b, session, 'BODY heron');
    await written(b);
    assert.equal(parts().length, 2);
    assert.deepEqual((await find(b, session, 'BODY dunnock')).read, 2, 'evicted, and read again');
    for (const name of parts()) world.store.remove(name);
    // One of the two is still in memory: whatever the budget, what was used last is.
    assert.deepEqual((await find(b, session, 'BODY dunnock')).places, [5, 15]);
    assert.deepEqual((await find(b, session, 'BODY dunnock')).places, [5, 15]);
  });

  it('a store that does not give it leaves the search as it was without', async () => {
    const session = await a.login(bob);
    await fill(session);
    for (const broken of ['list', 'put', 'get'] as const) {
      a.mail.faults.script = (operation, name) => (operation === broken && name.includes('/search/') ? 'fails' : null);
      assert.deepEqual((await find(a, session, 'BODY avocet')).places, [8, 18]);
      await written(a);
      assert.deepEqual((await find(a, session, 'BODY avocet')).places, [8, 18]);
    }
    a.mail.faults.script = undefined;
    assert.deepEqual((await find(a, session, 'BODY avocet')).places, [8, 18]);
    await written(a);
    assert.deepEqual(await find(a, session, 'BODY avocet'), { places: [8, 18], read: 2 });
  });

  it('parts of other rules are not used; older ones go when somebody tidies, newer ones stay', async () => {
    const session = await a.login(bob);
    await fill(session);
    const put = (id: string, plain: Buffer) => {
      const name = `users/${bob.id}/search/${id}`;
      world.store.land(name, sealNamed(knownRing().sessions[0], name, Buffer.alloc(0), plain, seededRandom(1)), true, null);
      return name;
    };
    const older = put('0'.repeat(26), Buffer.of(1, SEARCH_RULES - 1, 1, 2, 3));
    const newer = put('1'.repeat(26), Buffer.of(1, SEARCH_RULES + 1, 1, 2, 3));
    const newest = put('2'.repeat(26), Buffer.of(2, 9, 9, 9));
    assert.deepEqual(await find(a, session, 'BODY siskin'), { places: [6, 16], read: 20 });
    await written(a);
    assert.deepEqual(await find(a, session, 'BODY siskin'), { places: [6, 16], read: 2 });
    assert.equal(parts().length, 4);
    await world.settled(a.upkeep.collect(a.users.logs.of(a.record(bob)), a.users.find(bob.id)));
    assert.deepEqual(parts().length, 3);
    assert.ok(!parts().includes(older) && parts().includes(newer) && parts().includes(newest));
  });

  it('many small parts become few, and two replicas that do it at once lose nothing', async () => {
    const b = await world.replica({ search: new SearchMemory(1 << 20) });
    const session = await a.login(bob);
    const there = await world.settled(b.login(bob));
    for (let n = 0; n < 20; n++) {
      await fill(session, n * 2, n * 2 + 2);
      const who = n % 2 === 0 ? ([a, session] as const) : ([b, there] as const);
      await world.advance(61_000);
      assert.equal((await find(...who, 'BODY nightingale')).read, 2, 'the new ones alone');
      await written(who[0]);
    }
    await world.advance(61_000);
    // Both read what the other has, and both may have joined the same small parts.
    await Promise.all([find(a, session, 'BODY whimbrel'), find(b, there, 'BODY whimbrel')]);
    assert.ok(parts().length <= 10, `${parts().length} parts`);
    const c = await world.replica({ search: new SearchMemory(1 << 20) });
    const third = await world.settled(c.login(bob));
    assert.deepEqual(await find(c, third, 'BODY whimbrel'), { places: [9, 19, 29, 39], read: 4 });
    const tidied = (r: TestReplica) => world.settled(r.upkeep.collect(r.users.logs.of(r.record(bob)), r.users.find(bob.id)));
    await Promise.all([tidied(a), tidied(b), tidied(c)]);
    for (const [r, s] of [[a, session], [b, there], [c, third]] as const) assert.deepEqual((await find(r, s, 'BODY whimbrel')).places, [9, 19, 29, 39]);
  });

  it('what two replicas have learnt at the same time is not kept twice', async () => {
    const b = await world.replica({ search: new SearchMemory(1 << 20) });
    const session = await a.login(bob);
    const there = await world.settled(b.login(bob));
    await fill(session);
    assert.equal((await find(a, session, 'BODY heron')).read, 20);
    assert.equal((await find(b, there, 'BODY heron')).read, 20);
    for (const replica of [a, b]) await written(replica);
    assert.equal(parts().length, 2);
    // Each sees it, and none takes away what the other relies on.
    await Promise.all([a, b].map((replica) => world.settled(indexAt(replica).settle())));
    await Promise.all([a, b].map((replica) => world.settled(indexAt(replica).settle())));
    assert.equal(parts().length, 1);
    for (const [r, s] of [[a, session], [b, there]] as const) assert.deepEqual(await find(r, s, 'BODY siskin'), { places: [6, 16], read: 2 });
  });

  it('what is gone for good goes from the index too, and its parts with it', async () => {
    const session = await a.login(bob);
    const { uids } = await fill(session);
    await find(a, session, 'BODY heron');
    await written(a);
    const selected = await session.select('INBOX', false);
    // A month at once: what runs every second would take long.
    const monthLater = async () => {
      world.clock.time += 31 * 24 * HOUR;
      await world.advance(5 * 60_000);
    };
    const tidied = () => world.settled(a.upkeep.collect(a.users.logs.of(a.record(bob)), a.users.find(bob.id)));
    await selected.store(uids.slice(0, 15), 'add', ['\\Deleted'], null);
    await selected.expunge(null);
    await tidied();
    assert.equal(indexAt(a).size.messages, 20, 'undelete may bring them back');
    await monthLater();
    const later = await world.settled(a.login(bob));
    await find(a, later, 'BODY heron');
    await tidied();
    assert.equal(indexAt(a).size.messages, 5);
    assert.equal(parts().length, 1);
    assert.deepEqual(await find(a, later, 'BODY siskin'), { places: [1], read: 1 });
    const rest = await later.select('INBOX', false);
    await rest.store(uids, 'add', ['\\Deleted'], null);
    await rest.expunge(null);
    await monthLater();
    const last = await world.settled(a.login(bob));
    await find(a, last, 'BODY heron');
    await tidied();
    assert.deepEqual(parts(), []);
  });

  it('is gone from memory when the user is', async () => {
    const memory = new SearchMemory(1 << 20);
    const b = await world.replica({ search: memory });
    const session = await world.settled(b.login(bob));
    await fill(session);
    await find(b, session, 'BODY heron');
    await written(b);
    assert.ok(memory.bytes > 0);
    session.close();
    await world.advance(2 * 60_000);
    assert.equal(b.users.find(bob.id), null);
    assert.equal(memory.bytes, 0);
  });
});
