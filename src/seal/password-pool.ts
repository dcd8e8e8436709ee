// Argon2 in threads of its own, started at the first password and ended when none came for a while: libuv's threads,
// which the disk store needs, stay free, and an idle replica pays nothing.
import { Worker } from 'node:worker_threads';
import { Unavailable, limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';

export interface Argon2Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

/**
 * RFC 9106 §4's choice for machines with little memory (64 MiB, three passes), with one lane because the pool computes
 * each on one thread: about 0.2 s, and 64 MiB for that time only, as argon2_workers_max is 1.
 */
export const ARGON2_COST: Argon2Cost = { memoryKib: 64 * 1024, passes: 3, lanes: 1 };

/** What the thread is sent. */
interface Argon2Job extends Argon2Cost {
  message: Uint8Array;
  nonce: Uint8Array;
}
/** What it answers. */
interface Argon2Answer {
  key: Uint8Array | null;
  error: string | null;
}
interface Waiting {
  job: Argon2Job;
  resolve: (key: Buffer) => void;
  reject: (e: unknown) => void;
}
interface Thread {
  worker: Worker;
  running: Waiting | null;
  cancelIdle: (() => void) | null;
}

export class PasswordPool {
  readonly #clock: Clock;
  readonly #workersMax: number;
  readonly #waitingMax: number;
  readonly #threads = new Set<Thread>();
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(clock: Clock, sizes: { argon2_workers_max: number; argon2_waiting_max: number } = limits) {
    this.#clock = clock;
    this.#workersMax = sizes.argon2_workers_max;
    this.#waitingMax = sizes.argon2_waiting_max;
  }

  /** Threads that exist now. */
  get threads(): number {
    return this.#threads.size;
  }

  /** Starts a thread (30 ms) if there is none: call it when a client connects, so that its log-in finds one. */
  warm(): void {
    if (this.#closed || this.#threads.size > 0) return;
    const thread = this.#start();
    thread.worker.unref();
    this.#endLater(thread);
  }

  /** 32 bytes of Argon2id. Throws Unavailable when too many wait or the pool is closed. */
  derive(password: Uint8Array, salt: Uint8Array, cost: Argon2Cost): Promise<Buffer> {
    if (this.#closed) return Promise.reject(new Unavailable('log-ins have ended: this replica stops'));
    if (this.#waiting.length >= this.#waitingMax) return Promise.reject(new Unavailable('too many log-ins at once: try again'));
    return new Promise((resolve, reject) => {
      // Copies: what is posted to the thread is copied again, and the thread wipes its own.
      const job = { message: Uint8Array.from(password), nonce: Uint8Array.from(salt), ...cost };
      this.#waiting.push({ job, resolve, reject });
      this.#run();
    });
  }

  /** Ends the threads; what waits is rejected with Unavailable. */
  async close(): Promise<void> {
    this.#closed = true;
    const gone = new Unavailable('log-ins have ended: this replica stops');
    for (const w of this.#waiting.splice(0)) w.reject(gone);
    await Promise.all([...this.#threads].map((thread) => this.#end(thread, gone)));
  }

  #run(): void {
    while (this.#waiting.length > 0) {
      let thread = [...this.#threads].find((t) => !t.running);
      if (!thread && this.#threads.size < this.#workersMax) thread = this.#start();
      if (!thread) return;
      thread.cancelIdle?.();
      thread.cancelIdle = null;
      thread.running = this.#waiting.shift()!;
      thread.worker.ref();
      thread.worker.postMessage(thread.running.job);
      thread.running.job.message.fill(0);
    }
  }

  #start(): Thread {
    const worker = new Worker(new URL('./argon2-worker.mjs', import.meta.url), { resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }, execArgv: [], env: {} });
    const thread: Thread = { worker, running: null, cancelIdle: null };
    this.#threads.add(thread);
    worker.on('message', (answer: Argon2Answer) => this.#answered(thread, answer));
    worker.on('error', () => void this.#end(thread, new Unavailable('passwords cannot be tried now')));
    worker.on('exit', () => void this.#end(thread, new Unavailable('passwords cannot be tried now')));
    return thread;
  }

  #answered(thread: Thread, answer: Argon2Answer): void {
    const job = thread.running;
    thread.running = null;
    thread.worker.unref();
    if (job) {
      if (answer.key) job.resolve(Buffer.from(answer.key));
      // Argon2 fails for want of memory only: its parameters were checked before.
      else job.reject(new Unavailable(`a password cannot be tried now: ${answer.error}`));
    }
    this.#run();
    if (!thread.running && this.#threads.has(thread)) this.#endLater(thread);
  }

  #endLater(thread: Thread): void {
    thread.cancelIdle?.();
    thread.cancelIdle = this.#clock.after(limits.argon2_idle_ms, () => void this.#end(thread, new Unavailable('')));
  }

  async #end(thread: Thread, why: Unavailable): Promise<void> {
    if (!this.#threads.delete(thread)) return;
    thread.cancelIdle?.();
    thread.running?.reject(why);
    thread.running = null;
    await thread.worker.terminate();
    if (!this.#closed) this.#run();
  }
}
