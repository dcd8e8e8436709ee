// What an opened log knows of the snapshots that are there: which parts they name, so that a new one may keep those, and which of
// them the new one replaces, so that nobody need read those any more. Each is read once.
import { partName } from '../store/index.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { openAll, snapshotNames } from './snapshot.ts';
import type { Manifest } from './snapshot.ts';
import type { CoveredEvent } from './snapshot-format.ts';

type Named = Pick<Manifest, 'name' | 'partIds' | 'replaced'>;
const hashOf = (name: string): string => name.slice(name.lastIndexOf('-') + 1);

export class Predecessors {
  /** By name. */
  readonly #parts = new Map<string, readonly string[]>();
  /** Written by others, and not known to be in the state. */
  readonly #others = new Map<string, Manifest>();
  /** Hashes of those that the state has in it. */
  readonly #inside = new Set<string>();
  /** One text for each id, however many snapshots name it. */
  readonly #ids = new Map<string, string>();

  /** Of those that were read at the opening: the state is made of them. */
  constructor(manifests: readonly Named[]) {
    for (const m of manifests) this.wrote(m);
  }

  /** One that the state has in it. */
  wrote(m: Named): void {
    this.#name(m);
    for (const hash of [hashOf(m.name), ...m.replaced]) this.#inside.add(hash);
  }

  #name({ name, partIds }: Named): void {
    this.#parts.set(
      name,
      partIds.map((id) => {
        const known = this.#ids.get(id) ?? id;
        this.#ids.set(id, known);
        return known;
      }),
    );
  }

  /**
   * Ids of the parts that may be kept: those that a snapshot names and that are there. A snapshot that was stored in part may have
   * lost its own to a collection that didn't see it; one that goes right after this look makes the new snapshot hollow too,
   * before anything is collected because of it. Throws Unavailable, Corrupt.
   */
  async look(reading: Reading): Promise<Set<string>> {
    const there = await snapshotNames(reading);
    const hashes = new Set(there.map((s) => s.hash));
    for (const hash of this.#inside) if (!hashes.has(hash)) this.#inside.delete(hash);
    for (const known of [this.#parts, this.#others]) for (const name of known.keys()) if (!hashes.has(hashOf(name))) known.delete(name);
    for (const m of await openAll(reading, there.filter((s) => !this.#parts.has(s.name) && !this.#inside.has(s.hash)))) {
      this.#name(m);
      this.#others.set(m.name, m);
    }
    const named = new Set<string>();
    for (const ids of this.#parts.values()) for (const id of ids) named.add(id);
    for (const id of this.#ids.keys()) if (!named.has(id)) this.#ids.delete(id);
    if (named.size === 0) return named;
    const { rows } = await listAll(reading.store, partName(reading.root, ''), reading.limits.list_keys_max);
    const stored = new Set(rows.map((row) => row.name));
    for (const id of named) if (!stored.has(partName(reading.root, id))) named.delete(id);
    return named;
  }

  /** Hashes of those that a snapshot with this floor replaces. `has`: the state has the event in it. */
  replacedBy(floor: number, has: (e: CoveredEvent) => boolean): string[] {
    for (const m of this.#others.values()) {
      if (m.floor > floor || !m.covers.every(has)) continue;
      this.#others.delete(m.name);
      for (const hash of [hashOf(m.name), ...m.replaced]) this.#inside.add(hash);
    }
    return [...this.#inside];
  }
}
