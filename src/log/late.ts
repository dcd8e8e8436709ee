// Which events are late: visible only after a client may have synchronised past them. It follows from the log alone, so
// every replica finds the same. Kept event by event: an event that has seen all before it costs one look at the
// last event of each writer; only concurrent events are compared. Where a digest tells that a floor had passed
// over something, all is worked out anew, which is rare.
import type { Position, Writer } from '../base/index.ts';
import type { DigestSet } from './digest.ts';
import type { Entry } from './entry.ts';
import { digestNumber, eventId } from './event.ts';
import type { LogMutations } from './mutations.ts';
import type { Effect, EventSummary, LateEvent } from './types.ts';

interface Node {
  entry: Entry;
  event: EventSummary;
  last: Position;
  /** Repairs that touched it. */
  fixes: readonly Node[];
  /** Concurrent events because of which it is late; whether new UIDs are needed. Null: none, as of nearly all. */
  pairs: Map<Node, boolean> | null;
  /** Events whose floor passed it over; null: none. */
  missedBy: Set<Node> | null;
  /** Ids of snapshots (indexes) that have it, as bits of a set; null when none. */
  snapshots: ReadonlySet<number> | null;
  /** At or below the floor of a snapshot that has it: all there was repaired. */
  settledIn: ReadonlySet<number> | null;
  missed: ReadonlySet<Node> | null;
}

const NONE: ReadonlySet<Node> = new Set();
const NO_FIXES: readonly Node[] = [];

const isLate = ({ pairs, missedBy }: Node): boolean => (pairs !== null && pairs.size > 0) || (missedBy !== null && missedBy.size > 0);

export class Lateness {
  readonly #applied: DigestSet<Entry>;
  readonly #mutations: LogMutations;
  readonly #nodes = new Map<string, Node>();
  readonly #byHash = new Map<bigint, Node>();
  /** Per writer in order of seq. */
  readonly #writers = new Map<Writer, Node[]>();
  readonly #repairs = new Map<string, Node[]>();
  readonly #flagged = new Set<Node>();
  #greatestFloor: Position = 0;
  #stale = false;

  constructor(applied: DigestSet<Entry>, mutations: LogMutations) {
    this.#applied = applied;
    this.#mutations = mutations;
  }

