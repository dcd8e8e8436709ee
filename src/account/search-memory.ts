// Opened parts of search indexes in memory: those of all users within one budget of bytes, the oldest use goes first.
import { GramSet } from '../message/index.ts';
import type { Keeper, MemoryBudget } from './memory.ts';
import { encodeEntry } from './search-part.ts';

/** What can go from memory, because the store has it. */
export interface Holder {
  bytes: Buffer | null;
}

/** What the search indexes of a process share. */
export class SearchMemory implements Keeper {
  readonly name = 'search';
  readonly anytime = true;
  /** Milliseconds that the process has worked so far, for the background gives way to all else; null: indexes are made by searches alone. */
  readonly workedMs: (() => number) | null;
  readonly #bytesMax: number;
  readonly #budget: MemoryBudget | null;
  readonly #held = new Map<Holder, { bytes: number; used: number }>();
  #newest: Holder | null = null;
  readonly #sets: GramSet[] = [];
  #bytes = 0;

  /** `budget`: what these share with all that is kept in memory. */
  constructor(bytesMax: number, workedMs: (() => number) | null = null, budget: MemoryBudget | null = null) {
    this.#bytesMax = bytesMax;
    this.workedMs = workedMs;
    this.#budget = budget;
    budget?.join(this);
  }
  get bytes(): number {
    return this.#bytes;
  }
  get spare(): number {
    return this.#bytes;
  }

  /** It was used now. */
  hold(holder: Holder): void {
    this.forget(holder);
    if (holder.bytes === null) return;
    this.#held.set(holder, { bytes: holder.bytes.length, used: this.#budget?.now ?? 0 });
    this.#newest = holder;
    this.#bytes += holder.bytes.length;
    if (this.#bytes > this.#bytesMax) this.evict(Infinity, this.#bytes - this.#bytesMax);
    this.#budget?.grew();
  }

  evict(before: number, bytes: number): number {
    let freed = 0;
    for (const [old, held] of this.#held) {
      if (freed >= bytes || held.used >= before) break;
      // Whoever holds it is about to use it.
      if (old === this.#newest) continue;
      this.forget(old);
      freed += held.bytes;
      old.bytes = null;
    }
    return freed;
  }

  forget(holder: Holder): void {
    this.#bytes -= this.#held.get(holder)?.bytes ?? 0;
    this.#held.delete(holder);
  }

  /** A message's entry in an index: of its folded header, and the folded texts of its body. */
  async entry(emailId: string, header: string, texts: readonly string[]): Promise<Buffer> {
    return encodeEntry(emailId, await this.filter([header]), await this.filter(texts));
  }

  /** The filter of some folded texts. */
  async filter(texts: readonly string[]): Promise<Buffer> {
    const set = this.#sets.pop() ?? new GramSet();
    for (const text of texts) await set.add(text);
    const filter = set.filter();
    this.#sets.push(set);
    return filter;
  }
}
