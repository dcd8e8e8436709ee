// Directed scenes: as many replicas as wanted on one world, PUTs answered at once unless a test parks them.
import assert from 'node:assert/strict';
import { limits, seededRandom, silent } from '../../src/base/index.ts';
import { Log } from '../../src/log/index.ts';
import type { Authenticator, FoldSource, Hint, LogMutations, Submitted } from '../../src/log/index.ts';
import { openOps, ToyState, toyAuthenticator, toyBox, toyCodec } from './toy.ts';
import type { ToyOp } from './toy.ts';
import { quiet, World, WorldClock, WorldStore } from './world.ts';

export const ROOT = 'users/u/';
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export class Place {
  readonly store: WorldStore;
  readonly log: Log<ToyOp>;
  readonly identity: { slot: number | null; may: boolean; spent: Map<string, number>; mayWrite(): boolean };
  readonly hints: Hint[] = [];
  forgot = 0;
  constructor(world: World, slot: number, mutations: Partial<LogMutations>, authenticator: Authenticator = toyAuthenticator) {
    this.store = new WorldStore(world, () => false);
    this.identity = { slot, may: true, spent: new Map(), mayWrite: () => this.identity.may };
    this.log = new Log<ToyOp>({
      store: this.store,
      root: ROOT,
      identity: this.identity,
      clock: world.clock,
      random: world.random,
      logger: silent,
      authenticator,
      codec: toyCodec,
      limits,
      mutations,
      onAppended: (hint) => this.hints.push(hint),
    });
  }
  get state(): ToyState {
    return this.log.fold as ToyState;
  }
  get source(): FoldSource<ToyOp> {
    return { load: (views, fetch) => ToyState.load(views, fetch), open: openOps, box: toyBox, onForgotten: () => this.forgot++ };
  }
  async open(): Promise<this> {
    await this.log.attach(this.source);
    return this;
  }
  append(id: string, box = 'INBOX'): Promise<Submitted | null> {
    return this.log.submit('session', () => ({ ops: [{ t: 'append', id, box }] }));
  }
  deliver(id: string, box = 'INBOX'): Promise<Submitted | null> {
    return this.log.submit('delivered', () => ({ ops: [{ t: 'append', id, box }] }));
  }
  expunge(id: string): Promise<Submitted | null> {
    return this.log.submit('session', () => ({ ops: [{ t: 'expunge', id }] }));
  }
  repair(): Promise<Submitted | null> {
    return this.log.submit('session', () => ({ ops: this.state.planRepair(this.log.late()) }));
  }
  snapshot(keepGone = false): Promise<boolean> {
    return this.log.writeSnapshot({ encode: () => ({ parts: [{ key: 'all', bytes: this.state.encode(keepGone) }], kept: [], messages: 0, bytes: 0 }) });
  }
  live(box = 'INBOX'): string {
    return this.state.live(box).map((e) => e.id).join(' ');
  }
  /** Requests of `work`, as `put get list delete`. */
  async cost(work: () => Promise<unknown>): Promise<string> {
    const before = { ...this.store.counts };
    await work();
    const { put, get, list } = this.store.counts;
    return `${list - before.list} LIST ${get - before.get} GET ${put - before.put} PUT`;
  }
}

export class Stage {
  readonly clock = new WorldClock();
  readonly world = new World(this.clock, seededRandom(7));
  readonly places: Place[] = [];
  mutations: Partial<LogMutations>;
  constructor(mutations: Partial<LogMutations> = {}) {
    this.mutations = mutations;
  }
  place(slot = this.places.length + 2, authenticator?: Authenticator): Place {
    const p = new Place(this.world, slot, this.mutations, authenticator);
    this.places.push(p);
    return p;
  }
  /** Brings all waiting hints to all others. */
  tell(): void {
    for (const from of this.places) for (const hint of from.hints.splice(0)) for (const to of this.places) if (to !== from) to.log.hint(hint);
  }
  events(): string[] {
    return [...this.world.objects.keys()].filter((n) => n.startsWith(`${ROOT}log/`)).sort();
  }
  count(prefix: string): number {
    return [...this.world.objects.keys()].filter((n) => n.startsWith(ROOT + prefix)).length;
  }
  quiet = quiet;
}

/** Snapshot at a time when `closed` has reached all that is there. */
export async function settledSnapshot(s: Stage, p: Place): Promise<void> {
  await s.clock.advance(3 * MINUTE);
  await p.log.caughtUp();
  assert.equal(await p.snapshot(), true);
}
