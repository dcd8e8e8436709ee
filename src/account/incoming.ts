// One message while it arrives, by SMTP, LMTP or APPEND: scanned once, hashed once, sealed for each user as it comes.
import { createHash } from 'node:crypto';
import { Refused, limits, owned, randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { MessageScanner, encodeIndex } from '../message/index.ts';
import type { MessageIndex } from '../message/index.ts';
import { BlobSealer } from '../seal/index.ts';
import type { BlobPublicKey } from '../seal/index.ts';
import { Spool } from './spool.ts';
import type { SpoolBudget } from './spool.ts';

/** Bits of a blob's id: no two replicas ever choose the same. */
const BLOB_ID_BITS = 120;

/** A sealed copy for one user, ready to be stored. */
export interface SealedCopy {
  blob: string;
  contentKey: Buffer;
  sealedBytes: number;
  spool: Spool;
}

export interface Arrived {
  index: MessageIndex;
  /** The index in its stored form. */
  stored: Buffer;
  /** SHA-256 of the bytes as received. */
  digest: Buffer;
  plainBytes: number;
  /** The message itself, where it was to be held and is small enough. */
  plain: Buffer | null;
}

export class Incoming {
  readonly #scanner = new MessageScanner();
  readonly #hash = createHash('sha256');
  readonly #sealers: BlobSealer[];
  readonly #spools: Spool[];
  readonly #random: Random;
  #bytes = 0;
  readonly #plainBytesMax: number;
  /** What has come so far; null: it is not wanted, or too much to be held. */
  #plain: Buffer[] | null;

  /** `keys`: one for each user that gets a copy, in order. A message of up to `plainBytesMax` is told as it came too; null: none. */
  constructor(keys: BlobPublicKey[], random: Random, budget: SpoolBudget, plainBytesMax: number | null = null) {
    this.#random = random;
    this.#plainBytesMax = plainBytesMax ?? 0;
    this.#plain = plainBytesMax === null ? null : [];
    this.#sealers = keys.map((key) => new BlobSealer(key, random));
    this.#spools = keys.map(() => new Spool(random, budget));
  }

  /** Received fields in the header so far. */
  get received(): number {
    return this.#scanner.received;
  }

  /** Resolves when more may come. Refused when the message is too large; Unavailable when the spool is full. */
  async write(piece: Buffer): Promise<void> {
    this.#bytes += piece.length;
    if (this.#bytes > limits.message_bytes_max) throw new Refused('Message too large', 'TOOBIG', '552 5.3.4');
    this.#scanner.push(piece);
    this.#hash.update(piece);
    if (this.#bytes > this.#plainBytesMax) this.#plain = null;
    else this.#plain?.push(piece);
    for (let i = 0; i < this.#sealers.length; i++) await this.#spools[i].push(this.#sealers[i].push(piece));
  }

  /** The end of the message: what was found, and a sealed copy for each key. */
  async finish(): Promise<{ arrived: Arrived; copies: SealedCopy[] }> {
    const index = this.#scanner.finish();
    const copies: SealedCopy[] = [];
    for (let i = 0; i < this.#sealers.length; i++) {
      const sealed = this.#sealers[i].finish();
      await this.#spools[i].push(sealed.pieces);
      copies.push({ blob: randomId(this.#random, BLOB_ID_BITS), contentKey: sealed.contentKey, sealedBytes: sealed.sealedBytes, spool: this.#spools[i] });
    }
    return { arrived: { index, stored: encodeIndex(index), digest: this.#hash.digest(), plainBytes: this.#bytes, plain: this.#plain && owned(Buffer.concat(this.#plain)) }, copies };
  }

  dispose(): void {
    for (const spool of this.#spools) spool.dispose();
  }
}
