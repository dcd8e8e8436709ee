// The time that a stop has, and what may use how much of it: a store that does not answer must not keep a process that is
// to end. What is not waited for any more is as if the process had been killed: nothing acknowledged depends on it.
import type { Clock, Logger } from './base/index.ts';

/** Shares of the whole time: for connections and mail on its way out, and until background work is left; the rest is for leaving. */
const CONNECTIONS = 0.7;
const BACKGROUND = 0.85;
/** Even who has no time left may say a word. */
const WAIT_MS_MIN = 250;

/** What connections get of the time that the settings give to a stop. */
export const connectionsMs = (drain_ms: number): number => Math.round(drain_ms * CONNECTIONS);

export class Leaving {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #drain_ms: number;
  readonly #began: number;

  constructor(drain_ms: number, clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#drain_ms = drain_ms;
    this.#began = clock.monotonic();
  }

  /** True when background work ended in its time. */
  background(work: Promise<unknown>): Promise<boolean> {
    return this.#within(BACKGROUND, 'background work', work);
  }
  /** True when all is told to the others in time. */
  leave(work: Promise<unknown>): Promise<boolean> {
    return this.#within(1, 'leaving', work);
  }

  async #within(share: number, what: string, work: Promise<unknown>): Promise<boolean> {
    const left = Math.max(WAIT_MS_MIN, this.#began + share * this.#drain_ms - this.#clock.monotonic());
    const enough = new AbortController();
    const late = this.#clock.sleep(left, enough.signal).then(() => false, () => false);
    try {
      const ended = await Promise.race([work.then(() => true), late]);
      if (!ended) this.#logger.warn('stopping does not wait any longer', { for: what });
      work.catch(() => {});
      return ended;
    } finally {
      enough.abort();
    }
  }
}
