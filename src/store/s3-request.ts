// One call to S3 = one or more sends of one request: time-outs, resends with jitter, a budget for resends, a deadline
// for all of it, and the server's time where our clock is wrong. Every request may be repeated: names are written once.
import { Corrupt, Malformed, Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { Gate } from './gate.ts';
import { checkMaySend, checkSignal, gaveUp } from './give-up.ts';
import { Endpoints } from './s3-endpoints.ts';
import type { Endpoint } from './s3-endpoints.ts';
import { EMPTY_SHA256, Signer } from './s3-sign.ts';
import type { Keys } from './s3-sign.ts';
import { BrokenAnswer, readError } from './s3-xml.ts';

/** The server answers and says no (keys, bucket, signature): sending again doesn't help. */
export class S3Refusal extends Unavailable {}

export interface Call {
  method: 'PUT' | 'GET' | 'DELETE';
  /** `/bucket` or `/bucket/name`. */
  path: string;
  /** Sorted and escaped. */
  query?: string;
  /** Headers that are signed (`x-amz-…`). */
  headers?: Record<string, string>;
  range?: string;
  body?: Buffer | (() => AsyncIterable<Uint8Array> | Iterable<Uint8Array>);
  /** Bytes of the body. */
  bytes?: number;
  /** Hash of the body; of nothing by default. */
  payload?: string;
  /** Largest answer taken into memory. */
  answerBytesMax: number;
  /** Asked before every send. */
  maySend?: () => boolean;
  signal?: AbortSignal;
  /** Called for every send. */
  sent: () => void;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** The server's time, milliseconds since 1970. */
  date: number;
  /** Code of an error answer (404 only; other errors are thrown). */
  code: string;
}

const ERROR_BYTES_MAX = 64 * 1024;
/** Clocks that differ by more than this explain a refused signature (S3 allows 15 minutes). */
const SKEW_MS = 5 * 60_000;
/** Resends earned by each answer. */
const RETRY_SHARE = 0.1;

const ours = (e: unknown): boolean => e instanceof Unavailable || e instanceof Refused || e instanceof Malformed || e instanceof Corrupt;

export class S3Transport {
  readonly #endpoints: Endpoints;
  readonly #signer: Signer;
  readonly #secrets: string[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #gate = new Gate(limits.store_concurrency_max);
  #retries = limits.store_retries_saved_max;

  constructor(endpoints: readonly URL[], keys: Keys, clock: Clock, random: Random, logger: Logger) {
    this.#signer = new Signer(keys);
    this.#secrets = [keys.secretKey, keys.accessKey];
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
    this.#endpoints = new Endpoints(endpoints, clock, random, logger);
  }

  /**
   * Sends until there is an answer. Answers 2xx, 404 and 416 are the caller's; `check` may throw BrokenAnswer to have
   * the request sent again. Throws Unavailable: S3Refusal where the server says no.
   */
  async call<T>(call: Call, check: (answer: Answer) => T): Promise<T> {
    checkSignal(call.signal);
    const busy = this.#gate.enter(call.signal);
    if (busy) await busy;
    try {
      return await this.#attempts(call, check);
    } finally {
      this.#gate.leave();
    }
  }

  async close(): Promise<void> {
    await this.#endpoints.close();
  }

  async #attempts<T>(call: Call, check: (answer: Answer) => T): Promise<T> {
    const bytes = call.bytes ?? 0;
    const quick = bytes <= limits.event_bytes_inline_max;
    const deadline = this.#clock.monotonic() + (quick ? limits.store_quick_call_ms_max : limits.store_call_ms_max) + slowest(bytes);
    let corrected = false;
    let failed: Endpoint | null = null;
    for (let attempt = 1; ; attempt++) {
      checkSignal(call.signal);
      checkMaySend(call.maySend);
      let why: string;
      const { endpoint, tries } = this.#endpoints.choose(failed);
      const sent = this.#clock.monotonic();
      // Where another may be asked instead, or nobody answers anyway, nobody waits long for this one.
      const patience = Math.min(
        quick ? limits.store_quick_ms_max : limits.store_request_ms_max,
        this.#endpoints.hasOther(endpoint) ? (quick ? limits.store_fallback_ms : limits.store_fallback_large_ms) : Infinity,
        !tries && this.#endpoints.hopeless ? limits.store_hopeless_request_ms_max : Infinity,
      );
      try {
        const answer = await this.#send(endpoint, call, patience, deadline);
        const { status } = answer;
        if (status < 300 || status === 404 || status === 416) {
          const result = check(answer);
          this.#endpoints.worked(endpoint);
          this.#retries = Math.min(limits.store_retries_saved_max, this.#retries + RETRY_SHARE);
          return result;
        }
        const { code, message } = readError(answer.body.toString('utf8'));
        why = this.#clean(`${status} ${code} ${message}`.trimEnd());
        if (status < 500 && status !== 408 && status !== 429) {
          this.#endpoints.worked(endpoint);
          if (corrected || !this.#correct(endpoint, answer, code)) throw new S3Refusal(`the S3 store refuses: ${why}`);
          corrected = true;
          continue;
        }
      } catch (e) {
        if (call.signal?.aborted || ours(e)) this.#endpoints.dropped(endpoint);
        if (call.signal?.aborted) throw gaveUp(call.signal);
        if (ours(e)) throw e;
        why = this.#clean(reason(e));
      }
      failed = endpoint;
      this.#endpoints.failed(endpoint, why, sent);
      await this.#beforeResend(call, attempt, deadline, why);
    }
  }

  /** Waits before the next send, or throws Unavailable when there shall be none. */
  async #beforeResend(call: Call, attempt: number, deadline: number, why: string): Promise<void> {
    const most = Math.min(limits.store_retry_ms_max, limits.store_retry_ms_min * 2 ** (attempt - 1));
    const wait = most / 2 + (this.#random.unit() * most) / 2;
    const spent = attempt >= limits.store_attempts_max || this.#clock.monotonic() + wait >= deadline;
    if (spent || this.#retries < 1 || this.#endpoints.hopeless) throw new Unavailable(`the S3 store gives no good answer: ${why}`);
    this.#retries--;
    this.#logger.debug('request to the store is sent again', { method: call.method, attempt, why });
    try {
      await this.#clock.sleep(wait, call.signal);
    } catch (e) {
      throw call.signal?.aborted ? gaveUp(call.signal) : e;
    }
  }

  async #send(endpoint: Endpoint, call: Call, patience: number, deadline: number): Promise<Answer> {
    const path = endpoint.base + call.path;
    const headers = this.#signer.sign({ method: call.method, host: endpoint.host, path, query: call.query ?? '', headers: call.headers ?? {}, payload: call.payload ?? EMPTY_SHA256, time: this.#clock.now() + endpoint.skew });
    if (call.range) headers.range = call.range;
    const { body } = call;
    if (call.bytes !== undefined) headers['content-length'] = String(call.bytes);
    const ended = new AbortController();
    const onAbort = () => ended.abort(gaveUp(call.signal!));
    call.signal?.addEventListener('abort', onAbort, { once: true });
    const timer = (bytes: number) => this.#clock.after(Math.min(patience + slowest(bytes), Math.max(1, deadline + slowest(bytes) - this.#clock.monotonic())), () => ended.abort(new Error('no answer in time')));
    let cancel = timer(call.bytes ?? 0);
    const lane = endpoint.lanes.take();
    call.sent();
    try {
      const answer = await lane.client.request({
        method: call.method,
        path: call.query ? `${path}?${call.query}` : path,
        headers,
        body: (typeof body === 'function' ? body() : body) as Buffer | undefined,
        signal: ended.signal,
      });
      const length = Number(answer.headers['content-length'] ?? NaN);
      if (lane.offended(answer.statusCode)) {
        answer.body.on('error', () => {}).destroy();
        throw new BrokenAnswer('the server takes no empty line between requests');
      }
      if (call.method === 'GET') lane.nudge(length, answer.body.readableLength);
      const max = answer.statusCode < 300 ? call.answerBytesMax : ERROR_BYTES_MAX;
      if (length > max) {
        answer.body.on('error', () => {}).destroy();
        if (answer.statusCode < 300) throw new Corrupt(`the store's answer is too large: ${length} bytes`);
        throw new BrokenAnswer(`an answer ${answer.statusCode} of ${length} bytes`);
      }
      if (length > 65_536) {
        cancel();
        cancel = timer(length);
      }
      const bytes = await collect(answer.body, length, max);
      const date = Date.parse(String(answer.headers.date ?? ''));
      return { status: answer.statusCode, headers: answer.headers, body: bytes, date: Number.isNaN(date) ? this.#clock.now() + endpoint.skew : date, code: answer.statusCode === 404 ? readError(bytes.toString('utf8')).code : '' };
    } finally {
      endpoint.lanes.give(lane);
      cancel();
      call.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** True when our clock was the reason, and the next send will bear the server's time. */
  #correct(endpoint: Endpoint, answer: Answer, code: string): boolean {
    const date = Date.parse(String(answer.headers.date ?? ''));
    if (Number.isNaN(date)) return false;
    const skew = date - this.#clock.now();
    if (code !== 'RequestTimeTooSkewed' && Math.abs(skew - endpoint.skew) < SKEW_MS) return false;
    this.#logger.warn("this machine's clock differs from the store's", { seconds: Math.round(skew / 1000) });
    endpoint.skew = skew;
    return true;
  }

  /** Servers repeat the key's id in their messages; no log line shall. */
  #clean(text: string): string {
    for (const secret of this.#secrets) text = text.replaceAll(secret, '…');
    return text;
  }
}

/** Further milliseconds for so many bytes. */
const slowest = (bytes: number): number => bytes / limits.store_bytes_per_ms_min;

/** All bytes of an answer; BrokenAnswer when they are not as many as were announced. */
async function collect(body: AsyncIterable<Buffer> & { arrayBuffer(): Promise<ArrayBuffer> }, length: number, max: number): Promise<Buffer> {
  if (!Number.isNaN(length)) {
    const whole = Buffer.from(await body.arrayBuffer());
    if (whole.length !== length) throw new BrokenAnswer(`${whole.length} bytes instead of ${length}`);
    return whole;
  }
  const pieces: Buffer[] = [];
  let n = 0;
  for await (const piece of body) {
    n += piece.length;
    if (n > max) throw new Corrupt(`the store's answer is larger than ${max} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
