// Bounded concurrency: so many requests at once, the others wait in line.
import { gaveUp } from './give-up.ts';

interface Waiter {
  enter: () => void;
  signal: AbortSignal | undefined;
  aborted: () => void;
}

export class Gate {
  #free: number;
  readonly #waiting = new Set<Waiter>();

  constructor(places: number) {
    this.#free = places;
  }

  /** Undefined when there was a free place: then there's nothing to wait for. Every entry is followed by one `leave`. */
  enter(signal?: AbortSignal): Promise<void> | undefined {
    if (this.#free > 0) {
      this.#free--;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        enter: resolve,
        signal,
        aborted: () => {
          this.#waiting.delete(waiter);
          reject(gaveUp(signal!));
        },
      };
      this.#waiting.add(waiter);
      signal?.addEventListener('abort', waiter.aborted, { once: true });
    });
  }

  leave(): void {
    for (const waiter of this.#waiting) {
      this.#waiting.delete(waiter);
      waiter.signal?.removeEventListener('abort', waiter.aborted);
      return waiter.enter();
    }
    this.#free++;
  }
}
