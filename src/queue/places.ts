// Places for what goes on at once: so many in all, and so many for one destination. Who finds none may wait in line, and
// holds up nobody of another destination.

interface Waiter {
  destination: string;
  enter(): void;
}

export class Places {
  readonly #all: number;
  readonly #each: (destination: string) => number;
  #taken = 0;
  readonly #by = new Map<string, number>();
  readonly #line = new Set<Waiter>();

  constructor(all: number, each: (destination: string) => number) {
    this.#all = all;
    this.#each = each;
  }

  /** Takes a place, where there is one; it is followed by one `leave`. */
  enter(destination: string): boolean {
    const here = this.#by.get(destination) ?? 0;
    if (this.#taken >= this.#all || here >= this.#each(destination)) return false;
    this.#taken++;
    this.#by.set(destination, here + 1);
    return true;
  }

  /** Waits for a place: true when it is taken, false when `over` came first. */
  wait(destination: string, over: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (over.aborted) return resolve(false);
      const gone = () => {
        this.#line.delete(waiter);
        resolve(false);
      };
      const waiter: Waiter = {
        destination,
        enter: () => {
          over.removeEventListener('abort', gone);
          resolve(true);
        },
      };
      this.#line.add(waiter);
      over.addEventListener('abort', gone, { once: true });
    });
  }

  leave(destination: string): void {
    this.#taken--;
    const left = this.#by.get(destination)! - 1;
    if (left === 0) this.#by.delete(destination);
    else this.#by.set(destination, left);
    for (const waiter of this.#line) {
      if (!this.enter(waiter.destination)) continue;
      this.#line.delete(waiter);
      return waiter.enter();
    }
  }
}
