// One message between DATA and its answers.
import { type Limits, type Logger, reason, Refused } from '../base/index.ts';
import { type Answer, answerOf, answers } from './answer.ts';
import type { Receiver, Recipient, Transaction, TransactionInfo } from './receiver.ts';
import type { Inspection } from './screen.ts';

/** What write throws when it finds the message itself at fault. */
const CONTENT = { code: 554, status: '5.6.0' };

/** What is not inspected. */
const PLAIN = { fields: '', junk: false };

export class Incoming {
  bytes = 0;
  readonly #info: TransactionInfo;
  readonly #limits: Limits;
  readonly #logger: Logger;
  readonly #inspection: Inspection | null;
  #transaction: Transaction | null = null;
  #error: unknown = null;
  #over = false;

  constructor(receiver: Receiver, info: TransactionInfo, limits: Limits, logger: Logger, inspection: Inspection | null = null) {
    this.#info = info;
    this.#limits = limits;
    this.#logger = logger;
    this.#inspection = inspection;
    try {
      this.#transaction = receiver.begin(info);
    } catch (e) {
      this.#error = e;
    }
  }

  /** Hands a piece on. After an error the rest is read and dropped: the sender hears of it at the end only. */
  async take(piece: Buffer): Promise<void> {
    this.bytes += piece.length;
    if (this.#error !== null) return;
    if (this.bytes > this.#limits.message_bytes_max) return this.#fail(new Refused(answers.tooLarge.text, 'LIMIT', '552 5.3.4'));
    try {
      const kept = this.#inspection === null ? piece : await this.#inspection.take(piece);
      if (kept.length > 0) await this.#transaction!.write(kept);
    } catch (e) {
      this.#fail(e);
    }
  }

  /** What the inspection says, after the last bytes were stored: before anything is durable. */
  async #inspected(): Promise<{ fields: string; junk: boolean }> {
    if (this.#error !== null) return PLAIN;
    try {
      const verdict = await this.#inspection!.end();
      if (verdict.rest.length > 0) await this.#transaction!.write(verdict.rest);
      return verdict;
    } catch (e) {
      this.#fail(e);
      return PLAIN;
    }
  }

  /**
   * Makes the copies durable; the answer for each recipient, in their order. Never rejects. `fields`: what the inspection
   * adds to the prefix.
   */
  async end(prefix: (recipient: Recipient, fields: string) => Buffer): Promise<Answer[]> {
    const { recipients } = this.#info;
    const transaction = this.#transaction;
    const { fields, junk } = this.#inspection === null ? PLAIN : await this.#inspected();
    // The sender went away while its message was judged: nobody would hear the 250.
    if (this.#over) return recipients.map(() => answers.later);
    if (this.#error === null && transaction!.received > this.#limits.smtp_received_max) this.#fail(new Refused(answers.loop.text, null, '554 5.4.6'));
    this.#over = true;
    if (this.#error !== null) {
      const a = this.#answer(this.#error);
      return recipients.map(() => a);
    }
    try {
      const outcomes = new Map((await transaction!.commit((r) => prefix(r, fields), junk)).map((o) => [o.recipient, o.error]));
      return recipients.map((r) => {
        const error = outcomes.get(r);
        if (error === null) return answers.stored;
        return this.#answer(error ?? new Error('commit has no outcome for a recipient'));
      });
    } catch (e) {
      const a = this.#answer(e);
      return recipients.map(() => a);
    }
  }

  /** The connection went away. A commit under way goes on: the sender repeats, and the delivery key tells. */
  abort(): void {
    if (this.#over || this.#error !== null) return;
    this.#over = true;
    this.#inspection?.abort();
    this.#transaction?.abort();
  }

  #fail(e: unknown): void {
    this.#error = e;
    try {
      this.#inspection?.abort();
      this.#transaction?.abort();
    } catch (again) {
      this.#logger.error('abort failed', { reason: reason(again) });
    }
  }

  #answer(e: unknown): Answer {
    const a = answerOf(e, CONTENT);
    if (a === null || a === answers.broken) this.#logger.error('delivery failed', { reason: reason(e) });
    else if (a === answers.later) this.#logger.warn('delivery put off', { reason: reason(e) });
    return a ?? answers.broken;
  }
}
