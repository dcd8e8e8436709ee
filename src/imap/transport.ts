// The bytes of one connection: its socket in clear or under TLS, what has come (reader) and what goes (writer), and
// waiting for more. Knows no command. Its time-outs are looked at from outside.
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { limits } from '../base/index.ts';
import { Deflated } from './deflated.ts';
import type { Ending } from './deflated.ts';
import { CommandReader, Writer } from './wire/index.ts';
import type { Arrival, CommandRoom } from './wire/index.ts';

/** Bytes that may wait in the reader before the socket is no longer read; from a stranger a command or two. */
const INPUT_BYTES_MAX = 256 * 1024;
const STRANGER_INPUT_BYTES_MAX = 32 * 1024;

/** Thrown inside a command when the client has gone: nothing is left to answer. */
export class Gone extends Error {
  override name = 'Gone';
}

/** Who is told what happens on the socket. */
export interface Owner {
  /** Bytes came, and no command waits for them. */
  received(): void;
  /** The TLS handshake of a new connection is done. */
  secured(): void;
  /** The client sends no more, and may still read; no command waits. */
  inputEnded(): void;
  /** The socket is closed. */
  closed(): void;
}

export class Transport {
  readonly reader: CommandReader;
  readonly out: Writer;
  secure: boolean;
  handshaking: boolean;
  /** No further command: only what was written still goes out. */
  ending = false;
  closed = false;
  inputEnded = false;
  /** When bytes last came, by the sweep's clock: bytes only mark it, the sweep reads the time. */
  #heard = true;
  #owner: Owner;
  #tls: TLSSocket | null = null;
  #socket: Duplex;
  /** COMPRESS is on, and what carries it. */
  #deflated: Deflated | null = null;
  #carrier: Duplex | null = null;
  /** COMPRESS is off again, and the first byte in clear has not come. */
  #ending: Ending | null = null;
  #wake: (() => void) | null = null;
  #silentSince: number;
  #progressAt: number;
  #taken = 0;

  /** `secureContext`: TLS from the first byte. `now` is monotonic. */
  constructor(owner: Owner, socket: Socket, secureContext: SecureContext | null, now: number, room?: CommandRoom) {
    this.#owner = owner;
    this.reader = new CommandReader(room);
    this.secure = this.handshaking = secureContext !== null;
    this.#silentSince = this.#progressAt = now;
    this.#socket = secureContext === null ? socket : this.#wrap(socket, secureContext);
    this.out = new Writer(this.#socket);
    this.#listen();
  }

  #wrap(socket: Duplex, secureContext: SecureContext): TLSSocket {
    // Errors of the inner socket come through the outer one as well.
    socket.on('error', ignore);
    return (this.#tls = new TLSSocket(socket, { isServer: true, secureContext }).on('secure', onSecure));
  }

  /**
   * RFC 9266 §2: tls-exporter. Null without TLS 1.3: §4.2, older ones give a secret that is the connection's own only with
   * an extension that can't be asked for here.
   */
  channelBinding(): Buffer | null {
    if (this.handshaking || this.#tls?.getProtocol() !== 'TLSv1.3') return null;
    return this.#tls.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0));
  }

  #listen(): void {
    (this.#socket as Owned).transport = this;
    this.#socket.on('data', onData).on('close', onClose).on('error', onError).on('end', onEnd);
  }

  /** A command waits for the client. */
  get waiting(): boolean {
    return this.#wake !== null;
  }

  /** The next arrival while a command is running: waits for bytes. Throws Gone. */
  async arrival(): Promise<Arrival> {
    for (;;) {
      if (this.closed || this.ending) throw new Gone('the connection is gone');
      const arrival = this.reader.next();
      this.resume();
      if (arrival !== null) return arrival;
      await this.more();
    }
  }

  /** Waits until the client has sent something. Throws Gone. */
  async more(): Promise<void> {
    this.out.flush();
    this.resume();
    if (this.inputEnded) this.ending = true;
    if (!this.closed && !this.ending) await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.closed || this.ending) throw new Gone('the connection is gone');
  }

  get #inputMax(): number {
    return this.reader.authenticated ? INPUT_BYTES_MAX : STRANGER_INPUT_BYTES_MAX;
  }

