// The live messages of one mailbox in UID order, shared by all sessions that have it selected.
import type { Flag, MailboxId, ModSeq, Position, Uid } from '../base/index.ts';
import type { Box } from './box.ts';
import { grown, lowerBound } from './grow.ts';
import { Journal } from './journal.ts';
import { ADDED, LIVE_BITS } from './rows.ts';
import type { MailboxChange } from './types.ts';

/**
 * Satisfies MailboxIndex of imap/session.ts. What the fold does is taken in at the next look, all at once: so events
 * that were folded between two looks show in UID order, whatever their order. A message whose UID lies below one that
 * was shown before is withheld until a repair gives it a new UID.
 */
export class MailboxState {
  readonly id: MailboxId;
  readonly #box: Box;
  readonly #journal = new Journal();
  #uids = new Uint32Array(16);
  #rowAt = new Uint32Array(16);
  #count = 0;
  /** Greatest UID ever shown here. */
  #shownMax = 0;
  #withheld: number[] = [];
  #added: number[] = [];
  #removed: Uid[] = [];
  #touched: number[] = [];
  #stale = false;
  readonly #validity: () => number;

  constructor(box: Box, validity: () => number) {
    this.#box = box;
    this.id = box.id;
    this.#validity = validity;
    this.rebuild();
  }

  /** After an epoch: all UIDs are others. */
  rebuild(): void {
    const { rows } = this.#box;
    this.#count = this.#shownMax = 0;
    this.#uids = new Uint32Array(Math.max(16, this.#box.messages));
    this.#rowAt = new Uint32Array(this.#uids.length);
    this.#withheld = [];
    this.#removed = [];
    this.#touched = [];
    this.#added = [];
    this.#stale = !this.#takeAll();
    if (this.#stale) for (let row = 0; row < rows.n; row++) if (rows.isLive(row)) this.#added.push(row);
    this.#settle();
    this.#journal.restart();
  }
  /** Shows all rows, if they lie in UID order as nearly always: a million at once, without a list of them. */
  #takeAll(): boolean {
    const { n, position, bits } = this.#box.rows;
    const { epoch } = this.#box.shared;
    const uids = this.#uids;
    const rowAt = this.#rowAt;
    let count = 0;
    let last = 0;
    for (let row = 0; row < n; row++) {
      if ((bits[row] & LIVE_BITS) !== ADDED) continue;
      const uid = position[row] - epoch;
      if (uid <= last || count === uids.length) return false;
      uids[count] = last = uid;
      rowAt[count++] = row;
    }
    this.#count = count;
    this.#shownMax = last;
    return true;
  }

  // Told by the box, synchronously, for each change of a row.
  added(row: number): void {
    this.#added.push(row);
    this.#stale = true;
  }
  removed(position: Position): void {
    this.#removed.push(position - this.#box.shared.epoch);
    this.#stale = true;
  }
  touched(row: number): void {
    this.#touched.push(row);
    this.#stale = true;
  }

