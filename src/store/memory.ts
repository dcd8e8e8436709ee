// The store of tests and of the simulation: one world of objects, and a client for each simulated replica with
// faults of its own. Time comes from the clock and chance from the random source that were given, so one seed
// repeats everything; nothing here sets a timer of the machine.
import { Unavailable } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { checkName, checkPrefix, checkRange, pageSize } from './check-name.ts';
import { checkMaySend, checkSignal, comeBefore, gaveUp } from './give-up.ts';
import { drawFault } from './memory-faults.ts';
import type { Fault, Faults, Operation } from './memory-faults.ts';
import type { Listed, ListOptions, ListPage, ObjectStore, PutOptions, StoredObject } from './object-store.ts';

interface MemoryObject {
  bytes: Buffer;
  modified: number;
  firstModified: number | null;
  /** False: some node has it, no quorum: a LIST or GET may show it or not, until a PUT of it succeeds. */
  full: boolean;
}

const joined = (bytes: Uint8Array | Uint8Array[]): Buffer => (Array.isArray(bytes) ? Buffer.concat(bytes) : Buffer.from(bytes));

/** The objects that all clients share. */
export class MemoryWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly objects = new Map<string, MemoryObject>();
  /** Requests of all clients. */
  readonly counts = { put: 0, get: 0, list: 0, delete: 0 };
  /** PUTs that will land after their caller gave up. */
  late = 0;
  #names: string[] = [];

  constructor(clock: Clock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** A replica's own way to the world. The faults may be changed while it works. */
  client(faults: Faults = {}): MemoryStore {
    return new MemoryStore(this, faults);
  }

  /** Index of the first name that is not before `name`. */
  at(name: string): number {
    let low = 0;
    let high = this.#names.length;
    if (high === 0 || this.#names[high - 1] < name) return high;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.#names[mid] < name) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** All names in order, whether visible to all or not. */
  get names(): readonly string[] {
    return this.#names;
  }

  /** The object is there from now on; a partial PUT never hides what was whole. */
  land(name: string, bytes: Buffer, full: boolean, firstModified: number | null): void {
    const now = this.clock.now();
    const old = this.objects.get(name);
    if (!old) {
      this.#names.splice(this.at(name), 0, name);
      this.objects.set(name, { bytes, modified: now, firstModified, full });
      return;
    }
    // Unlike on S3 a partial PUT over an object changes nothing here: names are written once, so the bytes are the same.
    if (!full) return;
    old.bytes = bytes;
    old.modified = now;
    old.firstModified = firstModified;
    old.full = true;
  }

  remove(name: string): void {
    if (this.objects.delete(name)) this.#names.splice(this.at(name), 1);
  }

  /** Makes all partial objects whole: what time and Garage's own repairs do in the end. */
  heal(): void {
    for (const object of this.objects.values()) object.full = true;
  }

  /** What one read sees. */
  shows(object: MemoryObject, odds: number): boolean {
    return object.full || this.random.unit() < odds;
  }
}

/** One client's handle. `faults.cut` ends its connection to the world. */
export class MemoryStore implements ObjectStore {
  readonly world: MemoryWorld;
  faults: Faults;
  readonly counts = { put: 0, get: 0, list: 0, delete: 0 };
  readonly preparesPuts = true;

  constructor(world: MemoryWorld, faults: Faults) {
    this.world = world;
    this.faults = faults;
  }

  async put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    checkName(name);
    // The caller's buffers are its own again when this returns to it.
    const copy = joined(bytes);
    if (options?.after) await comeBefore(options.after);
    const fault = await this.#begin('put', name, options?.signal);
    checkMaySend(options?.maySend);
    const first = options?.firstModified ?? null;
    if (fault === 'partial') this.world.land(name, copy, false, first);
    if (fault === 'answerLost') this.world.land(name, copy, true, first);
    if (fault === 'late') this.#landLate(name, copy, first);
    if (fault !== null && fault !== 'slow') throw await this.#failure(fault, options?.signal);
    this.world.land(name, copy, true, first);
    return { date: this.world.clock.now() };
  }

  async putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }> {
    checkName(name);
    const pieces: Uint8Array[] = [];
    for await (const piece of source()) pieces.push(Buffer.from(piece));
    const whole = Buffer.concat(pieces);
    if (whole.length !== bytes) throw new Unavailable(`the source of ${name} gave ${whole.length} bytes instead of ${bytes}`);
    return this.put(name, whole, options);
  }

  async get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null> {
    checkName(name);
    checkRange(options?.from, options?.to);
    const fault = await this.#begin('get', name, options?.signal);
    if (fault !== null && fault !== 'slow') throw await this.#failure(fault, options?.signal);
    const object = this.world.objects.get(name);
    if (!object || !this.world.shows(object, this.faults.partialShown ?? 0.5)) return null;
    const bytes = Buffer.from(options ? object.bytes.subarray(options.from ?? 0, options.to) : object.bytes);
    return { bytes, size: object.bytes.length, modified: object.modified, firstModified: object.firstModified, date: this.world.clock.now() };
  }

  async list(options: ListOptions): Promise<ListPage> {
    checkPrefix(options.prefix);
    if (options.startAfter) checkPrefix(options.startAfter);
    const max = pageSize(options.maxKeys);
    const fault = await this.#begin('list', options.prefix, options.signal);
    if (fault !== null && fault !== 'slow') throw await this.#failure(fault, options.signal);
    const { prefix, startAfter = '' } = options;
    const { names, objects } = this.world;
    let i = this.world.at(startAfter > prefix ? startAfter : prefix);
    if (names[i] === startAfter) i++;
    const page: Listed[] = [];
    for (; i < names.length && names[i].startsWith(prefix); i++) {
      const object = objects.get(names[i])!;
      if (!this.world.shows(object, this.faults.partialShown ?? 0.5)) continue;
      if (page.length === max) return { objects: page, truncated: true, date: this.world.clock.now() };
      page.push({ name: names[i], bytes: object.bytes.length, modified: object.modified });
    }
    return { objects: page, truncated: false, date: this.world.clock.now() };
  }

  async delete(name: string, options?: { signal?: AbortSignal }): Promise<void> {
    checkName(name);
    const fault = await this.#begin('delete', name, options?.signal);
    if (fault === 'answerLost') this.world.remove(name);
    if (fault !== null && fault !== 'slow') throw await this.#failure(fault, options?.signal);
    this.world.remove(name);
  }

  async confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void> {
    await this.put(name, bytes, { firstModified });
  }

  async close(): Promise<void> {}

  /** Counts the request, takes the time it needs, and draws what goes wrong with it. */
  async #begin(operation: Operation, name: string, signal: AbortSignal | undefined): Promise<Fault | null> {
    checkSignal(signal);
    this.counts[operation]++;
    this.world.counts[operation]++;
    const { faults } = this;
    const fault = drawFault(faults, operation, name, this.world.random);
    let ms = between(faults.latencyMs, this.world.random);
    if (fault === 'slow') ms += between(faults.slowMs ?? [1000, 10_000], this.world.random);
    await this.#wait(ms, signal);
    return fault;
  }

  async #wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (ms <= 0) return;
    try {
      await this.world.clock.sleep(ms, signal);
    } catch (e) {
      throw signal?.aborted ? gaveUp(signal) : e;
    }
  }

  #landLate(name: string, bytes: Buffer, firstModified: number | null): void {
    const { world, faults } = this;
    const ms = between(faults.lateMs ?? [10_000, 180_000], world.random);
    const outcome = world.random.unit();
    if (outcome < (faults.lateNever ?? 0)) return;
    const full = outcome >= (faults.lateNever ?? 0) + (faults.latePartial ?? 0);
    world.late++;
    const land = () => {
      world.late--;
      world.land(name, bytes, full, firstModified);
    };
    world.clock.sleep(ms).then(land, land);
  }

  async #failure(fault: Fault, signal: AbortSignal | undefined): Promise<Unavailable> {
    await this.#wait(between(this.faults.failsAfterMs, this.world.random), signal);
    return new Unavailable(`the memory store had the fault "${fault}"`);
  }
}

function between(range: [number, number] | undefined, random: Random): number {
  return range ? range[0] + Math.floor(random.unit() * (range[1] - range[0] + 1)) : 0;
}
