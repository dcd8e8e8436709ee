// Whether a time is over by the store's own clock, asked in the background and no oftener than is of use.
import type { Clock, Logger } from '../base/index.ts';
import { reason } from '../base/index.ts';
import type { Queue } from './queue.ts';

/** An answer that is older is asked for anew. */
const OLD_MS = 60_000;

export class StoreClock {
  readonly #o: { queue: Queue; clock: Clock; logger: Logger };
  #last = { at: 0, mono: -Infinity };

  constructor(options: { queue: Queue; clock: Clock; logger: Logger }) {
    this.#o = options;
  }

  /** Whether the store's own time is past `until` (ms since 1970): only its own answer says so. It is asked when it may be. */
  isOver(until: number): boolean {
    const { clock, queue, logger } = this.#o;
    if (this.#last.at > until) return true;
    const age = clock.monotonic() - this.#last.mono;
    if (this.#last.at + age > until || age > OLD_MS) {
      if (age < queue.limits.queue_look_ms) return false;
      this.#last.mono = clock.monotonic();
      queue.storeTime().then(
        (at) => (this.#last = { at, mono: clock.monotonic() }),
        (e) => logger.debug('the store was not asked for its time', { why: reason(e) }),
      );
    }
    return false;
  }
}
