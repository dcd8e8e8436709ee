// The command line's side: one connection to one replica, and what it asks over it.
import { ReplicaAway, Unavailable, limits } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { call, parseAddress } from './call.ts';
import { CHANNEL_VERSION, encodeFrame } from './frames.ts';
import type { Answer } from './frames.ts';
import { Link } from './link.ts';

export interface AskingOptions {
  /** `host:port` of a replica. */
  address: string;
  /** Derived from the cluster secret. */
  key: Buffer;
  /** Names the store, as of PeersOptions. */
  place: string;
  release: string;
  clock: Clock;
  logger: Logger;
}

interface Waiting {
  pieces: Buffer[];
  bytes: number;
  tell: (message: Buffer) => void;
  resolve: (message: Buffer) => void;
  reject: (e: Error) => void;
}

const CONNECT_MS_MAX = 2_000;
const ended = (): ReplicaAway => new ReplicaAway('the replica ended the connection before it answered: it may have done what was asked, so look before you ask again');

export class Asking {
  readonly #waiting = new Map<number, Waiting>();
  #link: Link | null = null;
  #next = 1;

  private constructor() {}

  /** Resolves when the replica has said hello. Unavailable when it can't be reached, hasn't the key, or serves another store, within two seconds. */
  static open(o: AskingOptions): Promise<Asking> {
    const address = parseAddress(o.address);
    if (!address) return Promise.reject(new Unavailable('no address to call'));
    return new Promise((resolve, reject) => {
      const asking = new Asking();
      const socket = call(address, o.key);
      const fail = (): void => {
        cancel();
        socket.destroy();
        reject(new Unavailable(`no replica answers at ${o.address}`));
      };
      const cancel = o.clock.after(CONNECT_MS_MAX, fail);
      socket.on('error', () => {});
      socket.once('close', fail);
      socket.once('secureConnect', () => {
        asking.#link = new Link(socket, true, { version: CHANNEL_VERSION, writer: '', release: o.release, place: o.place }, {
          onHello: () => {
            cancel();
            socket.off('close', fail);
            resolve(asking);
          },
          onHint: () => {},
          onAnswer: (answer) => asking.#take(answer),
          onClosed: () => asking.#closed(),
          onDropped: () => {},
        }, o.clock, o.logger);
      });
    });
  }

  /** The last message of the answer; earlier ones go to `tell`. ReplicaAway when the connection ends before: what was asked may have happened. */
  ask(request: Buffer, tell: (message: Buffer) => void): Promise<Buffer> {
    const id = this.#next++;
    const bytes = encodeFrame({ type: 'request', request: { id, bytes: request } });
    return new Promise((resolve, reject) => {
      if (!this.#link) return reject(ended());
      this.#waiting.set(id, { pieces: [], bytes: 0, tell, resolve, reject });
      this.#link.deliver(bytes).catch(reject);
    });
  }

  #take({ id, bytes, ends, last }: Answer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    waiting.pieces.push(bytes);
    waiting.bytes += bytes.length;
    if (waiting.bytes > limits.peer_answer_bytes_max) return this.#link?.close();
    if (!ends) return;
    const message = Buffer.concat(waiting.pieces);
    waiting.pieces = [];
    waiting.bytes = 0;
    if (!last) return waiting.tell(message);
    this.#waiting.delete(id);
    waiting.resolve(message);
  }

  #closed(): void {
    this.#link = null;
    for (const { reject } of this.#waiting.values()) reject(ended());
    this.#waiting.clear();
  }

  close(): void {
    this.#link?.close();
  }
}
