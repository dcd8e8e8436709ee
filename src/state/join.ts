// Two folded states that don't know of each other made one. A message that only one side has is kept unless the other
// side's snapshot covers the event that made it: then that side has forgotten it, and so does the result.
import type { Writer } from '../base/index.ts';
import { resolve, settleGroup, await_ } from './apply.ts';
import type { Box } from './box.ts';
import type { Core } from './core.ts';
import type { Register } from './registers.ts';
import { ADDED, AWAITING, DROPPED, EXPUNGED, NO_CHUNK } from './rows.ts';

export type Covers = (writer: Writer, seq: number) => boolean;

/** Joins `b` into `a`; `b` is not to be used afterwards. `contentNumber`: what a content chunk of `b` is called in `a`. */
export function joinCores(a: Core, aCovers: Covers, b: Core, bCovers: Covers, contentNumber: (chunk: number) => number): void {
  const knows = (core: Core, covers: Covers) => (writer: Writer, seq: number) => !a.mutations.noCoversInJoin && covers(writer, seq) && !core.lost.has(`${writer}#${seq}`);
  const aKnows = knows(a, aCovers);
  const bKnows = knows(b, bCovers);
  a.names.join(b.names);
  a.metadata.join(b.metadata);
  for (const e of b.epochs) a.beginEpoch(e);
  for (const box of a.boxes.values()) dropForgotten(a, box, b, bKnows);
  for (const box of b.boxes.values()) joinBox(a, box, b, aKnows, contentNumber);
  for (const l of b.lost) a.lost.add(l);
  a.keys.latest = Math.max(a.keys.latest, b.keys.latest);
  for (const [key, copies] of b.keys.keys) for (const c of copies) a.keys.add(key, c);
  for (const group of a.keys.groups()) settleGroup(a, group);
  a.rootChanged();
}

function dropForgotten(a: Core, box: Box, b: Core, bKnows: Covers): void {
  const other = b.boxes.get(box.id);
  for (let row = 0; row < box.rows.n; row++) {
    const ref = box.rows.ref(row, a.shared.writers);
    if (box.rows.bits[row] & DROPPED || !bKnows(ref.writer, ref.seq)) continue;
    if (!other || other.rows.find(b.shared.writers.number(ref.writer), ref.seq, ref.index) < 0) box.drop(row);
  }
}

function joinBox(a: Core, from: Box, b: Core, aKnows: Covers, contentNumber: (chunk: number) => number): void {
  const to = a.box(from.id);
  const writerOf = numbers(from.shared.writers.writers, (w) => a.shared.writers.number(w));
  const flagOf = numbers(b.shared.flags.flags, (f) => a.shared.flags.flag(f));
  const said = new Map<number, Register[]>();
  to.assigned = Math.max(to.assigned, from.assigned);
  to.touchBox(from.touched);
  for (let i = 0; i < from.vanished.n; i++) to.vanish(from.vanished.position[i], from.vanished.modSeq[i]);
  const { rows } = from;
  for (let row = 0; row < rows.n; row++) {
    const ref = rows.ref(row, b.shared.writers);
    const writer = writerOf(rows.writer[row]);
    let mine = to.rows.find(writer, ref.seq, ref.index);
    if (mine < 0) {
      if (aKnows(ref.writer, ref.seq)) {
        for (const p of rows.uids(row)) to.vanish(p, rows.modSeq[row]);
        continue;
      }
      mine = to.rows.add(writer, ref.seq, ref.index);
    }
    if (to.rows.bits[mine] & DROPPED) {
      for (const p of rows.uids(row)) to.vanish(p, rows.modSeq[row]);
      continue;
    }
    to.touch(mine, rows.modSeq[row]);
    for (const p of rows.older.get(row) ?? []) to.assign(mine, p);
    if (rows.position[row] > 0) to.assign(mine, rows.position[row]);
    let news = said.get(rows.registers[row]);
    if (!news) said.set(rows.registers[row], (news = mapped(from.registers.registers(rows.registers[row]), writerOf, flagOf)));
    if (news.length > 0) to.flagWriter(news)(mine, 0);
    if (rows.bits[row] & ADDED) {
      const known = !(rows.bits[row] & AWAITING);
      const base = a.shared.flags.setOf(b.shared.flags.sets[rows.base[row]]);
      to.fill(mine, base, known, () => {
        to.rows.saved[mine] = rows.saved[row];
        if (known) copyRow(from, row, to, mine, contentNumber);
        else {
          const source = from.awaiting.get(row);
          if (source) await_(a, to, mine, { ...source, writer: writerOf(source.writer) });
        }
      });
      if (known) resolve(a, to, mine);
    }
    if (rows.bits[row] & EXPUNGED) to.expunge(mine, rows.gone(row));
  }
}
function copyRow(from: Box, row: number, to: Box, mine: number, contentNumber: (chunk: number) => number): void {
  const r = from.rows;
  to.rows.chunk[mine] = r.chunk[row] === NO_CHUNK ? NO_CHUNK : contentNumber(r.chunk[row]);
  to.rows.entry[mine] = r.entry[row];
  to.rows.size[mine] = r.size[row];
  to.rows.date[mine] = r.date[row];
  to.rows.zone[mine] = r.zone[row];
  to.rows.ids[mine] = to.texts.copy(from.texts, r.ids[row]);
}
function numbers<T>(list: readonly T[], of: (value: T) => number): (n: number) => number {
  const cache: number[] = [];
  return (n) => (cache[n] ??= of(list[n]));
}
function mapped(registers: Register[], writerOf: (n: number) => number, flagOf: (n: number) => number): Register[] {
  return registers.map((r) => ({ ...r, flag: flagOf(r.flag), writer: writerOf(r.writer) })).sort((x, y) => x.flag - y.flag);
}
