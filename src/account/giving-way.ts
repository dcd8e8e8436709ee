// Work in the background that leaves the process to all else.
import type { Clock } from '../base/index.ts';

/** Rest before a piece of work: as long as the last one took, and again, twice as long, while others have the process for more than a fifth of it. */
const REST_MS_MIN = 5;
const REST_MS_MAX = 1_000;
const OTHERS_SHARE_MAX = 0.2;
/** After so many rests the work goes on all the same. */
const RESTS_MAX = 20;

export class GivingWay {
  readonly #clock: Clock;
  /** Milliseconds that the process has worked so far; null: nobody counts them. */
  readonly #workedMs: (() => number) | null;
  readonly #leaving: AbortSignal;

  /** `leaving` ends the rests too. */
  constructor(clock: Clock, workedMs: (() => number) | null, leaving: AbortSignal) {
    this.#clock = clock;
    this.#workedMs = workedMs;
    this.#leaving = leaving;
  }

  /** Until others leave the process alone for a while, or have not for long. `tookMs`: the last piece of work. */
  async rest(tookMs: number): Promise<void> {
    const worked = () => this.#workedMs?.() ?? 0;
    let ms = Math.max(REST_MS_MIN, tookMs);
    for (let n = 0; n < RESTS_MAX; n++) {
      const [began, before] = [this.#clock.monotonic(), worked()];
      await this.#clock.sleep(ms, this.#leaving).catch(() => {});
      if (this.#leaving.aborted || worked() - before <= (this.#clock.monotonic() - began) * OTHERS_SHARE_MAX) return;
      ms = Math.min(REST_MS_MAX, 2 * ms);
    }
  }
}