  #uid(row: number): Uid {
    return this.#box.rows.position[row] - this.#box.shared.epoch;
  }
  #settle(): void {
    if (!this.#stale) return;
    this.#stale = false;
    const removed = this.#removed;
    const added = this.#added;
    const touched = this.#touched;
    this.#removed = [];
    this.#added = [];
    this.#touched = [];
    const hidden = new Set(this.#withheld);
    for (const row of touched) {
      const uid = this.#uid(row);
      if (uid > 0 && uid <= this.#shownMax && !hidden.has(row) && this.#box.rows.isLive(row)) this.#journal.add('flags', uid);
    }
    if (removed.length > 0) this.#takeOut(removed);
    if (added.length > 0) this.#takeIn([...this.#withheld, ...added], false);
    else if (removed.length > 0) this.#withheld = this.#withheld.filter((row) => this.#box.rows.isLive(row));
  }
  #takeOut(uids: Uid[]): void {
    const out: number[] = [];
    for (const uid of uids) {
      const i = this.#at(uid);
      // A UID that two messages had may still name the other one.
      if (i >= 0 && !(this.#box.rows.isLive(this.#rowAt[i]) && this.#uid(this.#rowAt[i]) === uid)) out.push(i);
    }
    if (out.length === 0) return;
    out.sort((a, b) => a - b);
    const kept = new Uint32Array(this.#uids.length);
    const rowAt = new Uint32Array(this.#uids.length);
    let n = 0;
    let from = 0;
    for (const i of [...out, this.#count]) {
      if (i < from) continue;
      kept.set(this.#uids.subarray(from, i), n);
      rowAt.set(this.#rowAt.subarray(from, i), n);
      n += i - from;
      from = i + 1;
      if (i < this.#count) this.#journal.add('expunged', this.#uids[i]);
    }
    this.#uids = kept;
    this.#rowAt = rowAt;
    this.#count = n;
  }
  /** Shows rows in UID order; those that would not come last are withheld, or put in their place when `anywhere`. */
  #takeIn(rows: number[], anywhere: boolean): void {
    const box = this.#box;
    let sorted = true;
    let list: number[] = [];
    let last = -Infinity;
    for (const row of rows) {
      if (!box.rows.isLive(row)) continue;
      list.push(row);
      if (box.rows.position[row] <= last) sorted = false;
      last = box.rows.position[row];
    }
    if (!sorted) list = [...new Set(list)].sort((a, b) => box.rows.position[a] - box.rows.position[b] || compareRefs(box, a, b));
    this.#withheld = [];
    this.#uids = grown(this.#uids, this.#count + list.length);
    this.#rowAt = grown(this.#rowAt, this.#count + list.length);
    for (const row of list) {
      const uid = this.#uid(row);
      if (uid <= this.#shownMax) {
        const i = this.#at(uid);
        if (i >= 0 && this.#rowAt[i] === row) continue;
        if (!anywhere || uid < 1 || i >= 0) {
          this.#withheld.push(row);
          continue;
        }
        this.#insert(uid, row);
      } else {
        this.#uids[this.#count] = this.#shownMax = uid;
        this.#rowAt[this.#count++] = row;
      }
      this.#journal.add('added', uid);
    }
  }
  #insert(uid: Uid, row: number): void {
    const i = lowerBound(this.#uids, this.#count, uid);
    // A new array: one that was given out never changes.
    const uids = grown(new Uint32Array(this.#uids.length), this.#count + 1);
    const rowAt = new Uint32Array(uids.length);
    uids.set(this.#uids.subarray(0, i));
    rowAt.set(this.#rowAt.subarray(0, i));
    uids.set(this.#uids.subarray(i, this.#count), i + 1);
    rowAt.set(this.#rowAt.subarray(i, this.#count), i + 1);
    uids[i] = uid;
    rowAt[i] = row;
    this.#uids = uids;
    this.#rowAt = rowAt;
    this.#count++;
  }
  #at(uid: Uid): number {
    const i = lowerBound(this.#uids, this.#count, uid);
    return i < this.#count && this.#uids[i] === uid ? i : -1;
  }

  /** How many live messages are not shown, because their UIDs lie below one that was shown, or name another message. */
  get withheld(): number {
    this.#settle();
    return this.#withheld.length;
  }
  /** Shows what is withheld, but never two messages with one UID. Only while no session has the mailbox selected. */
  showWithheld(): void {
    this.#settle();
    if (this.#withheld.length > 0) this.#takeIn(this.#withheld, true);
  }
  /** The row behind index i: for this room. */
  rowAt(i: number): number {
    return this.#rowAt[i];
  }
  /** The rows behind UIDs, -1 for those that are not there: for this room. */
  rowsOf(uids: ArrayLike<Uid>): Int32Array {
    this.#settle();
    const rows = new Int32Array(uids.length);
    let i = -1;
    for (let k = 0; k < uids.length; k++) {
      // Mostly the next one.
      i = i + 1 < this.#count && this.#uids[i + 1] === uids[k] ? i + 1 : this.#at(uids[k]);
      rows[k] = i < 0 ? -1 : this.#rowAt[i];
    }
    return rows;
  }

  get uidValidity(): number {
    return this.#validity();
  }
  get uidNext(): Uid {
    return Math.max(0, this.#box.assigned - this.#box.shared.epoch) + 1;
  }
  get highestModSeq(): ModSeq {
    return Math.max(1, this.#box.touched);
  }
  get count(): number {
    this.#settle();
    return this.#count;
  }
  get uids(): Uint32Array {
    this.#settle();
    return this.#uids;
  }
  find(uid: Uid): number {
    this.#settle();
    return this.#at(uid);
  }
  modSeq(i: number): ModSeq {
    return this.#box.rows.modSeq[this.#rowAt[i]];
  }
  size(i: number): number {
    return this.#box.rows.size[this.#rowAt[i]];
  }
  internalDate(i: number): number {
    return this.#box.rows.date[this.#rowAt[i]];
  }
  zone(i: number): number {
    return this.#box.rows.zone[this.#rowAt[i]];
  }
  saveDate(i: number): number {
    return this.#box.rows.saved[this.#rowAt[i]];
  }
  emailId(i: number): string {
    return this.#box.texts.text(this.#box.rows.ids[this.#rowAt[i]], 0);
  }
  threadId(i: number): string {
    return this.#box.texts.text(this.#box.rows.ids[this.#rowAt[i]], 1);
  }
  /** Stands for one set of flags, in all mailboxes of the user, while the state lives. */
  flagSet(i: number): number {
    return this.#box.rows.shown[this.#rowAt[i]];
  }
  flagSets(from: number, to: number): Uint32Array {
    const { shown } = this.#box.rows;
    const sets = this.#rowAt.slice(from, to);
    for (let k = 0; k < sets.length; k++) sets[k] = shown[sets[k]];
    return sets;
  }
  flagsOf(flagSet: number): readonly Flag[] {
    return this.#box.shared.flags.sets[flagSet];
  }
  flagsInUse(): Flag[] {
    return this.#box.flagsInUse();
  }
  get version(): number {
    this.#settle();
    return this.#journal.version;
  }
  changesSince(version: number): readonly MailboxChange[] | null {
    this.#settle();
    return this.#journal.since(version);
  }
  /** RFC 7162 §3.2.6. A UID that (again) names a live message has not vanished. */
  vanishedSince(modSeq: ModSeq): Uint32Array {
    this.#settle();
    const { rows, vanished, shared } = this.#box;
    const uids = new Set<Uid>();
    for (let i = 0; i < vanished.n; i++) if (vanished.modSeq[i] > modSeq) uids.add(vanished.position[i] - shared.epoch);
    for (let row = 0; row < rows.n; row++) {
      if (rows.modSeq[row] <= modSeq || (rows.isLive(row) && !rows.older.has(row))) continue;
      for (const p of this.#box.vanishedOf(row)) uids.add(p - shared.epoch);
    }
    const out: Uid[] = [];
    for (const uid of uids) if (uid > 0 && this.#at(uid) < 0) out.push(uid);
    return Uint32Array.from(out).sort();
  }
}

function compareRefs(box: Box, a: number, b: number): number {
  const { rows, shared } = box;
  const wa = shared.writers.writers[rows.writer[a]];
  const wb = shared.writers.writers[rows.writer[b]];
  return wa < wb ? -1 : wa > wb ? 1 : rows.seq[a] - rows.seq[b] || rows.index[a] - rows.index[b];
}
