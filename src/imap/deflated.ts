// A connection under COMPRESS=DEFLATE (RFC 4978) as a stream: raw deflate both ways, over whatever carries it. What is
// inflated waits in the same bounds as bytes in clear: when nobody reads on, nothing more is inflated, so a bomb of a
// few bytes costs no more than the bytes that it claims to be, one small piece after the other.
//
// A client's compression ends with its UNAUTHENTICATE, and what it sends behind that in clear may come in one piece
// with it (RFC 8437 §4.1). So what stands behind a flush and looks like text in clear is inflated only when all before it
// was taken and more is wanted: behind the command that ends the compression nothing is.
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
/** Bytes that may wait to be inflated before the carrier is no longer read. */
const COMPRESSED_BYTES_MAX = 64 * 1024;
/** An empty stored block ends each flush at a whole byte (RFC 1951 §3.2.4); by chance it stands elsewhere too. */
const FLUSH = '\0\0\xff\xff';
/** How a command in clear begins. What is compressed does one time in some hundreds, and then only waits a little. */
const CLEAR = /^[ -~\r\n]{1,6}$/;
const CLEAR_BYTES = 6;

export class Deflated extends Duplex {
  readonly #inner: Duplex;
  readonly #inflate: InflateRaw = createInflateRaw(INFLATE);
  readonly #deflate: DeflateRaw = createDeflateRaw(DEFLATE);
  /** Not inflated yet. */
  #came: Buffer[] = [];
  #cameBytes = 0;
  #cameEnded = false;
  /** More is wanted than was inflated. */
  #hungry = true;
  #inflating = false;
  /** The client has ended its stream of deflate. */
  #finished = false;
  /** The last four bytes that were inflated: a flush may end in the next ones. */
  #last = '';
  /** Told whether what is being inflated has ended without giving any more. */
  #settled: ((without: boolean) => void) | null = null;

