// A set of events that can tell, at once, the XOR of the hashes of all names at or below a floor.
import type { Position, Writer } from '../base/index.ts';
import type { Seen } from './types.ts';

/** What a set needs of its members. */
export interface Hashed {
  readonly last: Position;
  readonly writer: Writer;
  readonly seq: number;
  readonly hash: bigint;
}

/**
 * Sorted by position. `digest` walks a cursor from the floor that was asked for last: floors that follow each other
 * lie near each other, so it costs what lies between them and not the length of the log.
 */
export class DigestSet<T extends Hashed> {
  #sorted: T[] = [];
  #base: Position;
  #cursor: Position;
  #index = 0;
  #digest: bigint;
  /** Per writer the greatest seq, for `above`. */
  readonly #vector = new Map<Writer, { position: Position; seq: number }>();

  /** All at or below `base` is in `digest` already. */
  constructor(base: Position = 0, digest: bigint = 0n) {
    this.#base = base;
    this.#cursor = base;
    this.#digest = digest;
  }

  get base(): Position {
    return this.#base;
  }
  get sorted(): readonly T[] {
    return this.#sorted;
  }
  get greatest(): Position {
    return this.#sorted.length > 0 ? this.#sorted[this.#sorted.length - 1].last : 0;
  }

  /** Index of the first member above `position`. */
  indexAbove(position: Position): number {
    const a = this.#sorted;
    let high = a.length;
    if (high === 0 || a[high - 1].last <= position) return high;
    let low = 0;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (a[mid].last <= position) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  add(member: T): void {
    const at = this.indexAbove(member.last);
    if (at === this.#sorted.length) this.#sorted.push(member);
    else this.#sorted.splice(at, 0, member);
    if (member.last <= this.#cursor) {
      this.#digest ^= member.hash;
      this.#index++;
    }
    const top = this.#vector.get(member.writer);
    if (!top || top.seq < member.seq) this.#vector.set(member.writer, { position: member.last, seq: member.seq });
  }

  /** Null below the base: nobody can tell any more. */
  digest(floor: Position): bigint | null {
    if (floor < this.#base) return null;
    const a = this.#sorted;
    while (this.#index < a.length && a[this.#index].last <= floor) this.#digest ^= a[this.#index++].hash;
    while (this.#index > 0 && a[this.#index - 1].last > floor) this.#digest ^= a[--this.#index].hash;
    this.#cursor = floor;
    return this.#digest;
  }

  /** The greatest (position, seq) of each writer with members above the floor. */
  above(floor: Position): Seen['above'] {
    const above: Seen['above'] = new Map();
    for (const [writer, top] of this.#vector) if (top.position > floor) above.set(writer, top);
    return above;
  }

  /** Forgets the members at or below `floor` and keeps their digest. Returns them. */
  rebase(floor: Position): T[] {
    const digest = this.digest(floor);
    if (digest === null) return [];
    const gone = this.#sorted.splice(0, this.#index);
    this.#index = 0;
    this.#base = floor;
    for (const [writer, top] of this.#vector) if (top.position <= floor) this.#vector.delete(writer);
    return gone;
  }
}
