// One mailbox: its rows, what is kept of it for ever, and the transitions of a message. Every change of a row goes
// through here, so that counters, the live index and the chunks to be written again follow.
import type { Flag, MailboxId, ModSeq, Position } from '../base/index.ts';
import type { FlagTable } from './flags.ts';
import { grown, lowerBound } from './grow.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { WriterDictionary } from './message-set.ts';
import { after, RegisterSets } from './registers.ts';
import type { Register } from './registers.ts';
import { ADDED, AWAITING, DROPPED, EXPUNGED, LIVE_BITS, Rows } from './rows.ts';
import { Texts } from './texts.ts';

/** What all mailboxes of a user share. */
export interface Shared {
  readonly writers: WriterDictionary;
  readonly flags: FlagTable;
  /** UID = position - epoch. */
  epoch: Position;
  /** Grows with every change; what a chunk, mailbox or root was changed at. */
  tick: number;
  /** One row more (or fewer) refers to a content chunk. */
  contentUsed(chunk: number, by: number): void;
  /** Mailboxes whose live index changed. */
  readonly changed: Set<MailboxId>;
}

export interface Counters {
  messages: number;
  unseen: number;
  deleted: number;
  size: number;
}

/** UIDs (as positions) of messages whose records are forgotten, ascending, with the MODSEQ at which they vanished. */
export class VanishedPairs {
  n = 0;
  position = new Float64Array(0);
  modSeq = new Float64Array(0);
  changedAt = 0;
  /** All at once, into what is empty: positions ascend. After years there are a hundred thousand. */
  fill(n: number, position: Float64Array, modSeq: Float64Array): void {
    Object.assign(this, { n, position, modSeq });
  }
  /** Keeps the greater MODSEQ of one position. */
  add(position: Position, modSeq: ModSeq): boolean {
    const i = this.n > 0 && position > this.position[this.n - 1] ? this.n : lowerBound(this.position, this.n, position);
    if (i < this.n && this.position[i] === position) {
      if (this.modSeq[i] >= modSeq) return false;
      this.modSeq[i] = modSeq;
      return true;
    }
    this.position = grown(this.position, this.n + 1);
    this.modSeq = grown(this.modSeq, this.n + 1);
    this.position.copyWithin(i + 1, i, this.n);
    this.modSeq.copyWithin(i + 1, i, this.n);
    this.position[i] = position;
    this.modSeq[i] = modSeq;
    this.n++;
    return true;
  }
}

/** Rows that are stored together. */
export interface RowChunk {
  key: string;
  from: number;
  changedAt: number;
}
export const CHUNK_ROWS = 8192;
const ROW_BYTES = 240;

export class Box {
  readonly id: MailboxId;
  readonly shared: Shared;
  readonly rows = new Rows();
  readonly texts = new Texts();
  readonly registers: RegisterSets;
  readonly vanished = new VanishedPairs();
  /** Copies that wait for their source: row -> where the source is. */
  readonly awaiting = new Map<number, { from: MailboxId; writer: number; seq: number; index: number }>();
  /** False while its rows are in parts that were not provided. */
  loaded = true;
  /** Greatest position ever assigned as a UID here, and greatest that touched it. */
  assigned: Position = 0;
  touched: Position = 0;
  chunks: RowChunk[] = [];
  chunkNext = 0;
  /** When the root's line about this mailbox changed. */
  changedAt = 0;
  live: MailboxState | null = null;
  bytes = 0;
  messages = 0;
  /** Live messages of each flag set. */
  readonly withFlags = new Map<number, number>();
  /** What the root said, until the rows are loaded. */
  stored: (Counters & { rows: number }) | null = null;
  #lastChunk = 0;
  #compactAt = 4096;

  constructor(id: MailboxId, shared: Shared) {
    this.id = id;
    this.shared = shared;
    this.registers = new RegisterSets(shared.writers);
  }

  /** What its rows take of memory: columns, hash table, texts, and the index of what is live. */
  get rowBytes(): number {
    return this.rows.n * ROW_BYTES;
  }
  counters(): Counters {
    if (!this.loaded) return this.stored!;
    let unseen = 0;
    let deleted = 0;
    for (const [set, n] of this.withFlags) {
      if (!this.shared.flags.has(set, '\\Seen')) unseen += n;
      if (this.shared.flags.has(set, '\\Deleted')) deleted += n;
    }
    return { messages: this.messages, unseen, deleted, size: this.bytes };
  }
  flagsInUse(): Flag[] {
    const flags = new Set<Flag>();
    for (const [set, n] of this.withFlags) if (n > 0) for (const f of this.shared.flags.sets[set]) flags.add(f);
    return [...flags];
  }

