// What became of attempts, on its way into the log: written until it is written, and with others in one event where that
// costs nobody time.
import { reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import type { Queue } from './queue.ts';

/** So long a result waits for others, or for a message that is taken in, to be written in one event with them. */
const COMPANY_MS = 5;
/** After the store did not take something. */
export const AGAIN_MS = 10_000;

export interface ResultsOptions {
  queue: Queue;
  clock: Clock;
  logger: Logger;
  pause: (ms: number) => Promise<void>;
}

export class Results {
  readonly #o: ResultsOptions;
  #waiting: (() => void)[] = [];
  #cancel: (() => void) | null = null;
  #stopped = false;

  constructor(options: ResultsOptions) {
    this.#o = options;
  }

  /** Resolves when there is company, or in a moment. */
  company(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#cancel ??= this.#o.clock.after(COMPANY_MS, () => this.now());
    });
  }

  /** Something else is about to be written: what waits goes with it. */
  now(): void {
    this.#cancel?.();
    this.#cancel = null;
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Writes until it is written, or this replica stops. */
  async write(build: Parameters<Queue['write']>[0]): Promise<void> {
    for (;;) {
      try {
        await this.#o.queue.write(build, 1000);
        return;
      } catch (e) {
        if (this.#stopped) throw e;
        this.#o.logger.warn('a result is not written yet', { why: reason(e) });
        await this.#o.pause(AGAIN_MS);
        if (this.#stopped) throw e;
      }
    }
  }

  /** Nothing waits any more. */
  stop(): void {
    this.#stopped = true;
    this.now();
  }
}
