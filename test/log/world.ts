// A world of one clock and one store that a seed decides: PUTs of events wait until the scheduler lets them land, in
// whole, in part, or long after their writer gave up.
import { Unavailable } from '../../src/base/index.ts';
import type { Clock, Random } from '../../src/base/index.ts';
import type { ListOptions, ListPage, ObjectStore, PutOptions, StoredObject } from '../../src/store/index.ts';

export class WorldClock implements Clock {
  time: number;
  #timers: { at: number; n: number; run: () => void }[] = [];
  #n = 0;
  constructor(start = 1_700_000_000_000) {
    this.time = start;
  }
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.after(ms, resolve);
      signal?.addEventListener('abort', () => (cancel(), reject(signal.reason)), { once: true });
    });
  }
  after(ms: number, run: () => void): () => void {
    const timer = { at: this.time + ms, n: this.#n++, run };
    this.#timers.push(timer);
    return () => {
      const i = this.#timers.indexOf(timer);
      if (i >= 0) this.#timers.splice(i, 1);
    };
  }
  /** Runs what is due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      const due = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at || a.n - b.n)[0];
      if (!due) break;
      this.#timers.splice(this.#timers.indexOf(due), 1);
      this.time = Math.max(this.time, due.at);
      due.run();
      await quiet();
    }
    this.time = end;
  }
}

/** Resolves when no promise has anything left to do. */
export const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface WorldObject {
  bytes: Buffer;
  modified: number;
  firstModified: number | null;
  full: boolean;
}

export interface ParkedPut {
  name: string;
  bytes: Buffer;
  /** Null when its writer is gone or has given up. */
  answer: { resolve(v: { date: number }): void; reject(e: unknown): void } | null;
}

export class World {
  readonly clock: WorldClock;
  readonly random: Random;
  readonly objects = new Map<string, WorldObject>();
  parked: ParkedPut[] = [];
  zombies = 0;
  /** Every event that ever landed. */
  readonly archive = new Map<string, Buffer>();
  /** How often a read shows what is partial. */
  partialShown = 0.5;
  /** How often a second PUT of something partial fails. */
  confirmFails = 0.1;
  counts = { put: 0, get: 0, list: 0, delete: 0 };
  constructor(clock: WorldClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  land(name: string, bytes: Buffer, full: boolean, firstModified: number | null = null): void {
    if (name.includes('/log/')) this.archive.set(name, bytes);
    const old = this.objects.get(name);
    if (!old) this.objects.set(name, { bytes, modified: this.clock.time, firstModified, full });
    else if (name.startsWith('replicas/')) Object.assign(old, { bytes, modified: this.clock.time });
    else if (full) old.full = true;
  }

  /** One step of one parked PUT, as chance has it; `settle`: it lands and is answered. */
  commit(settle = false): void {
    if (this.parked.length === 0) return;
    const u = () => this.random.unit();
    const i = Math.floor(u() * this.parked.length);
    const put = this.parked[i];
    if (put.answer && !settle && u() < 0.15) {
      this.land(put.name, put.bytes, false);
      // Half of the time the writer hears of the failure and sends again.
      if (u() < 0.5) {
        this.parked.splice(i, 1);
        put.answer.reject(new Unavailable('no quorum'));
      }
      return;
    }
    if (!put.answer && !settle && u() < 0.7) return;
    this.parked.splice(i, 1);
    if (put.answer) {
      this.land(put.name, put.bytes, true);
      put.answer.resolve({ date: this.clock.time });
      return;
    }
    this.zombies++;
    const x = u();
    if (x >= 0.4) this.land(put.name, put.bytes, x >= 0.7);
  }

  heal(): void {
    for (const o of this.objects.values()) o.full = true;
  }
}

/** One process's way to the world; `dead` ends it: nothing is answered any more. */
export class WorldStore implements ObjectStore {
  readonly world: World;
  readonly counts = { put: 0, get: 0, list: 0, delete: 0 };
  dead = false;
  /** Which PUTs wait for the scheduler. */
  parks: (name: string) => boolean;
  constructor(world: World, parks: (name: string) => boolean = () => true) {
    this.world = world;
    this.parks = parks;
  }
  async #alive(kind: keyof WorldStore['counts']): Promise<void> {
    if (this.dead) await new Promise(() => {});
    this.counts[kind]++;
    this.world.counts[kind]++;
  }
  async put(name: string, given: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    await this.#alive('put');
    const bytes = Array.isArray(given) ? Buffer.concat(given) : Buffer.from(given);
    if (options?.after) await options.after.catch((e) => { throw new Unavailable('not sent', { cause: e }); });
    if (options?.firstModified !== undefined || !this.parks(name)) {
      this.world.land(name, bytes, true, options?.firstModified ?? null);
      return { date: this.world.clock.time };
    }
    return new Promise((resolve, reject) => {
      const put: ParkedPut = { name, bytes, answer: { resolve, reject } };
      this.world.parked.push(put);
      options?.signal?.addEventListener('abort', () => {
        put.answer = null;
        reject(new Unavailable('given up'));
      });
    });
  }
  die(): void {
    this.dead = true;
  }
  async get(name: string): Promise<StoredObject | null> {
    await this.#alive('get');
    const o = this.world.objects.get(name);
    if (!o || (!o.full && this.world.random.unit() >= this.world.partialShown)) return null;
    return { bytes: o.bytes, size: o.bytes.length, modified: o.modified, firstModified: o.firstModified, date: this.world.clock.time };
  }
  async list(options: ListOptions): Promise<ListPage> {
    await this.#alive('list');
    const names = [...this.world.objects.keys()].filter((n) => n.startsWith(options.prefix) && (!options.startAfter || n > options.startAfter)).sort();
    const objects = [];
    for (const name of names) {
      const o = this.world.objects.get(name)!;
      if (!o.full && this.world.random.unit() >= this.world.partialShown) continue;
      objects.push({ name, bytes: o.bytes.length, modified: o.modified });
    }
    const max = options.maxKeys ?? 1000;
    return { objects: objects.slice(0, max), truncated: objects.length > max, date: this.world.clock.time };
  }
  async delete(name: string): Promise<void> {
    await this.#alive('delete');
    this.world.objects.delete(name);
  }
  async putStream(): Promise<{ date: number }> {
    throw new TypeError('not used here');
  }
  async confirm(name: string, bytes: Uint8Array): Promise<void> {
    await this.#alive('put');
    const o = this.world.objects.get(name);
    if (o && !o.full && this.world.random.unit() < this.world.confirmFails) throw new Unavailable('the second PUT failed');
    if (o) o.full = true;
    else this.world.land(name, Buffer.from(bytes), true);
  }
  async close(): Promise<void> {}
}
