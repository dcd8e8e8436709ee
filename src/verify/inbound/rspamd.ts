// rspamd beside us, over its HTTP interface: what it says of a message, and what it learns from people. When it is away mail
// is not held up.
import type { Agent, IncomingMessage, RequestOptions } from 'node:http';
import { Malformed, Unavailable, limits, reason } from '../../base/index.ts';
import type { Clock, Limits, Logger } from '../../base/index.ts';

export interface RspamdAnswer {
  /** `soft`: not now. `junk`: add header, rewrite subject, quarantine. */
  verdict: 'accept' | 'junk' | 'soft' | 'reject';
  score: number;
  required: number;
  symbols: string[];
  /** For the sender, when it refuses. */
  text: string | null;
}

/** From which score on a recipient wants mail in Junk, or not at all, in tenths; null: as rspamd says. */
export interface Scores {
  readonly junk: number | null;
  readonly reject: number | null;
}

/** What a recipient's scores make of an answer; rspamd's "not now" stays. */
export function byScores(answer: RspamdAnswer, scores: Scores | null): RspamdAnswer {
  const { verdict, score } = answer;
  if (scores === null || verdict === 'soft') return answer;
  const from = (threshold: number | null, otherwise: boolean) => (threshold === null ? otherwise : score * 10 >= threshold);
  if (from(scores.reject, verdict === 'reject')) return { ...answer, verdict: 'reject' };
  return { ...answer, verdict: from(scores.junk, verdict !== 'accept') ? 'junk' : 'accept', required: scores.junk === null ? answer.required : scores.junk / 10 };
}

export interface RspamdMessage {
  readonly bytes: number;
  read(): AsyncIterable<Buffer>;
}

/** Header fields of a question; a list is one field for each. */
export type About = Readonly<Record<string, string | readonly string[]>>;

const VERDICTS = new Map<unknown, RspamdAnswer['verdict']>(Object.entries({ 'no action': 'accept', 'add header': 'junk', 'rewrite subject': 'junk', quarantine: 'junk', greylist: 'soft', 'soft reject': 'soft', reject: 'reject', discard: 'reject' }));
const SYMBOLS_MAX = 200;

const number = (x: unknown): number => (typeof x === 'number' && Number.isFinite(x) ? Math.round(x * 100) / 100 : 0);

/** Reads the answer to `/checkv2`. Malformed. */
export function parseAnswer(text: string): RspamdAnswer {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Malformed('rspamd: no JSON');
  }
  const { action, score, required_score, symbols, messages } = (answer ?? {}) as Record<string, unknown>;
  const verdict = VERDICTS.get(action);
  if (verdict === undefined) throw new Malformed('rspamd: an action that nobody knows');
  const said = (messages as { smtp_message?: unknown } | undefined)?.smtp_message;
  const text_ = typeof said === 'string' ? said.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200) : null;
  return { verdict, score: number(score), required: number(required_score), symbols: Object.keys((symbols ?? {}) as object).slice(0, SYMBOLS_MAX), text: text_ };
}

/** A header field must not be broken by a stranger's text. */
const field = (text: string): string => Buffer.from(text).toString('latin1').replace(/[\x00-\x1f\x7f]+/g, ' ');

interface Said {
  status: number;
  text: string;
}

export interface RspamdOptions {
  /** `http://127.0.0.1:11333`. */
  url: string;
  /** Of its controller, for learning. */
  controllerUrl: string;
  password: string | null;
  clock: Clock;
  logger: Logger;
  limits: Limits;
}

export class Rspamd {
  readonly #o: RspamdOptions;
  readonly #agents = new Map<string, Agent>();
  #open = 0;
  #failures = 0;
  #closedUntil = -Infinity;

  constructor(options: RspamdOptions) {
    this.#o = options;
  }

  /** Unavailable when it gives no good answer in time. */
  async check(message: RspamdMessage, about: About): Promise<RspamdAnswer> {
    const { clock } = this.#o;
    if (clock.monotonic() < this.#closedUntil) throw new Unavailable('rspamd was away a moment ago');
    if (this.#open >= limits.rspamd_waiting_max) throw new Unavailable('too many messages wait for rspamd');
    this.#open++;
    try {
      const { status, text } = await this.#post(this.#o.url, '/checkv2', message, { ...about, ...this.#secret });
      if (status !== 200) throw new Unavailable(`rspamd: status ${status}`);
      const answer = parseAnswer(text);
      this.#failures = 0;
      return answer;
    } catch (e) {
      if (++this.#failures >= limits.rspamd_breaker_failures) this.#closedUntil = clock.monotonic() + limits.rspamd_breaker_ms;
      throw e instanceof Unavailable ? e : new Unavailable(reason(e), { cause: e });
    } finally {
      this.#open--;
    }
  }

  /** False: it knew that already, or finds nothing in it. Unavailable. */
  async learn(kind: 'spam' | 'ham', message: RspamdMessage): Promise<boolean> {
    const { status } = await this.#post(this.#o.controllerUrl, kind === 'spam' ? '/learnspam' : '/learnham', message, this.#secret);
    if (status === 204 || status === 208 || status === 404) return false;
    if (status !== 200) throw new Unavailable(`rspamd: status ${status}`);
    return true;
  }

  /** The controller asks for it, also when it checks. */
  get #secret(): About {
    const { password } = this.#o;
    return password === null ? {} : { Password: password };
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #post(base: string, path: string, message: RspamdMessage, about: About): Promise<Said> {
    const url = new URL(path, base);
    // An import would read the module's lazy members too: an HTTP client of 14 MB.
    const http = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
    let agent = this.#agents.get(base);
    if (agent === undefined) this.#agents.set(base, (agent = new http.Agent({ keepAlive: true, maxSockets: this.#o.limits.rspamd_connections_max, noDelay: true } as never)));
    const headers: Record<string, string | string[]> = { 'Content-Length': String(message.bytes) };
    for (const [name, value] of Object.entries(about)) headers[name] = typeof value === 'string' ? field(value) : value.map(field);
    const options: RequestOptions = { method: 'POST', agent, headers };
    return new Promise<Said>((resolve, reject) => {
      const request = http.request(url, options, (response) => answerOf(response, this.#o.limits).then(done, failed));
      const cancel = this.#o.clock.after(this.#o.limits.rspamd_ms_max, () => failed(new Unavailable('rspamd: no answer in time')));
      const done = (said: Said) => {
        cancel();
        resolve(said);
      };
      const failed = (e: unknown) => {
        cancel();
        request.destroy();
        reject(e instanceof Unavailable ? e : new Unavailable(`rspamd: ${(e as NodeJS.ErrnoException).code ?? reason(e)}`));
      };
      request.on('error', failed);
      send(request, message).catch(failed);
    });
  }
}

async function send(request: import('node:http').ClientRequest, message: RspamdMessage): Promise<void> {
  for await (const piece of message.read()) {
    if (request.destroyed) return;
    if (request.write(piece)) continue;
    await new Promise<void>((resolve) => {
      const go = () => {
        request.off('drain', go).off('close', go);
        resolve();
      };
      request.on('drain', go).on('close', go);
    });
  }
  request.end();
}

async function answerOf(response: IncomingMessage, { rspamd_answer_bytes_max }: Limits): Promise<Said> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > rspamd_answer_bytes_max) throw new Unavailable('rspamd: an answer without end');
    pieces.push(piece);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() };
}
