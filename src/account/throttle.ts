// Wrong passwords cost the sender time: each from one machine waits twice as long as the one before, and after many
// the machine is refused at once. Of one machine one password is tried at a time, so a flood waits in its own line and
// not before everybody else. Who has logged in from there before is counted apart: a stranger behind the same address
// locks nobody out, and a guesser's own log-in forgives no guess at others. Bounded in memory: who failed, or logged in,
// longest ago is forgotten first.
import { Refused, Unavailable, limits, machineOf } from '../base/index.ts';
import type { Clock } from '../base/index.ts';

/** Of each kind. */
const REMEMBERED_MAX = 10_000;
const REMEMBERED_MS = 10 * 60 * 1000;

/** Who tries to log in: the client's address, and the user's as it was normalised; empty when it is none. */
export interface From {
  remote: string;
  user: string;
}

export class Throttle {
  readonly #failures = new Map<string, { count: number; last: number }>();
  /** Who has logged in from where. */
  readonly #known = new Set<string>();
  readonly #lines = new Map<string, { waiting: number; last: Promise<unknown> }>();
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Where failures are counted. */
  #place(from: From): string {
    const own = ownPlace(from);
    return this.#known.has(own) ? own : machineOf(from.remote);
  }

  #recent(place: string): number {
    const f = this.#failures.get(place);
    if (!f) return 0;
    if (this.#clock.monotonic() - f.last <= REMEMBERED_MS) return f.count;
    this.#failures.delete(place);
    return 0;
  }

  /** Refused when there were too many failures from there. Before the password is looked at. */
  check(from: From): void {
    if (this.#recent(this.#place(from)) >= limits.password_failures_max) throw new Refused('Too many wrong passwords, try again later', 'AUTHENTICATIONFAILED');
  }

  /**
   * Runs `task` when the tasks of this machine before it have ended. Refused when there were too many failures meanwhile,
   * Unavailable when more wait than one machine may have connections.
   */
  turn<T>(from: From, task: () => Promise<T>): Promise<T> {
    const machine = machineOf(from.remote);
    const line = this.#lines.get(machine) ?? { waiting: 0, last: Promise.resolve() };
    if (line.waiting >= limits.connections_per_address_max) return Promise.reject(new Unavailable('too many log-ins at once: try again'));
    this.#lines.set(machine, line);
    line.waiting++;
    const mine = line.last.then(() => {
      this.check(from);
      return task();
    });
    const done = () => {
      if (--line.waiting === 0) this.#lines.delete(machine);
    };
    line.last = mine.then(done, done);
    return mine;
  }

  /**
   * Counts a wrong password and waits, counted from `begun` (monotonic): so the time tells nobody whether there was a
   * password to compute.
   */
  async failed(from: From, begun: number): Promise<void> {
    const place = this.#place(from);
    const count = this.#recent(place) + 1;
    this.#failures.delete(place);
    this.#failures.set(place, { count, last: this.#clock.monotonic() });
    if (this.#failures.size > REMEMBERED_MAX) this.#failures.delete(this.#failures.keys().next().value!);
    const wait = Math.min(limits.password_delay_ms_max, limits.password_delay_ms_min * 2 ** (count - 1));
    await this.#clock.sleep(Math.max(0, begun + wait - this.#clock.monotonic()), this.#closed.signal).catch(() => {});
  }

  /** Nobody waits any longer: the process ends. */
  close(): void {
    this.#closed.abort();
  }

  succeeded(from: From): void {
    const own = ownPlace(from);
    this.#known.delete(own);
    this.#known.add(own);
    if (this.#known.size > REMEMBERED_MAX) this.#known.delete(this.#known.keys().next().value!);
    this.#failures.delete(own);
  }
}

/** No machine has a space in its name. */
const ownPlace = ({ remote, user }: From): string => `${machineOf(remote)} ${user}`;
