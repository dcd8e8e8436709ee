// Memory that several share by bytes: who finds too little of it free waits in line, first come, first served.

interface Waiter {
  bytes: number;
  enter(): void;
}

export class MemoryGate {
  #taken = 0;
  readonly #bytesMax: number;
  readonly #onTaken: (bytes: number) => void;
  readonly #line = new Set<Waiter>();

  /** `onTaken` hears of all that is taken, and of what is given back as less than nothing. */
  constructor(bytesMax: number, onTaken: (bytes: number) => void = () => {}) {
    this.#bytesMax = bytesMax;
    this.#onTaken = onTaken;
  }

  get taken(): number {
    return this.#taken;
  }

  /** True when they are taken, false when `over` came first. Who asks for more than there is gets it when nobody else has any. */
  take(bytes: number, over: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (over.aborted) return resolve(false);
      const gone = () => {
        this.#line.delete(waiter);
        resolve(false);
        this.#next();
      };
      const waiter: Waiter = {
        bytes,
        enter: () => {
          over.removeEventListener('abort', gone);
          resolve(true);
        },
      };
      this.#line.add(waiter);
      over.addEventListener('abort', gone, { once: true });
      this.#next();
    });
  }

  give(bytes: number): void {
    this.#count(-bytes);
    this.#next();
  }

  #next(): void {
    for (const waiter of this.#line) {
      if (this.#taken > 0 && this.#taken + waiter.bytes > this.#bytesMax) return;
      this.#line.delete(waiter);
      this.#count(waiter.bytes);
      waiter.enter();
    }
  }

  #count(bytes: number): void {
    this.#taken += bytes;
    this.#onTaken(bytes);
  }
}
