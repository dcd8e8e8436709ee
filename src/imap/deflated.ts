// A connection under COMPRESS=DEFLATE (RFC 4978) as a stream: raw deflate both ways, over whatever carries it. What is
// inflated waits in the same bounds as bytes in clear: when nobody reads on, nothing more is inflated, so a bomb of a
// few bytes costs no more than the bytes that it claims to be, one small piece after the other.
import { Duplex } from 'node:stream';
import { constants, createDeflateRaw, createInflateRaw } from 'node:zlib';
import type { DeflateRaw, InflateRaw } from 'node:zlib';

/**
 * A window of 8 KiB and small tables: about 64 KiB for each connection instead of 256. Level 3 costs a third of the
 * usual time and loses few per cent on mail.
 */
const DEFLATE = { level: 3, windowBits: 13, memLevel: 6, flush: constants.Z_SYNC_FLUSH };
/** Clients use windows of any size; output comes in pieces of this. */
const INFLATE = { windowBits: 15, chunkSize: 16 * 1024 };

export class Deflated extends Duplex {
  readonly #inner: Duplex;
  readonly #inflate: InflateRaw = createInflateRaw(INFLATE);
  readonly #deflate: DeflateRaw = createDeflateRaw(DEFLATE);

  constructor(inner: Duplex) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    inner.pipe(this.#inflate);
    this.#deflate.pipe(inner);
    this.#inflate.on('data', (piece: Buffer) => {
      if (!this.push(piece)) this.#inflate.pause();
    });
    this.#inflate.on('end', () => this.push(null));
    this.#inflate.on('error', (e: NodeJS.ErrnoException) => {
      // The client went without ending its stream: nothing that matters is missing.
      if (e.code === 'Z_BUF_ERROR') this.push(null);
      else this.destroy(e);
    });
    this.#deflate.on('error', (e) => this.destroy(e));
    inner.on('error', this.#failed).on('close', this.#closed);
  }

  readonly #failed = (e: Error): void => void this.destroy(e);
  readonly #closed = (): void => void this.destroy();

  /**
   * Ends the compression, both ways, and leaves the carrier as it was. All that was written must have been taken
   * (`writableLength` 0); what the client sent compressed has to be read already.
   */
  detach(): void {
    const inner = this.#inner;
    this.#deflate.unpipe(inner);
    // No end mark: the client stops inflating at the end of the line.
    for (let piece: Buffer | null; (piece = this.#deflate.read() as Buffer | null) !== null; ) inner.write(piece);
    inner.unpipe(this.#inflate);
    inner.off('error', this.#failed).off('close', this.#closed);
    this.#inflate.destroy();
    this.#deflate.destroy();
  }

  override _read(): void {
    this.#inflate.resume();
  }
  override _write(piece: Buffer, _encoding: BufferEncoding, done: (e?: Error | null) => void): void {
    this.#deflate.write(piece, done);
  }
  override _final(done: (e?: Error | null) => void): void {
    // What is still to be compressed goes out before all is given up.
    this.#inner.once('finish', () => done());
    this.#deflate.end();
  }
  override _destroy(e: Error | null, done: (e?: Error | null) => void): void {
    this.#inner.unpipe(this.#inflate);
    this.#inflate.destroy();
    this.#deflate.destroy();
    this.#inner.destroy();
    done(e);
  }
}
