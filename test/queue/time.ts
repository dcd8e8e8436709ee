// Time of the queue's tests: whole milliseconds, as the store's own, and moved on by whoever waits.
import { WorldClock, quiet } from '../log/world.ts';

/** So many steps of 100 ms; who waits for longer waits for something else. */
const STEPS_MAX = 4000;

export class WholeClock extends WorldClock {
  override now(): number {
    return Math.floor(this.time);
  }
  /** Time goes on until the promise has an end. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    promise.then(() => (done = true), () => (done = true));
    for (let i = 0; i < STEPS_MAX && !done; i++) {
      for (let k = 0; k < 4; k++) await quiet();
      if (!done) await this.advance(100);
    }
    return promise;
  }
  async pass(ms: number, step = 10_000): Promise<void> {
    for (let t = 0; t < ms; t += step) {
      await this.advance(Math.min(step, ms - t));
      for (let k = 0; k < 10; k++) await quiet();
    }
  }
}
