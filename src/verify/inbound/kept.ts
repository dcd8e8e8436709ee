// A message kept for those who must see all of it at once: small ones in memory, the rest of large ones in a nameless file,
// encrypted with a key that only this object knows. Plaintext never comes to a disk.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Unavailable, limits, randomId } from '../../base/index.ts';
import type { Random } from '../../base/index.ts';
import { Pile } from './pile.ts';

/** Bytes that all kept messages have in memory, and may have. */
export class KeptBudget {
  used = 0;
  readonly bytesMax: number;
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }
}

const CIPHER = 'aes-256-ctr';
const START = Buffer.alloc(16);
const READ_BYTES = 64 * 1024;

export class Kept {
  readonly #random: Random;
  readonly #budget: KeptBudget;
  readonly #pile = new Pile();
  #onDisk = 0;
  #file: FileHandle | null = null;
  #key: Buffer | null = null;
  #cipher: ReturnType<typeof createCipheriv> | null = null;
  #disposed = false;

  constructor(random: Random, budget: KeptBudget) {
    this.#random = random;
    this.#budget = budget;
  }

  get bytes(): number {
    return this.#pile.bytes + this.#onDisk;
  }

  /** Unavailable when there is no room. */
  async push(piece: Buffer): Promise<void> {
    if (this.#file === null && this.#pile.bytes + piece.length <= limits.checks_kept_bytes_max && this.#budget.used + piece.length <= this.#budget.bytesMax) {
      this.#pile.push(piece);
      this.#budget.used += piece.length;
      return;
    }
    try {
      this.#file ??= await this.#create();
      const sealed = this.#cipher!.update(piece);
      await this.#file.write(sealed, 0, sealed.length, this.#onDisk);
      this.#onDisk += piece.length;
    } catch (e) {
      throw new Unavailable(`no room to keep a message for its checks: ${(e as NodeJS.ErrnoException).code ?? 'write failed'}`);
    }
  }

  async #create(): Promise<FileHandle> {
    const path = join(tmpdir(), `colombier-${process.pid}-${randomId(this.#random, 80)}`);
    const file = await open(path, 'wx+', 0o600);
    await unlink(path);
    if (this.#disposed) {
      await file.close();
      throw new Error('disposed');
    }
    this.#key = this.#random.bytes(32);
    this.#cipher = createCipheriv(CIPHER, this.#key, START);
    return file;
  }

  /** All of it, from the beginning. */
  async *read(): AsyncGenerator<Buffer> {
    yield* this.#pile.pieces();
    if (this.#file === null) return;
    const opener = createDecipheriv(CIPHER, this.#key!, START);
    for (let at = 0; at < this.#onDisk; ) {
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(READ_BYTES), 0, Math.min(READ_BYTES, this.#onDisk - at), at);
      if (bytesRead === 0) throw new Unavailable('a kept message ended too soon');
      at += bytesRead;
      yield opener.update(buffer.subarray(0, bytesRead));
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#budget.used -= this.#pile.bytes;
    this.#pile.clear();
    this.#file?.close().catch(() => {});
    this.#file = null;
  }
}
