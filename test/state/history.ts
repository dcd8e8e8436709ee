// Random histories of several replicas that write from what each knows, for the property tests of the fold.
import { seededRandom } from '../../src/base/index.ts';
import type { MailboxId, MessageRef, SpecialUse } from '../../src/base/index.ts';
import { decodeOps, encodeOps, mailboxId, positionsOf, UserState } from '../../src/state/index.ts';
import type { AddedMessage, FoldedEvent, Manifest, MissingPart, Op, Part, PlacedOp, StateMutations, StoredPart, Wanted } from '../../src/state/index.ts';

export const USER = 'u1';
export const INBOX = mailboxId(USER, 'INBOX', 1);
const DAY = 24 * 3600 * 1000;
const FLAGS = ['\\Seen', '\\Flagged', '\\Deleted', '$Junk', 'later'];

export interface Rand {
  unit(): number;
  below(n: number): number;
  pick<T>(list: readonly T[]): T;
}
export function rand(seed: number): Rand {
  const r = seededRandom(seed);
  for (let i = 0; i < 5; i++) r.unit();
  const below = (n: number) => Math.floor(r.unit() * n);
  return { unit: () => r.unit(), below, pick: (list) => list[below(list.length)] };
}

let blobs = 0;
export function message(r: Rand, flags: string[] = [], key: string | null = null, bytes = 40): AddedMessage {
  const id = `b${(blobs++).toString(32)}x${r.below(1e9).toString(32)}`;
  return {
    content: { blob: id, contentKey: Buffer.alloc(32, r.below(256)), sealedBytes: 1000 + r.below(1000), plainBytes: 900, prefix: Buffer.from('Received: x\r\n'), index: Buffer.alloc(bytes, r.below(256)), words: r.unit() < 0.2 ? `w${id}` : null, emailId: `M${id}`, threadId: r.unit() < 0.5 ? `M${id}` : 'T1' },
    internalDate: 1.7e12 + r.below(1e9) * 1000,
    zone: r.pick([0, 60, -330]),
    flags,
    deliveryKey: key,
  };
}

/** An event with the events that it has seen. */
export interface Written extends FoldedEvent {
  seen: Set<Written>;
  /** Its time, ms since 1970. */
  at: number;
}

class Writer {
  readonly name: string;
  readonly slot: number;
  readonly known = new Set<Written>();
  readonly state = new UserState(USER);
  seq = 0;
  constructor(name: string, slot: number) {
    this.name = name;
    this.slot = slot;
  }
  learn(e: Written): void {
    if (this.known.has(e)) return;
    for (const s of e.seen) this.learn(s);
    if (this.known.has(e)) return;
    this.known.add(e);
    this.state.apply(e);
  }
  write(ops: Op[], at: number): Written {
    let max = 0;
    for (const e of this.known) max = Math.max(max, e.ref.position);
    let p = Math.floor(max / 64) * 64 + this.slot;
    if (p <= max) p += 64;
    const first = p;
    const placed: PlacedOp[] = [];
    for (const op of decodeOps(encodeOps(ops))) {
      placed.push({ first: p, op });
      p += positionsOf(op) * 64;
    }
    const e: Written = { at, ref: { position: p - 64, writer: this.name, seq: ++this.seq }, first, ops: placed, seen: new Set(this.known) };
    this.learn(e);
    return e;
  }
}

/** What was expunged before is known to all who write afterwards: so it may be forgotten. */
export const FORGET = 1.7e12;

/** `steps` events by a few writers; some share a slot, so positions collide. In the middle all learn everything once. */
export function history(r: Rand, steps: number): Written[] {
  const events: Written[] = [];
  const writers = [new Writer('wa', 1), new Writer('wb', 2), new Writer('wc', 2)];
  let now: number;
  for (let i = 0; i < steps; i++) {
    const w = r.pick(writers);
    // All within the time that keys are kept, beyond the time in which they count.
    now = FORGET + r.below(4 * DAY) - (i < steps / 2 ? 4 * DAY : 0);
    if (i === Math.ceil(steps / 2)) for (const x of writers) for (const e of events) x.learn(e);
    const ops = operations(r, w, now);
    if (ops.length > 0) events.push(w.write(ops, now));
    if (r.unit() < 0.1) writers[writers.indexOf(w)] = ((old) => {
      const fresh = new Writer(`w${i}`, old.slot);
      for (const e of old.known) fresh.learn(e);
      return fresh;
    })(w);
    if (r.unit() < 0.5 && events.length > 0) r.pick(writers).learn(r.pick(events));
  }
  return events;
}

