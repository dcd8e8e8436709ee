// The parts of a search index that are known here, and which entry of which part counts.
//
// An entry that two stored parts have counts in the one of smaller id: so all replicas agree which part is needless, and
// two that tidy at once don't each delete the other's.
import type { SearchMemory } from './search-memory.ts';
import { entriesOf, fingerprint } from './search-part.ts';
import type { Fingerprint } from './search-part.ts';
import { SearchTable } from './search-table.ts';

export interface Part {
  readonly number: number;
  /** Null: not stored yet. */
  id: string | null;
  /** Null: not in memory. */
  bytes: Buffer | null;
  length: number;
  /** Entries in it, and those of them that count. */
  all: number;
  entries: number;
}

/** Places in a list of messages, and where their entries begin in one part. */
export interface Located {
  ks: number[];
  offsets: number[];
}

export class SearchParts {
  readonly #memory: SearchMemory;
  readonly #table = new SearchTable();
  readonly #all = new Map<number, Part>();
  readonly #byId = new Map<string, Part>();
  #numbers = 0;

  constructor(memory: SearchMemory) {
    this.#memory = memory;
  }

  get messages(): number {
    return this.#table.size;
  }
  get bytes(): number {
    let bytes = 0;
    for (const part of this.#all.values()) bytes += part.length;
    return bytes;
  }
  get ids(): string[] {
    return [...this.#byId.keys()];
  }
  /** Those that are stored. */
  get stored(): Part[] {
    return [...this.#byId.values()];
  }
  byId(id: string): Part | null {
    return this.#byId.get(id) ?? null;
  }
  /** False: it was removed. */
  has(part: Part): boolean {
    return this.#all.has(part.number);
  }
  knows(print: Fingerprint): boolean {
    return this.#table.find(print) >= 0;
  }
  /** The entry counts in this part. */
  isAt(print: Fingerprint, part: Part): boolean {
    return this.#at(print) === part;
  }
  #at(print: Fingerprint): Part | null {
    const slot = this.#table.find(print);
    return slot < 0 ? null : this.#all.get(this.#table.part(slot))!;
  }

  /** Where the entries of messages are. */
  locate(count: number, emailId: (k: number) => string): { found: number; byPart: Map<Part, Located> } {
    const byPart = new Map<Part, Located>();
    const print: Fingerprint = { hi: 0, lo: 0 };
    let found = 0;
    let last: Part | null = null;
    let here: Located = { ks: [], offsets: [] };
    for (let k = 0; k < count; k++) {
      const slot = this.#table.find(fingerprint(emailId(k), print));
      if (slot < 0) continue;
      found++;
      const part = this.#all.get(this.#table.part(slot))!;
      if (part !== last) {
        last = part;
        here = byPart.get(part) ?? { ks: [], offsets: [] };
        byPart.set(part, here);
      }
      here.ks.push(k);
      here.offsets.push(this.#table.offset(slot));
    }
    return { found, byPart };
  }

  #make(id: string | null, bytes: Buffer): Part {
    const part: Part = { number: ++this.#numbers, id, bytes, length: bytes.length, all: 0, entries: 0 };
    this.#all.set(part.number, part);
    if (id !== null) this.#byId.set(id, part);
    return part;
  }

  #put(print: Fingerprint, part: Part, offset: number, instead: Part | null): void {
    if (instead !== null) instead.entries--;
    this.#table.put(print, part.number, offset);
    part.entries++;
  }

  /** One that grows in memory and begins with `head`. */
  begin(head: Buffer): Part {
    return this.#make(null, head);
  }

  /** Puts an entry behind the others of a part that grows. */
  append(part: Part, print: Fingerprint, entry: Buffer): void {
    if (part.length + entry.length > part.bytes!.length) {
      const longer = Buffer.allocUnsafe(Math.max(16 * 1024, part.bytes!.length * 2, part.length + entry.length));
      longer.set(part.bytes!.subarray(0, part.length));
      part.bytes = longer;
    }
    part.bytes!.set(entry, part.length);
    this.#put(print, part, part.length, null);
    part.length += entry.length;
    part.all++;
  }

  /** One that grew is stored now. */
  nowStored(part: Part, id: string): void {
    part.id = id;
    this.#byId.set(id, part);
    this.#claim(part, new Set());
    this.#memory.hold(part);
  }

  /** One that another replica stored. `vanished`: ids of parts that are no more, because others take their place. */
  add(id: string, bytes: Buffer, vanished: ReadonlySet<string>): void {
    const part = this.#make(id, bytes);
    this.#claim(part, vanished);
    this.#memory.hold(part);
  }

  #claim(part: Part, vanished: ReadonlySet<string>): void {
    part.all = 0;
    for (const entry of entriesOf(part.bytes!)) {
      part.all++;
      const other = this.#at(entry);
      if (other === part || (other !== null && other.id !== null && other.id < part.id! && !vanished.has(other.id))) continue;
      this.#put(entry, part, entry.at, other);
    }
  }

  /** A new one takes over the entries of those that it was made of. */
  replace(id: string, bytes: Buffer, of: ReadonlySet<Part>): void {
    const part = this.#make(id, bytes);
    for (const entry of entriesOf(bytes)) {
      part.all++;
      const other = this.#at(entry);
      if (other === null || of.has(other)) this.#put(entry, part, entry.at, other);
    }
    this.#memory.hold(part);
  }

  remove(part: Part): void {
    if (!this.#all.delete(part.number)) return;
    if (part.id !== null) this.#byId.delete(part.id);
    if (part.entries > 0) this.#table.drop(part.number);
    this.#memory.forget(part);
  }

  /** Nothing of it counts as memory any more. */
  close(): void {
    for (const part of this.#all.values()) this.#memory.forget(part);
  }
}
