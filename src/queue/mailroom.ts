// Delivery to users here, through the same Receiver as mail from outside. What is repeated is known by its delivery key.
import { Corrupt, Malformed, Refused, Unavailable, limits, mailDate, reason } from '../base/index.ts';
import type { Logger } from '../base/index.ts';
import type { Receiver, TransactionInfo } from '../smtp/receiver.ts';
import { deliveryStatus, headerOf } from './dsn.ts';
import type { QueuedMessage } from './fold.ts';
import { domainOf } from './header.ts';
import type { Notice } from './ops.ts';
import type { Queue } from './queue.ts';
import { nameless, outcomeOf } from './remote.ts';
import type { RemoteOutcome } from './remote.ts';
import { wishesOf } from './take-in.ts';
import { isSrs, srsSender } from './srs.ts';
import { REPORTS } from './reports/daily.ts';

export interface MailroomOptions {
  receiver: Receiver;
  hasDomain: (domain: string) => boolean;
  /** Whether mail to that address reaches this user. A "no" after asking the store. Unavailable. */
  owns: (user: string, address: string) => Promise<boolean>;
  hostname: string;
  logger: Logger;
  /** Makes the daily reports of other domains (day as `2026-01-31`); absent: nobody does. */
  reports?: { send(day: string): Promise<void> };
}

export class Mailroom {
  readonly #o: MailroomOptions;
  constructor(options: MailroomOptions) {
    this.#o = options;
  }

  isHere(address: string): boolean {
    return address === REPORTS || this.#o.hasDomain(domainOf(address));
  }

  /** Never rejects: an outcome for each recipient. */
  async deliver(m: QueuedMessage, recipients: number[], message: () => AsyncIterable<Buffer>): Promise<RemoteOutcome[]> {
    const wishes = wishesOf(m);
    return Promise.all(
      recipients.map(async (index) => {
        try {
          const outcome = outcomeOf(index, '250 2.1.5 delivered', '');
          const { address } = m.recipients[index];
          if (address === REPORTS) await this.#report(m.id);
          else if (await this.#one(m.from, address, message(), { utf8: m.utf8, wishes })) return { ...outcome, told: true };
          return outcome;
        } catch (e) {
          return outcomeOf(index, this.#answer(e), '');
        }
      }),
    );
  }

  /** What a failure here says to the sender. */
  #answer(e: unknown): string {
    if (e instanceof Refused) {
      const code = e.smtp ?? (e.code === 'OVERQUOTA' ? '552 5.2.2' : '550 5.0.0');
      return `${/^\d{3}$/.test(code) ? `${code} ${code[0]}.0.0` : code} ${e.message}`;
    }
    if (e instanceof Malformed) return `554 5.6.0 ${e.message}`;
    // People read that in notices; what the store said is for the log.
    if (e instanceof Corrupt || e instanceof Unavailable) this.#o.logger.warn('a delivery here is put off', { why: nameless(reason(e)) });
    if (e instanceof Corrupt) return '451 4.3.5 the message can not be read';
    if (e instanceof Unavailable) return '451 4.3.0 the store does not answer';
    this.#o.logger.error('bug', { reason: reason(e) });
    return '451 4.3.0 internal error';
  }

  async #report(id: string): Promise<void> {
    const day = /^reports-(\d{4}-\d\d-\d\d)$/.exec(id)?.[1];
    if (day === undefined) throw new Refused('no such user here', 'NONEXISTENT', '550 5.1.1');
    await this.#o.reports?.send(day);
  }

  /** True when it leads elsewhere. */
  async #one(from: string, to: string, message: AsyncIterable<Buffer>, more: Pick<TransactionInfo, 'utf8' | 'wishes'> = {}): Promise<boolean> {
    const recipient = await this.#o.receiver.recipient(to, null);
    const transaction = this.#o.receiver.begin({ from, recipients: [recipient], declaredBytes: null, ...more });
    try {
      for await (const piece of message) await transaction.write(piece);
    } catch (e) {
      transaction.abort();
      throw e;
    }
    const [{ error }] = await transaction.commit((r) => Buffer.from(`Return-Path: <${from}>\r\nDelivered-To: ${r.address}\r\n`));
    if (error) throw error;
    return recipient.onward ?? false;
  }

  /** Tells the sender, or of forwarded mail the postmaster, into the INBOX. Refused when there is no such user (any more), Unavailable. */
  async notify(m: QueuedMessage, notice: Notice, at: number, recipients: number[], queue: Queue): Promise<void> {
    if (!this.isHere(m.from)) throw new Refused('the sender is not of this server', 'NONEXISTENT');
    // The address may be another's by now, who is not to read what this user sent.
    if (m.user !== '' && !(await this.#o.owns(m.user, m.from))) throw new Refused('the sender no longer has that address', 'NONEXISTENT');
    // RET is about failures; of others the header comes back (RFC 3461 §4.3), and of what nobody asked for, too.
    const whole = notice === 'failure' && m.ret === 'FULL' && m.plainBytes <= limits.dsn_original_bytes_max;
    const pieces: Buffer[] = [];
    for await (const piece of queue.read(m, whole ? Infinity : limits.dsn_original_bytes_max)) pieces.push(piece);
    const bytes = Buffer.concat(pieces);
    const original = whole ? bytes : headerOf(bytes);
    // The host that made the last attempt speaks, whoever writes this: two replicas give the same bytes.
    const hostname = m.recipients[recipients[0]].said?.by || this.#o.hostname;
    const report = deliveryStatus({ message: m, notice, recipients, hostname, at, original, whole, ageMsMax: queue.limits.queue_age_ms_max, date: mailDate, forwardedFrom: isSrs(m.from) ? srsSender(m.from, queue.keys.names, m.at) : null });
    await this.#one('', m.from, (async function* () {
      yield report;
    })());
  }
}
