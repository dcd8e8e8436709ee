import assert from 'node:assert/strict';
import { Unavailable, seededRandom } from '../../src/base/index.ts';
import type { Clock } from '../../src/base/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import type { Fault, Faults } from '../../src/store/index.ts';

/** Time that passes only when it is told to. */
class HandClock implements Clock {
  time = 1_000_000;
  #waiting: { at: number; run: () => void }[] = [];
  now = () => this.time;
  monotonic = () => this.time;
  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#waiting.push({ at: this.time + ms, run: resolve });
    });
  after = (ms: number, run: () => void) => {
    const entry = { at: this.time + ms, run };
    this.#waiting.push(entry);
    return () => void (this.#waiting = this.#waiting.filter((w) => w !== entry));
  };
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = this.#waiting.filter((w) => w.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#waiting.splice(this.#waiting.indexOf(next), 1);
      this.time = next.at;
      next.run();
    }
    this.time = end;
  }
}

const X = Buffer.from('x');

describe('faults of the memory store', () => {
  let clock: HandClock;
  let world: MemoryWorld;
  beforeEach(() => {
    clock = new HandClock();
    world = new MemoryWorld(clock, seededRandom(3));
  });
  /** Has the next requests of one kind meet these faults. */
  const script = (...faults: Fault[]): Faults => ({ script: () => faults.shift() ?? null });
  const shown = async (name: string, reads = 40) => {
    const client = world.client();
    let seen = 0;
    for (let i = 0; i < reads; i++) {
      if ((await client.list({ prefix: name })).objects.length) seen++;
      if (await client.get(name)) seen++;
    }
    return seen / (2 * reads);
  };

  it('late: lands after its caller gave up, at its own time', async () => {
    const client = world.client({ ...script('late'), lateMs: [60_000, 60_000] });
    await assert.rejects(client.put('a', X), Unavailable);
    assert.equal(await shown('a'), 0);
    assert.equal(world.late, 1);
    await clock.pass(59_999);
    assert.equal(await shown('a'), 0);
    await clock.pass(1);
    assert.equal(await shown('a'), 1);
    assert.equal((await world.client().get('a'))!.modified, 1_060_000);
  });

  it('late: may land in part, or never', async () => {
    const client = world.client({ late: 1, lateNever: 0.4, latePartial: 0.3, lateMs: [1, 1] });
    for (let i = 0; i < 200; i++) await assert.rejects(client.put(`a/${i}`, X), Unavailable);
    await clock.pass(1);
    const partial = [...world.objects.values()].filter((o) => !o.full).length;
    assert.ok(world.objects.size > 90 && world.objects.size < 150 && partial > 35 && partial < 90, `${world.objects.size} ${partial}`);
    assert.equal(world.late, 0);
  });

  it('partial: some reads show it, until confirm makes it whole and keeps its first age', async () => {
    const client = world.client(script('partial'));
    await assert.rejects(client.put('a', X), Unavailable);
    const share = await shown('a');
    assert.ok(share > 0.2 && share < 0.8, `${share}`);
    await clock.pass(5000);
    await client.confirm('a', X, 1_000_000);
    assert.equal(await shown('a'), 1);
    const object = (await client.get('a'))!;
    assert.deepEqual([object.firstModified, object.modified], [1_000_000, 1_005_000]);
  });

  it('partial: a second PUT that fails leaves it partial; what is whole stays whole', async () => {
    const client = world.client(script('partial', 'partial', 'quorum', 'partial'));
    await assert.rejects(client.put('a', X), Unavailable);
    await assert.rejects(client.put('a', X), Unavailable);
    await assert.rejects(client.confirm('a', X, 1), Unavailable);
    assert.equal(world.objects.get('a')!.full, false);
    await world.client().put('a', X);
    await assert.rejects(client.put('a', X), Unavailable);
    assert.equal(await shown('a'), 1);
  });

  it('answerLost: it happened, and the caller does not know', async () => {
    const client = world.client(script('answerLost', 'answerLost'));
    await assert.rejects(client.put('a', X), Unavailable);
    assert.equal(await shown('a'), 1);
    await assert.rejects(client.delete('a'), Unavailable);
    assert.equal(await shown('a'), 0);
  });

  it('fails and quorum: nothing happened', async () => {
    for (const fault of ['fails', 'quorum'] as const) {
      const client = world.client(script(fault, fault, fault, fault));
      await assert.rejects(client.put('a', X), Unavailable);
      await assert.rejects(client.get('a'), Unavailable);
      await assert.rejects(client.list({ prefix: '' }), Unavailable);
      await assert.rejects(client.delete('a'), Unavailable);
      assert.equal(world.objects.size, 0);
    }
  });

  it('slow and latency: time passes on the given clock only', async () => {
    const client = world.client({ ...script('slow'), latencyMs: [10, 10], slowMs: [1000, 1000] });
    let date = 0;
    void client.put('a', X).then((answer) => (date = answer.date));
    await clock.pass(1009);
    assert.equal(date, 0);
    await clock.pass(1);
    assert.equal(date, 1_001_010);
  });

  it('a caller that gives up while it waits gets its reason', async () => {
    const client = world.client({ latencyMs: [100, 100] });
    const ended = new AbortController();
    const put = client.put('a', X, { signal: ended.signal });
    ended.abort(new Unavailable('enough'));
    await assert.rejects(put, { message: 'enough' });
    assert.equal(world.objects.size, 0);
  });

  it('cut: one client is cut off, the others are not, and back again', async () => {
    const [a, b] = [world.client(), world.client()];
    a.faults.cut = true;
    await assert.rejects(a.put('a', X), Unavailable);
    await b.put('b', X);
    a.faults.cut = false;
    assert.equal((await a.list({ prefix: '' })).objects.length, 1);
  });

  it('one seed repeats everything', async () => {
    const history = async () => {
      const w = new MemoryWorld(new HandClock(), seededRandom(99));
      const client = w.client({ partial: 0.2, fails: 0.2, answerLost: 0.1, quorum: 0.1 });
      const log: string[] = [];
      for (let i = 0; i < 300; i++) {
        log.push(await client.put(`k/${i % 50}`, X).then(() => 'ok', (e) => e.message));
        log.push(await client.list({ prefix: 'k/' }).then((p) => p.objects.map((o) => o.name).join(), (e) => e.message));
      }
      return log;
    };
    const [one, two] = [await history(), await history()];
    assert.deepEqual(one, two);
    assert.ok(new Set(one).size > 20);
  });
});
