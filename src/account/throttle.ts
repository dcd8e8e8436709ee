// Wrong passwords cost the sender time: each from one address waits twice as long as the one before, and after many
// the address is refused at once. Bounded in memory: the addresses that failed longest ago are forgotten first.
import { Refused, limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';

const ADDRESSES_MAX = 10_000;
const REMEMBERED_MS = 10 * 60 * 1000;

export class Throttle {
  readonly #failures = new Map<string, { count: number; last: number }>();
  readonly #clock: Clock;
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  #recent(remote: string): number {
    const f = this.#failures.get(remote);
    if (!f) return 0;
    if (this.#clock.monotonic() - f.last <= REMEMBERED_MS) return f.count;
    this.#failures.delete(remote);
    return 0;
  }

  /** Refused when this address has failed too often. Before the password is looked at. */
  check(remote: string): void {
    if (this.#recent(remote) >= limits.password_failures_max) throw new Refused('Too many wrong passwords, try again later', 'AUTHENTICATIONFAILED');
  }

  /** Counts a wrong password and waits. */
  async failed(remote: string): Promise<void> {
    const count = this.#recent(remote) + 1;
    this.#failures.delete(remote);
    this.#failures.set(remote, { count, last: this.#clock.monotonic() });
    if (this.#failures.size > ADDRESSES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    await this.#clock.sleep(Math.min(limits.password_delay_ms_max, limits.password_delay_ms_min * 2 ** (count - 1)));
  }

  succeeded(remote: string): void {
    this.#failures.delete(remote);
  }
}
