// Sends what is due. A replica writes `Attempting` before it connects; who sees another's attempt leaves the recipients
// alone until its time and a margin are over, by the store's own time. A message can be delivered twice only when the
// owner dies, is stopped or loses the store between its last line and its own result: before that line it asks both clocks
// whether the attempt is over, and the store whether it is there.
import { randomId, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { isFinal, sentFrom } from './fold.ts';
import type { QueueState, QueuedMessage } from './fold.ts';
import type { Mailroom } from './mailroom.ts';
import { NOTIFY } from './ops.ts';
import type { Outcome, QueueOp, QueuedSpec, RecipientSpec } from './ops.ts';
import type { Queue } from './queue.ts';
import { Places } from './places.ts';
import { nameless, outcomeOf } from './remote.ts';
import type { Envelope, RemoteOutcome } from './remote.ts';
import { AGAIN_MS, Results } from './results.ts';
import type { SevenBitForms } from './seven-bit-forms.ts';
import { StoreClock } from './store-clock.ts';
import { Teller } from './teller.ts';

const spec = ({ address, notify, orcpt }: RecipientSpec) => ({ address, notify, orcpt });

/** Where messages go; `Route` is one. */
export interface Sender {
  destination(address: string): string;
  send(destination: string, envelope: Envelope, message: () => AsyncIterable<Buffer>, mayEnd: () => boolean, over: AbortSignal): Promise<RemoteOutcome[]>;
  close(): void;
}

export interface WorkerOptions {
  queue: Queue;
  sender: Sender;
  /** Delivers to users here: local recipients, and notifications. */
  mailroom: Mailroom;
  hostname: string;
  /** Messages in seven bits, where that can be had. */
  sevenBits?: Pick<SevenBitForms, 'lend'>;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** Rules that a test switches off to see its check fail. Never set elsewhere. */
  mutations?: { noClaim?: boolean; noConfirm?: boolean; noTimeCheck?: boolean; noStoreCheck?: boolean };
}

const ATTEMPT_ID_BITS = 80;
/** Local recipients: their own queue, so a slow destination holds up nobody here. */
const HERE = 'here';
/** After a change everything is looked at this soon at the earliest, and never for more than a twentieth of the time. */
const LOOK_MS_MIN = 20;
const LOOK_SHARE = 20;

/** An attempt that is written down, or about to be: its time counts from `begun`, before the write. */
interface Claim {
  attempt: string;
  lasts: number;
  begun: { mono: number; wall: number };
}

/** Attempts that are written in one event with the message itself: nobody can have begun before. */
export interface Plan {
  ops: QueueOp[];
  /** The event is written. */
  begin(): void;
  /** It is not, or nobody knows. */
  drop(): void;
}

interface Due {
  message: QueuedMessage;
  destination: string;
  recipients: number[];
}

export class Worker {
  readonly counts = { delivered: 0, deferred: 0, failed: 0, notices: 0, withdrawn: 0 };
  readonly #o: WorkerOptions;
  /** Messages that this replica took in or has tried: it need not wait for others. */
  readonly #own = new Set<string>();
  /** `message destination` under way here. */
  readonly #busy = new Set<string>();
  /** Attempts that are written down, and transactions. */
  readonly #attempts: Places;
  readonly #transactions: Places;
  readonly #results: Results;
  readonly #teller: Teller;
  readonly #over = new AbortController();
  /** What waits in line waits no more. */
  readonly #leaving = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  #cancel: () => void = () => {};
  #stopped = false;
  #soon = false;
  /** What the last look at everything took. */
  #lookMs = 0;
  readonly #storeClock: StoreClock;

  constructor(options: WorkerOptions) {
    this.#o = options;
    const { queue, mailroom, clock, logger } = options;
    const { limits } = queue;
    this.#storeClock = new StoreClock({ queue, clock, logger });
    this.#attempts = new Places(limits.queue_attempts_max, (destination) => (destination === HERE ? Infinity : limits.queue_attempts_per_destination_max));
    this.#transactions = new Places(limits.queue_transactions_max, (destination) => (destination === HERE ? Infinity : limits.queue_transactions_per_destination_max));
    this.#results = new Results({ queue, clock, logger, pause: (ms) => this.#pause(ms) });
    this.#teller = new Teller({
      queue, mailroom, clock, logger,
      owns: (message) => this.#own.has(message),
      write: (build) => this.#results.write(build),
      pause: (ms) => this.#pause(ms),
      begun: (task) => {
        this.#tasks.add(task);
        void task.finally(() => this.#tasks.delete(task));
      },
      told: () => this.counts.notices++,
    });
    options.queue.onChanged(() => this.#lookSoon());
  }

  start(): void {
    this.#schedule();
    this.#lookSoon();
  }

  /** This replica took the message in: it sends it at once. */
  own(message: string): void {
    this.#own.add(message);
    const m = this.#o.queue.state.messages.get(message);
    if (m && !this.#stopped) this.#lookAt(m, this.#o.clock.now());
  }

  /** For a message that is about to be written here: what of it this replica sends at once. Asked right before the write. */
  plan(spec: QueuedSpec): Plan {
    const { queue, clock, random } = this.#o;
    const reserved: { due: Omit<Due, 'message'>; claim: Claim }[] = [];
    const now = sentFrom(spec) > clock.now() || this.#stopped ? [] : this.#byDestination(spec.id, spec.recipients, spec.recipients.map((_, i) => i));
    for (const due of now) {
      if (!this.#reserve(spec.id, due.destination)) continue;
      reserved.push({ due, claim: { attempt: randomId(random, ATTEMPT_ID_BITS), lasts: this.#lasts(spec), begun: { mono: clock.monotonic(), wall: clock.now() } } });
    }
    this.#results.now();
    return {
      ops: reserved.map(({ due, claim }) => ({ kind: 'Attempting', message: spec.id, attempt: claim.attempt, lastsMs: claim.lasts, recipients: due.recipients })),
      begin: () => {
        const message = queue.state.messages.get(spec.id);
        for (const { due, claim } of reserved) {
          if (message) this.#run({ message, ...due }, claim);
          else this.#release(spec.id, due.destination);
        }
      },
      drop: () => {
        for (const { due } of reserved) this.#release(spec.id, due.destination);
      },
    };
  }

  #schedule(): void {
    const { clock, queue } = this.#o;
    this.#cancel = clock.after(queue.limits.queue_look_ms, () => {
      if (this.#stopped) return;
      this.look();
      this.#schedule();
    });
  }

  #lookSoon(): void {
    if (this.#soon || this.#stopped) return;
    this.#soon = true;
    this.#o.clock.after(Math.max(LOOK_MS_MIN, LOOK_SHARE * this.#lookMs), () => {
      this.#soon = false;
      if (!this.#stopped) this.look();
    });
  }

  /** Begins what is due and has room. */
  look(): void {
    const { queue, clock } = this.#o;
    const now = clock.now();
    for (const id of this.#own) if (!queue.state.messages.has(id)) this.#own.delete(id);
    const begun = clock.monotonic();
    for (const message of queue.state.messages.values()) this.#lookAt(message, now);
    this.#lookMs = clock.monotonic() - begun;
  }

  #lookAt(message: QueuedMessage, now: number): void {
    this.#teller.look(message, now);
    if (message.held.on || this.#busy.size >= this.#o.queue.limits.queue_attempts_max) return;
    for (const due of this.#dueOf(message, now)) if (this.#reserve(message.id, due.destination)) this.#run(due, null);
  }

  /** When a recipient is due, ms since 1970. */
  dueAt(m: QueuedMessage, recipient: number): number {
    const { said } = m.recipients[recipient];
    const at = said === null ? sentFrom(m) : said.nextAt;
    const retried = m.retried.stamp > (said?.stamp ?? '') ? m.retried.at : Infinity;
    const { queue_takeover_ms: takeover, queue_look_ms: look } = this.#o.queue.limits;
    // A person waits for what is to be tried again.
    const late = this.#own.has(m.id) ? 0 : retried < Infinity ? Math.min(look, takeover) : takeover;
    return Math.min(at, retried) + late;
  }

  #dueOf(m: QueuedMessage, now: number): Due[] {
    const due: number[] = [];
    for (let i = 0; i < m.recipients.length; i++) if (!isFinal(m.recipients[i]) && this.dueAt(m, i) <= now && !this.#claimed(m, i)) due.push(i);
    return due.length === 0 ? [] : this.#byDestination(m.id, m.recipients, due).map((d) => ({ message: m, ...d }));
  }

  /** Of these recipients what goes together, to destinations where this message is not under way. */
  #byDestination(id: string, all: readonly { address: string }[], recipients: readonly number[]): Omit<Due, 'message'>[] {
    const by = new Map<string, number[]>();
    for (const i of recipients) {
      const { address } = all[i];
      const destination = this.#o.mailroom.isHere(address) ? HERE : this.#o.sender.destination(address);
      if (this.#busy.has(`${id} ${destination}`)) continue;
      const list = by.get(destination);
      if (list) list.push(i);
      else by.set(destination, [i]);
    }
    const max = this.#o.queue.limits.queue_recipients_per_transaction_max;
    return [...by].map(([destination, list]) => ({ destination, recipients: list.slice(0, max) }));
  }

  /** An attempt whose time and margin are not surely over, other than `mine`. */
  #claimed(m: QueuedMessage, recipient: number, mine = ''): boolean {
    for (const a of m.attempts.values()) {
      if (a.id === mine || !a.recipients.includes(recipient)) continue;
      if (!this.#storeClock.isOver(a.until + this.#o.queue.limits.queue_margin_ms)) return true;
    }
    return false;
  }

  /** Room for an attempt; false: there is none. */
  #reserve(id: string, destination: string): boolean {
    if (!this.#attempts.enter(destination)) return false;
    this.#busy.add(`${id} ${destination}`);
    return true;
  }
  #release(id: string, destination: string): void {
    this.#busy.delete(`${id} ${destination}`);
    this.#attempts.leave(destination);
  }

  /** In the background; room is reserved. */
  #run(due: Due, claim: Claim | null): void {
    const { logger } = this.#o;
    const task = this.#attempt(due, claim)
      .catch((e) => {
        logger.warn('an attempt ended early', { message: due.message.id, why: reason(e) });
        return this.#pause(AGAIN_MS);
      })
      .finally(() => {
        this.#release(due.message.id, due.destination);
        this.#tasks.delete(task);
        this.#lookSoon();
      });
    this.#tasks.add(task);
  }

  #lasts(m: { plainBytes: number }): number {
    const { queue_attempt_ms, queue_bytes_per_ms_min: speed } = this.#o.queue.limits;
    return queue_attempt_ms + Math.ceil(m.plainBytes / speed);
  }

  /** `claim`: written already. */
  async #attempt({ message, destination, recipients }: Due, claim: Claim | null): Promise<void> {
    const { queue, clock, random, sender, mailroom, hostname, mutations = {} } = this.#o;
    const answer = queue.limits.queue_answer_ms;
    const { attempt, begun, lasts } = claim ?? { attempt: randomId(random, ATTEMPT_ID_BITS), begun: { mono: clock.monotonic(), wall: clock.now() }, lasts: this.#lasts(message) };
    const left = () => lasts - Math.max(clock.monotonic() - begun.mono, clock.now() - begun.wall);
    // First its sender gets the answer.
    if (claim) await new Promise((resolve) => setImmediate(resolve));
    const mine = claim ? recipients : await this.#claim(message.id, attempt, lasts, recipients);
    if (mine === null) return;
    this.#own.add(message.id);
    if (!this.#transactions.enter(destination)) {
      const place = await this.#line(destination);
      if (!place || this.#isOff(message.id)) {
        if (place) this.#transactions.leave(destination);
        return this.#withdraw(message.id, attempt);
      }
    }
    const over = new AbortController();
    const cancel = clock.after(Math.max(0, left() - answer / 10), () => over.abort());
    const stop = () => over.abort();
    this.#over.signal.addEventListener('abort', stop, { once: true });
    let outcomes: RemoteOutcome[];
    const lent = this.#o.sevenBits?.lend(message, over.signal);
    const sevenBits = lent && (() => lent.made().then((form) => form && { bytes: form.bytes, message: this.#confirmed(form.pieces) }));
    try {
      const envelope: Envelope = { from: message.from, to: mine.map((index) => ({ index, ...spec(message.recipients[index]) })), envid: message.envid, ret: message.ret, bytes: message.prefix.length + message.plainBytes, eightBit: message.eightBit, sevenBits, utf8: message.utf8, requireTls: message.requireTls, anyTls: message.anyTls };
      // By both clocks, right before the last line. A clock that went back can't make the time longer.
      const mayEnd = () => mutations.noTimeCheck || (!over.signal.aborted && left() > answer && clock.now() >= begun.wall - 60_000);
      if (destination === HERE) outcomes = await mailroom.deliver(message, mine, () => queue.read(message));
      else outcomes = await sender.send(destination, envelope, () => this.#confirmed(queue.read(message)), mayEnd, over.signal);
    } catch (e) {
      outcomes = mine.map((i) => outcomeOf(i, `451 4.3.0 ${reason(e)}`, ''));
    } finally {
      cancel();
      lent?.release();
      this.#over.signal.removeEventListener('abort', stop);
      // The next one begins while the result is written.
      this.#transactions.leave(destination);
    }
    const at = clock.now();
    const told = outcomes.filter((o) => o.told && message.recipients[o.recipient].notify & NOTIFY.success).map((o) => o.recipient);
    const settled = outcomes.map(({ told: _, ...o }) => this.#settle(message, o, at, outcomes));
    for (const o of settled) this.counts[o.result]++;
    // In one event: who hears of success from the other server must not hear of it from another replica, too.
    await this.#results.company();
    const success: QueueOp[] = told.length === 0 ? [] : [{ kind: 'Told', message: message.id, notice: 'success', recipients: told }];
    await this.#results.write((state) => (state.messages.has(message.id) ? [...success, { kind: 'Attempted', message: message.id, attempt, at, by: hostname, outcomes: settled }] : []));
    for (const o of settled) this.#o.logger.info(o.result, { message: message.id, recipient: o.recipient, status: o.status, host: o.host, why: o.result === 'delivered' ? undefined : nameless(o.text) });
    queue.forget(message);
  }

  /** Waits for a transaction; false: for too long, or this replica stops. */
  async #line(destination: string): Promise<boolean> {
    const over = new AbortController();
    const end = () => over.abort();
    const cancel = this.#o.clock.after(this.#o.queue.limits.queue_line_ms_max, end);
    const { signal } = this.#leaving;
    signal.addEventListener('abort', end, { once: true });
    try {
      return !signal.aborted && (await this.#transactions.wait(destination, over.signal));
    } finally {
      cancel();
      signal.removeEventListener('abort', end);
    }
  }

  /** It was held or dropped since it was claimed. */
  #isOff(id: string): boolean {
    return this.#o.queue.state.messages.get(id)?.held.on ?? true;
  }

  /** The attempt is over before it began: the message is anyone's again. */
  #withdraw(id: string, attempt: string): Promise<void> {
    this.counts.withdrawn++;
    return this.#results.write((state) => (state.messages.has(id) ? [{ kind: 'Attempted', message: id, attempt, at: this.#o.clock.now(), by: '', outcomes: [] }] : []));
  }

  /** The message; its last piece is followed by a word with the store. Who has lost it could not write the result. */
  async *#confirmed(message: AsyncIterable<Buffer> | Buffer[]): AsyncGenerator<Buffer> {
    const { queue, mutations = {} } = this.#o;
    yield* message;
    if (!mutations.noStoreCheck) await queue.storeTime();
  }

  /** Puts off, or gives up what is too old; who was too many beside those that were taken (`all`) comes at once (RFC 5321 §4.5.3.1.10). */
  #settle(m: QueuedMessage, o: Outcome, at: number, all: readonly Outcome[]): Outcome {
    if (o.result !== 'deferred') return o;
    const { queue_age_ms_max: oldest, queue_retry_ms_min: least, queue_retry_ms_max: most } = this.#o.queue.limits;
    const age = at - sentFrom(m);
    if (o.status === '4.5.3' && all.some((x) => x.result === 'delivered')) return { ...o, nextAt: at };
    if (age >= oldest) return { ...o, result: 'failed', status: '4.4.7' };
    return { ...o, nextAt: at + Math.min(most, Math.max(least, age)) };
  }

  /** The recipients that are ours for now, or null. A claim, and then a LIST that shows no other's (as with addresses). */
  async #claim(id: string, attempt: string, lastsMs: number, wanted: number[]): Promise<number[] | null> {
    const { queue, mutations = {} } = this.#o;
    if (mutations.noClaim) return wanted;
    let mine: number[] = [];
    const free = (state: QueueState, own: string) => {
      const m = state.messages.get(id);
      return m && !m.held.on ? wanted.filter((i) => !isFinal(m.recipients[i]) && !this.#claimed(m, i, own)) : [];
    };
    const written = await queue.write((state) => {
      mine = free(state, '');
      return mine.length > 0 ? [{ kind: 'Attempting', message: id, attempt, lastsMs, recipients: mine }] : [];
    });
    if (!written) return null;
    if (mutations.noConfirm) return mine;
    await queue.caughtUp();
    const still = free(queue.state, attempt);
    if (mine.every((i) => still.includes(i))) return mine;
    // Someone else wrote at the same moment; both step back, and one of them comes first the next time.
    await this.#withdraw(id, attempt);
    await this.#pause(500 + 4500 * this.#o.random.unit());
    return null;
  }

  async #pause(ms: number): Promise<void> {
    await this.#o.clock.sleep(ms, this.#over.signal).catch(() => {});
  }

  /** Begins nothing more, gives what is under way `ms`, then cuts it; waits for the results to be written. */
  async stop(ms = 0): Promise<void> {
    this.#stopped = true;
    this.#leaving.abort();
    this.#results.stop();
    this.#cancel();
    const enough = new AbortController();
    await Promise.race([Promise.allSettled([...this.#tasks]), this.#o.clock.sleep(ms, enough.signal).catch(() => {})]);
    enough.abort();
    this.#over.abort();
    this.#o.sender.close();
    await Promise.allSettled([...this.#tasks]);
  }
}
