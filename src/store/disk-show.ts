// Files whose bytes are durable elsewhere already, given their names in the page cache: here and now while the disk is quick,
// through libuv's pool while it is not.
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

  /** Throws or rejects with the file system's own error; then no temp file is left. */
  show(folder: string, leaf: string, pieces: Uint8Array[]): void | Promise<void> {
    return this.#io.run(
      () => this.#here(folder, leaf, pieces),
      () => this.#pooled(folder, leaf, pieces),
    );
  }

  close(): void {
    this.#spare.close();
  }

  #here(folder: string, leaf: string, pieces: Uint8Array[]): void {
    const { fd, path } = this.#spare.take();
    try {
      try {
        writeAllSync(fd, pieces);
      } finally {
        fs.closeSync(fd);
      }
      this.#folders.renameSync(path, folder, leaf);
    } catch (e) {
      fs.rmSync(path, { force: true });
      throw e;
    }
  }

  async #pooled(folder: string, leaf: string, pieces: Uint8Array[]): Promise<void> {
    const path = this.#temp();
    try {
      const fd = await openNew(path);
      try {
        for (const piece of pieces) await writeAll(fd, piece);
      } finally {
        fs.closeSync(fd);
      }
      const wrote = this.#clock.now();
      await this.#folders.rename(path, folder, leaf);
      touchIfLate(this.#clock, `${folder}/${leaf}`, wrote);
    } catch (e) {
      fs.rmSync(path, { force: true });
      throw e;
    }
  }
}
