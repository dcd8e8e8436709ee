// Bytes kept in blocks: a sender that gives one byte at a time must not make an object of each.

const BLOCK_BYTES = 16 * 1024;

export class Pile {
  #blocks: Buffer[] = [];
  /** Of the last block. */
  #free = 0;
  bytes = 0;

  /** Takes a copy. */
  push(piece: Buffer): void {
    this.bytes += piece.length;
    for (let at = 0; at < piece.length; ) {
      if (this.#free === 0) {
        this.#free = Math.max(BLOCK_BYTES, piece.length - at);
        this.#blocks.push(Buffer.allocUnsafeSlow(this.#free));
      }
      const last = this.#blocks[this.#blocks.length - 1];
      const n = piece.copy(last, last.length - this.#free, at);
      at += n;
      this.#free -= n;
    }
  }

  /** Shared with the pile: valid until the next push. */
  pieces(): Buffer[] {
    if (this.#free === 0) return [...this.#blocks];
    const last = this.#blocks[this.#blocks.length - 1];
    return [...this.#blocks.slice(0, -1), last.subarray(0, last.length - this.#free)];
  }

  clear(): void {
    this.#blocks = [];
    this.#free = 0;
    this.bytes = 0;
  }
}
