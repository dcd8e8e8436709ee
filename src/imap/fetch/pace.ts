// One event loop serves everybody: whoever works long gives way every few milliseconds.
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/index.ts';

/** Work between two turns of the event loop: short enough that a delivery beside it is not felt to wait. */
const TURN_MS = 8;

export class Pace {
  #clock: Clock;
  #began: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.monotonic();
  }

  /** True when it is time to `await rest()`. Costs a clock reading: ask every some hundred steps. */
  get due(): boolean {
    return this.#clock.monotonic() - this.#began >= TURN_MS;
  }

  async rest(): Promise<void> {
    await setImmediate();
    this.#began = this.#clock.monotonic();
  }
}
