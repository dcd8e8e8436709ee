// The endpoints of one store, in the order of the settings: the own site's node first, others for when it gives no good
// answer. Each has a breaker: after some failures in a row it is left alone for a while, then one request tries it.
import { limits } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { Lanes } from './s3-lanes.ts';

export class Endpoint {
  readonly origin: string;
  readonly host: string;
  /** Path before `/bucket`. */
  readonly base: string;
  readonly lanes: Lanes;
  /** The server's clock less ours, ms. */
  skew = 0;
  /** Failures since the last good answer. */
  failures = 0;
  /** Monotonic time at which the first of them was sent. */
  failingSince = 0;
  /** Monotonic time until which it is left alone; 0: the breaker is closed. */
  openUntil = 0;
  /** A request tries whether it answers again. */
  trying = false;

  constructor(url: URL) {
    this.origin = url.origin;
    this.host = url.host;
    this.base = url.pathname.replace(/\/+$/, '');
    this.lanes = new Lanes(url.origin);
  }
}

export class Endpoints {
  readonly #all: readonly Endpoint[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;

  constructor(urls: readonly URL[], clock: Clock, random: Random, logger: Logger) {
    this.#all = urls.map((url) => new Endpoint(url));
    this.#clock = clock;
    this.#random = random;
    this.#logger = logger;
  }

  /**
   * The first one that answers; not `except`, which has just failed, if there is another. When none is known to answer the
   * one that was left alone for longest: nothing is refused without having been sent. `tries`: this request finds out for
   * all whether it answers again.
   */
  choose(except: Endpoint | null): { endpoint: Endpoint; tries: boolean } {
    const now = this.#clock.monotonic();
    const others = this.#all.length === 1 ? this.#all : this.#all.filter((e) => e !== except);
    for (const endpoint of others) {
      if (endpoint.openUntil === 0) return { endpoint, tries: false };
      if (endpoint.openUntil > now || endpoint.trying) continue;
      endpoint.trying = true;
      return { endpoint, tries: true };
    }
    return { endpoint: others.reduce((a, b) => (b.openUntil < a.openUntil ? b : a)), tries: false };
  }

  /** Whether another one is worth asking when this one is slow. */
  hasOther(than: Endpoint): boolean {
    return this.#all.some((e) => e !== than && e.openUntil === 0);
  }
  /** True when none has answered for some time: then nothing is sent twice. A short absence is bridged by resends. */
  get hopeless(): boolean {
    const now = this.#clock.monotonic();
    return this.#all.every((e) => e.openUntil > 0 && now - e.failingSince > limits.store_hopeless_ms);
  }

  worked(endpoint: Endpoint): void {
    if (endpoint.openUntil > 0) this.#logger.info('the S3 endpoint answers again', { endpoint: endpoint.origin });
    endpoint.failures = endpoint.openUntil = 0;
    endpoint.trying = false;
  }

  /** `sent`: monotonic time at which the request was sent. Silence for long counts as much as many failures. */
  failed(endpoint: Endpoint, why: string, sent: number): void {
    if (endpoint.failures++ === 0) endpoint.failingSince = sent;
    endpoint.trying = false;
    const silent = this.#clock.monotonic() - endpoint.failingSince > limits.store_hopeless_ms;
    const over = Math.max(endpoint.failures - limits.store_breaker_failures, silent ? 0 : -1);
    if (over < 0) return;
    if (endpoint.openUntil === 0) this.#logger.warn('the S3 endpoint is left alone for a while', { endpoint: endpoint.origin, why });
    const most = Math.min(limits.store_breaker_ms_max, limits.store_breaker_ms_min * 2 ** Math.min(over, 16));
    endpoint.openUntil = this.#clock.monotonic() + most / 2 + (this.#random.unit() * most) / 2;
  }

  /** The request was ended by its caller: nothing is known of the endpoint. */
  dropped(endpoint: Endpoint): void {
    endpoint.trying = false;
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((e) => e.lanes.close()));
  }
}
