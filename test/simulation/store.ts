// The store of the simulated world: the memory store with its faults, an archive of every event that ever landed, and
// for each process a way to it that ends with the process.
import { Unavailable } from '../../src/base/index.ts';
import type { Random } from '../../src/base/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import type { Faults, ListOptions, ListPage, MemoryStore, ObjectStore, PutOptions, StoredObject, Stores } from '../../src/store/index.ts';
import { Past } from './sick.ts';
import type { Sickness } from './sick.ts';
import type { ProcessClock, WorldClock } from './time.ts';

export class SimWorld extends MemoryWorld {
  /** Bytes of every event that ever landed, whatever became of it. */
  readonly archive = new Map<string, Buffer>();
  /** Told before an object is there. */
  onLanding: (name: string, bytes: Buffer, full: boolean) => void = () => {};
  /** What is wrong with the store itself, while it is. */
  sickness: Sickness | null = null;
  readonly past = new Past();

  constructor(clock: WorldClock, random: Random) {
    super(clock, random);
  }
  override land(name: string, bytes: Buffer, full: boolean, firstModified: number | null): void {
    this.onLanding(name, bytes, full);
    if (name.includes('/log/')) this.archive.set(name, bytes);
    super.land(name, bytes, full, firstModified);
    if (this.sickness) this.past.landed(name, bytes, firstModified, this.clock.now());
  }
  override remove(name: string): void {
    super.remove(name);
    this.past.removed(name, this.clock.now());
  }
}

/** One process's way to the world: a stopped process hears answers when it goes on, a dead one never. */
export class ProcessStore implements ObjectStore {
  readonly #inner: MemoryStore;
  readonly #clock: ProcessClock;
  /** As the disk store says, or as S3 does. */
  readonly preparesPuts: boolean;
  readonly #world: SimWorld;
  /** All that is read is of this time, for a while. */
  stuckAt: number | null = null;
  constructor(world: SimWorld, clock: ProcessClock, faults: Faults, preparesPuts: boolean) {
    this.#world = world;
    this.#inner = world.client(faults);
    this.#clock = clock;
    this.preparesPuts = preparesPuts;
  }
  get counts() {
    return this.#inner.counts;
  }
  get faults(): Faults {
    return this.#inner.faults;
  }
  set faults(faults: Faults) {
    this.#inner.faults = faults;
  }

  async #heard<T>(ask: () => Promise<T>): Promise<T> {
    // Nothing is sent by a process that doesn't run.
    await this.#clock.turn();
    try {
      const answer = await ask();
      await this.#clock.turn();
      return answer;
    } catch (e) {
      await this.#clock.turn();
      throw e;
    }
  }
  /** Who gives up a PUT doesn't take it back: it may land all the same. */
  put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    return this.#heard(async () => {
      const { signal, after } = options ?? {};
      if (after) {
        await after.catch((cause) => {
          throw new Unavailable('not sent: what comes before is not stored', { cause });
        });
        await this.#clock.turn();
      }
      if (signal?.aborted || options?.maySend?.() === false) throw new Unavailable('not sent');
      const put = this.#inner.put(name, bytes, { firstModified: options?.firstModified });
      if (!signal) return put;
      put.catch(() => {});
      return Promise.race([put, new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(new Unavailable('given up')), { once: true }))]);
    });
  }
  putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }> {
    return this.#heard(() => this.#inner.putStream(name, bytes, source, options));
  }
  get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null> {
    return this.#heard(async () => {
      const { sickness, past, random, clock } = this.#world;
      const object = await this.#inner.get(name, options);
      if (!sickness) return object;
      const time = this.#replayed(sickness);
      if (time !== null) return past.get(name, time, options, clock.now());
      const other = object && random.unit() < sickness.swaps ? past.another(name, random) : null;
      return object && { ...object, bytes: other ?? object.bytes, modified: object.modified + wrong(sickness, random) };
    });
  }
  list(options: ListOptions): Promise<ListPage> {
    return this.#heard(async () => {
      const { sickness, past, random, clock } = this.#world;
      const page = await this.#inner.list(options);
      if (!sickness) return page;
      const time = this.#replayed(sickness);
      const shown = time === null ? page : past.list(options, time, clock.now());
      return { ...shown, objects: shown.objects.map((row) => ({ ...row, modified: row.modified + wrong(sickness, random) })) };
    });
  }
  #replayed({ replays, oldest }: Sickness): number | null {
    const { random, clock } = this.#world;
    return this.stuckAt ?? (random.unit() < replays ? clock.now() - random.unit() * oldest : null);
  }
  delete(name: string, options?: { signal?: AbortSignal }): Promise<void> {
    return this.#heard(() => this.#inner.delete(name, options));
  }
  confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void> {
    return this.#heard(() => this.#inner.confirm(name, bytes, firstModified));
  }
  async close(): Promise<void> {}
}

const wrong = ({ times }: Sickness, random: Random): number => (times === 0 ? 0 : Math.round((random.unit() - 0.5) * 2 * times));

/** One bucket for all. */
export const oneBucket = (store: ObjectStore): Stores => ({ bucket: () => store, home: store, names: [null], place: 'here', close: async () => {} });
