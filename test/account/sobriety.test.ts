// What a replica asks of the store while nothing happens: exact counts, because each request is paid for at every site.
import assert from 'node:assert/strict';
import { limits, seededRandom, silent } from '../../src/base/index.ts';
import { Presence } from '../../src/log/index.ts';
import { REPLICAS } from '../../src/store/index.ts';
import { AccountWorld, mail } from './world.ts';
import type { Account, TestReplica } from './world.ts';

const MINUTE = 60_000;
const MINUTES = 30;

describe('sobriety', () => {
  let world: AccountWorld;
  let a: TestReplica;
  let users: Account[];
  beforeEach(async () => {
    world = new AccountWorld();
    a = await world.replica();
    users = [];
    for (const name of ['ann', 'bob', 'cy', 'dee']) users.push(await world.account(a, name));
    for (const user of users) await a.deliver(user.address, mail('hello'));
  });
  afterEach(() => world.stop());

  const all = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0);
  async function during(store: { counts: Record<string, number> }, ms: number): Promise<Record<string, number>> {
    const before = { ...store.counts };
    await world.advance(ms);
    return Object.fromEntries(Object.entries(store.counts).map(([kind, n]) => [kind, n - before[kind]]));
  }

  it('a connected user who does nothing costs one LIST a minute while peers answer, and others nothing', async function () {
    this.timeout(60_000);
    for (const user of users.slice(0, 2)) {
      const session = await world.settled(a.login(user));
      await session.select('INBOX', false);
    }
    // The first passes of collection, one user at a time; the next ones are hours away.
    await world.advance(10 * MINUTE);
    const asked = await during(a.mail, MINUTES * MINUTE);
    assert.deepEqual([asked.get, asked.put, asked.delete], [0, 0, 0]);
    // Every half an hour a log is listed as a whole, in the place of one of these.
    assert.ok(asked.list >= 2 * MINUTES * 0.85 && asked.list <= 2 * MINUTES + 2, `${asked.list} LISTs of two users in ${MINUTES} minutes`);
    world.hints = false;
    const alone = await during(a.mail, MINUTE);
    assert.ok(alone.list >= 2 * 9 && alone.list <= 2 * 13, `${alone.list} LISTs a minute without peers`);
  });

  it('who is not connected costs nothing, though mail has come', async function () {
    this.timeout(60_000);
    await world.advance(10 * MINUTE);
    assert.equal(all(await during(a.mail, MINUTES * MINUTE)), 0);
  });

  it('the directory costs two requests a minute, a presence two', async function () {
    this.timeout(60_000);
    const directory = await during(a.home, MINUTES * MINUTE);
    assert.ok(all(directory) <= (MINUTES * MINUTE) / limits.directory_poll_ms + 2, JSON.stringify(directory));
    const presences = [0, 1, 2].map((i) => {
      const store = world.store.client();
      return { store, presence: new Presence({ store, clock: world.clock, random: seededRandom(i + 1), logger: silent, address: `h${i}:1`, version: '0', seal: (_n, b) => b, open: (_n, b) => b }) };
    });
    for (const { presence } of presences) await world.settled(presence.join());
    await world.advance(3 * MINUTE);
    const [first] = presences;
    const asked = await during(first.store, MINUTES * MINUTE);
    // Two other presences, read again every ten minutes.
    assert.ok(asked.put <= MINUTES + 1 && asked.list <= MINUTES + 1 && asked.get <= 2 * 4, JSON.stringify(asked));
    assert.equal(first.presence.peers().length, 2);
    assert.equal([...world.store.objects.keys()].filter((n) => n.startsWith(REPLICAS)).length, 3);
    for (const { presence } of presences) await world.settled(presence.leave({ unanswered: false }));
  });
});
