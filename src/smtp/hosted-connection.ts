// What connections of other servers and of mail apps have in common: the library's session with our own lines, answers in one packet,
// and an end that tells why.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { Malformed, reason } from '../base/index.ts';
import { type Answer, answerOf, answers } from './answer.ts';
import type { Host } from './host.ts';
import { Parser } from './parser.ts';

export type Done = () => void;

/** `EHLO Anna's old PC`: of a name with spaces the first word counts; it proves nothing anyway. */
const hello = (command: Buffer): Buffer => Buffer.from(command.toString('latin1').split(/[ \t]+/, 2).join(' '), 'latin1');

export class HostedConnection<H extends Host = Host> extends SMTPConnection {
  protected readonly host: H;
  readonly #closed: () => void;

  constructor(host: H, socket: Socket, closed: () => void) {
    super(host.library, socket);
    this.host = host;
    this.#closed = closed;
  }

  /** Nothing is under way that deserves a true answer. */
  get idle(): boolean {
    return !this.session.envelope?.mailFrom && !this._handlerPending;
  }

  reply(a: Answer): void {
    this.send(a.code, a.status === '' ? a.text : `${a.status} ${a.text}`, false);
  }

  /** Says so and closes. */
  leave(a: Answer): void {
    this.reply(a);
    this.close();
  }

  /** Ends it at once. */
  destroy(): void {
    this._socket.destroy();
  }

  // Answers to pipelined commands leave in one packet. Not before a TLS handshake, which takes the socket over at once.
  override send(code: number, data?: string | string[] | null, context?: string | false): void {
    const socket = this._socket;
    if (code !== 220 && socket.writableCorked === 0) {
      socket.cork();
      setImmediate(() => socket.uncork());
    }
    super.send(code, data, context);
  }

  override _createParser(): Parser {
    const parser = new Parser({ maxCommandLength: this._server.options.maxCommandLength });
    parser.oncommand = (command, callback) => this._onCommand(command, callback);
    parser.on('error', (e) => {
      if (e.message === 'Command line too long') return this.leave(answers.lineTooLong);
      this.bug(e);
    });
    return parser;
  }

  override _isDisabled(command: string): boolean {
    return super._isDisabled(command) || (command === 'STARTTLS' && this.host.tls() === null);
  }

  override _onCommand(command: Buffer, callback?: Done): void {
    if (this.host.draining && this.idle && !this._upgrading) {
      this.leave(answers.closing);
      callback?.();
      return;
    }
    super._onCommand(command, callback);
  }

  override _onTimeout(): void {
    if (!this._closing && !this._handlerPending) this.leave(answers.idle);
    else super._onTimeout();
  }

  override _onClose(): void {
    super._onClose();
    this.#closed();
  }

  override handler_EHLO(command: Buffer, callback: Done): void {
    super.handler_EHLO(hello(command), callback);
  }

  override handler_HELO(command: Buffer, callback: Done): void {
    super.handler_HELO(hello(command), callback);
  }

  override handler_STARTTLS(command: Buffer, callback: Done): void {
    super.handler_STARTTLS(command, callback);
    if (!this._upgrading) return;
    const raw = this._socket;
    this.host.clock.after(this.host.limits.tls_handshake_ms_max, () => {
      if (this._upgrading) raw.destroy();
    });
  }

  /** Of the handshake, as a Received field tells it; null: in clear. */
  protected get tls(): { protocol: string; cipher: string } | null {
    if (!this.secure) return null;
    const socket = this._socket as TLSSocket;
    return { protocol: socket.getProtocol() ?? 'TLS', cipher: socket.getCipher()?.standardName ?? '' };
  }

  protected answer(e: unknown, malformed?: { code: number; status: string }): Answer {
    const a = answerOf(e, e instanceof Malformed ? malformed : undefined);
    if (a === null || a === answers.broken) this.host.logger.error(a === null ? 'bug' : 'message refused', { reason: reason(e), remote: this.remoteAddress });
    else if (a === answers.later) this.host.logger.warn('put off', { reason: reason(e), remote: this.remoteAddress });
    return a ?? { ...answers.broken, code: 421 };
  }

  protected bug(e: unknown): void {
    this.host.logger.error('bug', { reason: reason(e), remote: this.remoteAddress });
    this.leave({ ...answers.broken, code: 421 });
  }
}
