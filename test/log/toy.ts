// A small mail-like state, for histories of the log: messages in boxes, flags, and nothing of mail.
import { createHash } from 'node:crypto';
import { Corrupt } from '../../src/base/index.ts';
import type { Position } from '../../src/base/index.ts';
import type { Authenticator, Effect, EventCodec, EventKind, Fold, LateEvent, OpenedEvent, SnapshotBox, SnapshotView } from '../../src/log/index.ts';

export type ToyOp =
  | { t: 'append'; id: string; box: string }
  | { t: 'flag'; id: string; f: string; on: boolean }
  | { t: 'expunge'; id: string }
  | { t: 'repair'; refs: { position: number; writer: string; seq: number }[]; items: { id: string; anew: boolean }[] }
  | { t: 'lost'; ref: { position: number; writer: string; seq: number } };

const SLOTS = 64;

export interface ToyEntry {
  id: string;
  box: string;
  /** The event that made it. */
  by: { writer: string; seq: number } | null;
  uids: Set<Position>;
  uid: Position;
  gone: boolean;
  modseq: Position;
  flags: Map<string, { pos: Position; by: string; on: boolean }>;
}

export class ToyState implements Fold<ToyOp> {
  entries = new Map<string, ToyEntry>();
  /** Ids of events, to find an event applied twice or not at all. */
  applied = new Set<string>();
  positions = new Map<string, Position>();

  entry(id: string, box = ''): ToyEntry {
    let e = this.entries.get(id);
    if (!e) this.entries.set(id, (e = { id, box, by: null, uids: new Set(), uid: 0, gone: false, modseq: 0, flags: new Map() }));
    if (box) e.box = box;
    return e;
  }

  apply(event: OpenedEvent<ToyOp>): void {
    const { writer, seq } = event.ref;
    const id = `${writer}#${seq}`;
    if (this.applied.has(id)) throw new Error(`${id} is applied twice`);
    this.applied.add(id);
    for (const { first, op } of event.ops) {
      if (op.t === 'repair') {
        op.items.forEach((item, i) => this.#number(this.entry(item.id), first + i * SLOTS, item.anew));
        continue;
      }
      if (op.t === 'lost') continue;
      const e = this.entry(op.id, op.t === 'append' ? op.box : '');
      if (op.t === 'append') {
        e.by = { writer, seq };
        this.#number(e, first, true);
        continue;
      }
      e.modseq = Math.max(e.modseq, first);
      if (op.t === 'flag') {
        const f = e.flags.get(op.f);
        if (!f || f.pos < first || (f.pos === first && f.by < writer)) e.flags.set(op.f, { pos: first, by: writer, on: op.on });
      } else e.gone = true;
    }
  }

  #number(e: ToyEntry, position: Position, assigns: boolean): void {
    e.modseq = Math.max(e.modseq, position);
    if (!assigns) return;
    e.uids.add(position);
    e.uid = Math.max(e.uid, position);
  }

  effects(event: OpenedEvent<ToyOp>) {
    const scopes = new Map<string, Effect>();
    const touch = (box: string, position: Position, assigns: boolean) => {
      let x = scopes.get(box);
      if (!x) scopes.set(box, (x = { scope: box, any: 0, assigned: 0, anyLeast: Infinity, assignedLeast: 0, messages: [] }));
      x.any = Math.max(x.any, position);
      x.anyLeast = Math.min(x.anyLeast!, position);
      if (!assigns) return;
      x.assignedLeast = x.assigned ? Math.min(x.assignedLeast!, position) : position;
      x.assigned = Math.max(x.assigned, position);
    };
    let repaired: { position: number; writer: string; seq: number }[] = [];
    let lost = null;
    for (const { first, op } of event.ops) {
      if (op.t === 'lost') lost = op.ref;
      else if (op.t === 'repair') {
        repaired = [...repaired, ...op.refs];
        op.items.forEach((item, i) => touch(this.entry(item.id).box, first + i * SLOTS, item.anew));
      } else touch(this.entry(op.id).box, first, op.t === 'append');
    }
    this.positions.set(`${event.ref.writer}#${event.ref.seq}`, event.ref.position);
    for (const { op } of event.ops) this.#remember(event, op);
    return { effects: [...scopes.values()], repaired, lost, restored: false };
  }

