// Time enters the program here only, so that a simulation can own it.

export interface Clock {
  /** Wall clock, milliseconds since 1970 (UTC). May jump. */
  now(): number;
  /** Milliseconds from any origin, never going back. Stands still while the machine sleeps, on some machines. */
  monotonic(): number;
  /** Resolves after `ms` milliseconds. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `run` once after `ms` milliseconds, unless cancelled by the function that it returns. Never keeps the process alive. */
  after(ms: number, run: () => void): () => void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = setTimeout(done, ms);
      function done() {
        signal?.removeEventListener('abort', aborted);
        resolve();
      }
      function aborted() {
        clearTimeout(timer);
        reject(signal!.reason);
      }
      signal?.addEventListener('abort', aborted, { once: true });
    }),
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Milliseconds that this process's event loop has not been idle so far: for what gives way to all else. */
export const systemWorkedMs = (): number => performance.eventLoopUtilization().active;
