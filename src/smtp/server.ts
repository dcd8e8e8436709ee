// Listening, admission, drain.
import type { EventEmitter } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { Admission, type Clock, limits as defaultLimits, type Limits, listenFault, type Logger, type Proxies, type Random, reason, Refused } from '../base/index.ts';
import { type Answer, answers } from './answer.ts';
import { Connection } from './connection.ts';
import { type Host, libraryServer } from './host.ts';
import type { Receiver } from './receiver.ts';
import type { Screen } from './screen.ts';

export interface MailServerOptions {
  receiver: Receiver;
  /** In greetings and Received fields. */
  hostname: string;
  /** Asked at each STARTTLS, so that a renewed certificate counts at once; null: STARTTLS is not offered. */
  tls: () => SecureContext | null;
  clock: Clock;
  random: Random;
  logger: Logger;
  limits?: Limits;
  /** Connection counts shared with other servers of the process. */
  admission?: Admission;
  /** Judges what strangers send; LMTP has none. */
  screen?: Screen;
  /** Who speaks the PROXY protocol; not to LMTP. */
  proxies?: Proxies;
}

/** What a listener asks of a connection. */
export interface Served extends EventEmitter {
  init(): void;
  readonly idle: boolean;
  readonly _closing: boolean;
  leave(a: Answer): void;
  destroy(): void;
}

/** Time that a client gets to close after our 421, milliseconds. */
const LINGER_MS = 500;

/** Listens for one protocol; `connect` makes its connections. */
export class MailServer<H extends Host = Host> {
  readonly #name: string;
  readonly #host: H;
  readonly #admission: Admission;
  readonly #listeners: Server[] = [];
  readonly #connections = new Set<Served>();
  readonly #connect: (host: H, socket: Socket, closed: () => void) => Served;
  #emptied: (() => void) | null = null;

  constructor(name: string, host: H, admission: Admission | undefined, connect: (host: H, socket: Socket, closed: () => void) => Served) {
    this.#name = name;
    this.#host = host;
    this.#admission = admission ?? new Admission(host.limits);
    this.#connect = connect;
  }

  /** Open connections. */
  get connections(): number {
    return this.#connections.size;
  }

  /** Listens on one address more; port 0 takes any. Gives the port. Refused when it can't be had. */
  async listen(address: string, port: number): Promise<number> {
    const name = this.#name;
    const server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#arrived(socket));
    await new Promise<void>((resolve, reject) => {
      server.once('error', (e: NodeJS.ErrnoException) => reject(new Refused(`${name} cannot listen on ${address} port ${port}: ${listenFault(e)}`)));
      server.listen({ host: address, port }, resolve);
    });
    server.removeAllListeners('error');
    // Such as no file descriptor left for a new connection: those that are open go on.
    server.on('error', (e) => this.#host.logger.error('listener', { reason: reason(e) }));
    this.#listeners.push(server);
    const bound = server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : port;
  }

  /** Behind a load balancer the client's own address counts, for admission too. */
  #arrived(socket: Socket): void {
    const { proxies, logger } = this.#host;
    if (proxies === undefined || !proxies.speaks(socket)) return this.#accept(socket);
    const remote = socket.remoteAddress ?? '';
    proxies.accept(socket, () => this.#accept(socket), (why) => logger.warn('proxy', { remote, reason: why }));
  }

  #accept(socket: Socket): void {
    const address = socket.remoteAddress;
    // Gone already.
    if (address === undefined) return void socket.destroy();
    const release = this.#host.draining ? null : this.#admission.admit(address);
    if (release === null) {
      const a = this.#host.draining ? answers.closing : answers.connections;
      socket.on('error', () => {});
      socket.end(`${a.code} ${a.status} ${a.text}\r\n`, () => socket.destroy());
      this.#host.logger.debug('refused', { remote: address, reason: a.text });
      return;
    }
    const connection: Served = this.#connect(this.#host, socket, () => {
      release();
      this.#connections.delete(connection);
      if (this.#connections.size === 0) this.#emptied?.();
    });
    connection.on('error', (e) => this.#host.logger.debug('connection', { remote: address, reason: reason(e) }));
    this.#connections.add(connection);
    connection.init();
  }

  /**
   * Stops to listen, answers 421 to who is idle, lets transactions under way have their true answers for `ms` milliseconds at
   * most, then closes what is left.
   */
  async drain(ms: number): Promise<void> {
    const { clock } = this.#host;
    this.#host.draining = true;
    for (const l of this.#listeners) l.close();
    const empty = new Promise<void>((resolve) => {
      this.#emptied = resolve;
      if (this.#connections.size === 0) resolve();
    });
    for (const c of this.#connections) if (c.idle) c.leave(answers.closing);
    const deadline = clock.monotonic() + ms;
    // Those that were told wait for their client's FIN; the others for their transaction.
    const busy = () => [...this.#connections].some((c) => !c._closing);
    while (this.#connections.size > 0) {
      const left = deadline - clock.monotonic();
      if (left <= 0) break;
      const stop = new AbortController();
      await Promise.race([empty, clock.sleep(Math.min(left, LINGER_MS), stop.signal).catch(() => {})]);
      stop.abort();
      if (!busy()) break;
    }
    for (const c of this.#connections) if (!c._closing) c.leave(answers.closing);
    for (const c of [...this.#connections]) c.destroy();
  }
}

function hostOf(options: MailServerOptions, lmtp: boolean): Host {
  const { receiver, hostname, tls, clock, random, logger, limits = defaultLimits } = options;
  const strangers = lmtp ? {} : { screen: options.screen, proxies: options.proxies };
  const host = { lmtp, receiver, hostname, tls, limits, clock, random, logger: logger.room(lmtp ? 'lmtp' : 'smtp'), draining: false, ...strangers };
  return Object.assign(host, { library: libraryServer(host) });
}
const connection = (host: Host, socket: Socket, closed: () => void) => new Connection(host, socket, closed);

/** Mail from other servers (RFC 5321). */
export class SmtpServer extends MailServer {
  constructor(options: MailServerOptions) {
    super('SMTP', hostOf(options, false), options.admission, connection);
  }
}

/** Mail from own relays, one answer for each recipient (RFC 2033). */
export class LmtpServer extends MailServer {
  constructor(options: MailServerOptions) {
    super('LMTP', hostOf(options, true), options.admission, connection);
  }
}
