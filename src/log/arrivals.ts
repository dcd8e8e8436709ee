// When which position became known, so that `closed` can follow one put window behind.
import type { Position } from '../base/index.ts';

/** Old ones are dropped after so many. */
const DROPPED_AFTER = 256;

export class Arrivals {
  readonly #list: { since: number; last: Position }[] = [];
  #passed = 0;
  #greatest: Position = 0;

  /** `since`: monotonic time, ms; never less than before. */
  add(since: number, last: Position): void {
    this.#list.push({ since, last });
  }
  /** The greatest position that was known at a time (monotonic, ms), which only grows. */
  greatestAt(time: number): Position {
    const list = this.#list;
    while (this.#passed < list.length && list[this.#passed].since <= time) {
      const { last } = list[this.#passed++];
      if (last > this.#greatest) this.#greatest = last;
    }
    if (this.#passed > DROPPED_AFTER) {
      list.splice(0, this.#passed);
      this.#passed = 0;
    }
    return this.#greatest;
  }
}
