// The PROXY protocol, versions 1 and 2: a load balancer in front says whose connection it hands on. Only who is configured
// is believed, and then it must speak it: a connection without a header, or with a bad one, is closed.
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { Malformed } from './errors.ts';
import { limits } from './limits.ts';
import { Networks, plainAddress } from './networks.ts';

/** Of version 2. */
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** A line of version 1 with its CRLF. */
const LINE_BYTES_MAX = 107;
const V2_HEAD = 16;

export interface ProxyHeader {
  /** The client's; null: the proxy speaks for itself (health checks). */
  address: string | null;
  port: number;
  /** Bytes of the header. */
  length: number;
}

/** Reads a header from the first bytes of a connection; null while more must come. Malformed. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader | null {
  if (bytes.length === 0) return null;
  const start = Math.min(bytes.length, SIGNATURE.length);
  if (bytes.subarray(0, start).equals(SIGNATURE.subarray(0, start))) return version2(bytes);
  return version1(bytes);
}

function version1(bytes: Buffer): ProxyHeader | null {
  const end = bytes.subarray(0, LINE_BYTES_MAX).indexOf('\r\n');
  const begin = bytes.subarray(0, 6).toString('latin1');
  if (!'PROXY '.startsWith(begin)) throw new Malformed('no PROXY header');
  if (end < 0) {
    if (bytes.length >= LINE_BYTES_MAX) throw new Malformed('PROXY line too long');
    return null;
  }
  const words = bytes.subarray(0, end).toString('latin1').split(' ');
  const length = end + 2;
  if (words[1] === 'UNKNOWN') return { address: null, port: 0, length };
  const kind = words[1] === 'TCP4' ? 4 : words[1] === 'TCP6' ? 6 : 0;
  if (words.length !== 6 || kind === 0 || isIP(words[2]) !== kind || isIP(words[3]) !== kind) throw new Malformed('bad PROXY line');
  const [from, to] = [words[4], words[5]].map((text) => (/^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535 ? Number(text) : NaN));
  if (Number.isNaN(from) || Number.isNaN(to)) throw new Malformed('bad PROXY port');
  return { address: plainAddress(words[2]), port: from, length };
}

function version2(bytes: Buffer): ProxyHeader | null {
  if (bytes.length < V2_HEAD) return null;
  const version = bytes[12] >> 4;
  const command = bytes[12] & 15;
  const [family, protocol] = [bytes[13] >> 4, bytes[13] & 15];
  const length = V2_HEAD + bytes.readUInt16BE(14);
  if (version !== 2 || command > 1 || family > 3 || protocol > 2) throw new Malformed('bad PROXY header');
  if (length > limits.proxy_header_bytes_max) throw new Malformed('PROXY header too long');
  if (bytes.length < length) return null;
  if (command === 0) return { address: null, port: 0, length };
  // Only streams over IP come here.
  const width = family === 1 ? 4 : family === 2 ? 16 : 0;
  if (width === 0 || protocol !== 1) throw new Malformed('a PROXY header of no TCP connection');
  if (length < V2_HEAD + 2 * width + 4) throw new Malformed('PROXY header too short');
  const raw = bytes.subarray(V2_HEAD, V2_HEAD + width);
  const address = width === 4 ? raw.join('.') : Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(2 * i).toString(16)).join(':');
  return { address: plainAddress(address.replace(/^0:0:0:0:0:ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/, (_, a, b) => `::ffff:${[parseInt(a, 16) >> 8, parseInt(a, 16) & 255, parseInt(b, 16) >> 8, parseInt(b, 16) & 255].join('.')}`)), port: bytes.readUInt16BE(V2_HEAD + 2 * width), length };
}

/** From now on `socket` has this address, as far as anybody here asks it. */
export function setRemoteAddress(socket: Socket, address: string, port: number): void {
  Object.defineProperty(socket, 'remoteAddress', { value: address, configurable: true });
  Object.defineProperty(socket, 'remotePort', { value: port, configurable: true });
}

/** The proxies that are believed. */
export class Proxies {
  readonly #from: Networks;
  readonly #clock: Clock;
  readonly #waitingMax: number;
  #waiting = 0;
  constructor(from: readonly string[], clock: Clock, waitingMax: number = limits.proxy_waiting_max) {
    this.#waitingMax = waitingMax;
    this.#from = new Networks(from);
    this.#clock = clock;
  }

  /** Whether this connection begins with a PROXY header. */
  speaks(socket: Socket): boolean {
    return !this.#from.empty && this.#from.has(socket.remoteAddress ?? '');
  }

  /** Reads the header, gives the socket its client's address, and calls `then`; a connection without a good one is destroyed. */
  accept(socket: Socket, then: () => void, refused: (why: string) => void = () => {}): void {
    if (this.#waiting >= this.#waitingMax) return void socket.destroy();
    this.#waiting++;
    let seen: Buffer = Buffer.alloc(0);
    const end = (why: string | null) => {
      this.#waiting--;
      cancel();
      socket.off('readable', read).off('close', closed).off('error', ignore);
      if (why === null) return;
      refused(why);
      socket.on('error', ignore).destroy();
    };
    const closed = () => end('closed before its PROXY header');
    const ignore = () => {};
    // Not by 'data': whoever takes the socket over, be it TLS, finds it as if nobody had read from it.
    const read = () => {
      const piece = socket.read() as Buffer | null;
      if (piece === null) return;
      seen = seen.length === 0 ? piece : Buffer.concat([seen, piece]);
      try {
        const header = parseProxyHeader(seen);
        if (header === null) return;
        end(null);
        if (header.address !== null) setRemoteAddress(socket, header.address, header.port);
        if (seen.length > header.length) socket.unshift(seen.subarray(header.length));
        then();
      } catch (e) {
        end((e as Error).message);
      }
    };
    const cancel = this.#clock.after(limits.proxy_header_ms_max, () => end('no PROXY header in time'));
    socket.on('readable', read).on('close', closed).on('error', ignore);
  }
}
