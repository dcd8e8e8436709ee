// Wrong passwords cost the sender time: each from one address waits twice as long as the one before, and after many
// the address is refused at once. Of one address one password is tried at a time, so a flood waits in its own line and
// not before everybody else. Bounded in memory: the addresses that failed longest ago are forgotten first.
import { Refused, Unavailable, limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';

const ADDRESSES_MAX = 10_000;
const REMEMBERED_MS = 10 * 60 * 1000;

export class Throttle {
  readonly #failures = new Map<string, { count: number; last: number }>();
  readonly #lines = new Map<string, { waiting: number; last: Promise<unknown> }>();
  readonly #clock: Clock;
  readonly #closed = new AbortController();
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

  /**
   * Runs `task` when the tasks of this address before it have ended. Refused when it has failed too often meanwhile,
   * Unavailable when more wait than one address may have connections.
   */
  turn<T>(remote: string, task: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(remote) ?? { waiting: 0, last: Promise.resolve() };
    if (line.waiting >= limits.connections_per_address_max) return Promise.reject(new Unavailable('too many log-ins at once: try again'));
    this.#lines.set(remote, line);
    line.waiting++;
    const mine = line.last.then(() => {
      this.check(remote);
      return task();
    });
    const done = () => {
      if (--line.waiting === 0) this.#lines.delete(remote);
    };
    line.last = mine.then(done, done);
    return mine;
  }

  /**
   * Counts a wrong password and waits, counted from `begun` (monotonic): so the time tells nobody whether there was a
   * password to compute.
   */
  async failed(remote: string, begun: number): Promise<void> {
    const count = this.#recent(remote) + 1;
    this.#failures.delete(remote);
    this.#failures.set(remote, { count, last: this.#clock.monotonic() });
    if (this.#failures.size > ADDRESSES_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    const wait = Math.min(limits.password_delay_ms_max, limits.password_delay_ms_min * 2 ** (count - 1));
    await this.#clock.sleep(Math.max(0, begun + wait - this.#clock.monotonic()), this.#closed.signal).catch(() => {});
  }

  /** Nobody waits any longer: the process ends. */
  close(): void {
    this.#closed.abort();
  }

  succeeded(remote: string): void {
    this.#failures.delete(remote);
  }
}
