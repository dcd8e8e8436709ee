// What a fan folder of a log holds, remembered between LISTs: a busy log is listed from two minutes back, each second.
//
// Other processes write here too, so nothing is believed without a look: a folder's names are taken from memory only
// while its inode and mtime are the same AND that mtime was already two seconds old when the names were read. A change
// after the reading then has another mtime, however coarse the file system's clock ticks. A folder that changed within
// the last two seconds is always read again. Events are written once, so a row (size, mtime), once seen, stays true.
import type { Stats } from 'node:fs';
import { limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { DiskIo } from './disk-io.ts';
import { isAbsent } from './disk-error.ts';
import type { Listed } from './object-store.ts';

/** Coarser than any tick of a file system's clock that is in use (FAT: 2 s). */
const SETTLED_MS = 2100;

export interface Folder {
  /** In order. */
  names: string[];
  /** Filled as rows are asked for. */
  rows: Map<string, Listed>;
  /** The same names in the order in which this process found them, by what `found` of the cache was then. */
  batches: { found: number; names: string[] }[];
}

interface Kept extends Folder {
  ino: number;
  birthtimeMs: number;
  mtimeMs: number;
  settled: boolean;
}

const EMPTY: Folder = { names: [], rows: new Map(), batches: [] };

export class DiskCache {
  readonly #clock: Clock;
  readonly #io: DiskIo;
  readonly #folders = new Map<string, Kept>();
  #rows = 0;
  /** Grows with every reading of a folder that shows something new. */
  found = 0;

  constructor(clock: Clock, io: DiskIo) {
    this.#clock = clock;
    this.#io = io;
  }

  /** The folder as it is now; empty when it isn't there. */
  async read(path: string): Promise<Folder> {
    const now = this.#clock.now();
    const s = this.#io.stat(path);
    const stat = s instanceof Promise ? await s : s;
    const old = this.#folders.get(path);
    if (!stat) {
      this.#drop(path, old);
      return EMPTY;
    }
    if (isSame(old, stat) && old.settled && old.mtimeMs === stat.mtimeMs) return old;
    let names: string[];
    try {
      const n = this.#io.names(path);
      names = n instanceof Promise ? await n : n;
    } catch (e) {
      if (isAbsent(e)) return EMPTY;
      throw e;
    }
    // Another LIST may have replaced it while this one waited for the pool.
    const last = this.#folders.get(path);
    this.#drop(path, last);
    const found = this.found + 1;
    const kept: Kept = { ino: stat.ino, birthtimeMs: stat.birthtimeMs, mtimeMs: stat.mtimeMs, settled: now - stat.mtimeMs > SETTLED_MS, ...merged(isSame(last, stat) ? last : EMPTY, names, found) };
    if (kept.batches.at(-1)?.found === found) this.found = found;
    this.#folders.set(path, kept);
    this.#rows += names.length;
    while (this.#rows > limits.disk_rows_kept_max && this.#folders.size > 1) {
      const [first, folder] = this.#folders.entries().next().value!;
      this.#drop(first, folder);
    }
    return kept;
  }

  /** Forgets the row of what this process writes or deletes itself. */
  forget(path: string, leaf: string): void {
    this.#folders.get(path)?.rows.delete(leaf);
  }

  #drop(path: string, folder: Kept | undefined): void {
    if (!folder) return;
    this.#folders.delete(path);
    this.#rows -= folder.names.length;
  }
}

const isSame = (kept: Kept | undefined, stat: Stats): kept is Kept => kept !== undefined && kept.ino === stat.ino && kept.birthtimeMs === stat.birthtimeMs;

/** Names of a folder that were found after `found` of the cache was that; in order. */
export function foundSince({ batches }: Folder, found: number): string[] {
  const names: string[] = [];
  for (let i = batches.length - 1; i >= 0 && batches[i].found > found; i--) names.push(...batches[i].names);
  return names.sort();
}

/** Sorts only what is new: mostly a few names at the end. */
function merged(old: Folder, names: string[], found: number): Folder {
  const { rows, batches } = old;
  const before = new Set(old.names);
  const fresh = names.filter((name) => !before.has(name)).sort();
  if (fresh.length + old.names.length !== names.length) {
    const left = new Set(names);
    for (const leaf of rows.keys()) if (!left.has(leaf)) rows.delete(leaf);
    names.sort();
    return { names, rows, batches: [{ found, names }] };
  }
  if (old.names.length === 0) return { names: fresh, rows: new Map(), batches: fresh.length === 0 ? [] : [{ found, names: fresh }] };
  if (fresh.length === 0) return { names: old.names, rows, batches };
  batches.push({ found, names: fresh });
  const all = old.names.concat(fresh);
  return { names: old.names[old.names.length - 1] < fresh[0] ? all : all.sort(), rows, batches };
}
