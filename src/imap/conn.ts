// One connection: pulls commands from the reader one after the other, runs each to its tagged answer, tells the client
// what happened in its mailbox at the moments when it may, and holds next to nothing while idle. Time-outs are checked
// by the server's sweep: a thousand idle connections have no timers of their own.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { Corrupt, Malformed, limits, reason } from '../base/index.ts';
import type { Clock, Logger } from '../base/index.ts';
import { answerTo, clean } from './answer.ts';
import { runAppend } from './append.ts';
import { capabilities } from './capabilities.ts';
import { commands } from './command/registry.ts';
import type { Command, Context, Enabled } from './command/command.ts';
import { CutOff } from './fetch/answer.ts';
import type { Backend, Selected, Session } from './session.ts';
import { View } from './view.ts';
import { Args, CommandReader, Writer } from './wire/index.ts';
import type { Arrival } from './wire/index.ts';

/** What connections need of their server. */
export interface Host {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hostname: string;
  /** Null: no TLS here. */
  secureContext(): SecureContext | null;
  closed(connection: Connection): void;
  /** A bug ended a connection. */
  failed(): void;
}

/** Bytes that may wait in the reader before the socket is no longer read. */
const INPUT_BYTES_MAX = 256 * 1024;
const COMMAND = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) (UID )?([A-Za-z]+)/i;
const NOT_READY = 'connection is gone';

/** Thrown inside a command when the client has gone: nothing is left to answer. */
class Gone extends Error {
  override name = 'Gone';
}

export class Connection implements Context {
  readonly enabled: Enabled = { condstore: false, qresync: false, utf8: false };
  readonly limits = limits;
  readonly remote: string;
  secure: boolean;
  readonly out: Writer;
  readonly reader = new CommandReader();
  readonly host: Host;
  user: Session | null = null;
  #socket: Socket;
  #opened: { selected: Selected; view: View } | null = null;
  #handshaking: boolean;
  #busy = false;
  #closed = false;
  #ending = false;
  #draining = false;
  #inputEnded = false;
  #notify = false;
  #notified = false;
  #wake: (() => void) | null = null;
  #after: (() => void | Promise<void>) | null = null;
  #badCommands = 0;
  #activeAt: number;
  #progressAt: number;
  #taken = 0;

