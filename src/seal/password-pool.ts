// Argon2, so many at once and no more: each takes one of libuv's threads for a fifth of a second, and the disk store needs the
// others (bin/colombier.mjs asks for twelve). The others wait in a line of bounded length, so a flood of log-ins stalls nobody
// else. A thread of our own costs 30 ms at the log-in for which it is started, or megabytes of an idle replica.
import { argon2 } from 'node:crypto';
import { Unavailable, limits } from '../base/index.ts';

export interface Argon2Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}

/**
 * RFC 9106 §4's choice for machines with little memory (64 MiB, three passes), with one lane because the pool computes
 * each on one thread: about 0.2 s, and 64 MiB for that time only, as argon2_running_max is 1.
 */
export const ARGON2_COST: Argon2Cost = { memoryKib: 64 * 1024, passes: 3, lanes: 1 };
const KEY_BYTES = 32;

interface Waiting extends Argon2Cost {
  message: Uint8Array;
  nonce: Uint8Array;
  resolve: (key: Buffer) => void;
  reject: (e: unknown) => void;
}

export class PasswordPool {
  readonly #runningMax: number;
  readonly #waitingMax: number;
  readonly #running = new Set<Waiting>();
  #waiting: Waiting[] = [];
  #closed = false;

  constructor(sizes: { argon2_running_max: number; argon2_waiting_max: number } = limits) {
    this.#runningMax = sizes.argon2_running_max;
    this.#waitingMax = sizes.argon2_waiting_max;
  }

  /** Computations under way. */
  get running(): number {
    return this.#running.size;
  }

  /** 32 bytes of Argon2id (RFC 9106). Throws Unavailable when too many wait, memory is short or the pool is closed. */
  derive(password: Uint8Array, salt: Uint8Array, cost: Argon2Cost): Promise<Buffer> {
    if (this.#closed) return Promise.reject(new Unavailable('log-ins have ended: this replica stops'));
    if (this.#waiting.length >= this.#waitingMax) return Promise.reject(new Unavailable('too many log-ins at once: try again'));
    return new Promise((resolve, reject) => {
      // Copies: the password's is wiped when its key is there.
      this.#waiting.push({ message: Uint8Array.from(password), nonce: Uint8Array.from(salt), ...cost, resolve, reject });
      this.#run();
    });
  }

  /** What runs or waits is rejected with Unavailable. */
  close(): void {
    this.#closed = true;
    for (const one of [...this.#running, ...this.#waiting.splice(0)]) one.reject(new Unavailable('log-ins have ended: this replica stops'));
  }

  #run(): void {
    while (this.#running.size < this.#runningMax && this.#waiting.length > 0) {
      const one = this.#waiting.shift()!;
      this.#running.add(one);
      const { message, nonce, memoryKib, passes, lanes } = one;
      try {
        argon2('argon2id', { message, nonce, memory: memoryKib, passes, parallelism: lanes, tagLength: KEY_BYTES }, (e, key) => this.#answered(one, e, key));
      } catch (e) {
        this.#answered(one, e as Error, null);
      }
    }
  }

  #answered(one: Waiting, e: Error | null, key: Buffer | null): void {
    this.#running.delete(one);
    one.message.fill(0);
    if (key && !e) one.resolve(key);
    // Argon2 fails for want of memory only: its parameters were checked before.
    else one.reject(new Unavailable(`a password cannot be tried now: ${e?.message ?? 'no key'}`));
    this.#run();
  }
}
