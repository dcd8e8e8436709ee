// Empty temp files, made ahead in libuv's pool: making a file is what a file system thinks about longest (where shall it be?),
// and a PUT under way should not wait for it.
import fs from 'node:fs';
import { openNew } from './disk-io.ts';

const SPARE_FILES = 24;
/** Made at once. */
const LANES = 3;

export interface Spare {
  readonly fd: number;
  readonly path: string;
}

export class SpareFiles {
  readonly #path: () => string;
  readonly #files: Spare[] = [];
  #making = 0;
  #closed = false;

  /** `path` gives a new path each time. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** An empty file open for writing, or null when there is none just now. The caller closes it and removes or renames it. */
  take(): Spare | null {
    const file = this.#files.pop() ?? null;
    this.#make();
    return file;
  }

  close(): void {
    this.#closed = true;
    for (const file of this.#files.splice(0)) drop(file);
  }

  #make(): void {
    while (!this.#closed && this.#making < LANES && this.#files.length + this.#making < SPARE_FILES) {
      this.#making++;
      const path = this.#path();
      openNew(path).then(
        (fd) => {
          this.#making--;
          if (this.#closed) return drop({ fd, path });
          this.#files.push({ fd, path });
          this.#make();
        },
        () => this.#making--, // whoever needs a file makes one, and tells what is wrong
      );
    }
  }
}

function drop({ fd, path }: Spare): void {
  fs.closeSync(fd);
  fs.rmSync(path, { force: true });
}
