// Blobs on their way to the store, and LISTs beside them: the event needs a young LIST anyway, and a LIST tells within
// seconds that there is no quorum, while the PUT of a large object may rightly take long.
import { limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';

/** How often is looked while blobs are under way. */
const LOOK_MS = 2000;

/** Resolves when all is stored and a LIST was made beside it. `gone` ends the PUTs when a LIST finds no store. Unavailable. */
export async function storeBeside(puts: Promise<unknown>, log: { refresh(maxAgeMs: number): Promise<void> }, clock: Clock, gone: AbortController): Promise<void> {
  const done = new AbortController();
  const look = async (): Promise<void> => {
    do {
      await log.refresh(limits.list_age_ms_max);
      if (!done.signal.aborted) await clock.sleep(LOOK_MS, done.signal).catch(() => {});
    } while (!done.signal.aborted);
  };
  await Promise.all([puts.finally(() => done.abort()), look().catch((e) => gone.abort(e))]);
}
