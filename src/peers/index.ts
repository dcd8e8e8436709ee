/**
 * peers/: the channel between replicas. It carries hints ("this event is stored, here are its bytes"); nothing depends
 * on them: without peers, polls find the same events later.
 *
 * In: the members that presence knows, and hints of what this replica appended. Out: hints of others, and whether all
 * members answer (then polls may be slow). The command line asks over the same channel (`Asking`), and is answered by
 * whoever `onRequest` is. One TLS 1.3 connection between two replicas, by either's call, authenticated
 * both ways by a key derived from the cluster secret (RFC 8446 §2.2, external PSK with DHE): a stranger fails the
 * handshake, and a replica on a copy of the store is refused at its hello. Every queue is bounded: a slow peer loses hints, never memory.
 */
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { limits, reason } from '../base/index.ts';
import type { Clock, Logger, Random, Writer } from '../base/index.ts';
import { Answering } from './answering.ts';
import type { Answerer } from './answering.ts';
import { accepting, call, parseAddress } from './call.ts';
import { CHANNEL_VERSION, encodeFrame } from './frames.ts';
import type { Hello, Hint } from './frames.ts';
import { Link } from './link.ts';
import type { LinkEvents } from './link.ts';

export type { Hint } from './frames.ts';
export type { Answerer } from './answering.ts';
export { parseAddress } from './call.ts';
export { Asking } from './asking.ts';

/** Another replica, from its presence. */
export interface Member {
  writer: Writer;
  /** `host:port`, or null when it takes no calls. */
  address: string | null;
}

export interface PeersOptions {
  /** This process's id, as in its presence; asked when the first connection is made. */
  writer: () => Writer;
  release: string;
  /** 32 bytes, derived from the cluster secret. */
  key: Buffer;
  /** Names the store: a copy of it has the same secret, and presences of replicas that know nothing of the copy. */
  place: string;
  clock: Clock;
  random: Random;
  logger: Logger;
  /** All other replicas that presence knows now. */
  members: () => Member[];
  onHint: (hint: Hint) => void;
  /** What the command line asks; without it nothing is answered. */
  onRequest?: Answerer;
}

const DIAL_EVERY_MS = 2_000;
const DIAL_MS_MAX = 5_000;
const STRANGERS_MAX = 64;

export class Peers {
  readonly counts = { sent: 0, received: 0, dropped: 0, refused: 0 };
  readonly #o: PeersOptions;
  readonly #links = new Set<Link>();
  readonly #answering: Answering | null;
  readonly #dialling = new Map<Writer, string>();
  /** Where those that this side made lead. */
  readonly #addresses = new Map<Link, string>();
  readonly #waitUntil = new Map<Writer, { at: number; tries: number }>();
  #server: tls.Server | null = null;
  #strangers = 0;
  #stopped = false;
  #cancelDial: () => void = () => {};

  constructor(options: PeersOptions) {
    this.#o = options;
    this.#answering = options.onRequest ? new Answering(options.onRequest, options.logger) : null;
  }

  /** Takes calls at `host`:`port` (0: any free one; null: none) and calls the others every two seconds (`dial`: now). Resolves with the port. */
  async start(host: string, port: number | null): Promise<number> {
    let bound = 0;
    if (port !== null) {
      const server = tls.createServer({ ...accepting(this.#o.key), handshakeTimeout: limits.tls_handshake_ms_max }, (socket) => this.#accept(socket));
      server.on('tlsClientError', () => this.counts.refused++);
      server.maxConnections = STRANGERS_MAX * 4;
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.removeListener('error', reject);
          server.on('error', (e) => this.#o.logger.warn('peer port', { why: reason(e) }));
          resolve();
        });
      });
      this.#server = server;
      bound = (server.address() as AddressInfo).port;
    }
    this.#dialLoop();
    return bound;
  }

  #self(): Hello {
    return { version: CHANNEL_VERSION, writer: this.#o.writer(), release: this.#o.release, place: this.#o.place };
  }