  /** Which messages an event touched: repairs need it. */
  readonly touched = new Map<string, { id: string; position: Position; assigns: boolean }[]>();
  #remember(event: OpenedEvent<ToyOp>, op: ToyOp): void {
    const id = `${event.ref.writer}#${event.ref.seq}`;
    const placed = event.ops.find((p) => p.op === op)!;
    const list = this.touched.get(id) ?? [];
    if (op.t === 'repair') op.items.forEach((item, i) => list.push({ id: item.id, position: placed.first + i * SLOTS, assigns: item.anew }));
    else if (op.t !== 'lost') list.push({ id: op.id, position: placed.first, assigns: op.t === 'append' });
    this.touched.set(id, list);
  }

  box(b: string): ToyEntry[] {
    return [...this.entries.values()].filter((e) => e.box === b && e.uid > 0);
  }
  live(b: string): ToyEntry[] {
    return this.box(b)
      .filter((e) => !e.gone)
      .sort((x, y) => x.uid - y.uid || (x.id < y.id ? -1 : 1));
  }
  uidNext(b: string): Position {
    return 1 + this.box(b).reduce((m, e) => Math.max(m, ...e.uids), 0);
  }
  highestModSeq(b: string): Position {
    return this.box(b).reduce((m, e) => Math.max(m, e.modseq), 0);
  }

  planRepair(late: LateEvent[]): ToyOp[] {
    if (late.length === 0) return [];
    const touched = late.map((l) => ({ l, list: this.touched.get(`${l.event.ref.writer}#${l.event.ref.seq}`) ?? [] }));
    const ids = [...new Set(touched.flatMap(({ list }) => list.map((x) => x.id)))];
    const known = ids.map((id) => this.entries.get(id)).filter((e) => e !== undefined);
    const entries = known.sort((a, b) => a.uid - b.uid || (a.id < b.id ? -1 : 1));
    const items = entries.map((e) => ({ id: e.id, anew: !e.gone && touched.some(({ l, list }) => l.uid && list.some((x) => x.id === e.id && x.assigns && x.position === e.uid)) }));
    return [{ t: 'repair', refs: late.map((l) => l.event.ref), items }];
  }

  // ——— snapshots ———

  /** Removed messages are left out, as a real state would in time: a cover must tell "removed" from "never seen". */
  encode(withGone: boolean): Buffer {
    const entries = [...this.entries.values()].filter((e) => withGone || !e.gone);
    const rows = entries.map((e) => ({ ...e, uids: [...e.uids], flags: [...e.flags] }));
    return Buffer.from(JSON.stringify({ rows, touched: [...this.touched], applied: [...this.applied] }));
  }

  static async load(views: SnapshotView[], fetch: (id: string) => Promise<Buffer>): Promise<ToyState> {
    const state = new ToyState();
    const sides = await Promise.all(views.map(async (view) => ({ view, stored: JSON.parse((await fetch(view.parts[0].id)).toString()) })));
    const has = sides.map((s) => new Set(s.stored.rows.map((r: ToyEntry) => r.id)));
    for (const side of sides) {
      for (const [id, list] of side.stored.touched) state.touched.set(id, list);
      for (const id of side.stored.applied) state.applied.add(id);
      for (const row of side.stored.rows) {
        if (row.by && sides.some((other, i) => other !== side && !has[i].has(row.id) && other.view.covers(row.by))) continue;
        const e = state.entry(row.id, row.box);
        e.by ??= row.by;
        for (const u of row.uids) e.uids.add(u);
        e.uid = Math.max(e.uid, row.uid);
        e.modseq = Math.max(e.modseq, row.modseq);
        e.gone ||= row.gone;
        for (const [f, v] of row.flags) {
          const mine = e.flags.get(f);
          if (!mine || mine.pos < v.pos || (mine.pos === v.pos && mine.by < v.by)) e.flags.set(f, v);
        }
      }
    }
    return state;
  }

  fingerprint(boxes: string[]): string {
    return JSON.stringify(boxes.map((b) => this.live(b).map((e) => [e.uid, e.id, e.modseq, [...e.flags].map(([k, v]) => [k, v.on]).sort()])));
  }
}

const positions = (op: ToyOp): number => (op.t === 'repair' ? Math.max(1, op.items.length) : 1);
const tagOf = (name: string, bytes: Uint8Array[]): Buffer => {
  const h = createHash('md5').update(name);
  for (const b of bytes) h.update(b);
  return h.digest().subarray(0, 8);
};

/** Not secret and not strong: enough to notice what is altered or under another name. */
export const toyAuthenticator: Authenticator = {
  mac: tagOf,
  verify(name, bytes, mac) {
    if (!tagOf(name, bytes).equals(mac)) throw new Corrupt(`the MAC of ${name} does not fit`);
  },
};

const openOps = (_kind: EventKind, _name: string, _aad: Buffer, sealed: Buffer): ToyOp[] => JSON.parse(sealed.toString());

export const toyCodec: EventCodec<ToyOp> = {
  positions,
  sizes: (ops) => ({ messages: ops.filter((o) => o.t === 'append').length, bytes: 0 }),
  seal: (_kind, _name, _aad, ops) => Buffer.from(JSON.stringify(ops)),
  open: openOps,
};

export const toyBox: SnapshotBox = {
  seal: (name, plain) => Buffer.concat([tagOf(name, [plain]), plain]),
  open(name, sealed) {
    const plain = sealed.subarray(8);
    if (!tagOf(name, [plain]).equals(sealed.subarray(0, 8))) throw new Corrupt(`${name} does not open`);
    return plain;
  },
};

export { openOps };
