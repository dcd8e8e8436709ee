// Listens, counts connections, and looks after their time-outs in one sweep.
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Refused, limits, listenFault, machineOf } from '../base/index.ts';
import type { Clock, Limits, Logger, Proxies } from '../base/index.ts';
import { unknownCapabilities } from './capabilities.ts';
import { Connection } from './conn.ts';
import type { Host } from './host.ts';
import type { Backend } from './session.ts';
import { Turns } from './turns.ts';

/** How often time-outs are looked at: they are minutes long. */
const SWEEP_MS = 5000;
/** A dead peer's socket is noticed by TCP itself, without waking sleeping phones. */
const KEEPALIVE_MS = 120_000;

export interface ImapOptions {
  backend: Backend;
  /** Asked for each handshake, so that a renewed certificate counts at once; null: no TLS. */
  secureContext: () => SecureContext | null;
  logger: Logger;
  clock: Clock;
  hostname: string;
  /** Other limits for commands than everybody's: for tests. */
  limits?: Limits;
  /** Who speaks the PROXY protocol. */
  proxies?: Proxies;
  /** Capabilities that are not offered. */
  withheld?: readonly string[];
}

export class ImapServer implements Host {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly hostname: string;
  readonly limits: Limits;
  readonly withheld: ReadonlySet<string>;
  readonly turns: Turns;
  readonly commandRoom = { used: 0 };
  readonly secureContext: () => SecureContext | null;
  /** Connections that a bug has ended. */
  bugs = 0;
  /** Tagged answers by result. */
  readonly answers = { ok: 0, no: 0, bad: 0, unavailable: 0, damaged: 0 };
  readonly #proxies: Proxies | null;
  #servers: Server[] = [];
  #connections = new Set<Connection>();
  #byMachine = new Map<string, number>();
  #cancelSweep: (() => void) | null = null;
  #drained: (() => void) | null = null;

  constructor({ backend, secureContext, logger, clock, hostname, limits: own = limits, proxies, withheld = [] }: ImapOptions) {
    this.withheld = new Set(withheld.map((name) => name.toUpperCase()));
    const unknown = unknownCapabilities(this.withheld);
    if (unknown.length > 0) throw new Refused(`imap-withheld: this server has no capability ${unknown.join(', ')}`);
    this.#proxies = proxies ?? null;
    this.limits = own;
    this.backend = backend;
    this.secureContext = secureContext;
    this.logger = logger;
    this.clock = clock;
    this.turns = new Turns(clock);
    this.hostname = hostname;
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Resolves with the port. Refused when it can't be had. */
  listen(port: number, host: string, { implicitTls = false } = {}): Promise<number> {
    // Half-open: a client that sent everything and ended may still read its answers.
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEPALIVE_MS, allowHalfOpen: true });
    server.on('connection', (socket: Socket) => this.#arrived(socket, implicitTls));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      const failed = (e: NodeJS.ErrnoException) => reject(new Refused(`IMAP cannot listen on ${host} port ${port}: ${listenFault(e)}`));
      server.once('error', failed);
      server.listen(port, host, () => {
        server.removeListener('error', failed);
        server.on('error', (e) => this.logger.error('listener failed', { reason: String(e) }));
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : port);
      });
    });
  }

  #arrived(socket: Socket, implicitTls: boolean): void {
    if (!this.#proxies?.speaks(socket)) return this.#accept(socket, implicitTls);
    const remote = socket.remoteAddress ?? '';
    this.#proxies.accept(socket, () => this.#accept(socket, implicitTls), (why) => this.logger.warn('proxy', { remote, reason: why }));
  }

  #accept(socket: Socket, implicitTls: boolean): void {
    const remote = (socket.remoteAddress ?? '').replace(/^::ffff:(?=[0-9.]+$)/, '');
    const machine = machineOf(remote);
    const fromThere = this.#byMachine.get(machine) ?? 0;
    if (this.#connections.size >= limits.connections_max || fromThere >= limits.connections_per_address_max) {
      this.logger.warn('too many connections', { remote, all: this.#connections.size, fromThere });
      socket.on('error', () => socket.destroy());
      if (implicitTls) socket.destroy();
      else socket.end('* BYE too many connections\r\n', () => socket.destroy());
      return;
    }
    try {
      this.#connections.add(new Connection(this, socket, remote, implicitTls));
    } catch (e) {
      this.logger.error('no connection could be made', { reason: String(e) });
      socket.destroy();
      return;
    }
    this.#byMachine.set(machine, fromThere + 1);
    this.#cancelSweep ??= this.clock.after(SWEEP_MS, this.#sweep);
  }

  closed(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    const machine = machineOf(connection.remote);
    const left = (this.#byMachine.get(machine) ?? 1) - 1;
    if (left > 0) this.#byMachine.set(machine, left);
    else this.#byMachine.delete(machine);
    if (this.#connections.size === 0) this.#drained?.();
  }

  failed(): void {
    this.bugs++;
  }

  answered(answer: string): void {
    if (answer.startsWith('OK')) this.answers.ok++;
    else if (answer.startsWith('NO [UNAVAILABLE')) this.answers.unavailable++;
    else if (answer.startsWith('NO [SERVERBUG')) this.answers.damaged++;
    else if (answer.startsWith('NO')) this.answers.no++;
    else this.answers.bad++;
  }

  readonly #sweep = (): void => {
    const now = this.clock.monotonic();
    for (const connection of this.#connections) connection.sweep(now);
    this.#cancelSweep = this.#connections.size === 0 ? null : this.clock.after(SWEEP_MS, this.#sweep);
  };

  /** Stops listening, says BYE to the idle at once and to the others behind their command; after `ms` all are cut. */
  async drain(ms: number): Promise<void> {
    const closing = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    this.#servers = [];
    const empty = new Promise<void>((resolve) => (this.#drained = resolve));
    for (const connection of [...this.#connections]) connection.drain();
    if (this.#connections.size > 0) {
      const stop = new AbortController();
      await Promise.race([empty, this.clock.sleep(ms, stop.signal).catch(() => {})]);
      stop.abort();
      for (const connection of [...this.#connections]) connection.destroy();
      if (this.#connections.size > 0) await empty;
    }
    this.#cancelSweep?.();
    this.#cancelSweep = null;
    await Promise.all(closing);
  }
}
