// The library's SMTP client and what it lacks: messages in chunks (BDAT, RFC 3030), and for each recipient what its sender wants to
// hear (RFC 3461). A seam at members that the library does not promise: its release is pinned, and test/queue/chunks.test.ts
// fails when one of them is another.
import { Writable } from 'node:stream';
import type { Socket } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';

type Reply = (text: string) => void;
type Done = (e: Error | null, text?: string) => void;
interface Wishes {
  ret?: string;
  envid?: string;
  notify?: string;
  orcpt?: string;
}

/** What is used of the library's inside. */
interface Inside {
  _socket: Socket | false;
  _ehloLines?: string[];
  _supportedExtensions: string[];
  _envelope: { pipelined: boolean; accepted: string[]; mailError?: Error; dsn?: Wishes };
  /** Who hears the next replies, in order. */
  _responseActions: Reply[];
  /** Recipients whose replies are to come. */
  _recipientQueue: string[];
  _sendCommand(line: string, shown?: string): void;
  _sendRcpt(recipient: string, done: Done): void;
  _actionRCPT(text: string, done: Done): void;
  _createSendStream(done: Done): Writable & { outByteCount: number };
  _formatError(message: string, code: string, response: string | false, command: string): Error;
}

const Base = SMTPConnection as unknown as new (options: ConstructorParameters<typeof SMTPConnection>[0]) => SMTPConnection & Inside;
/** Of a message, at a time: one round trip each. */
const CHUNK_BYTES = 512 * 1024;
const isGood = (text: string): boolean => text.startsWith('2');

export class Client extends Base {
  /** What the sender of each recipient of the next message wants to hear. */
  wishes: ReadonlyMap<string, Wishes> = new Map();
  /** Asked when all but the end of a message in chunks was handed over: false cuts the connection. */
  mayEnd: () => boolean = () => true;
  /** Whether chunks may be used where they are offered. */
  mayChunk = true;
  /** The next message needs SMTPUTF8: the library looks at its addresses only, and a header may need it too. */
  utf8 = false;
  /** Of the message under way, recipients that were refused and what was said of each. */
  readonly refused = new Map<string, string>();
  /** DATA's handler, while the replies to a pipelined envelope come. */
  #afterEnvelope: Reply | null = null;

  offers(extension: string): boolean {
    return this._supportedExtensions.includes(extension) || (this._ehloLines ?? []).some((line) => line.toUpperCase() === extension);
  }
  get inChunks(): boolean {
    return this.mayChunk && this.offers('CHUNKING');
  }

  /** There is no DATA before chunks: once all recipients were answered they may come. */
  override _sendCommand(line: string, shown?: string): void {
    if (this.utf8 && line.startsWith('MAIL FROM:') && !line.includes('> SMTPUTF8')) line = line.replace('>', '> SMTPUTF8');
    if (line !== 'DATA' || !this.inChunks) return super._sendCommand(line, shown);
    const go = this._responseActions.pop()!;
    if (this._envelope.pipelined) this.#afterEnvelope = go;
    else go('354');
  }

  override _actionRCPT(text: string, done: Done): void {
    // Where the sender was refused before, what is said of recipients is about that.
    if (!isGood(text) && !this._envelope.mailError) this.refused.set(this._recipientQueue[0], text);
    super._actionRCPT(text, done);
    const go = this.#afterEnvelope;
    if (go === null || this._recipientQueue.length > 0) return;
    this.#afterEnvelope = null;
    go(this._envelope.accepted.length > 0 && !this._envelope.mailError ? '354' : '503 5.5.1 no sender or no recipient');
  }

  override _sendRcpt(recipient: string, done: Done): void {
    const { ret, envid } = this._envelope.dsn ?? {};
    this._envelope.dsn = { ret, envid, ...this.wishes.get(recipient) };
    super._sendRcpt(recipient, done);
  }

  override _createSendStream(done: Done): Writable & { outByteCount: number } {
    if (!this.inChunks) return this.#together(super._createSendStream(done));
    return new Chunks({
      command: (line) => super._sendCommand(line),
      bytes: (pieces, sent) => this.#write(pieces, sent),
      heard: (reply) => void this._responseActions.push(reply),
      mayEnd: () => {
        if (this.mayEnd()) return true;
        done(new Error('the time of this attempt is over'));
        this.close();
        return false;
      },
      ended: (text) => (isGood(text) ? done(null, text) : done(this._formatError('Message failed', 'EMESSAGE', text, 'BDAT'))),
    });
  }

  /** What a small message is made of leaves in one packet with its last line. */
  #together<S extends Writable>(lines: S): S {
    const socket = this._socket as Socket;
    let held = true;
    const go = () => {
      if (held) socket.uncork();
      held = false;
    };
    socket.cork();
    lines.on('data', () => socket.writableNeedDrain && go()).once('end', go).once('close', go);
    return lines;
  }

  #write(pieces: readonly Buffer[], sent: () => void): void {
    const socket = this._socket;
    if (!socket || socket.destroyed) return;
    socket.cork();
    for (const piece of pieces.slice(0, -1)) socket.write(piece);
    socket.write(pieces.at(-1)!, (e) => (e ? undefined : sent()));
    socket.uncork();
  }
}

interface Line {
  command(line: string): void;
  bytes(pieces: readonly Buffer[], sent: () => void): void;
  heard(reply: Reply): void;
  mayEnd(): boolean;
  ended(text: string): void;
}

/** A message in chunks of its own bytes; the last one is empty, so that right before it can be asked whether it may come. */
class Chunks extends Writable {
  outByteCount = 0;
  readonly #line: Line;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(line: Line) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#line = line;
  }

  override _write(piece: Buffer, _encoding: string, next: () => void): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < CHUNK_BYTES) return next();
    // What is refused half-way goes no further: its reader hears of it, and stops.
    this.#send((text) => (isGood(text) ? next() : this.#line.ended(text)), () => {});
  }

  override _final(done: () => void): void {
    let refused: string | null = null;
    const last = () => {
      if (!this.#line.mayEnd()) return;
      this.#line.heard((text) => this.#line.ended(refused ?? text));
      this.#line.command('BDAT 0 LAST');
      done();
    };
    if (this.#bytes === 0) return last();
    this.#send((text) => (refused = isGood(text) ? null : text), last);
  }

  #send(heard: Reply, sent: () => void): void {
    const pieces = this.#pieces;
    this.outByteCount += this.#bytes;
    this.#line.heard(heard);
    this.#line.command(`BDAT ${this.#bytes}`);
    [this.#pieces, this.#bytes] = [[], 0];
    this.#line.bytes(pieces, sent);
  }
}
