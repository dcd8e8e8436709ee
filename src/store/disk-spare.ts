// Empty temp files. Making one takes ten microseconds, less than asking libuv's pool for it; but it is also what a file system may
// think about longest (where shall it be? ext4 takes a millisecond where many files were deleted). Then they are made ahead in the pool.
import fs from 'node:fs';
import type { Clock } from '../base/index.ts';
import { openNew } from './disk-io.ts';

const SPARE_FILES = 24;
/** Made at once. */
const LANES = 3;
const SLOW_MS = 0.3;
/** So long they are made ahead after one that was slow. */
const SLOW_FOR_MS = 2000;

export interface Spare {
  readonly fd: number;
  readonly path: string;
}

export class SpareFiles {
  readonly #path: () => string;
  readonly #files: Spare[] = [];
  readonly #clock: Clock;
  #making = 0;
  #slowUntil = -Infinity;
  #closed = false;

  /** `path` gives a new path each time. */
  constructor(clock: Clock, path: () => string) {
    this.#clock = clock;
    this.#path = path;
  }

  /** An empty file open for writing. The caller closes it and removes or renames it. Throws the file system's own error. */
  take(): Spare {
    const before = this.#clock.monotonic();
    if (before < this.#slowUntil) this.#make();
    const spare = this.#files.pop();
    if (spare) return spare;
    const path = this.#path();
    const fd = fs.openSync(path, 'wx', 0o600);
    if (this.#clock.monotonic() - before > SLOW_MS) this.#slowUntil = before + SLOW_FOR_MS;
    return { fd, path };
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
