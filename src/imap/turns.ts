// Commands of many clients share the event loop in short turns: libuv takes one new connection a turn, and what the disk has
// done is heard of between two turns. With a turn as long as all commands that have come, whoever needs several (a log-in, a change)
// would wait for everybody several times.
import type { Clock } from '../base/index.ts';

/** Whose command has come. */
export interface Worker {
  work(): unknown;
}

/** Of a turn of the event loop, for commands that begin in it. */
const TURN_MS = 2;

export class Turns {
  readonly #clock: Clock;
  /** Until when commands may begin in this turn; 0: none has. */
  #until = 0;
  #waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It works now, or in one of the next turns, behind those that wait already. */
  take(worker: Worker): void {
    if (this.#waiting === 0 && this.#mayBegin()) return void worker.work();
    this.#waiting++;
    setImmediate(this.#later, worker);
  }

  readonly #later = (worker: Worker): void => {
    if (!this.#mayBegin()) return void setImmediate(this.#later, worker);
    this.#waiting--;
    worker.work();
  };

  #mayBegin(): boolean {
    const now = this.#clock.monotonic();
    if (this.#until === 0) {
      this.#until = now + TURN_MS;
      setImmediate(this.#next);
    }
    return now < this.#until;
  }

  readonly #next = (): void => {
    this.#until = 0;
  };
}
