// What a replica remembers of one event: its name, and as it learns more, its bytes, what it says, what it did.
import { owned } from '../base/index.ts';
import type { EventRef, Position, Writer } from '../base/index.ts';
import { eventLeaf, logPrefix } from '../store/index.ts';
import { eventId, leafHash } from './event.ts';
import type { Hashed } from './digest.ts';
import type { StoredEvent } from './event.ts';
import type { EventSummary, OpenedEvent } from './types.ts';

export class Entry implements Hashed {
  readonly ref: EventRef;
  readonly id: string;
  readonly leaf: string;
  readonly name: string;
  readonly hash: bigint;
  /** The store's own time of its first PUT that was seen, ms; 0 when only a hint told of it. */
  modified: number;
  /** Found at or below `closed`, or landed after its window: some replicas may have shown it and others not. */
  over = false;
  applied = false;
  /** The digest from which this set started has it already. */
  inBase = false;
  /** The last whole LIST that showed it; bundled events need none. */
  generation: number;
  bundled = false;
  /** Monotonic time at which it became known here. */
  since = 0;
  /** Read and verified, not applied yet. */
  stored: StoredEvent | null = null;
  opened: OpenedEvent<unknown> | null = null;
  summary: EventSummary | null = null;
  /** The bytes of the newest events are kept, to PUT them again should they vanish. */
  kept: Buffer | null = null;

  constructor(root: string, ref: EventRef, modified: number, generation: number, leaf: string = eventLeaf(ref)) {
    this.ref = ref;
    this.id = eventId(ref.writer, ref.seq);
    this.leaf = leaf;
    this.name = logPrefix(root) + leaf;
    this.hash = leafHash(leaf);
    this.modified = modified;
    this.generation = generation;
  }
  /** By its name. */
  get last(): Position {
    return this.ref.position;
  }
  get writer(): Writer {
    return this.ref.writer;
  }
  get seq(): number {
    return this.ref.seq;
  }
}

/** Of the memory that small events share; it begins with less. */
const SHARED_BYTES_MAX = 16 * 1024;
const SHARED_BYTES_MIN = 1024;

/** The bytes of the newest events, within a limit. */
export class Remembered {
  readonly #entries: Entry[] = [];
  /** Those before it have lost their bytes. */
  #from = 0;
  #bytes = 0;
  /** What the newest small ones are in: memory of its own for each costs more than its bytes. */
  #shared = Buffer.alloc(0);
  #used = 0;

  #copy(bytes: Buffer): Buffer {
    if (bytes.length > SHARED_BYTES_MAX / 8) return owned(bytes);
    if (this.#used + bytes.length > this.#shared.length) {
      this.#shared = Buffer.allocUnsafeSlow(Math.max(bytes.length, Math.min(SHARED_BYTES_MAX, Math.max(SHARED_BYTES_MIN, 2 * this.#shared.length))));
      this.#used = 0;
    }
    const copy = this.#shared.subarray(this.#used, (this.#used += bytes.length));
    copy.set(bytes);
    return copy;
  }

  keep(entry: Entry, bytes: Buffer, bytesMax: number): void {
    entry.kept = this.#copy(bytes);
    this.#entries.push(entry);
    this.#bytes += bytes.length;
    while (this.#bytes > bytesMax && this.#from < this.#entries.length - 1) {
      const oldest = this.#entries[this.#from++];
      this.#bytes -= oldest.kept?.length ?? 0;
      oldest.kept = null;
    }
    // By halves: to move all that stay up for each one that leaves would cost more than the bytes do.
    if (this.#from > this.#entries.length / 2) {
      this.#entries.splice(0, this.#from);
      this.#from = 0;
    }
  }
}