  /** The chunk of a row; rows beyond the last chunk open another. */
  chunkOf(row: number): RowChunk {
    const { chunks } = this;
    let i = this.#lastChunk;
    const inside = (k: number) => k < chunks.length && chunks[k].from <= row && (k + 1 === chunks.length || row < chunks[k + 1].from);
    if (!inside(i)) {
      for (let lo = 0, hi = chunks.length - 1; ; ) {
        i = (lo + hi) >> 1;
        if (hi < lo || inside(i)) break;
        if (chunks[i].from > row) hi = i - 1;
        else lo = i + 1;
      }
    }
    if (chunks.length === 0 || (i === chunks.length - 1 && row - chunks[i].from >= CHUNK_ROWS)) {
      chunks.push({ key: `rows/${this.id}/${this.chunkNext++}`, from: row, changedAt: 0 });
      i = chunks.length - 1;
    }
    this.#lastChunk = i;
    return chunks[i];
  }
  /** The rows of a chunk from `from` on become a chunk of their own; both are written anew. */
  cut(i: number, from: number): void {
    const changedAt = ++this.shared.tick;
    this.chunks[i].changedAt = changedAt;
    this.chunks.splice(i + 1, 0, { key: `rows/${this.id}/${this.chunkNext++}`, from, changedAt });
  }
  #dirty(row: number): void {
    this.chunkOf(row).changedAt = this.changedAt = ++this.shared.tick;
  }

  /** The row of a message; a new one when it is not known. */
  row(writer: number, seq: number, index: number): number {
    const row = this.rows.find(writer, seq, index);
    return row >= 0 ? row : this.rows.add(writer, seq, index);
  }

  /** Runs a change of one row and lets everything follow that depends on it. */
  #change(row: number, change: () => void): void {
    const { rows } = this;
    const was = rows.isLive(row);
    const set = rows.shown[row];
    const position = rows.position[row];
    change();
    const is = rows.isLive(row);
    if (was) this.#count(row, set, -1);
    if (is) this.#count(row, rows.shown[row], 1);
    if (this.live) {
      if (was && (!is || position !== rows.position[row])) this.live.removed(position);
      if (is && (!was || position !== rows.position[row])) this.live.added(row);
      else if (is) this.live.touched(row);
      this.shared.changed.add(this.id);
    }
    this.#dirty(row);
  }
  #count(row: number, set: number, by: number): void {
    this.messages += by;
    this.bytes += by * this.rows.size[row];
    this.#countFlags(set, by);
  }
  /** Counts the rows that were loaded, from this one on. */
  countLoaded(from: number): void {
    const { bits, size, shown, n } = this.rows;
    let bytes = 0;
    let messages = 0;
    let set = -1;
    let ofSet = 0;
    for (let row = from; row < n; row++) {
      if ((bits[row] & LIVE_BITS) !== ADDED) continue;
      if (shown[row] !== set) {
        this.#countFlags(set, ofSet);
        set = shown[row];
        ofSet = 0;
      }
      ofSet++;
      messages++;
      bytes += size[row];
    }
    this.#countFlags(set, ofSet);
    this.messages += messages;
    this.bytes += bytes;
  }
  #countFlags(set: number, by: number): void {
    if (by === 0) return;
    const n = (this.withFlags.get(set) ?? 0) + by;
    if (n === 0) this.withFlags.delete(set);
    else this.withFlags.set(set, n);
  }

  /** The mailbox was touched at a position, whichever message it was. */
  touchBox(position: Position): void {
    if (position <= this.touched) return;
    this.touched = position;
    this.changedAt = ++this.shared.tick;
  }

  /** Gives a message a UID. */
  assign(row: number, position: Position): void {
    if (position > this.assigned) this.assigned = position;
    const { rows } = this;
    const current = rows.position[row];
    if (current === position || rows.older.get(row)?.includes(position)) return;
    this.#change(row, () => {
      if (current !== 0) {
        const older = rows.older.get(row) ?? [];
        older.push(Math.min(current, position));
        rows.older.set(row, older.sort((a, b) => a - b));
      }
      if (position > current) rows.position[row] = position;
    });
  }
  /** Raises MODSEQ. */
  touch(row: number, position: Position): void {
    this.touchBox(position);
    if (position > this.rows.modSeq[row]) this.#change(row, () => (this.rows.modSeq[row] = position));
  }
  /** The event that made the message arrived: `fill` writes its columns, its content known or not. */
  fill(row: number, base: number, known: boolean, fill: (row: number) => void): void {
    const { rows } = this;
    if (rows.bits[row] & DROPPED || (rows.bits[row] & ADDED && !(rows.bits[row] & AWAITING && known))) return;
    this.#change(row, () => {
      fill(row);
      rows.bits[row] = (rows.bits[row] & ~AWAITING) | ADDED | (known ? 0 : AWAITING);
      rows.base[row] = base;
      rows.shown[row] = this.registers.shown(this.shared.flags, base, rows.registers[row]);
    });
    if (known) this.shared.contentUsed(rows.chunk[row], 1);
  }
  /** Final. */
  expunge(row: number, at: number): void {
    const { rows } = this;
    if (rows.bits[row] & EXPUNGED && rows.gone(row) >= at) return;
    this.#change(row, () => {
      rows.setGone(row, rows.bits[row] & EXPUNGED ? Math.max(at, rows.gone(row)) : at);
      rows.bits[row] |= EXPUNGED;
    });
  }
  /**
   * Writes one set of registers (ascending flags) into rows and raises their MODSEQ; keeps what it computed, since most
   * rows have one history.
   */
  flagWriter(news: readonly Register[]): (row: number, position: Position) => void {
    const { rows, registers, shared } = this;
    const joined = new Map<number, number>();
    const shown = new Map<number, number>();
    this.#compact();
    return (row, position) => {
      this.touchBox(position);
      const old = rows.registers[row];
      let set = joined.get(old);
      if (set === undefined) joined.set(old, (set = registers.join(old, news)));
      if (set === old) return this.touch(row, position);
      const pair = rows.base[row] * 0x100000000 + set;
      let show = shown.get(pair);
      if (show === undefined) shown.set(pair, (show = registers.shown(shared.flags, rows.base[row], set)));
      this.#change(row, () => {
        rows.registers[row] = set;
        rows.shown[row] = show;
        if (position > rows.modSeq[row]) rows.modSeq[row] = position;
      });
    };
  }
  #compact(): void {
    if (this.registers.elements < this.#compactAt) return;
    this.registers.compact(this.rows.registers, this.rows.n);
    this.#compactAt = Math.max(4096, this.registers.elements * 2);
  }
  /** All that is said of a message's flags, the first ones included, as registers: what a duplicate passes on. */
  saidOf(row: number): Register[] {
    const { rows } = this;
    const said = new Map<number, Register>();
    if (rows.bits[row] & ADDED) for (const flag of this.shared.flags.ids(rows.base[row])) said.set(flag, { flag, on: true, position: rows.firstPosition(row), writer: rows.writer[row] });
    for (const r of this.registers.registers(rows.registers[row])) {
      const s = said.get(r.flag);
      if (!s || after(this.shared.writers, r.position, r.writer, s.position, s.writer)) said.set(r.flag, r);
    }
    return [...said.values()].sort((a, b) => a.flag - b.flag);
  }
  /** A UID that named a message whose record is forgotten. */
  vanish(position: Position, modSeq: ModSeq): void {
    if (this.vanished.add(position, modSeq)) this.vanished.changedAt = ++this.shared.tick;
  }
  /** Forgets a record; its UIDs stay among the vanished. */
  drop(row: number): void {
    const { rows } = this;
    if (rows.bits[row] & DROPPED) return;
    for (const p of rows.uids(row)) this.vanish(p, rows.modSeq[row]);
    if (rows.bits[row] & ADDED && !(rows.bits[row] & AWAITING)) this.shared.contentUsed(rows.chunk[row], -1);
    this.#change(row, () => (rows.bits[row] |= DROPPED | EXPUNGED));
    rows.older.delete(row);
    this.awaiting.delete(row);
  }
  /** The positions of a row that are UIDs no more. */
  vanishedOf(row: number): Position[] {
    const { rows } = this;
    const older = rows.older.get(row) ?? [];
    return rows.bits[row] & EXPUNGED && rows.position[row] !== 0 ? [...older, rows.position[row]] : older;
  }
}
