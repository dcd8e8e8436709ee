// What everybody in a storm shares: chance, pauses, and whom one can turn to.
import type { Cluster, SiteReplica } from './cluster.ts';
import { Ledger } from './ledger.ts';

export class Tools {
  readonly cluster: Cluster;
  readonly ledger = new Ledger();
  readonly rest_ms: number;
  #over = false;
  #overAt = 0;
  /** Sites that were in trouble lately, by the time until which that excuses silence. */
  readonly #troubles = new Map<number, number>();

  /** `rest_ms`: how long after a storm repairs, and what landed late, may need to come to rest. */
  constructor(cluster: Cluster, rest_ms: number) {
    this.cluster = cluster;
    this.rest_ms = rest_ms;
  }

  readonly over = (): boolean => this.#over;
  end(): void {
    this.#over = true;
    this.#overAt = performance.now();
  }
  /** All was mended long ago: what does not succeed now never will. */
  readonly hopeless = (): boolean => this.#over && performance.now() - this.#overAt > 2 * this.rest_ms;
  /** 0 … n - 1. */
  readonly upTo = (n: number): number => Math.floor(Math.random() * n);
  readonly sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

  /** Whoever asks there knows that it may be stopped in the middle. */
  trouble(site: number, ms: number): void {
    this.#troubles.set(site, Math.max(this.#troubles.get(site) ?? 0, performance.now() + ms));
  }
  troubled(replica: SiteReplica | null): boolean {
    return replica === null || replica.halted || !replica.running || (this.#troubles.get(replica.site) ?? 0) > performance.now();
  }

  /** A site whose replica runs, by chance; any if none does. */
  anySite(): SiteReplica {
    const up = this.cluster.replicas.filter((r) => r.running && !r.halted);
    const from = up.length > 0 ? up : this.cluster.replicas;
    return from[this.upTo(from.length)];
  }
}
