// Greylisting: the first message of a stranger is put off; mail servers come back, most senders of spam don't. In memory of this
// process and bounded: another replica asks anew.
import { createHash } from 'node:crypto';
import { networkOf } from '../../base/index.ts';
import type { Clock, Limits } from '../../base/index.ts';

interface Seen {
  /** When it came first, and last after it passed; ms since 1970. */
  first: number;
  passed: number | null;
}

export class Greylist {
  readonly #clock: Clock;
  readonly #limits: Limits;
  /** Triplets and networks by hash. The oldest stand first. */
  readonly #seen = new Map<string, Seen>();
  /** Triplets of a network that passed. */
  readonly #networks = new Map<string, { count: number; at: number }>();

  constructor(clock: Clock, limits: Limits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get known(): number {
    return this.#seen.size + this.#networks.size;
  }

  /** Whether this message may come now. A server may come back from any address of its network. */
  passes(address: string, from: string, to: string): boolean {
    const { greylist_wait_ms, greylist_pending_ms, greylist_passed_ms, greylist_network_after } = this.#limits;
    const now = this.#clock.now();
    const network = networkOf(address);
    const known = this.#networks.get(network);
    if (known !== undefined && known.count >= greylist_network_after && now - known.at < greylist_passed_ms) {
      known.at = now;
      this.#keep(this.#networks, network, known);
      return true;
    }
    const key = createHash('sha256').update(JSON.stringify([network, from.toLowerCase(), to.toLowerCase()])).digest('base64').slice(0, 16);
    const seen = this.#seen.get(key);
    const alive = seen !== undefined && (seen.passed === null ? now - seen.first < greylist_pending_ms : now - seen.passed < greylist_passed_ms);
    if (!alive) {
      this.#keep(this.#seen, key, { first: now, passed: null });
      return false;
    }
    if (seen.passed === null && now - seen.first < greylist_wait_ms) return false;
    if (seen.passed === null) this.#keep(this.#networks, network, { count: (known?.count ?? 0) + 1, at: now });
    seen.passed = now;
    this.#keep(this.#seen, key, seen);
    return true;
  }

  #keep<T>(map: Map<string, T>, key: string, value: T): void {
    map.delete(key);
    map.set(key, value);
    if (map.size > this.#limits.greylist_kept_max / 2) map.delete(map.keys().next().value!);
  }
}
