// Time of the simulated world. One queue of timers for everybody; nothing moves but by `advance`, so one seed decides
// every order. A process has its own clocks over it, which may be wrong, stand still, or end with it.
import type { Clock } from '../../src/base/index.ts';

interface Timer {
  at: number;
  n: number;
  run: (() => void) | null;
}

/** Resolves when no promise has anything left to do. Not a timer of the machine: it waits for nothing else. */
export const quiet = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A Sunday in 2023, so that times in stored objects look like times. */
const START = 1_700_000_000_000;

export class WorldClock implements Clock {
  time = START;
  /** A heap by (at, n). */
  readonly #heap: Timer[] = [];
  #n = 0;

  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  get elapsed(): number {
    return this.time - START;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  after(ms: number, run: () => void): () => void {
    const timer: Timer = { at: this.time + Math.max(0, Math.ceil(ms)), n: this.#n++, run };
    this.#push(timer);
    return () => {
      timer.run = null;
    };
  }

  /** Runs what is due on the way, one after the other, each to the end of what it sets in motion. */
  async advance(ms: number): Promise<void> {
    const end = this.time + Math.ceil(ms);
    await quiet();
    for (let top = this.#heap[0]; top && top.at <= end; top = this.#heap[0]) {
      this.#pop();
      if (!top.run) continue;
      this.time = Math.max(this.time, top.at);
      top.run();
      await quiet();
    }
    this.time = end;
  }

  /** Everything stands still for so long: timers that were due run late. */
  jump(ms: number): void {
    this.time += ms;
  }

  #before(a: Timer, b: Timer): boolean {
    return a.at < b.at || (a.at === b.at && a.n < b.n);
  }
  #push(timer: Timer): void {
    const h = this.#heap;
    let i = h.push(timer) - 1;
    for (let up = (i - 1) >> 1; i > 0 && this.#before(h[i], h[up]); i = up, up = (i - 1) >> 1) [h[i], h[up]] = [h[up], h[i]];
  }
  #pop(): void {
    const h = this.#heap;
    const last = h.pop()!;
    if (h.length === 0) return;
    h[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < h.length && this.#before(h[child], h[least])) least = child;
      if (least === i) return;
      [h[i], h[least]] = [h[least], h[i]];
      i = least;
    }
  }
}

function sleepOn(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const aborted = () => {
      cancel();
      reject(signal!.reason);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    });
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

/** The clocks of one process: its wall clock is off by `skew`, and while it is stopped nothing runs. */
export class ProcessClock implements Clock {
  readonly world: WorldClock;
  /** Milliseconds that the wall clock is ahead. Changes when somebody sets it. */
  skew: number;
  dead = false;
  /** While stopped: what to run when it goes on. */
  #held: (() => void)[] | null = null;
  #stoppedAt = 0;
  /** Time that the monotonic clock didn't count, because the machine slept. */
  #slept = 0;

  constructor(world: WorldClock, skew: number) {
    this.world = world;
    this.skew = skew;
  }
  now(): number {
    return this.world.time + this.skew;
  }
  monotonic(): number {
    return this.world.elapsed - this.#slept;
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }
  after(ms: number, run: () => void): () => void {
    let cancelled = false;
    const cancel = this.world.after(ms, () => this.do(() => cancelled || run()));
    return () => {
      cancelled = true;
      cancel();
    };
  }

  get stopped(): boolean {
    return this.#held !== null;
  }
  /** Runs now, or when the process goes on, or never. */
  do(run: () => void): void {
    if (this.dead) return;
    if (this.#held) this.#held.push(run);
    else run();
  }
  /** Resolves as `do` runs. */
  turn(): Promise<void> | null {
    return this.dead || this.#held ? new Promise((resolve) => this.do(resolve)) : null;
  }
  stop(): void {
    if (this.#held) return;
    this.#held = [];
    this.#stoppedAt = this.world.time;
  }
  /** `slept`: the machine slept, and its monotonic clock with it. */
  resume(slept: boolean): void {
    const held = this.#held;
    if (!held) return;
    this.#held = null;
    if (slept) this.#slept += this.world.time - this.#stoppedAt;
    for (const run of held) this.do(run);
  }
}