  constructor(inner: Duplex) {
    super({ allowHalfOpen: true });
    this.#inner = inner;
    this.#deflate.pipe(inner);
    this.#inflate.on('data', (piece: Buffer) => {
      this.#hungry = false;
      if (!this.push(piece)) this.#inflate.pause();
      this.#settle(false);
    });
    this.#inflate.on('error', (e) => this.destroy(e));
    this.#deflate.on('error', (e) => this.destroy(e));
    inner.on('data', this.#received).on('end', this.#ended).on('error', this.#failed).on('close', this.#closed);
  }

  readonly #received = (chunk: Buffer): void => {
    this.#came.push(chunk);
    this.#cameBytes += chunk.length;
    if (this.#cameBytes > COMPRESSED_BYTES_MAX) this.#inner.pause();
    this.#step();
  };
  readonly #ended = (): void => {
    this.#cameEnded = true;
    this.#step();
  };
  readonly #failed = (e: Error): void => void this.destroy(e);
  readonly #closed = (): void => void this.destroy();

  /** All that was read from here is taken, and more is wanted. */
  more(): void {
    // What is on its way was not taken: who takes it asks again.
    if (this.readableLength > 0 || this.#inflate.readableLength > 0) return;
    this.#hungry = true;
    this.#step();
  }

  /** Inflates what has come, up to where clear text may begin. */
  #step(): void {
    if (this.#inflating || this.destroyed) return;
    if (this.#finished || this.#came.length === 0) {
      const ended = this.#finished ? this.#hungry : this.#cameEnded;
      if (ended && this.#inflate.readableLength === 0) this.push(null);
      return;
    }
    const chunk = this.#came[0];
    if (!this.#hungry && CLEAR.test(chunk.toString('latin1', 0, CLEAR_BYTES))) return;
    const end = this.#clearBehindFlush(chunk);
    const slice = chunk.subarray(0, end);
    if (end < chunk.length) this.#came[0] = chunk.subarray(end);
    else this.#came.shift();
    const before = this.#inflate.bytesWritten;
    this.#inflating = true;
    this.#inflate.write(slice, () => {
      if (this.#inflate.destroyed) return;
      this.#inflating = false;
      const left = slice.length - (this.#inflate.bytesWritten - before);
      if (left > 0) {
        this.#finished = true;
        this.#came.unshift(slice.subarray(-left));
      }
      this.#cameBytes -= slice.length - left;
      if (this.#cameBytes <= COMPRESSED_BYTES_MAX / 2) this.#inner.resume();
      this.#settle(true);
      this.#step();
    });
  }

  /** Where the first text that may be in clear begins behind a flush, or the chunk's end. */
  #clearBehindFlush(chunk: Buffer): number {
    const text = this.#last + chunk.toString('latin1');
    const before = this.#last.length;
    let end = text.length;
    for (let at = text.indexOf(FLUSH); at >= 0; at = text.indexOf(FLUSH, at + 1)) {
      const behind = at + FLUSH.length;
      if (behind <= before || !CLEAR.test(text.slice(behind, behind + CLEAR_BYTES))) continue;
      end = behind;
      break;
    }
    this.#last = text.slice(Math.max(0, end - FLUSH.length), end);
    return end - before;
  }

  /** Whether nothing more comes before what may be in clear: resolves when that is known. */
  async dry(): Promise<boolean> {
    if (this.readableLength > 0 || this.#inflate.readableLength > 0) return false;
    while (this.#inflating) if (!(await new Promise<boolean>((resolve) => (this.#settled = resolve)))) return false;
    return true;
  }
  #settle(without: boolean): void {
    const settled = this.#settled;
    this.#settled = null;
    settled?.(without);
  }

  /**
   * Ends the compression, both ways, and leaves the carrier as it was. All that was written must have been taken
   * (`writableLength` 0), and nothing be inflating any more (`dry`). Gives what has come behind it, and
   * for that and whatever comes next what may still belong to the compression; null: nothing does.
   */
  detach(): { came: Buffer; ending: Ending | null } {
    const inner = this.#inner;
    this.#deflate.unpipe(inner);
    // No end mark: the client stops inflating at the end of the line.
    for (let piece: Buffer | null; (piece = this.#deflate.read() as Buffer | null) !== null; ) inner.write(piece);
    inner.off('data', this.#received).off('end', this.#ended).off('error', this.#failed).off('close', this.#closed);
    this.#inflate.destroy();
    this.#deflate.destroy();
    return { came: Buffer.concat(this.#came), ending: this.#finished ? null : new Ending(this.#last) };
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
    this.#inner.off('data', this.#received);
    this.#inflate.destroy();
    this.#deflate.destroy();
    this.#inner.destroy();
    this.#settle(true);
    done(e);
  }
}

/** What an inflated line may leave of its flush: the end of its block, and an empty one. */
const FLUSH_BYTES_MAX = 7;
/** What it may leave of a last block: its end mark, of which zeros fill the last byte. No line in clear begins so. */
const BLOCK_END = /^(?:[^]?[^ -~\r\n])?/;
/** Empty blocks that end a stream of deflate behind a flush. */
const LAST_BLOCKS = ['\x03\0', `\x01${FLUSH}`];

/** Finds where the bytes in clear begin behind compressed ones whose last line was inflated. */
export class Ending {
  readonly #last: string;
  #came = '';

  /** `last`: the last four bytes that were inflated. */
  constructor(last: string) {
    this.#last = last;
  }

  /** All bytes in clear that have come, or null as long as it can't be told. */
  take(chunk: Buffer): Buffer | null {
    this.#came += chunk.toString('latin1');
    const at = this.#clearAt();
    return at < 0 ? null : Buffer.from(this.#came.slice(at), 'latin1');
  }

  #clearAt(): number {
    const came = this.#came;
    let at = 0;
    if (this.#last !== FLUSH) {
      const flush = (this.#last + came.slice(0, FLUSH_BYTES_MAX)).indexOf(FLUSH);
      if (flush < 0) return came.length < FLUSH_BYTES_MAX && !came.includes('\n') ? -1 : BLOCK_END.exec(came)![0].length;
      at = flush + FLUSH.length - this.#last.length;
    }
    const rest = came.slice(at);
    for (const block of LAST_BLOCKS) {
      if (rest.startsWith(block)) return at + block.length;
      if (block.startsWith(rest)) return -1;
    }
    return at;
  }
}
