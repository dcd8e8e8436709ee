// Reading from a file system whose pages are mostly in memory: a synchronous call then costs a few microseconds,
// where a trip through libuv's pool costs a hundred and waits behind fsyncs. When two calls within a second turn out to be
// slow (a cold disk), the pool is used for the next second, so that seeks block no one else. On a busy machine a call also takes
// long because the process has lost the processor: where it has read nothing from the disk, it is no slow disk.
import fs from 'node:fs';
import type { Clock } from '../base/index.ts';

/** Of reading: what is in memory takes microseconds. */
const SLOW_MS = 2;
const SLOW_FOR_MS = 1000;
/** So long it was the disk, also where its reads are not counted (a network's file system). */
const VERY_SLOW_MS = 20;
/** Reads above this size go to the pool anyway: copying takes its time too. */
export const SYNC_READ_BYTES_MAX = 256 * 1024;

export class DiskIo {
  readonly #clock: Clock;
  readonly #slowMs: number;
  #slowUntil = -Infinity;
  #slowAt = -Infinity;
  /** Blocks that the process had read from disks when it was looked last. */
  #blocks = process.resourceUsage().fsRead;
  /** `slowMs`: a call that took longer has met the disk. */
  constructor(clock: Clock, slowMs = SLOW_MS) {
    this.#clock = clock;
    this.#slowMs = slowMs;
  }

  get quick(): boolean {
    return this.#clock.monotonic() >= this.#slowUntil;
  }

  /** Runs `sync` while the disk is quick, else `pooled`. Both throw or reject with the file system's own error. */
  run<T>(sync: () => T, pooled: () => Promise<T>): T | Promise<T> {
    const before = this.#clock.monotonic();
    if (before < this.#slowUntil) return pooled();
    try {
      return sync();
    } finally {
      const after = this.#clock.monotonic();
      if (after - before > this.#slowMs && (after - before > VERY_SLOW_MS || this.#hasRead())) {
        if (before - this.#slowAt < SLOW_FOR_MS) this.#slowUntil = after + SLOW_FOR_MS;
        this.#slowAt = after;
      }
    }
  }

  #hasRead(): boolean {
    const before = this.#blocks;
    this.#blocks = process.resourceUsage().fsRead;
    return this.#blocks > before;
  }

  names(folder: string): string[] | Promise<string[]> {
    return this.run(
      () => fs.readdirSync(folder),
      () => fs.promises.readdir(folder),
    );
  }

  entries(folder: string): fs.Dirent[] | Promise<fs.Dirent[]> {
    return this.run(
      () => fs.readdirSync(folder, { withFileTypes: true }),
      () => fs.promises.readdir(folder, { withFileTypes: true }),
    );
  }

  /** Null when nothing is there. */
  stat(path: string): fs.Stats | null | Promise<fs.Stats | null> {
    return this.run<fs.Stats | null>(
      () => fs.statSync(path, { throwIfNoEntry: false }) ?? null,
      () => fs.promises.stat(path).catch((e) => (e.code === 'ENOENT' || e.code === 'ENOTDIR' ? null : Promise.reject(e))),
    );
  }
}

type Done = (e: NodeJS.ErrnoException | null) => void;
const pooled = (start: (done: Done) => void): Promise<void> => new Promise((resolve, reject) => start((e) => (e ? reject(e) : resolve())));

/** Makes a file that isn't there yet. */
export const openNew = (path: string): Promise<number> => new Promise((resolve, reject) => fs.open(path, 'wx', 0o600, (e, fd) => (e ? reject(e) : resolve(fd))));
export const mkdir = (path: string): Promise<void> => pooled((done) => fs.mkdir(path, { mode: 0o700 }, done));
export const rename = (from: string, to: string): Promise<void> => pooled((done) => fs.rename(from, to, done));
export const fsync = (fd: number): Promise<void> => pooled((done) => fs.fsync(fd, done));
export const fdatasync = (fd: number): Promise<void> => pooled((done) => fs.fdatasync(fd, done));

/** Writes all pieces at the file's end, here and now. */
export function writeAllSync(fd: number, pieces: Uint8Array[]): void {
  let left = pieces;
  for (;;) {
    let written = left.length === 1 ? fs.writeSync(fd, left[0]) : fs.writevSync(fd, left);
    let i = 0;
    while (i < left.length && written >= left[i].length) written -= left[i++].length;
    if (i === left.length) return;
    left = [left[i].subarray(written), ...left.slice(i + 1)];
  }
}

/** Writes all pieces from `position` on, here and now; gives where they end. */
export function writeAllAtSync(fd: number, pieces: Uint8Array[], position: number): number {
  const written = fs.writevSync(fd, pieces, position);
  let start = 0;
  for (const piece of pieces) {
    for (let n = Math.max(0, written - start); n < piece.length; ) n += fs.writeSync(fd, piece, n, piece.length - n, position + start + n);
    start += piece.length;
  }
  return position + start;
}

/** Writes one piece at the file's end through the pool. */
export async function writeAll(fd: number, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length; ) {
    at += await new Promise<number>((resolve, reject) => fs.write(fd, piece, at, piece.length - at, null, (e, n) => (e ? reject(e) : resolve(n))));
  }
}

/** Reads until `buffer` is full or the file ends; resolves with the number of bytes. */
export async function readAll(fd: number, buffer: Buffer, position: number): Promise<number> {
  let at = 0;
  while (at < buffer.length) {
    const n = await new Promise<number>((resolve, reject) => fs.read(fd, buffer, at, buffer.length - at, position + at, (e, r) => (e ? reject(e) : resolve(r))));
    if (n === 0) break;
    at += n;
  }
  return at;
}

export function readAllSync(fd: number, buffer: Buffer, position: number): number {
  let at = 0;
  while (at < buffer.length) {
    const n = fs.readSync(fd, buffer, at, buffer.length - at, position + at);
    if (n === 0) break;
    at += n;
  }
  return at;
}
