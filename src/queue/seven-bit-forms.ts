// What goes in place of a message to a server that takes no 8-bit mail. It is made when such a server is met, once for all hosts
// of a destination, and stays in memory until the attempt is over: how much there may be of it at once is bounded.
import { setImmediate } from 'node:timers/promises';
import { Unavailable } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import { filterHeader } from '../message/index.ts';
import { BodyHash, signDkimWith } from '../verify/index.ts';
import type { SigningKey } from '../verify/index.ts';
import { headerOf } from './dsn.ts';
import type { QueuedMessage } from './fold.ts';
import { MemoryGate } from './memory-gate.ts';
import type { Queue } from './queue.ts';
import { inSevenBits } from './seven-bits.ts';

/** Hashed at once. */
const PIECE_BYTES = 256 * 1024;
/** Of a message while it is converted: in pieces, as one, and encoded. */
const COPIES = 3;
const END = Buffer.from('\r\n');

export interface SevenBitForm {
  bytes: number;
  pieces: Buffer[];
}

/** The form for one attempt to send. */
export interface LentForm {
  /** The same at each call. Null: the message must go as it is. Unavailable, Corrupt. */
  made(): Promise<SevenBitForm | null>;
  /** The attempt is over. */
  release(): void;
}

export interface SevenBitsOptions {
  queue: Pick<Queue, 'read' | 'limits'>;
  /** Of a domain here, those that sign now. */
  keysOf: (domain: string) => readonly SigningKey[];
  clock: Clock;
  /** Messages on their way that are in memory: these are among them. */
  memory: { used: number; readonly bytesMax: number };
}

export class SevenBitForms {
  readonly #o: SevenBitsOptions;
  readonly #gate: MemoryGate;

  constructor(options: SevenBitsOptions) {
    this.#o = options;
    const { queue, memory } = options;
    this.#gate = new MemoryGate(Math.min(queue.limits.queue_convert_memory_bytes_max, memory.bytesMax), (bytes) => (memory.used += bytes));
  }

  /** `over`: the end of the attempt. */
  lend(m: QueuedMessage, over: AbortSignal): LentForm {
    let taken = 0;
    let making: Promise<SevenBitForm | null> | null = null;
    const make = async () => {
      if (!this.#mayConvert(m)) return null;
      await this.#take(COPIES * m.plainBytes, over);
      taken = COPIES * m.plainBytes;
      const form = await this.#form(m);
      const kept = form?.bytes ?? 0;
      this.#gate.give(taken - kept);
      taken = kept;
      return form;
    };
    const giveBack = () => {
      this.#gate.give(taken);
      taken = 0;
    };
    return { made: () => (making ??= make()), release: () => void making?.then(giveBack, giveBack) };
  }

  /** Only what was submitted here: what is handed on for others bears their signatures. */
  #mayConvert(m: QueuedMessage): boolean {
    return m.user !== '' && !m.utf8 && m.plainBytes <= this.#o.queue.limits.queue_convert_bytes_max;
  }

  async #take(bytes: number, over: AbortSignal): Promise<void> {
    const { clock, queue } = this.#o;
    const late = new AbortController();
    const cancel = clock.after(queue.limits.queue_line_ms_max, () => late.abort());
    const taken = await this.#gate.take(bytes, AbortSignal.any([over, late.signal]));
    cancel();
    if (!taken) throw new Unavailable('too much other mail is being put into seven bits');
  }

  async #form(m: QueuedMessage): Promise<SevenBitForm | null> {
    const { queue, keysOf, clock } = this.#o;
    const pieces: Buffer[] = [];
    for await (const piece of queue.read(m)) pieces.push(piece);
    const [prefix, ...original] = pieces;
    const message = await inSevenBits(Buffer.concat(original));
    if (message === null) return null;
    const hash = new BodyHash();
    const header = message.subarray(0, headerOf(message).length + END.length);
    for (let at = header.length; at < message.length; at += PIECE_BYTES) {
      hash.push(message.subarray(at, at + PIECE_BYTES));
      await setImmediate();
    }
    const domain = /^DKIM-Signature:[^]*?\bd=([^;\s]+)/m.exec(m.prefix)?.[1];
    const signatures = domain === undefined ? '' : await signDkimWith(keysOf(domain), header, hash.digest(), clock.now());
    const trace = filterHeader(prefix, ['dkim-signature'], true).subarray(0, -END.length);
    const form = [trace, Buffer.from(signatures, 'latin1'), message];
    return { bytes: form.reduce((n, piece) => n + piece.length, 0), pieces: form };
  }
}
