// A simulated replica with one log, and a mail client that roams between replicas.
import { limits as realLimits, silent, Unavailable } from '../../src/base/index.ts';
import type { Position } from '../../src/base/index.ts';
import { Log, collect } from '../../src/log/index.ts';
import type { Hint, LogMutations, Submitted } from '../../src/log/index.ts';
import { openOps, ToyState, toyAuthenticator, toyBox, toyCodec } from './toy.ts';
import type { ToyOp } from './toy.ts';
import { WorldStore } from './world.ts';
import type { World } from './world.ts';

export const ROOT = 'users/u/';
/** One step of a history: a fourteenth of the put window. */
export const STEP_MS = Math.floor(realLimits.put_window_ms / 14);
export const testLimits = { ...realLimits, list_age_ms_max: 2 * STEP_MS, full_list_ms: 10 ** 12 };

export type Switches = Partial<LogMutations> & { noRepairs?: boolean };

export class SimReplica {
  readonly world: World;
  readonly switches: Switches;
  readonly all: Scene;
  log!: Log<ToyOp>;
  store!: WorldStore;
  slot = -1;
  attaching = false;
  constructor(world: World, all: Scene, switches: Switches) {
    this.world = world;
    this.all = all;
    this.switches = switches;
    this.restart();
  }
  get state(): ToyState {
    return this.log.fold as ToyState;
  }
  /** A crash, and a new process. */
  restart(): void {
    this.store?.die();
    if (this.store) for (const p of this.world.parked) if (this.all.owner.get(p.name) === this.store) p.answer = null;
    if (!this.switches.slotsReusedAtOnce || this.slot < 0) this.slot = this.all.n++ % 64;
    const store = new WorldStore(this.world, (name) => {
      if (!name.startsWith(`${ROOT}log/`)) return false;
      this.all.owner.set(name, store);
      return true;
    });
    this.store = store;
    this.log = new Log<ToyOp>({
      store,
      root: ROOT,
      identity: { slot: this.slot, mayWrite: () => true, spent: new Map() },
      clock: this.world.clock,
      random: this.world.random,
      logger: silent,
      authenticator: toyAuthenticator,
      codec: toyCodec,
      limits: this.all.limits,
      mutations: this.switches,
      onAppended: (hint) => this.all.appended(this, hint),
    });
    void this.open();
  }
  /** True when the log is open. */
  async open(): Promise<boolean> {
    if (this.log.attached) return true;
    const { log } = this;
    try {
      await log.attach({ load: (views, fetch) => ToyState.load(views, fetch), open: openOps, box: toyBox });
      return true;
    } catch (e) {
      if (!(e instanceof Unavailable)) this.all.failed ??= e;
      return false;
    }
  }
  async pull(whole = false): Promise<boolean> {
    try {
      await this.log.refresh(0, whole);
      if (this.log.attached) await this.log.caughtUp();
      return true;
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      return false;
    }
  }
  write(make: () => ToyOp[], acked: (done: Submitted, ops: ToyOp[]) => void = () => {}, kind: 'session' | 'delivered' = 'session'): void {
    if (kind === 'session' && !this.log.attached) return;
    let ops: ToyOp[] = [];
    const { log } = this;
    log.submit(kind, () => (log === this.log && (ops = make()).length > 0 ? { ops } : null)).then(
      (done) => {
        if (!done) return;
        this.all.done.push(`${done.ref.writer}#${done.ref.seq}`);
        acked(done, ops);
      },
      (e) => {
        if (!(e instanceof Unavailable)) this.all.failed ??= e;
      },
    );
  }
  /** A snapshot, as a session writes one in the background: repairs first. */
  async snapshot(): Promise<boolean> {
    if (!(await this.open())) return false;
    try {
      return await this.log.writeSnapshot({
        encode: () => ({ parts: [{ key: 'all', bytes: this.state.encode(this.all.keepGone) }], kept: [], messages: 0, bytes: 0 }),
      });
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      return false;
    }
  }
  async bundle(): Promise<void> {
    try {
      await this.log.writeBundle(0);
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
    }
  }
  async collect(): Promise<string[]> {
    try {
      return (await collect({ ...this.log.reading, random: this.world.random, mutations: this.switches })).deleted;
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      return [];
    }
  }
  repair(): void {
    if (!this.log.attached || this.log.late().length === 0) return;
    this.write(() => this.state.planRepair(this.log.late()), () => this.all.repairs++);
  }
}

