// Tells senders what became of their mail: notices that are owed, each once, by whoever has just tried.
import { Refused, reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { owed, sentFrom, wantsDelayNotice } from './fold.ts';
import type { QueuedMessage } from './fold.ts';
import type { Mailroom } from './mailroom.ts';
import type { Notice } from './ops.ts';
import type { Queue } from './queue.ts';
import { nameless } from './remote.ts';

export interface TellerOptions {
  queue: Queue;
  mailroom: Mailroom;
  clock: Clock;
  logger: Logger;
  /** Whether this replica took the message in or has tried it. */
  owns: (message: string) => boolean;
  /** Writes until it is written, or this replica stops. */
  write: (build: Parameters<Queue['write']>[0]) => Promise<void>;
  pause: (ms: number) => Promise<void>;
  begun: (task: Promise<void>) => void;
  told: () => void;
}

const TELL_AGAIN_MS = 60_000;

export class Teller {
  readonly #o: TellerOptions;
  readonly #telling = new Set<string>();

  constructor(options: TellerOptions) {
    this.#o = options;
  }

  /** Notices that are owed: at once by who has just tried, by others when that one seems gone. */
  look(m: QueuedMessage, now: number): void {
    const { queue, logger, pause, begun, owns } = this.#o;
    const late = owns(m.id) ? 0 : queue.limits.queue_takeover_ms;
    // Made when something is owed: all that waits is looked at every few seconds.
    let groups: Map<string, { notice: Notice; at: number; recipients: number[] }> | null = null;
    const old = now - sentFrom(m) >= queue.limits.queue_delay_notice_ms;
    for (let i = 0; i < m.recipients.length; i++) {
      const r = m.recipients[i];
      if (r.said === null && !old) continue;
      const notice = owed(m, r) ?? (old && wantsDelayNotice(m, r) ? 'delay' : null);
      if (notice === null) continue;
      const at = notice === 'delay' ? sentFrom(m) + queue.limits.queue_delay_notice_ms : r.said!.at;
      if (now - at < late) continue;
      // Recipients of one result are told together; the same at every replica.
      const key = `${m.id} ${notice} ${notice === 'delay' ? '' : r.said!.stamp}`;
      const group = groups?.get(key);
      if (group) group.recipients.push(i);
      else (groups ??= new Map()).set(key, { notice, at, recipients: [i] });
    }
    for (const [key, group] of groups ?? []) {
      if (this.#telling.has(key)) continue;
      this.#telling.add(key);
      const task = this.#notify(m, group.notice, group.at, group.recipients)
        .catch((e) => {
          logger.warn('a notice is put off', { message: m.id, why: reason(e) });
          return pause(TELL_AGAIN_MS);
        })
        .finally(() => this.#telling.delete(key));
      begun(task);
    }
  }

  async #notify(m: QueuedMessage, notice: Notice, at: number, recipients: number[]): Promise<void> {
    const { queue, mailroom, logger, clock, told, write } = this.#o;
    try {
      await mailroom.notify(m, notice, at, recipients, queue);
      told();
    } catch (e) {
      // A full mailbox may have room again; a sender who is gone can be told no more.
      if (!(e instanceof Refused) || (e.code === 'OVERQUOTA' && clock.now() - at < queue.limits.queue_age_ms_max)) throw e;
      // Of forwarded mail, which alone has fields before it and no user, nobody else hears.
      logger[m.user === '' && m.prefix.length > 0 ? 'error' : 'warn']('a notice has no recipient', { message: m.id, why: nameless(e.message) });
    }
    await write((state) => (state.messages.has(m.id) ? [{ kind: 'Told', message: m.id, notice, recipients }] : []));
    queue.forget(m);
  }
}
