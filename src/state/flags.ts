// Flags as small numbers, for the whole user: a flag, and a set of flags. Both are never forgotten while the process
// lives, so that a number always stands for the same set.
import type { Flag } from '../base/index.ts';

export class FlagTable {
  readonly flags: Flag[] = [];
  readonly #numbers = new Map<Flag, number>();
  /** Flags of each set, sorted; set 0 is empty. */
  readonly sets: (readonly Flag[])[] = [[]];
  readonly #setIds: (readonly number[])[] = [[]];
  readonly #setNumbers = new Map<string, number>([['', 0]]);

  flag(flag: Flag): number {
    let n = this.#numbers.get(flag);
    if (n === undefined) this.#numbers.set(flag, (n = this.flags.push(flag) - 1));
    return n;
  }
  /** How many there are with these; 0 when all of these are there. */
  countWith(flags: readonly Flag[]): number {
    const added = flags.filter((flag) => !this.#numbers.has(flag)).length;
    return added === 0 ? 0 : this.flags.length + added;
  }
  /** Numbers of the flags in a set, ascending. */
  ids(set: number): readonly number[] {
    return this.#setIds[set];
  }
  has(set: number, flag: Flag): boolean {
    return this.sets[set].includes(flag);
  }
  setOf(flags: readonly Flag[]): number {
    return flags.length === 0 ? 0 : this.setOfIds([...new Set(flags.map((f) => this.flag(f)))]);
  }
  /** Takes the array. */
  setOfIds(ids: number[]): number {
    const key = ids.sort((a, b) => a - b).join();
    let n = this.#setNumbers.get(key);
    if (n === undefined) {
      n = this.sets.push(ids.map((i) => this.flags[i]).sort()) - 1;
      this.#setIds.push(ids);
      this.#setNumbers.set(key, n);
    }
    return n;
  }
}
