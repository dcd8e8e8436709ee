// The library's command parser with our own reading of DATA: the message goes to a sink piece by piece, and the socket waits
// while the sink does.
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { DataReader } from './data.ts';
import type { Taken } from './data.ts';

/** Takes one message. */
export interface Sink {
  take(piece: Buffer): Promise<void> | void;
  /** The message is over; resolves when it was answered and the next command may run. */
  end(): Promise<void>;
}

export class Parser extends SMTPStream {
  #sink: Sink | null = null;
  #reader: DataReader | null = null;
  /** Bytes that are still to come of a chunk (BDAT). */
  #left = 0;

  /** The bytes from here to the end of the message go to `sink`. */
  startData(sink: Sink): void {
    this.#sink = sink;
    this.#reader = new DataReader();
    this._dataMode = true;
  }

  /** The next `bytes` (not 0) go to `sink` as they are. */
  startChunk(bytes: number, sink: Sink): void {
    this.#sink = sink;
    this.#left = bytes;
    this._dataMode = true;
  }

  override _feedDataStream(chunk: Buffer, done: (e?: Error | null) => void): void {
    this.#feed(chunk).then(
      (rest) => (rest === null || rest.length === 0 ? done() : this._write(rest, 'buffer', done)),
      done,
    );
  }

  /** Gives what came after the message, or null while it goes on. */
  async #feed(chunk: Buffer): Promise<Buffer | null> {
    if (this.isClosed) return null;
    const sink = this.#sink!;
    const { piece, ended, rest } = this.#reader === null ? this.#chunk(chunk) : this.#reader.push(chunk);
    if (piece.length > 0) await sink.take(piece);
    if (!ended) return null;
    await sink.end();
    this._dataMode = false;
    this._remainder = '';
    this.#sink = null;
    this.#reader = null;
    return rest;
  }

  #chunk(bytes: Buffer): Taken {
    const piece = bytes.subarray(0, this.#left);
    this.#left -= piece.length;
    return { piece, ended: this.#left === 0, rest: bytes.subarray(piece.length) };
  }
}
