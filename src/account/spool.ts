// Sealed bytes of one blob while they wait to be stored: small ones in memory, large ones in a nameless temporary file.
// Only sealed chunks ever come here, so a disk never sees plaintext.
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unavailable, randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import type { ObjectStore } from '../store/index.ts';
import type { Keeper, MemoryBudget } from './memory.ts';

/** Sealed bytes of all messages that are in memory now, and how many may be: beyond it each goes to disk. */
export class SpoolBudget implements Keeper {
  readonly name = 'inflight';
  readonly anytime = true;
  used = 0;
  readonly bytesMax: number;
  /** `memory`: what is kept besides makes room for what is on its way. */
  constructor(bytesMax: number, memory?: MemoryBudget) {
    this.bytesMax = bytesMax;
    memory?.join(this);
  }
  get bytes(): number {
    return this.used;
  }
  readonly spare = 0;
  evict(): number {
    return 0;
  }
}

/** Sealed bytes of one blob that stay in memory; beyond it they go to disk. */
const MEMORY_BYTES_MAX = 512 * 1024;
const READ_BYTES = 256 * 1024;

export class Spool {
  #pieces: Buffer[] = [];
  #inMemory = 0;
  #onDisk = 0;
  #file: FileHandle | null = null;
  #disposed = false;
  readonly #random: Random;
  readonly #budget: SpoolBudget;

  constructor(random: Random, budget: SpoolBudget) {
    this.#random = random;
    this.#budget = budget;
  }

  #count(bytes: number): void {
    this.#inMemory += bytes;
    this.#budget.used += bytes;
  }

  get bytes(): number {
    return this.#onDisk + this.#inMemory;
  }

  /** Nothing of it had to go to disk: its PUT takes no longer than others. */
  get inMemory(): boolean {
    return this.#file === null;
  }

  /** Takes pieces in order. Unavailable when the disk takes no more. */
  async push(pieces: Buffer[]): Promise<void> {
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#count(piece.length);
    }
    if (this.#inMemory > MEMORY_BYTES_MAX || this.#budget.used > this.#budget.bytesMax) await this.#flush();
  }

  async #flush(): Promise<void> {
    try {
      if (!this.#file) {
        const path = join(tmpdir(), `colombier-${process.pid}-${randomId(this.#random, 80)}`);
        const file = await open(path, 'wx+', 0o600);
        await unlink(path); // nameless: a killed process leaves nothing behind
        if (this.#disposed) return void (await file.close());
        this.#file = file;
      }
      const pieces = this.#pieces;
      this.#pieces = [];
      const { bytesWritten } = await this.#file.writev(pieces, this.#onDisk);
      if (bytesWritten !== this.#inMemory) throw new Error('short write');
      this.#onDisk += this.#inMemory;
      this.#count(-this.#inMemory);
    } catch (e) {
      throw new Unavailable(`no room to receive a message: ${(e as NodeJS.ErrnoException).code ?? 'write failed'}`);
    }
  }

  /** Stores all of it under `name`. Durable when it resolves. */
  async put(store: ObjectStore, name: string, signal?: AbortSignal): Promise<void> {
    if (!this.#file) return void (await store.put(name, this.#pieces, { signal }));
    if (this.#inMemory > 0) await this.#flush();
    const file = this.#file;
    const end = this.#onDisk;
    await store.putStream(
      name,
      end,
      async function* () {
        for (let at = 0; at < end; ) {
          const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(READ_BYTES, end - at)), 0, Math.min(READ_BYTES, end - at), at);
          if (bytesRead === 0) throw new Unavailable('a spooled message ended too soon');
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        }
      },
      { signal },
    );
  }

  dispose(): void {
    this.#disposed = true;
    this.#pieces = [];
    this.#count(-this.#inMemory);
    const file = this.#file;
    this.#file = null;
    file?.close().catch(() => {});
  }
}