  /** An event that was just applied (and added to `applied`), or that a snapshot covers. */
  add(entry: Entry, event: EventSummary, snapshots: ReadonlySet<number> | null = null, settledIn: ReadonlySet<number> | null = null): void {
    const node: Node = { entry, event, last: event.ref.position, fixes: this.#repairs.get(entry.id) ?? NO_FIXES, pairs: null, missedBy: null, snapshots, settledIn, missed: null };
    this.#nodes.set(entry.id, node);
    this.#byHash.set(entry.hash, node);
    const own = this.#writers.get(entry.writer);
    if (!own) this.#writers.set(entry.writer, [node]);
    else {
      own.push(node);
      for (let i = own.length - 1; i > 0 && own[i - 1].entry.seq > node.entry.seq; i--) [own[i - 1], own[i]] = [own[i], own[i - 1]];
    }
    if (node.last <= this.#greatestFloor) this.#stale = true;
    this.#greatestFloor = Math.max(this.#greatestFloor, event.seen.floor);
    if (!this.#stale) {
      if (this.#missed(node).size > 0) this.#stale = true;
      else this.#compare(node);
    }
    for (const ref of event.repaired) this.#repair(eventId(ref.writer, ref.seq), node);
    this.#flag(node);
  }

  #repair(id: string, by: Node): void {
    const list = this.#repairs.get(id);
    if (list) list.push(by);
    else this.#repairs.set(id, [by]);
    const node = this.#nodes.get(id);
    if (!node) return;
    node.fixes = this.#repairs.get(id)!;
    if (this.#stale) return;
    for (const x of node.pairs?.keys() ?? []) if (this.#past(by, x)) node.pairs!.delete(x);
    for (const x of node.missedBy ?? []) if (this.#past(by, x)) node.missedBy!.delete(x);
    this.#flag(node);
  }

  #over(node: Node): boolean {
    return node.entry.over && node.fixes.length === 0 && !this.#mutations.noPassedOver;
  }

  #flag(node: Node): void {
    // What touches no scope (a mailbox made or renamed) is not shown by UID or MODSEQ: nothing of it can be missed, and no
    // repair could name it.
    const touches = node.event.effects.length > 0;
    if (touches && (isLate(node) || this.#over(node))) this.#flagged.add(node);
    else this.#flagged.delete(node);
  }

  /** y's `seen` names e, or e was its writer's before it. */
  #names(y: Node, e: Node): boolean {
    if (y.entry.writer === e.entry.writer && y.entry.seq > e.entry.seq) return true;
    return (y.event.seen.above.get(e.entry.writer)?.seq ?? 0) >= e.entry.seq;
  }

  #past(y: Node, e: Node): boolean {
    return this.#names(y, e) || (e.last <= y.event.seen.floor && !this.#missed(y).has(e));
  }

  /** Which events at or below its floor y had not seen, as its digest tells. */
  #missed(y: Node): ReadonlySet<Node> {
    if (y.missed) return y.missed;
    const { floor, digest } = y.event.seen;
    const mine = this.#applied.digest(floor);
    // Below the base nobody can tell any more, and all there was repaired.
    const d = mine === null ? 0n : mine ^ digestNumber(digest);
    y.missed = d === 0n || this.#mutations.trustFloors ? NONE : this.#explain(d, floor);
    return y.missed;
  }

  #explain(d: bigint, floor: Position): ReadonlySet<Node> {
    const one = this.#byHash.get(d);
    if (one && one.last <= floor) return new Set([one]);
    const below = [...this.#nodes.values()].filter((e) => e.last <= floor);
    for (const p of below) {
      const q = this.#byHash.get(p.entry.hash ^ d);
      if (q && q !== p && q.last <= floor) return new Set([p, q]);
    }
    // Three or more: each that anybody above it had not named may be one of them.
    const all = [...this.#nodes.values()];
    return new Set(below.filter((e) => all.some((x) => x !== e && x.last >= e.last && x.event.seen.floor < e.last && !this.#names(x, e))));
  }

  /** Compares with all events that X has not seen and that have not seen X. */
  #compare(x: Node): void {
    const { floor, above } = x.event.seen;
    for (const [writer, list] of this.#writers) {
      if (writer === x.entry.writer) continue;
      const named = above.get(writer)?.seq ?? 0;
      for (let i = list.length - 1; i >= 0; i--) {
        const e = list[i];
        if (e.entry.seq <= named) break;
        if (e.last <= floor) {
          // Positions of one writer grow, so nothing before it lies above the floor either.
          if (!this.#mutations.positionsNotSpent) break;
          continue;
        }
        if (!this.#past(e, x)) this.#concurrent(e, x);
      }
    }
  }

  #concurrent(a: Node, b: Node): void {
    this.#conflict(a, b);
    this.#conflict(b, a);
  }

  /** Whether E is late because of X. */
  #conflict(e: Node, x: Node): void {
    if (e.settledIn && x.snapshots) for (const s of e.settledIn) if (x.snapshots.has(s)) return;
    let any = false;
    let uid = false;
    for (const mine of e.event.effects) {
      const theirs = x.event.effects.find((f) => f.scope === mine.scope);
      if (!theirs || !this.#notBefore(theirs.any, mine.anyLeast ?? e.event.first)) continue;
      any = true;
      if (mine.assigned > 0 && theirs.assigned > 0 && this.#notBefore(theirs.assigned, leastAssigned(mine, e.event))) uid = true;
    }
    if (!any || e.fixes.some((r) => this.#past(r, x))) return;
    (e.pairs ??= new Map()).set(x, uid);
    this.#flag(e);
  }

  #notBefore(a: Position, b: Position): boolean {
    return this.#mutations.greaterAlone ? a > b : a >= b;
  }

  #recompute(): void {
    this.#stale = false;
    this.#flagged.clear();
    for (const node of this.#nodes.values()) {
      node.missed = null;
      node.pairs = node.missedBy = null;
    }
    const byFloor = [...this.#nodes.values()].sort((a, b) => a.event.seen.floor - b.event.seen.floor);
    for (const x of byFloor) this.#missed(x);
    for (const x of byFloor) {
      this.#compare(x);
      for (const e of this.#missed(x)) {
        if (e === x) continue;
        if (!this.#names(x, e) && !this.#past(e, x)) this.#concurrent(e, x);
        if (!this.#mutations.noPassedOver && !e.fixes.some((r) => this.#past(r, x))) (e.missedBy ??= new Set()).add(x);
      }
    }
    for (const node of this.#nodes.values()) this.#flag(node);
  }

  /** What is known of one event changed (`entry.over`). */
  touched(entry: Entry): void {
    const node = this.#nodes.get(entry.id);
    if (node) this.#flag(node);
  }

  /** In order of (position, writer). */
  late(): LateEvent[] {
    if (this.#stale) this.#recompute();
    if (this.#flagged.size === 0) return [];
    const nodes = [...this.#flagged].sort((a, b) => a.last - b.last || (a.entry.writer < b.entry.writer ? -1 : 1));
    return nodes.map((n) => {
      const passedOver = this.#over(n) || (n.missedBy !== null && n.missedBy.size > 0);
      return { event: n.event, uid: passedOver || [...(n.pairs?.values() ?? [])].some((uid) => uid), passedOver };
    });
  }

  /** A known event explains why a digest differs by `d`: its writer had not seen that one. */
  explains(d: bigint, floor: Position): boolean {
    const node = this.#byHash.get(d);
    return node !== undefined && node.last <= floor;
  }

  /** Forgets what lies at or below `floor`; false while something there is still late. */
  prune(floor: Position): boolean {
    if (this.late().some(({ event }) => event.ref.position <= floor)) return false;
    for (const [id, node] of this.#nodes) {
      if (node.last > floor) continue;
      this.#nodes.delete(id);
      this.#byHash.delete(node.entry.hash);
      this.#repairs.delete(id);
      const list = this.#writers.get(node.entry.writer)!;
      list.splice(list.indexOf(node), 1);
      if (list.length === 0) this.#writers.delete(node.entry.writer);
    }
    return true;
  }
}

const leastAssigned = (effect: Effect, event: EventSummary): Position => effect.assignedLeast || event.first;
