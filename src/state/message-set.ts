// Sets of messages in stored form: arithmetic runs of (seq, index) for each writer, so that STORE 1:* on 10,000
// messages that one replica delivered takes some bytes, and any other set some bytes a message.
import { Corrupt, limits } from '../base/index.ts';
import type { ByteReader, ByteWriter, MessageRef, Writer } from '../base/index.ts';

/** Writers by number, in the order of their first use. */
export class WriterDictionary {
  readonly writers: Writer[] = [];
  readonly #numbers = new Map<Writer, number>();
  number(writer: Writer): number {
    let n = this.#numbers.get(writer);
    if (n === undefined) this.#numbers.set(writer, (n = this.writers.push(writer) - 1));
    return n;
  }
}

/** Orders a set by writer (first use), seq and index: for sets whose order says nothing. */
export function sortedSet(set: readonly MessageRef[]): MessageRef[] {
  const byWriter = new Map<Writer, MessageRef[]>();
  let list: MessageRef[] | undefined;
  let writer: Writer | null = null;
  for (const m of set) {
    if (m.writer !== writer) {
      list = byWriter.get((writer = m.writer));
      if (!list) byWriter.set(writer, (list = []));
    }
    list!.push(m);
  }
  const out: MessageRef[] = [];
  for (const l of byWriter.values()) {
    for (let i = 1; i < l.length; i++) {
      if (l[i].seq > l[i - 1].seq || (l[i].seq === l[i - 1].seq && l[i].index > l[i - 1].index)) continue;
      l.sort((a, b) => a.seq - b.seq || a.index - b.index);
      break;
    }
    for (const m of l) out.push(m);
  }
  return out;
}

/**
 * Writes a set in the order given. Each run: writer, seq (signed, from the writer's last), index, then
 * count * 4 + kind; kind 0: next index, 1: next seq, 2: steps of (seq, index) follow, 3: one message alone.
 */
export function writeMessageSet(w: ByteWriter, set: readonly MessageRef[], dictionary: WriterDictionary): void {
  const last: number[] = [];
  w.varint(set.length);
  for (let i = 0; i < set.length; ) {
    const { writer, seq, index } = set[i];
    const number = dictionary.number(writer);
    w.varint(number).signed(seq - (last[number] ?? 0)).varint(index);
    let count = 1;
    let stepSeq = 0;
    let stepIndex = 0;
    if (i + 1 < set.length && set[i + 1].writer === writer) {
      stepSeq = set[i + 1].seq - seq;
      stepIndex = set[i + 1].index - index;
      count = 2;
      for (let p = set[i + 1]; i + count < set.length; count++) {
        const n = set[i + count];
        if (n.writer !== writer || n.seq - p.seq !== stepSeq || n.index - p.index !== stepIndex) break;
        p = n;
      }
    }
    if (count === 2 && !(stepSeq === 0 && stepIndex === 1) && !(stepSeq === 1 && stepIndex === 0)) count = 1;
    if (count === 1) w.varint(3);
    else if (stepSeq === 0 && stepIndex === 1) w.varint(count * 4);
    else if (stepSeq === 1 && stepIndex === 0) w.varint(count * 4 + 1);
    else w.varint(count * 4 + 2).signed(stepSeq).signed(stepIndex);
    i += count;
    last[number] = set[i - 1].seq;
  }
}

/** What a reader may still expand: a run of some bytes can stand for millions of messages. */
export interface SetBudget {
  left: number;
}
export const setBudget = (): SetBudget => ({ left: limits.event_positions_span_max });

/** Throws Corrupt. */
export function readMessageSet(r: ByteReader, writers: readonly Writer[], budget: SetBudget): MessageRef[] {
  const total = r.varint();
  if (total > budget.left) throw new Corrupt('stored set of messages is too large');
  budget.left -= total;
  const last: number[] = [];
  const set: MessageRef[] = [];
  while (set.length < total) {
    const number = r.varint();
    if (number >= writers.length) throw new Corrupt('stored set of messages names an unknown writer');
    const writer = writers[number];
    let seq = (last[number] ?? 0) + r.signed();
    let index = r.varint();
    const head = r.varint();
    const kind = head % 4;
    const count = kind === 3 ? 1 : Math.floor(head / 4);
    if (count < 1 || count > total - set.length || (kind === 3 && head !== 3)) throw new Corrupt('stored set of messages has a wrong run');
    const stepSeq = kind === 1 ? 1 : kind === 2 ? r.signed() : 0;
    const stepIndex = kind === 0 ? 1 : kind === 2 ? r.signed() : 0;
    for (let k = 0; k < count; k++) {
      if (k > 0) {
        seq += stepSeq;
        index += stepIndex;
      }
      checkRef(seq, index);
      set.push({ writer, seq, index });
    }
    last[number] = seq;
  }
  return set;
}

/** Both are kept in 32 bits. Throws Corrupt. */
export function checkRef(seq: number, index: number): void {
  if (!(seq >= 1 && seq <= 0xffffffff && index >= 0 && index <= 0xffffffff)) throw new Corrupt('stored message reference is out of range');
}
