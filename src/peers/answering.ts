// A replica's side of what the command line asks: bounded in number and size. What requests say is the answerer's affair.
import { Unavailable, limits, reason } from '../base/index.ts';
import type { Logger } from '../base/index.ts';
import { encodeFrame } from './frames.ts';
import type { Request } from './frames.ts';
import type { Link } from './link.ts';

/**
 * Gives the last message of the answer; earlier ones go by `tell`, which resolves when more may follow and rejects with
 * Unavailable when nobody listens any more. What it throws ends the connection.
 */
export type Answerer = (request: Buffer, tell: (message: Buffer) => Promise<void>) => Promise<Buffer>;

const PIECE_BYTES = 256 * 1024;

export class Answering {
  readonly #answer: Answerer;
  readonly #logger: Logger;
  #working = 0;

  constructor(answer: Answerer, logger: Logger) {
    this.#answer = answer;
    this.#logger = logger;
  }

  take(link: Link, { id, bytes }: Request): void {
    if (bytes.length > limits.peer_request_bytes_max || this.#working >= limits.peer_requests_max) return link.close();
    this.#working++;
    this.#work(link, id, bytes)
      .catch((e) => {
        // Whoever asked may have gone; all else is a bug. The request may hold a password: it is not logged.
        if (!(e instanceof Unavailable)) this.#logger.error('a request could not be answered', { why: reason(e) });
        link.close();
      })
      .finally(() => this.#working--);
  }

  async #work(link: Link, id: number, bytes: Buffer): Promise<void> {
    const send = async (message: Buffer, last: boolean): Promise<void> => {
      for (let at = 0; ; at += PIECE_BYTES) {
        const ends = at + PIECE_BYTES >= message.length;
        await link.deliver(encodeFrame({ type: 'answer', answer: { id, bytes: message.subarray(at, at + PIECE_BYTES), ends, last: ends && last } }));
        if (ends) return;
      }
    };
    await send(await this.#answer(bytes, (message) => send(message, false)), true);
  }
}