  #accept(socket: tls.TLSSocket): void {
    if (this.#stopped || this.#strangers >= STRANGERS_MAX) return void socket.destroy();
    this.#strangers++;
    socket.once('close', () => this.#strangers--);
    this.#open(socket, false);
  }

  #open(socket: tls.TLSSocket, dialled: boolean, greeted: () => void = () => {}): Link {
    const events: LinkEvents = {
      onHello: (link, hello) => {
        greeted();
        if (hello.writer === '') return; // the command line
        if (hello.writer === this.#o.writer()) return link.close();
        this.#waitUntil.delete(hello.writer);
        if (!this.#settle(link, hello.writer)) return link.close();
        this.#o.logger.info('peer connected', { peer: hello.writer, release: hello.release, dialled: link.dialled });
      },
      onHint: (hint) => {
        this.counts.received++;
        this.#o.onHint(hint);
      },
      onClosed: (link) => {
        this.#links.delete(link);
        this.#addresses.delete(link);
        const writer = link.peer?.writer;
        if (writer && writer !== this.#o.writer() && !this.#stopped && !this.#connected(writer)) this.#o.logger.info('peer gone', { peer: writer });
      },
      onDropped: () => this.counts.dropped++,
      onRefused: () => this.counts.refused++,
      onRequest: (from, request) => this.#answering?.take(from, request),
    };
    const link = new Link(socket, dialled, this.#self(), events, this.#o.clock, this.#o.logger);
    this.#links.add(link);
    return link;
  }

  /**
   * One connection between two replicas: of two that went the same way the newer, since who calls again has found the
   * older one dead; of two that crossed, on both sides the one that the smaller id made. False: not this one.
   */
  #settle(link: Link, writer: Writer): boolean {
    for (const other of [...this.#links]) {
      if (other === link || other.peer?.writer !== writer || other.leaving) continue;
      if (other.dialled !== link.dialled && link.dialled !== (this.#o.writer() < writer)) return false;
      other.close();
    }
    return true;
  }

  #connected(writer: Writer): boolean {
    for (const link of this.#links) if (link.peer?.writer === writer) return true;
    return false;
  }

  #dialLoop(): void {
    this.#cancelDial = this.#o.clock.after(DIAL_EVERY_MS, () => {
      if (this.#stopped) return;
      this.dial();
      this.#dialLoop();
    });
  }

  /** Calls every member that isn't connected; also at once when presence found a new one. */
  dial(): void {
    const now = this.#o.clock.monotonic();
    const members = this.#o.members();
    for (const writer of this.#waitUntil.keys()) if (!members.some((m) => m.writer === writer)) this.#waitUntil.delete(writer);
    for (const member of members) {
      const address = member.address ? parseAddress(member.address) : null;
      if (!address || member.writer === this.#o.writer() || this.#dialling.has(member.writer) || this.#connected(member.writer)) continue;
      if ((this.#waitUntil.get(member.writer)?.at ?? 0) > now) continue;
      if (this.#reaches(member.address!, members)) continue;
      this.#call(member.writer, address, member.address!);
    }
  }

  /**
   * Who was killed and came back has its old presence for a while: a call there would only replace the new one's
   * connection, also before the store has told of that one.
   */
  #reaches(address: string, members: readonly Member[]): boolean {
    if ([...this.#addresses.values(), ...this.#dialling.values()].includes(address)) return true;
    return members.some((m) => m.address === address && this.#connected(m.writer));
  }

  #call(writer: Writer, address: { host: string; port: number }, named: string): void {
    this.#dialling.set(writer, named);
    const socket = call(address, this.#o.key);
    // Until the other has said who it is, this call is under way: no second one is made.
    let link: Link | null = null;
    const cancel = this.#o.clock.after(DIAL_MS_MAX, () => {
      this.#dialling.delete(writer);
      if (!link?.peer) socket.destroy();
    });
    socket.once('secureConnect', () => {
      if (this.#stopped) return void socket.destroy();
      link = this.#open(socket, true, () => {
        cancel();
        this.#dialling.delete(writer);
      });
      this.#addresses.set(link, named);
    });
    socket.on('error', () => {});
    socket.once('close', () => {
      cancel();
      this.#dialling.delete(writer);
      const tries = (this.#waitUntil.get(writer)?.tries ?? 0) + 1;
      const wait = Math.min(60_000, 1000 * 2 ** Math.min(tries, 6)) * (0.5 + this.#o.random.unit());
      this.#waitUntil.set(writer, { at: this.#o.clock.monotonic() + wait, tries });
    });
  }

  /** Tells all peers. Never waits, never throws. */
  broadcast(hint: Hint): void {
    if (this.#links.size === 0) return;
    const bytes = encodeFrame({ type: 'hint', hint });
    if (bytes.length > limits.peer_frame_bytes_max) return;
    const told = new Set<Writer>();
    for (const link of this.#links) {
      if (!link.peer?.writer || told.has(link.peer.writer)) continue;
      told.add(link.peer.writer);
      link.send(bytes);
      this.counts.sent++;
    }
  }

  /** True when every member that presence knows is connected: then polls are only a safety net. */
  get complete(): boolean {
    return this.#o.members().every((m) => this.#connected(m.writer));
  }

  /** The writers of connected peers. */
  get connected(): Writer[] {
    return [...new Set([...this.#links].flatMap((l) => (l.peer?.writer ? [l.peer.writer] : [])))];
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelDial();
    for (const link of this.#links) link.leave();
    const server = this.#server;
    if (server) await new Promise<void>((resolve) => {
      server.close(() => resolve());
      this.#o.clock.after(200, () => {
        for (const link of this.#links) link.close();
      });
    });
  }
}
