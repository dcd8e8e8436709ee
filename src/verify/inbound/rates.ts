// How often an address and its network may come, in bounded memory: buckets that fill with time.
import { networkOf } from '../../base/index.ts';
import type { Clock, Limits } from '../../base/index.ts';

interface Bucket {
  tokens: number;
  at: number;
}

const MINUTE_MS = 60_000;

export class Rates {
  readonly #perMinute: number;
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** Those used last stand last; beyond the bound the others are forgotten, which fills them. */
  readonly #buckets = new Map<string, Bucket>();

  /** `perMinute`: of one address; 0: as often as it likes. */
  constructor(perMinute: number, clock: Clock, limits: Limits) {
    this.#perMinute = perMinute;
    this.#clock = clock;
    this.#limits = limits;
  }

  get known(): number {
    return this.#buckets.size;
  }

  /** False when it is too often. */
  take(address: string): boolean {
    if (this.#perMinute === 0) return true;
    // Both are counted, whatever the first one says: a network that floods stays refused.
    const one = this.#take(address, this.#perMinute);
    const all = this.#take(networkOf(address), this.#perMinute * this.#limits.rate_network_factor);
    return one && all;
  }

  #take(key: string, most: number): boolean {
    const now = this.#clock.monotonic();
    const bucket = this.#buckets.get(key) ?? { tokens: most, at: now };
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#limits.rates_kept_max) this.#buckets.delete(this.#buckets.keys().next().value!);
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.at) * most) / MINUTE_MS);
    bucket.at = now;
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }
}