  constructor(host: Host, socket: Socket, remote: string, secure: boolean) {
    this.host = host;
    this.remote = remote;
    this.secure = secure;
    this.#handshaking = secure;
    this.#activeAt = this.#progressAt = host.clock.monotonic();
    this.#socket = secure ? this.#wrap(socket) : socket;
    this.out = new Writer(this.#socket);
    this.#listen();
    if (!secure) this.#greet();
  }

  get clock(): Clock {
    return this.host.clock;
  }
  get logger(): Logger {
    return this.host.logger;
  }
  get backend(): Backend {
    return this.host.backend;
  }
  get tlsAvailable(): boolean {
    return this.host.secureContext() !== null;
  }
  get isOpen(): boolean {
    return this.#opened !== null;
  }
  get session(): Session {
    if (this.user === null) throw new Malformed('log in first');
    return this.user;
  }
  get selected(): Selected {
    if (this.#opened === null) throw new Malformed('select a mailbox first');
    return this.#opened.selected;
  }
  get view(): View {
    if (this.#opened === null) throw new Malformed('select a mailbox first');
    return this.#opened.view;
  }

  // --- the socket ---

  #wrap(socket: Socket): TLSSocket {
    const secureContext = this.host.secureContext();
    if (secureContext === null) throw new Error('no certificate');
    // Errors of the inner socket come through the outer one as well.
    socket.on('error', ignore);
    const tls = new TLSSocket(socket, { isServer: true, secureContext });
    of(tls).connection = this;
    return tls.on('secure', onSecure);
  }

  #listen(): void {
    const socket = this.#socket;
    of(socket).connection = this;
    socket.on('data', onData).on('close', onClose).on('error', onError).on('end', onEnd);
  }

  /** The TLS handshake is done. */
  secured(): void {
    if (!this.#handshaking) return;
    this.#handshaking = false;
    this.#activeAt = this.clock.monotonic();
    if (this.#wake === null) this.#greet();
    else this.#woken();
  }

  #greet(): void {
    this.out.line(`* OK [CAPABILITY ${capabilities(this)}] ${this.host.hostname} ready`);
    this.out.flush();
  }

  received(chunk: Buffer): void {
    if (this.#ending || this.#closed) return;
    this.reader.push(chunk);
    if (this.user !== null) this.#activeAt = this.clock.monotonic();
    if (this.reader.buffered > INPUT_BYTES_MAX) this.#socket.pause();
    if (this.#wake !== null) this.#woken();
    else if (!this.#busy) void this.#work();
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** The next arrival while a command is running: waits for bytes. Throws Gone. */
  async arrival(): Promise<Arrival> {
    for (;;) {
      if (this.#closed || this.#ending) throw new Gone(NOT_READY);
      const arrival = this.reader.next();
      this.#resume();
      if (arrival !== null) return arrival;
      await this.more();
    }
  }

  /** Waits until the client has sent something. Throws Gone. */
  async more(): Promise<void> {
    this.out.flush();
    this.#resume();
    if (this.#inputEnded) this.end();
    if (this.#closed || this.#ending) throw new Gone(NOT_READY);
    await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#closed || this.#ending) throw new Gone(NOT_READY);
  }

  #resume(): void {
    if (this.reader.buffered <= INPUT_BYTES_MAX / 2 && this.#socket.isPaused()) this.#socket.resume();
  }

  // --- commands ---

  /** Runs commands while there are whole ones; answers leave together, at the latest when a command has to wait. */
  async #work(): Promise<void> {
    this.#busy = true;
    try {
      while (!this.#closed && !this.#ending) {
        const arrival = this.reader.next();
        if (arrival === null) break;
        const done = this.#answer(arrival);
        if (this.reader.buffered > 0) setImmediate(flush, this);
        await done;
        if (this.#draining) this.bye('server is shutting down');
        if (this.out.full) await this.out.drain();
      }
    } catch (e) {
      this.#fail(e);
    }
    this.#busy = false;
    if (this.#closed) return this.#leave();
    this.out.flush();
    if (this.#ending || this.#inputEnded) this.#hangUp();
    else this.#resume();
  }

  /** The client sends no more, and may still read the answers to what it sent. */
  inputEnded(): void {
    this.#inputEnded = true;
    if (this.#wake !== null || !this.#busy) this.end();
  }

  async #answer(arrival: Arrival): Promise<void> {
    switch (arrival.kind) {
      case 'continue':
        this.out.line('+ go on');
        this.out.flush();
        return;
      case 'lost':
      case 'refused': {
        const found = COMMAND.exec(arrival.text);
        this.#bad(`${found?.[1] ?? '*'} BAD [TOOBIG] ${arrival.why}`);
        if (arrival.kind === 'lost') this.bye(arrival.why);
        return;
      }
      case 'message':
        return runAppend(this, arrival);
      case 'messages end':
        return;
      case 'command':
        return this.#command(arrival.text, arrival);
    }
  }

  async #command(text: string, arrival: Extract<Arrival, { kind: 'command' }>): Promise<void> {
    const found = COMMAND.exec(text);
    if (found === null) {
      const tag = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) /.exec(text);
      return this.#bad(`${tag?.[1] ?? '*'} BAD ${text === '' ? 'empty line' : 'tag and command expected'}`);
    }
    const [whole, tag, uid, word] = found;
    const name = word.toUpperCase();
    const byUid = uid !== undefined;
    let answer: string;
    try {
      const command = this.#allowed(name, byUid);
      const args = new Args(text, arrival.literals, whole.length, this.enabled.utf8);
      const parsed = command.parse(args, byUid, this);
      args.end();
      const done = await command.run(this, parsed, byUid);
      if (this.#opened !== null) this.#tell(byUid || command.keepsNumbers !== true);
      answer = `OK ${done === '' ? `${byUid ? 'UID ' : ''}${name} completed` : done}`;
      this.#badCommands = 0;
    } catch (e) {
      answer = this.#explain(e, name);
    }
    if (answer.startsWith('BAD')) this.#bad(`${tag} ${answer}`);
    else this.out.line(`${tag} ${answer}`);
    if (this.user === null) this.#activeAt = this.clock.monotonic();
    const after = this.#after;
    this.#after = null;
    if (after !== null && !answer.startsWith('BAD')) await after();
  }

  #allowed(name: string, byUid: boolean): Command {
    const command = commands.get(byUid ? `UID ${name}` : name);
    if (command === undefined) throw new Malformed('unknown command');
    const { when } = command;
    if (when === 'not authenticated' && this.user !== null) throw new Malformed('already logged in');
    if (when !== 'any' && when !== 'not authenticated' && this.user === null) throw new Malformed('log in first');
    if (when === 'selected' && this.#opened === null) throw new Malformed('select a mailbox first');
    return command;
  }

  /** The tagged answer to what was thrown; throws it again when the connection must close. */
  explain(e: unknown, name: string): string {
    return this.#explain(e, name);
  }

  #explain(e: unknown, name: string): string {
    const answer = this.#closed || e instanceof Gone ? null : answerTo(e);
    if (answer === null) throw e;
    if (e instanceof Corrupt) this.logger.error('stored data is damaged', { command: name, reason: reason(e) });
    return answer;
  }

  /** A bad command: too many in a row end the connection. */
  #bad(line: string): void {
    this.out.line(line);
    if (++this.#badCommands > limits.imap_bad_commands_max) this.bye('too many bad commands');
  }

  bad(line: string): void {
    this.#bad(line);
  }

  good(): void {
    this.#badCommands = 0;
  }

  #fail(e: unknown): void {
    if (this.#closed || e instanceof Gone) return;
    if (e instanceof CutOff) {
      // Inside a literal a BYE would be taken for the message's text.
      this.logger.warn('a message broke off while it was sent', { reason: reason(e) });
      return this.destroy();
    }
    this.logger.error('a bug ended a connection', { reason: reason(e), stack: e instanceof Error ? e.stack : undefined });
    this.host.failed();
    this.bye('internal error');
  }

  /** Untagged updates of the selected mailbox. */
  #tell(allowExpunge: boolean): void {
    const view = this.#opened?.view;
    if (view?.behind) view.poll(this.out, { allowExpunge });
  }

  /** What others did, before the tagged answer of APPEND. */
  tell(): void {
    this.#tell(true);
  }

  // --- what commands change ---

  enableCondstore(qresync = false): void {
    this.enabled.condstore = true;
    if (qresync) this.enabled.qresync = true;
    this.#applyEnabled();
  }

  #applyEnabled(): void {
    if (this.#opened === null) return;
    this.#opened.view.condstore = this.enabled.condstore;
    this.#opened.view.qresync = this.enabled.qresync;
  }

  authenticated(session: Session): void {
    this.user = session;
    this.reader.authenticated = true;
    this.#activeAt = this.clock.monotonic();
    session.onEnded = (text) => this.bye(text);
  }

  opened(selected: Selected): View {
    const view = new View(selected);
    this.#opened = { selected, view };
    this.#applyEnabled();
    return view;
  }

  unselect(): void {
    const opened = this.#opened;
    this.#opened = null;
    if (opened === null) return;
    opened.selected.onChange = null;
    opened.selected.close();
  }

  async readLine(prompt: string | null): Promise<string> {
    if (prompt !== null) this.out.line(prompt);
    this.reader.lines = true;
    try {
      const arrival = await this.arrival();
      if (arrival.kind === 'command') return arrival.text;
      if (arrival.kind === 'lost') this.bye(arrival.why);
      throw new Malformed('line too long');
    } finally {
      this.reader.lines = false;
    }
  }

  notify(on: boolean): void {
    this.#notify = on;
    if (this.#opened === null) return;
    this.#opened.selected.onChange = on ? () => this.#changed() : null;
    if (on) this.#changed();
  }

  /** Several changes of one turn are told together, in that turn. */
  #changed(): void {
    if (this.#notified) return;
    this.#notified = true;
    queueMicrotask(() => {
      this.#notified = false;
      if (!this.#notify || this.#closed || this.#opened === null) return;
      // A client that does not read is told later, and then all at once.
      if (this.out.full) {
        void this.out.drain().then(() => this.#changed(), ignore);
        return;
      }
      this.#tell(true);
      this.out.flush();
    });
  }

  after(run: () => void | Promise<void>): void {
    this.#after = run;
  }

  async startTls(): Promise<void> {
    const plain = this.#socket;
    this.out.flush();
    await new Promise<void>((resolve) => (plain.writableLength === 0 ? resolve() : plain.write('', () => resolve())));
    if (this.#closed) return;
    plain.removeListener('data', onData).removeListener('close', onClose).removeListener('error', onError).removeListener('end', onEnd);
    plain.pause();
    // Whatever was sent in clear behind STARTTLS could have been put there by someone else (CVE-2011-0411).
    this.reader.clear();
    this.#handshaking = true;
    this.#activeAt = this.clock.monotonic();
    this.#socket = this.#wrap(plain);
    this.out.moveTo(this.#socket);
    this.secure = true;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#listen();
    });
  }

  // --- the end ---

  end(): void {
    this.#ending = true;
    this.#woken();
    if (!this.#busy) this.#hangUp();
  }

  #hangUp(): void {
    this.#leave();
    this.#socket.end();
  }

  /** Says BYE and closes: at once when idle, behind the answer of the command that runs otherwise. */
  bye(text: string): void {
    if (this.#closed || this.#ending) return;
    if (this.#handshaking) return this.destroy();
    this.out.line(`* BYE ${clean(text)}`);
    this.out.flush();
    this.end();
  }

  /** Drain: idle connections end now, the others after their command. */
  drain(): void {
    if (!this.#busy || this.#wake !== null) this.bye('server is shutting down');
    else this.#draining = true;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  closed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.out.closed();
    this.reader.clear();
    if (!this.#busy) this.#leave();
    this.#woken();
    this.host.closed(this);
  }

  /** Gives mailbox and session back; not under the feet of a running command. */
  #leave(): void {
    this.unselect();
    const session = this.user;
    this.user = null;
    if (session === null) return;
    session.onEnded = null;
    session.close();
  }

  /** Time-outs, called now and then by the server. `now` is monotonic. */
  sweep(now: number): void {
    if (this.#closed) return;
    if (this.out.taken !== this.#taken || !this.out.pending) {
      this.#taken = this.out.taken;
      this.#progressAt = now;
    } else if (now - this.#progressAt > limits.imap_output_stalled_ms_max) {
      this.logger.info('client reads nothing, cut off', { remote: this.remote });
      return this.destroy();
    }
    if (this.#handshaking) {
      if (now - this.#activeAt > limits.tls_handshake_ms_max) this.destroy();
      return;
    }
    if (this.#ending) {
      if (now - this.#activeAt > limits.imap_unauthenticated_ms_max) this.destroy();
      return;
    }
    // A command that works for the client is not the client's silence.
    if (this.#busy && this.#wake === null) return;
    const most = this.user === null ? limits.imap_unauthenticated_ms_max : limits.imap_idle_ms_max;
    if (now - this.#activeAt > most) this.bye('idle for too long');
  }
}

// The sockets' listeners are shared: a closure for each event and connection would cost kilobytes.
interface Owned {
  connection: Connection | null;
}
const of = (socket: Socket) => socket as Socket & Owned;
function onData(this: Socket, chunk: Buffer): void {
  of(this).connection?.received(chunk);
}
function onClose(this: Socket): void {
  of(this).connection?.closed();
}
function onError(this: Socket): void {
  this.destroy();
}
function onEnd(this: Socket): void {
  of(this).connection?.inputEnded();
}
function onSecure(this: Socket): void {
  of(this).connection?.secured();
}
function ignore(): void {}
function flush(connection: Connection): void {
  connection.out.flush();
}
