// What goes wrong in a storm, one thing after the other and some at once: replicas and Garage nodes are killed, stopped and
// return, sites are cut off, links are slow, answers are lost.
import type { SiteReplica } from './cluster.ts';
import { SITES } from './cluster.ts';
import type { DoorFaults } from './faulty-s3.ts';
import type { Tools } from './tools.ts';
import { open } from './wires.ts';

export interface WeatherOptions {
  /** Mean time between two misfortunes, ms. */
  every: number;
  /** The longest that something stays as it is, ms. */
  longest: number;
  /** Processes are stopped (SIGSTOP) for so long at most, ms. */
  stopped: number;
  /** Which ones, by name; all by default. */
  only?: readonly string[];
}

/** A slot is held for a quarter of an hour after a kill, and there are 64: more kills than that would only make replicas wait. */
const KILLS_MAX = 45;

export class Weather {
  readonly #tools: Tools;
  readonly #o: WeatherOptions;
  readonly #open: Promise<void>[] = [];
  readonly #busy = new Set<string>();
  readonly told: string[] = [];
  readonly counts: Record<string, number> = {};
  #kills = 0;

  constructor(tools: Tools, options: WeatherOptions) {
    this.#tools = tools;
    this.#o = options;
  }

  /** Until the storm is over; then all is mended and everybody is up. */
  async live(): Promise<void> {
    const { over, sleep, upTo } = this.#tools;
    const kinds = this.#o.only ?? ['kill', 'kill', 'term', 'term', 'node', 'node', 'cut', 'cut', 'slow', 'slow', 'lost', 'hang', 'stop', 'peers', ...(this.#tools.cluster.faulty ? ['half', 'half', 'half'] : [])];
    while (!over()) {
      await sleep(this.#o.every / 2 + upTo(this.#o.every));
      if (over()) break;
      this.#happen(kinds[upTo(kinds.length)], SITES[upTo(SITES.length)]);
    }
    await Promise.all(this.#open);
    for (const a of SITES) for (const b of SITES) await this.#tools.cluster.wires.set(a, b, open);
    await Promise.all((this.#tools.cluster.garage?.nodes ?? []).map((node) => node.start()));
    if (this.#tools.cluster.faulty) for (const site of SITES) this.#tools.cluster.faulty.faults[site] = {};
    this.#tools.cluster.faulty?.heal();
    for (const replica of this.#tools.cluster.replicas) {
      replica.go();
      await replica.start();
    }
  }

  #happen(kind: string, site: number): void {
    const { cluster } = this.#tools;
    const replica = cluster.replicas[site - 1];
    const misfortunes: Record<string, [busy: string[], run: () => Promise<void>]> = {
      kill: [[`replica ${site}`], () => this.#gone(replica, 'SIGKILL')],
      term: [[`replica ${site}`], () => this.#gone(replica, 'SIGTERM')],
      stop: [[`replica ${site}`], () => this.#halted(replica)],
      node: [['nodes'], () => (cluster.garage ? this.#node(site) : this.#faults(site))],
      cut: [['cut'], () => this.#cut(site)],
      slow: [[`slow ${site}`], () => this.#slow(site)],
      lost: [[`s3 ${site}`], () => this.#s3(site, { lostAnswers: 0.2 })],
      hang: [[`s3 ${site}`], () => this.#s3(site, { mode: 'silent' })],
      peers: [[`peer ${site}`], () => this.#peers(site)],
      half: [[`half ${site}`], () => this.#halves(site)],
    };
    const [busy, run] = misfortunes[kind];
    if (busy.some((b) => this.#busy.has(b)) || (kind === 'kill' && ++this.#kills > KILLS_MAX)) return;
    for (const b of busy) this.#busy.add(b);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    this.#tell(`${kind} ${site}`);
    const done = run().then(
      () => {
        for (const b of busy) this.#busy.delete(b);
        this.#tell(`${kind} ${site} is over`);
      },
      (e) => this.#tools.ledger.violation(`${kind} ${site}: ${String(e)}`),
    );
    this.#open.push(done);
  }

  #tell(text: string): void {
    this.told.push(`${new Date().toISOString().slice(11, 23)} ${text}`);
  }

  #a(most: number): number {
    return 300 + this.#tools.upTo(most);
  }

  async #gone(replica: SiteReplica, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#tools.trouble(replica.site, 40_000);
    const began = performance.now();
    const status = await replica.stop(signal);
    const ms = performance.now() - began;
    if (signal === 'SIGTERM' && status !== 0 && status !== null) this.#tools.ledger.violation(`SIGTERM at site ${replica.site} ended with ${status}: ${replica.log.slice(-1000)}`);
    if (signal === 'SIGTERM' && ms > 15_000) this.#tools.ledger.violation(`SIGTERM at site ${replica.site} took ${Math.round(ms)} ms`);
    await this.#tools.sleep(this.#a(this.#o.longest / 2));
    await this.#up(replica);
  }

  /** What cannot start now, since it finds no quorum, is started again. */
  async #up(replica: SiteReplica): Promise<void> {
    for (let i = 0; i < 30 && !replica.running; i++) {
      await replica.start();
      if (!replica.running) await this.#tools.sleep(1000);
    }
    this.#tools.trouble(replica.site, 3000);
  }

  async #halted(replica: SiteReplica): Promise<void> {
    const ms = this.#a(this.#o.stopped);
    this.#tools.trouble(replica.site, ms + 35_000);
    replica.halt();
    await this.#tools.sleep(ms);
    replica.go();
  }

  async #node(site: number): Promise<void> {
    const node = this.#tools.cluster.garage!.nodes[site - 1];
    await node.stop('SIGKILL');
    await this.#tools.sleep(this.#a(this.#o.longest));
    await node.start();
  }

  async #faults(site: number): Promise<void> {
    await this.#at(site, { partial: 0.15, late: 0.1, lateMs: [500, 20_000], latePartial: 0.4, lateNever: 0.2, answerLost: 0.1, quorum: 0.1, fails: 0.1, slow: 0.1, slowMs: [100, 2000], failsAfterMs: [0, 1500], partialShown: 0.5 });
  }

  /** What is written there stays half done: seen by some for a while, then gone, unless one of them PUTs it again. */
  async #halves(site: number): Promise<void> {
    await this.#at(site, { fleeting: 0.7, fleetingMs: [3000, 20_000] });
  }

  /** Faults of one site's door, beside others that it may have. */
  async #at(site: number, faults: DoorFaults): Promise<void> {
    const { faults: all } = this.#tools.cluster.faulty!;
    Object.assign(all[site], faults);
    await this.#tools.sleep(this.#a(this.#o.longest));
    for (const name of Object.keys(faults) as (keyof DoorFaults)[]) delete all[site][name];
  }

  async #cut(site: number): Promise<void> {
    const { wires } = this.#tools.cluster;
    const mode = this.#tools.upTo(3) === 0 ? 'reset' : 'silent';
    for (const other of SITES) if (other !== site) await wires.set(site, other, { mode });
    await this.#tools.sleep(this.#a(this.#o.longest));
    for (const other of SITES) if (other !== site) await wires.set(site, other, { mode: 'open' });
  }

  async #slow(site: number): Promise<void> {
    const { wires } = this.#tools.cluster;
    const delay = 10 + this.#tools.upTo(this.#tools.upTo(2) === 0 ? 40 : 290);
    for (const other of SITES) if (other !== site) await wires.set(site, other, { delay, jitter: delay / 4 });
    await this.#tools.sleep(this.#a(this.#o.longest * 2));
    for (const other of SITES) if (other !== site) await wires.set(site, other, { delay: 0, jitter: 0 });
  }

  /** Between a replica and the Garage node beside it. */
  async #s3(site: number, change: Parameters<Tools['cluster']['wires']['set']>[2]): Promise<void> {
    const { wires } = this.#tools.cluster;
    await wires.set(site, site, change, ['s3']);
    await this.#tools.sleep(this.#a(this.#o.longest));
    await wires.set(site, site, open, ['s3']);
  }

  async #peers(site: number): Promise<void> {
    const { wires } = this.#tools.cluster;
    for (const other of SITES) if (other !== site) await wires.set(site, other, { mode: 'reset' }, ['peer']);
    await this.#tools.sleep(this.#a(this.#o.longest));
    for (const other of SITES) if (other !== site) await wires.set(site, other, { mode: 'open' }, ['peer']);
  }
}
