// Output of one connection: text and bytes are collected and leave in few socket writes; a client that does not read
// makes the producer wait (`drain`) instead of filling memory. Holds nothing while there is nothing to say.
import type { Duplex } from 'node:stream';
import { Unavailable, limits } from '../../base/index.ts';

/** Bytes that leave in one socket write at most, and small enough that a slow reader's progress can be seen. */
const PIECE_BYTES = 64 * 1024;

/** What producers of answers use. */
export interface Output {
  /** One line without its CRLF; every character is one byte. */
  line(text: string): void;
  /** Text as it is, every character one byte. */
  write(text: string): void;
  /** Bytes as they are; must not change afterwards. */
  raw(bytes: Uint8Array): void;
  /** More is waiting than the client should make us hold: `await drain()` before producing more. */
  readonly full: boolean;
  /** Resolves when there is room again. Throws Unavailable when the connection is gone. */
  drain(): Promise<void>;
}

export class Writer implements Output {
  #socket: Duplex;
  #text = '';
  #waiting: { resolve: () => void; reject: (e: Error) => void } | null = null;
  #closed = false;
  /** Pieces that the socket has taken so far: the sweep sees by it whether a slow reader reads at all. */
  taken = 0;
  readonly #written = (): void => {
    this.taken++;
    if (this.#waiting !== null && this.#socket.writableLength <= limits.imap_output_bytes_max / 2) this.#release();
  };

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  line(text: string): void {
    this.#text += text;
    this.#text += '\r\n';
    if (this.#text.length >= PIECE_BYTES) this.flush();
  }

  write(text: string): void {
    this.#text += text;
    if (this.#text.length >= PIECE_BYTES) this.flush();
  }

  raw(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#closed) return;
    const socket = this.#socket;
    socket.cork();
    this.flush();
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) socket.write(bytes.subarray(at, at + PIECE_BYTES), this.#written);
    socket.uncork();
  }

  get full(): boolean {
    return !this.#closed && this.#socket.writableLength + this.#text.length > limits.imap_output_bytes_max;
  }

  /** Hands what was collected to the socket. */
  flush(): void {
    const text = this.#text;
    if (text === '') return;
    this.#text = '';
    if (this.#closed) return;
    if (text.length < 2 * PIECE_BYTES) this.#socket.write(text, 'latin1', this.#written);
    else for (let at = 0; at < text.length; at += PIECE_BYTES) this.#socket.write(text.slice(at, at + PIECE_BYTES), 'latin1', this.#written);
  }

  async drain(): Promise<void> {
    this.flush();
    if (this.#closed) throw new Unavailable('the connection is gone');
    if (this.full) await new Promise<void>((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  /** Whether a producer waits for the client, or bytes lie unread. */
  get pending(): boolean {
    return !this.#closed && this.#socket.writableLength > 0;
  }

  /** STARTTLS: what follows goes to another stream. */
  moveTo(socket: Duplex): void {
    this.flush();
    this.#socket = socket;
  }

  /** The connection is gone: a producer that waits is let go with an error. */
  closed(): void {
    this.#closed = true;
    this.#text = '';
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.reject(new Unavailable('the connection is gone'));
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve();
  }
}
