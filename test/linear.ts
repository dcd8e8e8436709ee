// For tests that compare what one length of an input costs with what a longer one does.

/** The longer one is so much longer. */
export const TIMES = 16;

/** Of the processor's time, the best of several runs. */
export function microseconds(work: () => unknown): number {
  let best = Infinity;
  for (let i = 0; i < 4; i++) {
    const before = process.cpuUsage();
    work();
    const spent = process.cpuUsage(before);
    best = Math.min(best, spent.user + spent.system);
  }
  return best;
}