/** What the replicas of one history share. */
export interface Scene {
  n: number;
  owner: Map<string, WorldStore>;
  /** Ids of acknowledged events. */
  done: string[];
  repairs: number;
  failed: unknown;
  limits: typeof realLimits;
  /** Snapshots keep the removed messages too (a QRESYNC client needs what vanished). */
  keepGone: boolean;
  appended(from: SimReplica, hint: Hint): void;
}

export class SimClient {
  readonly mode: 'qresync' | 'uidnext';
  readonly box: string;
  cache = new Map<Position, { id: string; flags: string }>();
  uidNext = 1;
  modSeq = 0;
  ever = new Map<Position, string>();
  constructor(mode: 'qresync' | 'uidnext', box: string) {
    this.mode = mode;
    this.box = box;
  }
  async sync(r: SimReplica): Promise<void> {
    const before = r.all.done.length;
    if (!(await r.open())) return;
    try {
      await r.log.caughtUp();
    } catch (e) {
      if (e instanceof Unavailable) return;
      throw e;
    }
    for (let i = 0; i < before; i++) if (!r.state.applied.has(r.all.done[i])) throw new Error(`I7: ${r.all.done[i]} was acknowledged and is not shown`);
    const live = r.state.live(this.box);
    const uids = new Set(live.map((e) => e.uid));
    if (uids.size !== live.length) return r.switches.noRepairs ? undefined : r.repair();
    if (!r.switches.noRepairs && r.log.late().some((l) => l.passedOver && l.event.effects.some((x) => x.scope === this.box))) return r.repair();
    for (const e of live) {
      const was = this.ever.get(e.uid);
      if (was !== undefined && was !== e.id) throw new Error(`I1: uid ${e.uid} was ${was}, now ${e.id}`);
      this.ever.set(e.uid, e.id);
    }
    const flagsOf = (e: (typeof live)[0]) => [...e.flags].filter(([, v]) => v.on).map(([k]) => k).sort().join(' ');
    if (this.mode === 'qresync') {
      for (const e of r.state.box(this.box)) {
        if (e.modseq <= this.modSeq) continue;
        for (const u of e.uids) if (u !== e.uid || e.gone) this.cache.delete(u);
        if (!e.gone) this.cache.set(e.uid, { id: e.id, flags: flagsOf(e) });
      }
      this.modSeq = Math.max(this.modSeq, r.state.highestModSeq(this.box));
      return;
    }
    const byUid = new Map(live.map((e) => [e.uid, e]));
    for (const u of [...this.cache.keys()]) {
      const e = byUid.get(u);
      if (!e) this.cache.delete(u);
      else this.cache.get(u)!.flags = flagsOf(e);
    }
    for (const e of live) if (e.uid >= this.uidNext) this.cache.set(e.uid, { id: e.id, flags: flagsOf(e) });
    this.uidNext = Math.max(this.uidNext, r.state.uidNext(this.box));
  }
  shown(): string {
    return [...this.cache].sort((a, b) => a[0] - b[0]).map(([u, v]) => `${u}:${v.id}:${v.flags}`).join('|');
  }
  wanted(r: SimReplica): string {
    return r.state.live(this.box).map((e) => `${e.uid}:${e.id}:${[...e.flags].filter(([, v]) => v.on).map(([k]) => k).sort().join(' ')}`).join('|');
  }
}
