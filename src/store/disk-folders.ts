// Folders and their durability: a new name survives a power cut once its folder, and every folder on the way that is
// new itself, was fsynced. One fsync serves all who renamed before it began.
import fs from 'node:fs';
import path from 'node:path';
import { fsync, mkdir, rename } from './disk-io.ts';
import { codeOf, isAbsent } from './disk-error.ts';

/** Folders whose own name is known to be durable; the oldest are forgotten (they only cost an fsync more). */
const KNOWN_MAX = 20_000;
/** Other processes may remove empty folders under our feet; each time one try (a few microseconds) is lost. */
const TRIES = 1000;

interface Batch {
  running: Promise<void>;
  next: Promise<void> | null;
}

export class DiskFolders {
  readonly root: string;
  readonly #batches = new Map<string, Batch>();
  readonly #known = new Map<string, string>();

  /** `root` must be there already. */
  constructor(root: string) {
    this.root = root;
  }

  /** Resolves when an fsync of the folder that began after this call has ended, and the folder's own name is durable. */
  sync(folder: string): Promise<void> {
    const batch = this.#batches.get(folder);
    if (!batch) {
      const running = this.#run(folder);
      this.#batches.set(folder, { running, next: null });
      return running;
    }
    return (batch.next ??= batch.running.then(() => this.#follow(folder), () => this.#follow(folder)));
  }

  #follow(folder: string): Promise<void> {
    const running = this.#run(folder);
    this.#batches.set(folder, { running, next: null });
    return running;
  }

  async #run(folder: string): Promise<void> {
    let identity: string;
    try {
      const fd = fs.openSync(folder, 'r');
      try {
        const { ino, birthtimeMs } = fs.fstatSync(fd);
        identity = `${ino} ${birthtimeMs}`;
        await fsync(fd);
      } finally {
        fs.closeSync(fd);
      }
    } catch (e) {
      // It was removed because it was empty: what the caller put there was deleted since.
      if (isAbsent(e) && folder !== this.root) return;
      throw e;
    } finally {
      // Microtasks run before any other call: a follower has replaced the batch already, or nobody waits.
      const batch = this.#batches.get(folder);
      if (batch && batch.next === null) this.#batches.delete(folder);
    }
    // A folder that was removed and made again is another one: then its name must become durable again.
    if (folder === this.root || this.#known.get(folder) === identity) return;
    await this.sync(path.dirname(folder));
    this.#known.delete(folder);
    this.#known.set(folder, identity);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value!);
  }

  /** The folder was there and durable when it was looked at last. */
  known(folder: string): boolean {
    return folder === this.root || this.#known.has(folder);
  }

  /** Makes a folder with those above it, and their names durable. */
  async make(folder: string): Promise<void> {
    try {
      await mkdir(folder);
    } catch (e) {
      if (isAbsent(e) && folder !== this.root) {
        await this.make(path.dirname(folder));
        await mkdir(folder);
      } else if (codeOf(e) !== 'EEXIST') throw e;
    }
    await this.sync(folder);
  }

  /** Renames a finished file into `folder`, which is made if it is missing. */
  async rename(from: string, folder: string, leaf: string): Promise<void> {
    const to = `${folder}/${leaf}`;
    for (let left = TRIES; ; left--) {
      try {
        return await rename(from, to);
      } catch (e) {
        if (!isAbsent(e) || left === 0) throw e;
      }
      makeFolders(folder);
    }
  }

  /** The same here and now. */
  renameSync(from: string, folder: string, leaf: string): void {
    const to = `${folder}/${leaf}`;
    for (let left = TRIES; ; left--) {
      try {
        return fs.renameSync(from, to);
      } catch (e) {
        if (!isAbsent(e) || left === 0) throw e;
      }
      makeFolders(folder);
    }
  }

  /** Removes `folder` and those above it while they are empty; gives the first that stays. */
  prune(folder: string): string {
    // The folders at the top (`users`, `replicas`, `directory`) stay: they would come back at once.
    while (path.dirname(folder) !== this.root && folder !== this.root) {
      try {
        fs.rmdirSync(folder);
      } catch (e) {
        if (!isAbsent(e)) return folder;
      }
      folder = path.dirname(folder);
    }
    return folder;
  }
}

/**
 * Makes a folder and those above it that are missing; gives the uppermost that was made, or null. (Node's own
 * `recursive` tries for ever where the kernel answers ENOENT to every try, as in /proc.)
 */
export function makeFolders(folder: string): string | null {
  let made: string | null = null;
  for (let left = TRIES; ; left--) {
    try {
      fs.mkdirSync(folder, { mode: 0o700 });
      return made ?? folder;
    } catch (e) {
      if (codeOf(e) === 'EEXIST') return made;
      if (codeOf(e) !== 'ENOENT' || left === 0 || path.dirname(folder) === folder) throw e;
    }
    const parent = path.dirname(folder);
    if (!fs.existsSync(parent)) made = makeFolders(parent) ?? made;
  }
}
