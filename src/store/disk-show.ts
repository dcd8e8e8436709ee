// Files whose bytes are being made durable elsewhere: written meanwhile, and then given their names, both in the page cache. Here and
// now while the disk is quick, through libuv's pool while it is not.
import fs from 'node:fs';
import type { Clock } from '../base/index.ts';
import type { DiskFolders } from './disk-folders.ts';
import { DiskIo, openNew, writeAll, writeAllSync } from './disk-io.ts';
import { SpareFiles } from './disk-spare.ts';

/** A process that has lost the processor for some milliseconds is no slow disk. */
const SLOW_MS = 20;
const MTIME_LATE_MS = 1000;

/** An object's age counts from when it could be seen: a process may be stopped between write and rename. */
export function touchIfLate(clock: Clock, file: string, wrote: number): void {
  const now = clock.now();
  if (Math.abs(now - wrote) > MTIME_LATE_MS) fs.utimesSync(file, now / 1000, now / 1000);
}

/** A file with all its bytes. */
export interface Unnamed {
  readonly path: string;
  /** When, ms since 1970. */
  readonly wrote: number;
}

export class DiskShow {
  readonly #clock: Clock;
  readonly #folders: DiskFolders;
  readonly #io: DiskIo;
  readonly #temp: () => string;
  readonly #spare: SpareFiles;

  /** `temp` gives the path of a new temp file each time. */
  constructor(clock: Clock, folders: DiskFolders, temp: () => string) {
    this.#clock = clock;
    this.#folders = folders;
    this.#io = new DiskIo(clock, SLOW_MS);
    this.#temp = temp;
    this.#spare = new SpareFiles(clock, temp);
  }

  /** Writes the file, without a name yet. Throws or rejects with the file system's own error; then no temp file is left. */
  prepare(pieces: Uint8Array[]): Unnamed | Promise<Unnamed> {
    return this.#io.run(
      () => this.#prepareHere(pieces),
      () => this.#preparePooled(pieces),
    );
  }

  /** Gives it its name. Throws or rejects with the file system's own error; then it is to be dropped. */
  show(file: Unnamed, folder: string, leaf: string): void | Promise<void> {
    if (Math.abs(this.#clock.now() - file.wrote) > MTIME_LATE_MS) return this.#showPooled(file, folder, leaf);
    return this.#io.run(
      () => this.#folders.renameSync(file.path, folder, leaf),
      () => this.#showPooled(file, folder, leaf),
    );
  }

  /** It gets no name. */
  drop(file: Unnamed): void {
    fs.rmSync(file.path, { force: true });
  }

  close(): void {
    this.#spare.close();
  }

  #prepareHere(pieces: Uint8Array[]): Unnamed {
    const { fd, path } = this.#spare.take();
    try {
      try {
        writeAllSync(fd, pieces);
      } finally {
        fs.closeSync(fd);
      }
    } catch (e) {
      fs.rmSync(path, { force: true });
      throw e;
    }
    return { path, wrote: this.#clock.now() };
  }

  async #preparePooled(pieces: Uint8Array[]): Promise<Unnamed> {
    const path = this.#temp();
    try {
      const fd = await openNew(path);
      try {
        for (const piece of pieces) await writeAll(fd, piece);
      } finally {
        fs.closeSync(fd);
      }
    } catch (e) {
      fs.rmSync(path, { force: true });
      throw e;
    }
    return { path, wrote: this.#clock.now() };
  }

  async #showPooled(file: Unnamed, folder: string, leaf: string): Promise<void> {
    touchIfLate(this.#clock, file.path, file.wrote);
    await this.#folders.rename(file.path, folder, leaf);
    touchIfLate(this.#clock, `${folder}/${leaf}`, file.wrote);
  }
}
