// One budget of memory for all that a replica keeps because it may be asked for again, and for mail on its way. What was
// used longest ago goes first, whoever keeps it; what can't go (mailboxes that are open) is counted all the same.

/** One of those who keep things. */
export interface Keeper {
  readonly name: string;
  readonly bytes: number;
  /** What of it could go. */
  readonly spare: number;
  /** True: things may go at any moment. False: only from a timer, when nobody is between asking and using. */
  readonly anytime: boolean;
  /** Lets go of what was last used before `before` (ms of the monotonic clock), the oldest first, until about `bytes` are free. Answers how many are. */
  evict(before: number, bytes: number): number;
}

interface Timers {
  monotonic(): number;
  after(ms: number, run: () => void): () => void;
}

/** What was not used for so long goes before anything that was, ms. */
const IDLE_MS = [10 * 60_000, 60_000, 5000, -1];
/** More than needed goes, a sixteenth of the budget, so that not every new thing sends another away. */
const SLACK = 1 / 16;
/** What is left to things that may go when all the rest takes more than its part. */
const LEAST = 1 / 4;
/** From growing beyond the budget to looking at what only a timer may let go. */
const SWEEP_MS = 100;

export class MemoryBudget {
  readonly bytesMax: number;
  readonly #clock: Timers | null;
  readonly #keepers: Keeper[] = [];
  #sweeping = false;
  #uses = 0;
  /** How often something had to go. */
  evictions = 0;

  /** Without a clock uses are counted instead of timed, and what needs a timer stays. */
  constructor(bytesMax: number, clock: Timers | null = null) {
    this.bytesMax = bytesMax;
    this.#clock = clock;
  }

  join(keeper: Keeper): void {
    this.#keepers.push(keeper);
  }
  get now(): number {
    return this.#clock?.monotonic() ?? ++this.#uses;
  }
  get used(): number {
    let bytes = 0;
    for (const keeper of this.#keepers) bytes += keeper.bytes;
    return bytes;
  }
  /** Bytes that should go. */
  get over(): number {
    let spare = 0;
    for (const keeper of this.#keepers) spare += keeper.spare;
    return spare - Math.max(this.bytesMax - (this.used - spare), this.bytesMax * LEAST);
  }
  /** By who keeps it. */
  get parts(): Record<string, number> {
    return Object.fromEntries(this.#keepers.map((k) => [k.name, k.bytes]));
  }

  /** Something grew. */
  grew(): void {
    if (this.over > 0) this.#evict(this.#keepers.filter((k) => k.anytime), this.over);
    if (this.#clock && !this.#sweeping && this.used > this.bytesMax) {
      this.#sweeping = true;
      this.#clock.after(SWEEP_MS, () => {
        this.#sweeping = false;
        this.sweep();
      });
    }
  }

  /** Call it from a timer: nobody is in the middle of anything. */
  sweep(): void {
    if (this.over > 0) this.#evict(this.#keepers, this.over);
    const over = this.used - this.bytesMax;
    if (over > 0) this.#evict(this.#keepers.filter((k) => !k.anytime), over);
  }

  #evict(keepers: readonly Keeper[], bytes: number): void {
    let over = bytes + this.bytesMax * SLACK;
    const { now } = this;
    for (const idle of IDLE_MS) {
      for (const keeper of keepers) {
        const freed = keeper.evict(now - idle, over);
        if (freed > 0) this.evictions++;
        over -= freed;
        if (over <= 0) return;
      }
    }
  }
}

interface Kept<T> {
  value: T;
  bytes: number;
  /** Last use, ms of the monotonic clock. */
  used: number;
  /** When it was put where it stands in the order. */
  placed: number;
}

/** Values by key within a budget. */
export class Cache<T> implements Keeper {
  readonly name: string;
  readonly anytime = true;
  readonly #kept = new Map<string, Kept<T>>();
  readonly #budget: MemoryBudget;
  #bytes = 0;

  constructor(name: string, budget: MemoryBudget) {
    this.name = name;
    this.#budget = budget;
    budget.join(this);
  }
  get bytes(): number {
    return this.#bytes;
  }
  get spare(): number {
    return this.#bytes;
  }

  get(key: string): T | undefined {
    const kept = this.#kept.get(key);
    if (!kept) return undefined;
    kept.used = this.#budget.now;
    return kept.value;
  }
  set(key: string, value: T, bytes: number): void {
    const now = this.#budget.now;
    this.delete(key);
    this.#kept.set(key, { value, bytes, used: now, placed: now });
    this.#bytes += bytes;
    this.#budget.grew();
  }
  delete(key: string): void {
    const kept = this.#kept.get(key);
    if (!kept) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
  /** Deletes all that `gone` says yes to; nothing of it counts as used. */
  forget(gone: (key: string, value: T) => boolean): void {
    for (const [key, { value }] of this.#kept) if (gone(key, value)) this.delete(key);
  }

  evict(before: number, bytes: number): number {
    let freed = 0;
    for (const [key, kept] of this.#kept) {
      if (freed >= bytes || kept.placed > before) break;
      this.#kept.delete(key);
      if (kept.used > kept.placed) {
        // Used since it was placed: it stands where its last use belongs, or near.
        kept.placed = kept.used;
        this.#kept.set(key, kept);
        continue;
      }
      this.#bytes -= kept.bytes;
      freed += kept.bytes;
    }
    return freed;
  }
}
