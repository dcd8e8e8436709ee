// DNS as the checks of one message may ask it: strangers name what is asked, so questions, answers and time are bounded.
import { Resolver } from 'node:dns/promises';
import { Malformed, limits } from '../../base/index.ts';
import type { Clock, Limits } from '../../base/index.ts';

/** One question: records as node:dns gives them. Rejections carry its codes (`ENOTFOUND`, `ETIMEOUT`, …). */
export type Ask = (name: string, type: string) => Promise<unknown[]>;

const failure = (code: string, name: string): Error => Object.assign(new Error(`${code} ${name}`), { code });
/** As RFC 1035 §2.3.4 allows it, dots included. */
const NAME_BYTES_MAX = 253;

/** `servers`: addresses with or without port; none: those of the machine. Malformed. */
export function askerOf(servers: readonly string[]): Ask {
  const resolver = new Resolver({ timeout: Math.floor(limits.checks_question_ms_max / 3), tries: 2 });
  try {
    if (servers.length > 0) resolver.setServers([...servers]);
  } catch {
    throw new Malformed(`dns: "${servers.join(',')}" is not a list of IP addresses`);
  }
  return async (name, type) => {
    const records: unknown = await resolver.resolve(name, type);
    return Array.isArray(records) ? records : [records];
  };
}

/** An answer that no honest zone has is none: it costs memory and time wherever it goes. */
function bounded(records: unknown[], name: string, limits: Limits): unknown[] {
  if (records.length > limits.checks_answer_records_max) throw failure('EBADRESP', name);
  let bytes = 0;
  for (const record of records) bytes += typeof record === 'string' ? record.length : Array.isArray(record) ? record.reduce((sum: number, piece) => sum + String(piece).length, 0) : 100;
  if (bytes > limits.checks_answer_bytes_max) throw failure('EBADRESP', name);
  return records;
}

/** The questions of one message. Those still open when its time is over are answered `ETIMEOUT`. */
export class Questions {
  readonly #ask: Ask;
  readonly #clock: Clock;
  readonly #limits: Limits;
  readonly #until: number;
  #left: number;
  /** Questions of the same name and type share their answer. */
  readonly #asked = new Map<string, Promise<unknown[]>>();

  constructor(ask: Ask, clock: Clock, limits: Limits) {
    this.#ask = ask;
    this.#clock = clock;
    this.#limits = limits;
    this.#until = clock.monotonic() + limits.checks_dns_ms_max;
    this.#left = limits.checks_questions_max;
  }

  readonly ask: Ask = (name, type) => {
    const key = `${type} ${name.toLowerCase()}`;
    let answer = this.#asked.get(key);
    if (answer === undefined) {
      answer = this.#answer(name, type);
      answer.catch(() => {});
      this.#asked.set(key, answer);
    }
    // The records are the caller's own: some sort them in place.
    return answer.then((records) => [...records]);
  };

  async #answer(name: string, type: string): Promise<unknown[]> {
    if (name.length > NAME_BYTES_MAX || name.split('.').some((label) => label.length > 63)) throw failure('ENOTFOUND', name);
    if (this.#left-- <= 0) throw failure('ETIMEOUT', name);
    const ms = Math.min(this.#until - this.#clock.monotonic(), this.#limits.checks_question_ms_max);
    if (ms <= 0) throw failure('ETIMEOUT', name);
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => (cancel = this.#clock.after(ms, () => reject(failure('ETIMEOUT', name)))));
    try {
      return bounded(await Promise.race([this.#ask(name, type), late]), name, this.#limits);
    } finally {
      cancel();
    }
  }
}

const MISSING = ['ENOTFOUND', 'ENODATA', 'ENONAME'];

/** Empty where there is no such name or record, null where DNS gave no answer. */
export async function recordsOrNull(ask: Ask, name: string, type: string): Promise<unknown[] | null> {
  try {
    return await ask(name, type);
  } catch (e) {
    return MISSING.includes((e as NodeJS.ErrnoException).code ?? '') ? [] : null;
  }
}
