// Who said what of a message's flags last: for each flag the change with the greatest (position, writer). A row holds
// the number of an immutable set of such registers; rows with one history share one set, so STORE 1:* makes one.
import type { Position } from '../base/index.ts';
import type { FlagTable } from './flags.ts';
import { grown } from './grow.ts';
import type { WriterDictionary } from './message-set.ts';

export interface Register {
  flag: number;
  on: boolean;
  position: Position;
  writer: number;
}

/** True when (position, writer) a is after b. Writers are numbers of `writers`, compared by their ids. */
export function after(writers: WriterDictionary, aPosition: Position, aWriter: number, bPosition: Position, bWriter: number): boolean {
  return aPosition > bPosition || (aPosition === bPosition && aWriter !== bWriter && writers.writers[aWriter] > writers.writers[bWriter]);
}

export class RegisterSets {
  readonly #writers: WriterDictionary;
  /** Set s is elements [starts[s], starts[s + 1]); set 0 is empty. */
  starts = new Uint32Array(16);
  sets = 1;
  /** flag * 2 + on, ascending within a set. */
  flagOn = new Uint32Array(16);
  writer = new Uint32Array(16);
  position = new Float64Array(16);

  constructor(writers: WriterDictionary) {
    this.#writers = writers;
  }
  get elements(): number {
    return this.starts[this.sets];
  }
  size(set: number): number {
    return this.starts[set + 1] - this.starts[set];
  }
  registers(set: number): Register[] {
    const out: Register[] = [];
    for (let i = this.starts[set]; i < this.starts[set + 1]; i++) out.push({ flag: this.flagOn[i] >>> 1, on: (this.flagOn[i] & 1) === 1, position: this.position[i], writer: this.writer[i] });
    return out;
  }
  /** A new set; `registers` in ascending order of flags. */
  add(registers: readonly Register[]): number {
    if (registers.length === 0) return 0;
    let at = this.elements;
    this.flagOn = grown(this.flagOn, at + registers.length);
    this.writer = grown(this.writer, at + registers.length);
    this.position = grown(this.position, at + registers.length);
    for (const r of registers) {
      this.flagOn[at] = r.flag * 2 + (r.on ? 1 : 0);
      this.writer[at] = r.writer;
      this.position[at++] = r.position;
    }
    const set = this.sets++;
    this.starts = grown(this.starts, this.sets + 1);
    this.starts[this.sets] = at;
    return set;
  }
  /** The set with newer registers taken in (ascending flags); the same number when none is newer. */
  join(set: number, news: readonly Register[]): number {
    const old = this.registers(set);
    const out: Register[] = [];
    let changed = false;
    let i = 0;
    for (const n of news) {
      while (i < old.length && old[i].flag < n.flag) out.push(old[i++]);
      if (i < old.length && old[i].flag === n.flag) {
        const newer = after(this.#writers, n.position, n.writer, old[i].position, old[i].writer);
        out.push(newer ? n : old[i]);
        changed ||= newer;
        i++;
      } else {
        out.push(n);
        changed = true;
      }
    }
    if (!changed) return set;
    while (i < old.length) out.push(old[i++]);
    return this.add(out);
  }
  /** The flags that show: `base` (a set of `flags`) as the registers of `set` changed it. */
  shown(flags: FlagTable, base: number, set: number): number {
    if (set === 0) return base;
    const ids = new Set(flags.ids(base));
    for (let i = this.starts[set]; i < this.starts[set + 1]; i++) {
      if (this.flagOn[i] & 1) ids.add(this.flagOn[i] >>> 1);
      else ids.delete(this.flagOn[i] >>> 1);
    }
    return flags.setOfIds([...ids]);
  }
  /** Forgets the sets that no row of `column` uses, and renumbers the column. Call it when the sets have doubled. */
  compact(column: Uint32Array, rows: number): void {
    const kept = new RegisterSets(this.#writers);
    const number = new Map<number, number>([[0, 0]]);
    for (let r = 0; r < rows; r++) {
      let n = number.get(column[r]);
      if (n === undefined) number.set(column[r], (n = kept.add(this.registers(column[r]))));
      column[r] = n;
    }
    this.starts = kept.starts;
    this.sets = kept.sets;
    this.flagOn = kept.flagOn;
    this.writer = kept.writer;
    this.position = kept.position;
  }
}
