// LIST on disk: a walk in bytewise order of names that enters only the folders that can hold the answer.
import fs from 'node:fs';
import { foundSince } from './disk-cache.ts';
import type { DiskCache, Folder } from './disk-cache.ts';
import type { DiskIo } from './disk-io.ts';
import { isAbsent } from './disk-error.ts';
import { TRAILER_BYTES } from './disk-file.ts';
import { FAN, fanLevelsBelow, writtenOnce } from './disk-path.ts';
import type { Listed } from './object-store.ts';

export interface Query {
  prefix: string;
  startAfter: string;
  /** Of what is written once, only what was found since (`found` of the cache); -1: all. */
  told: number;
}

/** A file, a folder of names, or a fan folder; `low` is what all names in it begin with (for a file: its name). */
interface Child {
  low: string;
  path: string;
  kind: 'file' | 'folder' | 'fan';
}

const SLASH = '/';
const LOGS = '/log/';

export class DiskList {
  readonly #root: string;
  readonly #io: DiskIo;
  readonly #cache: DiskCache;

  constructor(root: string, io: DiskIo, cache: DiskCache) {
    this.#root = root;
    this.#io = io;
    this.#cache = cache;
  }

  /** The first `max` rows. */
  async rows(query: Query, max: number): Promise<Listed[]> {
    const out: Listed[] = [];
    const base = query.prefix.slice(0, query.prefix.lastIndexOf(SLASH) + 1);
    await this.#folder({ low: base, path: base === '' ? this.#root : `${this.#root}/${base.slice(0, -1)}`, kind: 'folder' }, query, max, out);
    return out;
  }

  /** Appends rows of one folder of names to `out` until it has `max`. */
  async #folder(folder: Child, query: Query, max: number, out: Listed[]): Promise<void> {
    const fans = folder.low.endsWith(LOGS) ? await this.#fans(folder, query) : null;
    let entries: fs.Dirent[] = [];
    if (fans === null) try {
      const e = this.#io.entries(folder.path);
      entries = e instanceof Promise ? await e : e;
    } catch (e) {
      if (isAbsent(e)) return;
      throw e;
    }
    const children: Child[] = fans ?? [];
    for (const entry of entries) {
      const { name } = entry;
      const path = `${folder.path}/${name}`;
      const child: Child = name[0] === FAN ? { low: folder.low + name.slice(1), path, kind: 'fan' } : entry.isDirectory() ? { low: `${folder.low}${name}/`, path, kind: 'folder' } : { low: folder.low + name, path, kind: 'file' };
      if (wanted(child, query)) children.push(child);
    }
    children.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
    for (let i = 0; i < children.length && out.length < max; ) {
      let j = i + 1;
      // What begins with a fan folder's letters and isn't in it (a folder of that name) lies among its names.
      if (children[i].kind === 'fan') while (j < children.length && children[j].low.startsWith(children[i].low)) j++;
      if (j === i + 1) await this.#child(children[i], folder.low, query, max, out);
      else out.push(...(await this.#mixed(children.slice(i, j), folder.low, query, max - out.length)));
      i = j;
    }
  }

  /** A log's own folder holds fan folders and mostly nothing else: then what it holds may be remembered. Null: look at each. */
  async #fans(folder: Child, query: Query): Promise<Child[] | null> {
    const { names } = await this.#cache.read(folder.path);
    const children: Child[] = [];
    for (const name of names) {
      if (name[0] !== FAN) return null;
      const child: Child = { low: folder.low + name.slice(1), path: `${folder.path}/${name}`, kind: 'fan' };
      if (wanted(child, query)) children.push(child);
    }
    return children;
  }

  async #child(child: Child, base: string, query: Query, max: number, out: Listed[]): Promise<void> {
    if (child.kind === 'fan') return this.#fan(child, base, query, max, out);
    if (child.kind === 'folder') return this.#folder(child, query, max, out);
    const row = await this.#row(child.low, child.path);
    if (row) out.push(row);
  }

  async #mixed(children: Child[], base: string, query: Query, max: number): Promise<Listed[]> {
    const all: Listed[] = [];
    for (const child of children) {
      const rows: Listed[] = [];
      await this.#child(child, base, query, max, rows);
      all.push(...rows);
    }
    return all.sort((a, b) => (a.name < b.name ? -1 : 1)).slice(0, max);
  }

  /** Like #folder for a fan folder: below it are only further levels of the fan, or files. `base` is their folder's name. */
  async #fan(fan: Child, base: string, query: Query, max: number, out: Listed[]): Promise<void> {
    const letters = fan.low.slice(base.length);
    const deeper = fanLevelsBelow(letters) > 0;
    const once = writtenOnce(letters);
    const folder: Folder = deeper || once ? await this.#cache.read(fan.path) : { names: await this.#sortedNames(fan.path), rows: new Map(), batches: [] };
    const names = once && query.told >= 0 ? foundSince(folder, query.told) : folder.names;
    const from = deeper ? 0 : firstAfter(names, query.startAfter.startsWith(base) ? query.startAfter.slice(base.length) : query.startAfter < base ? '' : '\uffff');
    for (let i = from; i < names.length && out.length < max; i++) {
      const name = names[i];
      if (deeper) {
        const child: Child = { low: fan.low + name.slice(1), path: `${fan.path}/${name}`, kind: 'fan' };
        if (wanted(child, query)) await this.#fan(child, base, query, max, out);
        continue;
      }
      let row = folder.rows.get(name) ?? null;
      if (row === null) {
        if (!(base + name).startsWith(query.prefix)) continue;
        const r = this.#row(base + name, `${fan.path}/${name}`);
        row = r instanceof Promise ? await r : r;
        if (row && once) folder.rows.set(name, row);
      }
      if (row && row.name.startsWith(query.prefix)) out.push(row);
    }
  }

  async #sortedNames(path: string): Promise<string[]> {
    try {
      return (await this.#io.names(path)).sort();
    } catch (e) {
      if (isAbsent(e)) return [];
      throw e;
    }
  }

  /** Null when it was deleted meanwhile. */
  #row(name: string, path: string): Listed | null | Promise<Listed | null> {
    const stat = this.#io.stat(path);
    return stat instanceof Promise ? stat.then((s) => rowOf(name, s)) : rowOf(name, stat);
  }
}

function rowOf(name: string, stat: fs.Stats | null): Listed | null {
  return stat && { name, bytes: Math.max(0, stat.size - TRAILER_BYTES), modified: Math.floor(stat.mtimeMs) };
}

/** Whether some name in (or of) the child can be in the answer. */
function wanted({ low, kind }: Child, { prefix, startAfter }: Query): boolean {
  if (kind === 'file') return low > startAfter && low.startsWith(prefix);
  if (!low.startsWith(prefix) && !prefix.startsWith(low)) return false;
  return low > startAfter || startAfter.startsWith(low);
}

/** Index of the first of the sorted names that is after `after`. */
function firstAfter(names: string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (names[mid] <= after) low = mid + 1;
    else high = mid;
  }
  return low;
}