function operations(r: Rand, w: Writer, at: number): Op[] {
  const boxes = w.state.mailboxes();
  const box = r.pick(boxes);
  const live = w.state.mailbox(box.id);
  live.showWithheld();
  const uids = [...live.uids.subarray(0, live.count)].filter(() => r.unit() < 0.4);
  const refs = w.state.messageRefs(box.id, uids);
  const some = (): string[] => FLAGS.filter(() => r.unit() < 0.3);
  const x = r.unit();
  if (x < 0.3 || (refs.length === 0 && x < 0.8)) {
    const mailbox = r.unit() < 0.7 ? INBOX : r.unit() < 0.5 ? box.id : mailboxId(USER, '\\Junk', 1);
    return [{ kind: 'MessageAdded', mailbox, at, messages: Array.from({ length: 1 + r.below(3) }, () => message(r, r.unit() < 0.3 ? some() : [], r.unit() < 0.4 ? `key${at < FORGET ? 0 : 1}${r.below(3)}` : null)) }];
  }
  if (x < 0.5) {
    const set = some();
    return [{ kind: 'FlagsChanged', mailbox: box.id, messages: refs, set, clear: some().filter((f) => !set.includes(f)) }];
  }
  if (x < 0.58) return [{ kind: 'MessagesExpunged', mailbox: box.id, at, messages: refs }];
  if (x < 0.75) {
    const flagSets = [some(), some()];
    const copy: Op = { kind: 'MessagesCopied', from: box.id, to: r.pick(boxes).id, at, sources: refs, flagSets, flagSetOf: refs.map(() => r.below(2)) };
    return r.unit() < 0.5 ? [copy] : [copy, { kind: 'MessagesExpunged', mailbox: box.id, at, messages: refs }];
  }
  if (x < 0.8) return [{ kind: 'Repaired', mailbox: box.id, repaired: [], renumbered: refs.filter((_, i) => i % 2 === 0), touched: refs.filter((_, i) => i % 2 === 1) }];
  if (x < 0.9) {
    const role: SpecialUse | null = r.unit() < 0.3 ? r.pick(['\\Junk', '\\Sent'] as const) : null;
    const name = role ? role.slice(1) : r.pick(['A', 'B', 'A/x']);
    const made = w.state.nextMade(name, role);
    return [{ kind: 'MailboxCreated', mailbox: mailboxId(USER, role ?? name, made), name, made, specialUse: role }, { kind: 'SubscriptionChanged', name, on: r.unit() < 0.7 }];
  }
  if (x < 0.92) return [{ kind: 'MetadataChanged', mailbox: r.unit() < 0.2 ? null : box.id, entry: r.pick(['/private/a', '/shared/b']), value: r.unit() < 0.3 ? null : Buffer.from(`v${at}`) }];
  if (box.id === INBOX) return [];
  if (x < 0.95) return [{ kind: 'MailboxRenamed', mailbox: box.id, name: r.pick(['A', 'B', 'C', 'D/é']) }];
  const all = w.state.messageRefs(box.id, live.uids.subarray(0, live.count));
  return [...(all.length > 0 ? [{ kind: 'MessagesExpunged', mailbox: box.id, at, messages: all } as Op] : []), { kind: 'MailboxDeleted', mailbox: box.id }];
}

/** The events in a random order in which causes come first. */
export function causalOrder(r: Rand, events: readonly Written[], done: ReadonlySet<Written> = new Set()): Written[] {
  const left = events.filter((e) => !done.has(e));
  const out: Written[] = [];
  const have = new Set(done);
  while (left.length > 0) {
    const ready = left.filter((e) => [...e.seen].every((s) => have.has(s)));
    const e = r.pick(ready);
    left.splice(left.indexOf(e), 1);
    have.add(e);
    out.push(e);
  }
  return out;
}

/** Stored parts by id, as a store would have them. */
export class Parts {
  readonly bytes = new Map<string, Buffer>();
  #next = 0;
  put(parts: readonly Part[]): StoredPart[] {
    return parts.map((p) => {
      const id = `p${this.#next++}`;
      this.bytes.set(id, Buffer.from(p.bytes));
      return { key: p.key, id };
    });
  }
  /** Encodes, stores, and says what the manifest is. `covered`: the events in the state. */
  snapshot(state: UserState, covered: Iterable<Written>): Manifest {
    this.fetch(state, { kind: 'encode', stored: null });
    const encoded = state.encode(null);
    const ids = this.put(encoded.parts);
    state.stored(encoded, ids);
    const names = new Set([...covered].map((e) => `${e.ref.writer}#${e.ref.seq}`));
    return { parts: [...ids, ...encoded.kept], covers: ({ writer, seq }) => names.has(`${writer}#${seq}`) };
  }
  /** Provides all that is missing; how many parts that took. */
  fetch(state: UserState, what: Wanted): MissingPart[] {
    const fetched: MissingPart[] = [];
    for (let need; (need = state.missing(what)).length > 0; ) {
      for (const part of need) {
        fetched.push(part);
        state.provide(part, this.bytes.get(part.id)!);
      }
    }
    return fetched;
  }
}

export const folded = (events: readonly Written[], mutations?: StateMutations): UserState => {
  const s = new UserState(USER, { mutations });
  for (const e of events) s.apply(e);
  return s;
};
export type { MailboxId, MessageRef };
