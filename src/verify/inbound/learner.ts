// What people teach goes to rspamd in its own time: one message after the other, a bounded line, and what does not fit or fails
// is dropped.
import { limits, reason } from '../../base/index.ts';
import type { Logger } from '../../base/index.ts';
import type { Counts } from './counts.ts';
import type { Rspamd } from './rspamd.ts';

type Read = () => Promise<Buffer | null>;

export class Learner {
  readonly #rspamd: Pick<Rspamd, 'learn'>;
  readonly #counts: Counts;
  readonly #logger: Logger;
  #waiting: { kind: 'spam' | 'ham'; read: Read }[] = [];
  #running = false;
  #stopped = false;

  constructor(rspamd: Pick<Rspamd, 'learn'>, counts: Counts, logger: Logger) {
    this.#rspamd = rspamd;
    this.#counts = counts;
    this.#logger = logger;
  }

  /** Never throws, never waits. */
  readonly learn = (kind: 'spam' | 'ham', read: Read): void => {
    if (this.#stopped || this.#waiting.length >= limits.learn_waiting_max) return this.#counts.add('learn', 'dropped');
    this.#waiting.push({ kind, read });
    if (!this.#running) void this.#run();
  };

  async #run(): Promise<void> {
    this.#running = true;
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      try {
        const bytes = await job.read();
        if (bytes === null) {
          this.#counts.add('learn', 'dropped');
          continue;
        }
        const learned = await this.#rspamd.learn(job.kind, { bytes: bytes.length, read: async function* () { yield bytes; } });
        this.#counts.add('learn', learned ? job.kind : 'known');
      } catch (e) {
        this.#counts.add('learn', 'failed');
        this.#logger.debug('not learned', { reason: reason(e) });
      }
    }
    this.#running = false;
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
  }
}