  /** Reads the socket again when enough was taken. */
  resume(): void {
    if (this.reader.buffered === 0) this.#deflated?.more();
    if (this.reader.buffered <= this.#inputMax / 2 && this.#socket.isPaused()) this.#socket.resume();
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Goes on under TLS. Resolves when the handshake is done or the connection gone. */
  async startTls(secureContext: SecureContext): Promise<void> {
    const plain = this.#socket;
    this.out.flush();
    await new Promise<void>((resolve) => (plain.writableLength === 0 ? resolve() : plain.write('', () => resolve())));
    if (this.closed) return;
    deafen(plain);
    plain.pause();
    // Whatever was sent in clear behind STARTTLS could have been put there by someone else (CVE-2011-0411).
    this.reader.clear();
    this.handshaking = this.#heard = true;
    this.#socket = this.#wrap(plain, secureContext);
    this.out.moveTo(this.#socket);
    this.secure = true;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#listen();
    });
  }

  /** Goes on compressed (RFC 4978). */
  compress(): void {
    const plain = this.#socket;
    this.out.flush();
    deafen(plain).on('error', ignore);
    // A client waits for our OK before it sends anything more.
    this.reader.clear();
    this.#socket = this.#deflated = new Deflated(plain);
    this.#carrier = plain;
    this.out.moveTo(this.#socket);
    this.#listen();
  }

  /**
   * Goes on without compression, if there is one; what the client has sent behind the running command is in clear. Resolves
   * when all that was said before has been compressed, with whether the client kept to that.
   */
  async decompress(): Promise<boolean> {
    const deflated = this.#deflated;
    if (deflated === null) return true;
    this.out.flush();
    await new Promise<void>((resolve) => (deflated.writableLength === 0 ? resolve() : deflated.write('', () => resolve())));
    const kept = this.reader.buffered === 0 && (await deflated.dry());
    if (this.closed) return true;
    deafen(deflated).on('error', ignore);
    const { came, ending } = deflated.detach();
    this.#socket = this.#carrier!.off('error', ignore);
    this.#deflated = this.#carrier = null;
    this.#ending = ending;
    this.out.moveTo(this.#socket);
    this.#listen();
    this.#socket.resume();
    if (came.length > 0) this.onData(came);
    // Its end may have come while it was compressed: it does not come again.
    if (this.#socket.readableEnded) this.onEnd();
    return kept;
  }

  /** COMPRESS is on. */
  get compressed(): boolean {
    return this.#deflated !== null;
  }

  /** No more commands from here on; a command that waits is thrown Gone. */
  stop(): void {
    this.ending = true;
    this.#woken();
  }

  /** Closes our side behind what was written. */
  hangUp(): void {
    this.ending = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** The client counts as active, though it sent nothing. */
  touch(): void {
    this.#heard = true;
  }

  /** Milliseconds since the client last sent something (since it was last seen by a sweep, to its precision). */
  silence(now: number): number {
    if (this.#heard) this.#silentSince = now;
    this.#heard = false;
    return now - this.#silentSince;
  }

  /** Milliseconds for which the client has taken nothing of what waits for it. */
  stalled(now: number): number {
    if (this.out.taken !== this.#taken || !this.out.pending) {
      this.#taken = this.out.taken;
      this.#progressAt = now;
    }
    return now - this.#progressAt;
  }

  // --- from the socket ---

  onData(chunk: Buffer): void {
    if (this.ending || this.closed) return;
    if (this.#ending !== null) {
      const clear = this.#ending.take(chunk);
      if (clear === null) return;
      this.#ending = null;
      chunk = clear;
    }
    this.reader.push(chunk);
    // Before log-in only finished commands count as a sign of life: a drip of bytes does not.
    if (this.reader.authenticated) this.#heard = true;
    if (this.reader.buffered > this.#inputMax) this.#socket.pause();
    if (this.#wake !== null) this.#woken();
    else this.#owner.received();
  }

  onSecure(): void {
    if (!this.handshaking) return;
    this.handshaking = false;
    this.#heard = true;
    if (this.#wake !== null) this.#woken();
    else this.#owner.secured();
  }

  onEnd(): void {
    this.inputEnded = true;
    if (this.#wake !== null) this.stop();
    else this.#owner.inputEnded();
  }

  onClose(): void {
    if (this.closed) return;
    this.closed = true;
    this.out.closed();
    this.reader.clear();
    this.#owner.closed();
    this.#woken();
  }
}

// The sockets' listeners are shared: a closure for each event and connection would cost kilobytes.
type Owned = Duplex & { transport: Transport };
function onData(this: Duplex, chunk: Buffer): void {
  (this as Owned).transport.onData(chunk);
}
function onClose(this: Duplex): void {
  (this as Owned).transport.onClose();
}
function onEnd(this: Duplex): void {
  (this as Owned).transport.onEnd();
}
function onSecure(this: Duplex): void {
  (this as Owned).transport.onSecure();
}
function onError(this: Duplex): void {
  this.destroy();
}
function ignore(): void {}
/** Takes away what `#listen` put there. */
function deafen(socket: Duplex): Duplex {
  return socket.off('data', onData).off('close', onClose).off('error', onError).off('end', onEnd);
}

/** Whether a time-out that the server's sweep looks at has been reached; the text says which. Null: none. */
export function timedOut(transport: Transport, now: number, authenticated: boolean, working: boolean): 'cut' | 'bye' | null {
  if (transport.stalled(now) > limits.imap_output_stalled_ms_max) return 'cut';
  const silence = transport.silence(now);
  if (transport.handshaking) return silence > limits.tls_handshake_ms_max ? 'cut' : null;
  if (transport.ending) return silence > limits.imap_unauthenticated_ms_max ? 'cut' : null;
  // A command that works for the client is not the client's silence.
  if (working && !transport.waiting) return null;
  return silence > (authenticated ? limits.imap_idle_ms_max : limits.imap_unauthenticated_ms_max) ? 'bye' : null;
}
