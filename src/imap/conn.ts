// One connection: pulls commands one after the other, runs each to its tagged answer, tells the client what happened
// in its mailbox at the moments when it may, and holds next to nothing while idle.
import type { Socket } from 'node:net';
import { Corrupt, Malformed, Refused, limits, reason } from '../base/index.ts';
import type { Clock, Limits, Logger, MailboxId } from '../base/index.ts';
import { answerTo, clean } from './answer.ts';
import { runAppend } from './append.ts';
import { capabilities, isWithheld } from './capabilities.ts';
import type { Command, Context, Enabled } from './command/command.ts';
import { commands } from './command/registry.ts';
import type { Host } from './host.ts';
import type { NotifyRequest } from './notify/request.ts';
import type { Backend, Selected, Session } from './session.ts';
import { Teller } from './teller.ts';
import type { Told } from './teller.ts';
import { Gone, Transport, timedOut } from './transport.ts';
import type { Owner } from './transport.ts';
import { View } from './view.ts';
import { Args } from './wire/index.ts';
import type { Arrival, CommandReader, Writer } from './wire/index.ts';

/** Pipelined commands that one connection runs before others get their turn. */
const COMMANDS_A_TURN = 64;
const TAG = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) /;
/** An APPEND without a message literal: all its parts are URLs. */
const URLS_ONLY = /^[^ ]+ (?:APPEND|(?:UID )?REPLACE) .*CATENATE \(/i;
const COMMAND = /^([^\x00-\x20(){%*"\\\x7f-\xff+]+) (UID )?([A-Za-z]+)/i;

const NOTHING_ENABLED: Enabled = { condstore: false, qresync: false, utf8: false, rev2: false, uidonly: false };

export class Connection implements Context, Owner, Told {
  readonly enabled: Enabled = { ...NOTHING_ENABLED };
  readonly limits: Limits;
  readonly remote: string;
  readonly host: Host;
  readonly transport: Transport;
  teller: Teller = new Teller(this);
  user: Session | null = null;
  #opened: { selected: Selected; view: View } | null = null;
  #busy = false;
  /** BYE with this text behind the running command's answer: inside a literal it would be taken for mail. */
  #lastWords: string | null = null;
  /** When the time for a log-in began. */
  #begun: number;
  #after: (() => void | Promise<void>) | null = null;
  #badCommands = 0;
  tag = '';

  /** `implicitTls`: the greeting comes behind the handshake. Throws when there is no certificate for it. */
  constructor(host: Host, socket: Socket, remote: string, implicitTls: boolean) {
    this.host = host;
    this.limits = host.limits ?? limits;
    this.remote = remote;
    const secureContext = implicitTls ? host.secureContext() : null;
    if (implicitTls && secureContext === null) throw new Error('no certificate');
    this.#begun = host.clock.monotonic();
    this.transport = new Transport(this, socket, secureContext, this.#begun, host.commandRoom);
    if (!implicitTls) this.secured();
  }

  get out(): Writer {
    return this.transport.out;
  }
  get reader(): CommandReader {
    return this.transport.reader;
  }
  get secure(): boolean {
    return this.transport.secure;
  }
  channelBinding(): Buffer | null {
    return this.transport.channelBinding();
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
  get withheld(): ReadonlySet<string> {
    return this.host.withheld;
  }
  get openView(): View | null {
    return this.#opened?.view ?? null;
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

  // --- from the transport ---

  secured(): void {
    this.out.line(`* OK [CAPABILITY ${capabilities(this)}] ${this.host.hostname} ready`);
    this.out.flush();
  }

  received(): void {
    if (this.#busy) return;
    this.#busy = true;
    this.host.turns.take(this);
  }

  inputEnded(): void {
    if (!this.#busy) this.#hangUp();
  }

  closed(): void {
    if (!this.#busy) this.#leave();
    this.host.closed(this);
  }

  // --- commands ---

  /** Runs commands while there are whole ones; answers leave together, at the latest when a command has to wait. */
  async work(): Promise<void> {
    const { transport } = this;
    try {
      for (let count = 1; !transport.closed && !transport.ending; count++) {
        if (count % COMMANDS_A_TURN === 0) await new Promise(setImmediate);
        const arrival = transport.reader.next();
        if (arrival === null) break;
        const done = this.#answer(arrival);
        if (transport.reader.buffered > 0) setImmediate(flush, transport);
        await done;
        if (this.#lastWords !== null) this.bye(this.#lastWords);
        if (this.out.full) await this.out.drain();
      }
    } catch (e) {
      this.#fail(e);
    }
    this.#busy = false;
    if (transport.closed) return this.#leave();
    this.out.flush();
    if (transport.ending || transport.inputEnded) this.#hangUp();
    else transport.resume();
  }

  between(run: () => Promise<void>): boolean {
    if (this.#busy || this.transport.closed || this.transport.ending) return false;
    this.#busy = true;
    run()
      .catch((e: unknown) => this.#fail(e))
      .then(() => this.work());
    return true;
  }

  async #answer(arrival: Arrival): Promise<void> {
    switch (arrival.kind) {
      case 'continue':
        this.out.line('+ go on');
        this.out.flush();
        return;
      case 'lost':
      case 'refused':
        this.bad(`${TAG.exec(arrival.text)?.[1] ?? '*'} BAD [TOOBIG] ${arrival.why}`);
        if (arrival.kind === 'lost') this.bye(arrival.why);
        return;
      case 'message':
        return runAppend(this, arrival);
      case 'messages end':
        return;
      case 'command':
        return URLS_ONLY.test(arrival.text) && this.user !== null ? runAppend(this, arrival) : this.#command(arrival);
    }
  }

  async #command({ text, literals }: Extract<Arrival, { kind: 'command' }>): Promise<void> {
    const found = COMMAND.exec(text);
    if (found === null) return this.bad(`${TAG.exec(text)?.[1] ?? '*'} BAD ${text === '' ? 'empty line' : 'tag and command expected'}`);
    const [whole, tag, uid, word] = found;
    const name = word.toUpperCase();
    const byUid = uid !== undefined;
    this.tag = tag;
    let answer: string;
    try {
      const command = this.#allowed(name, byUid);
      const args = new Args(text, literals, whole.length, this.enabled.utf8);
      const parsed = command.parse(args, byUid, this);
      args.end();
      const done = await command.run(this, parsed, byUid);
      const numbers = command.keepsNumbers === true && (!byUid || command.namesNumbers?.(parsed) === true);
      this.teller.tell(!numbers || this.enabled.uidonly);
      if (this.teller.more) await this.teller.rest();
      answer = `OK ${done === '' ? `${byUid ? 'UID ' : ''}${name} completed` : done}`;
    } catch (e) {
      this.#after = null;
      answer = this.explain(e, name);
    }
    this.tag = '';
    this.answer(tag, answer);
    if (this.user === null) this.transport.touch();
    const after = this.#after;
    this.#after = null;
    if (after !== null) await after();
  }

  #allowed(name: string, byUid: boolean): Command {
    const command = commands.get(byUid ? `UID ${name}` : name);
    if (command === undefined || isWithheld(this.withheld, name)) throw new Malformed('unknown command');
    if (this.enabled.uidonly && command.uid === true && !byUid && name !== 'EXPUNGE') throw new Malformed('UIDONLY is on', 'UIDREQUIRED');
    const { when } = command;
    if (when === 'not authenticated' && this.user !== null) throw new Malformed('already logged in');
    if (when !== 'any' && when !== 'not authenticated' && this.user === null) throw new Malformed('log in first');
    if (when === 'selected' && this.#opened === null) throw new Malformed('select a mailbox first');
    return command;
  }

  /** The tagged answer to what was thrown; throws it again when the connection must close. */
  explain(e: unknown, name: string): string {
    const answer = this.transport.closed || e instanceof Gone ? null : answerTo(e);
    if (answer === null) throw e;
    if (e instanceof Corrupt) this.logger.error('stored data is damaged', { command: name, reason: reason(e) });
    if (e instanceof Refused && (name === 'LOGIN' || name === 'AUTHENTICATE')) this.logger.info('log-in refused', { remote: this.remote, why: e.message });
    return answer;
  }

  /** Writes the tagged answer. */
  answer(tag: string, answer: string): void {
    if (answer.startsWith('BAD')) return this.bad(`${tag} ${answer}`);
    this.#badCommands = 0;
    this.host.answered?.(answer);
    this.out.line(`${tag} ${answer}`);
  }

  /** A bad command: too many in a row end the connection. */
  bad(line: string): void {
    this.host.answered?.('BAD');
    this.out.line(line);
    if (++this.#badCommands > limits.imap_bad_commands_max) this.bye('too many bad commands');
  }

  #fail(e: unknown): void {
    if (this.transport.closed || e instanceof Gone) return;
    this.logger.error('a bug ended a connection', { reason: reason(e), stack: e instanceof Error ? e.stack : undefined });
    this.host.failed();
    this.bye('internal error');
  }

  // --- what commands change ---

  enable(what: Partial<Enabled>): void {
    Object.assign(this.enabled, what);
    this.#applyEnabled();
  }

  enableCondstore(qresync = false): void {
    // RFC 7162 §3.1.
    if (!this.enabled.condstore && this.#opened !== null) this.out.line(`* OK [HIGHESTMODSEQ ${this.#opened.view.sureModSeq}] newest change`);
    this.enable({ condstore: true, ...(qresync && { qresync }) });
  }

  #applyEnabled(): void {
    const { condstore, qresync, uidonly, rev2 } = this.enabled;
    if (this.#opened !== null) Object.assign(this.#opened.view, { condstore, qresync, uidonly, rev2 });
  }

  authenticated(session: Session): void {
    this.user = session;
    this.reader.authenticated = true;
    this.transport.touch();
    session.onEnded = (text) => this.#byeBehind(text);
  }

  /** RFC 8437: as just connected, but for TLS. */
  unauthenticated(): void {
    this.#leave();
    this.reader.authenticated = false;
    Object.assign(this.enabled, NOTHING_ENABLED);
    // The session has gone, and with it who told of its mailboxes.
    this.teller = new Teller(this);
    this.#begun = this.clock.monotonic();
  }

  opened(selected: Selected): View {
    const view = new View(selected);
    this.#opened = { selected, view };
    this.#applyEnabled();
    this.teller.attach(view);
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
      const arrival = await this.transport.arrival();
      if (arrival.kind === 'command') return arrival.text;
      if (arrival.kind === 'lost') this.bye(arrival.why);
      throw new Malformed('line too long');
    } finally {
      this.reader.lines = false;
    }
  }

  idle(on: boolean): Promise<void> {
    return this.teller.idle(on);
  }

  async notify(request: NotifyRequest): Promise<{ id: MailboxId; name: string; flags: boolean }[]> {
    return (await this.teller.notify(request))?.watched() ?? [];
  }

  after(run: () => void | Promise<void>): void {
    this.#after = run;
  }

  async startTls(): Promise<void> {
    const secureContext = this.host.secureContext();
    if (secureContext === null) return this.bye('no certificate');
    await this.transport.startTls(secureContext);
  }

  // --- the end ---

  end(): void {
    this.transport.stop();
    if (!this.#busy) this.#hangUp();
  }

  #hangUp(): void {
    this.#leave();
    this.transport.hangUp();
  }

  /** Says BYE and closes: at once when idle, else when the running command sees it. */
  bye(text: string): void {
    if (this.transport.closed || this.transport.ending) return;
    if (this.transport.handshaking) return this.destroy();
    this.out.line(`* BYE ${clean(text)}`);
    this.out.flush();
    this.end();
  }

  /** Idle connections end now, the others behind their command's answer. */
  drain(): void {
    this.#byeBehind('server is shutting down');
  }

  #byeBehind(text: string): void {
    if (!this.#busy || this.transport.waiting) this.bye(text);
    else this.#lastWords = text;
  }

  destroy(): void {
    this.transport.destroy();
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
    const tooLate = this.user === null && now - this.#begun > limits.imap_login_ms_max;
    const end = tooLate && !this.#busy ? 'bye' : timedOut(this.transport, now, this.user !== null, this.#busy);
    if (end === 'bye') this.bye('idle for too long');
    else if (end === 'cut') {
      this.logger.info('client cut off', { remote: this.remote });
      this.destroy();
    }
  }
}

function flush(transport: Transport): void {
  transport.out.flush();
}
