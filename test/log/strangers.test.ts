// Whoever holds the bucket puts large objects, or very many, where others look: nobody runs out of memory, no log file
// grows without end, and what is not of the log or of the cluster keeps nobody from anything.
import assert from 'node:assert/strict';
import { Corrupt, limits, seededRandom, silent } from '../../src/base/index.ts';
import type { Fields, Logger } from '../../src/base/index.ts';
import { Log, Presence, declareReplaced, presenceBytes, wasReplaced } from '../../src/log/index.ts';
import { readAll } from '../../src/log/reading.ts';
import { MINUTE, ROOT, Stage } from './scene.ts';
import { toyAuthenticator, toyCodec } from './toy.ts';
import { World, WorldClock, WorldStore, quiet } from './world.ts';

/** As the disk and S3 do with what is too large to be read as a whole. */
class Wary extends WorldStore {
  readonly refused: string[] = [];
  override async get(name: string) {
    const object = await super.get(name);
    if (object && object.bytes.length > 100_000) {
      this.refused.push(name);
      throw new Corrupt(`${name} is too large to be read as a whole`);
    }
    return object;
  }
}

describe('strangers in the bucket', () => {
  it('a presence that is too large is none: who is there stays, and others come', async () => {
    const clock = new WorldClock();
    const world = new World(clock, seededRandom(3));
    const store = new Wary(world, () => false);
    const presence = (seed: number) => new Presence({ store, clock, random: seededRandom(seed), logger: silent, address: `x:${seed}`, version: '0', seal: (_n, b) => b, open: (_n, b) => b });
    const a = presence(1);
    await a.join();
    for (const [name, bytes] of [['huge', 200_000], ['large', 50_000]] as const) world.land(`replicas/${name}`, Buffer.alloc(bytes), true);
    await clock.advance(2 * MINUTE);
    assert.deepEqual([a.mayWrite(), a.strangers], [true, 2]);
    const b = presence(2);
    await b.join();
    assert.equal(b.mayWrite(), true);
    assert.deepEqual(store.refused, [], 'and is not even read');
    await assert.rejects(presenceBytes(store, { name: 'replicas/huge', bytes: 0, modified: 0 }), Corrupt);
    await quiet();
  });

  it('nor does one that says a secret was replaced and is too large to be read', async () => {
    const world = new World(new WorldClock(), seededRandom(3));
    const store = new Wary(world, () => false);
    const keys = { writing: 'k1', of: () => 'k2' };
    const authenticator = { ...toyAuthenticator, keys };
    world.land('secrets/rotated/k1-0000', Buffer.alloc(200_000), true);
    assert.equal(await wasReplaced(store, authenticator), false);
    assert.equal(store.refused.length, 1);
    await declareReplaced(store, { ...authenticator, keys: { writing: 'k2', of: () => 'k2' } }, ['k1']);
    assert.equal(await wasReplaced(store, authenticator), true);
  });

  it('of large objects only some are in memory at a time', async () => {
    let [now, most] = [0, 0];
    const read = async (bytes: number): Promise<number> => {
      most = Math.max(most, (now += bytes));
      await quiet();
      now -= bytes;
      return bytes;
    };
    const sizes = [1, 2, 3, 40, 5, 50, 4, 4, 1, 1, 10, 9];
    assert.deepEqual(await readAll(sizes, (n) => n, 20, read), sizes);
    assert.ok(most <= 50 && most >= 20, String(most));
    assert.deepEqual(await readAll([], () => 1, 20, read), []);
  });

  it('forged events are told of, once an hour and not each of ten thousand', async () => {
    const s = new Stage();
    const lines: [string, Fields | undefined][] = [];
    const logger: Logger = { ...silent, error: (message, fields) => void lines.push([message, fields]) };
    const store = new WorldStore(s.world, () => false);
    const log = new Log({ store, root: ROOT, identity: { slot: 3, mayWrite: () => true, spent: new Map() }, clock: s.clock, random: s.world.random, logger, authenticator: toyAuthenticator, codec: toyCodec, limits });
    for (let i = 0; i < 300; i++) s.world.land(`${ROOT}log/0000000000000${String(100 + i)}-writer${String(i).padStart(7, '0')}-1`, Buffer.from('no event'), true);
    s.world.land(`${ROOT}log/what`, Buffer.from('no name'), true);
    for (let i = 0; i < 5; i++) await log.refresh(0);
    assert.ok(lines.length > 50 && lines.length <= 101, String(lines.length));
    assert.match(lines.at(-1)![0], /more errors/);
    await s.clock.advance(61 * MINUTE);
    await log.refresh(0);
    assert.ok(lines.length > 150 && lines.length <= 202, String(lines.length));
  });
});
