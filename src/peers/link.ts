// One connection to one peer, whoever dialled it. Bounded: a peer that reads slowly loses hints, never our memory.
import type { TLSSocket } from 'node:tls';
import { Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { CHANNEL_VERSION, FrameReader, encodeFrame } from './frames.ts';
import type { Answer, Frame, Hello, Hint, Request } from './frames.ts';

/** A link that was cut without a word is found dead soon: until then nobody polls for what its hints would tell. */
const PING_MS = 5_000;
const SILENT_MS = 16_000;

export interface LinkEvents {
  onHello(link: Link, hello: Hello): void;
  onHint(hint: Hint): void;
  onRequest?(link: Link, request: Request): void;
  onAnswer?(answer: Answer): void;
  onClosed(link: Link): void;
  onDropped(): void;
  /** It speaks another version, or no language of ours: the link ends. */
  onRefused?(): void;
}

export class Link {
  /** Known after the peer's hello. */
  peer: Hello | null = null;
  leaving = false;
  readonly dialled: boolean;
  readonly #socket: TLSSocket;
  readonly #place: string;
  readonly #events: LinkEvents;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #reader = new FrameReader(limits.peer_frame_bytes_max);
  #heard: number;
  #cancelPing: () => void = () => {};
  #closed = false;

  constructor(socket: TLSSocket, dialled: boolean, self: Hello, events: LinkEvents, clock: Clock, logger: Logger) {
    this.#socket = socket;
    this.dialled = dialled;
    this.#place = self.place;
    this.#events = events;
    this.#clock = clock;
    this.#logger = logger;
    this.#heard = clock.monotonic();
    socket.setNoDelay(true);
    socket.setMaxListeners(2 * limits.peer_requests_max + 10); // answers that wait for it to drain
    socket.on('data', (piece: Buffer) => {
      this.#heard = clock.monotonic();
      try {
        for (const frame of this.#reader.push(piece)) this.#take(frame);
      } catch (e) {
        logger.warn('peer sent what can not be read', { remote: socket.remoteAddress, why: reason(e) });
        this.#refuse();
      }
    });
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
    this.#write(encodeFrame({ type: 'hello', hello: self }));
    this.#ping();
  }

  #take(frame: Frame): void {
    if (frame.type === 'hello') {
      if (frame.hello.version !== CHANNEL_VERSION) {
        this.#logger.warn('peer speaks another version', { remote: this.#socket.remoteAddress, version: frame.hello.version, release: frame.hello.release });
        return this.#refuse();
      }
      if (this.peer) return this.#refuse();
      if (frame.hello.place !== '' && frame.hello.place !== this.#place) {
        this.#logger.info('peer serves another store, or a copy of this one: it is told nothing', { remote: this.#socket.remoteAddress, release: frame.hello.release });
        return this.#refuse();
      }
      this.peer = frame.hello;
      this.#events.onHello(this, frame.hello);
    } else if (!this.peer) this.#refuse();
    else if (frame.type === 'hint') this.#events.onHint(frame.hint);
    else if (frame.type === 'request') this.#events.onRequest?.(this, frame.request);
    else if (frame.type === 'answer') this.#events.onAnswer?.(frame.answer);
    else if (frame.type === 'leaving') this.leaving = true;
  }

  #refuse(): void {
    if (!this.#closed) this.#events.onRefused?.();
    this.close();
  }

  #ping(): void {
    this.#cancelPing = this.#clock.after(PING_MS, () => {
      if (this.#closed) return;
      if (this.#clock.monotonic() - this.#heard > SILENT_MS) return this.close();
      this.#write(encodeFrame({ type: 'ping' }));
      this.#ping();
    });
  }

  #write(bytes: Buffer): void {
    if (!this.#closed && !this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Sends an encoded frame, or drops it when too much waits. */
  send(bytes: Buffer): void {
    if (this.#socket.writableLength + bytes.length > limits.peer_queue_bytes_max) return this.#events.onDropped();
    this.#write(bytes);
  }

  /** Sends an encoded frame that must not be dropped; resolves when more may follow. Unavailable when the connection ends. */
  async deliver(bytes: Buffer): Promise<void> {
    if (this.#closed || this.#socket.destroyed) throw new Unavailable('the connection has ended');
    if (this.#socket.write(bytes)) return;
    await new Promise<void>((resolve, reject) => {
      const drained = (): void => {
        this.#socket.off('close', ended);
        resolve();
      };
      const ended = (): void => {
        this.#socket.off('drain', drained);
        reject(new Unavailable('the connection has ended'));
      };
      this.#socket.once('drain', drained);
      this.#socket.once('close', ended);
    });
  }

  /** Says that this process leaves, and ends after what waits is sent. */
  leave(): void {
    this.#write(encodeFrame({ type: 'leaving' }));
    this.#socket.end();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelPing();
    this.#socket.destroy();
    this.#events.onClosed(this);
  }
}
