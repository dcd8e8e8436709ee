// Whether this replica can be given clients: the store (a quorum of it) answers, it may write, and it is not leaving.
import { Unavailable, limits, reason } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { ObjectStore } from '../store/index.ts';

export interface Ready {
  readonly ready: boolean;
  readonly why: string;
}

export interface ReadinessOptions {
  store: ObjectStore;
  /** One key of it is listed. */
  prefix: string;
  clock: Clock;
  /** The own place among the replicas is valid: without it nothing can be written. */
  mayWrite: () => boolean;
}

const LEAVING: Ready = { ready: false, why: 'draining' };
const READY: Ready = { ready: true, why: 'ready' };

export class Readiness {
  draining = false;
  readonly #o: ReadinessOptions;
  #answer: { at: number; ready: Promise<Ready> } | null = null;

  constructor(options: ReadinessOptions) {
    this.#o = options;
  }

  /** Of an answer of the store that is a second old at most, shared by all who ask. Never rejects. */
  async ask(): Promise<Ready> {
    if (this.draining) return LEAVING;
    if (!this.#o.mayWrite()) return { ready: false, why: 'no place among the replicas' };
    const now = this.#o.clock.monotonic();
    if (!this.#answer || now - this.#answer.at > limits.ready_age_ms_max) this.#answer = { at: now, ready: this.#look() };
    const answer = await this.#answer.ready;
    return this.draining ? LEAVING : answer;
  }

  async #look(): Promise<Ready> {
    const { store, prefix, clock } = this.#o;
    const ended = new AbortController();
    const cancel = clock.after(limits.ready_ms_max, () => ended.abort(new Unavailable('no answer in time')));
    const over = new Promise<never>((_, reject) => ended.signal.addEventListener('abort', () => reject(ended.signal.reason), { once: true }));
    over.catch(() => {});
    try {
      await Promise.race([store.list({ prefix, maxKeys: 1, signal: ended.signal }), over]);
      return READY;
    } catch (e) {
      return { ready: false, why: `the store: ${reason(e)}` };
    } finally {
      cancel();
    }
  }
}
