// Connections to one S3 endpoint: each lane is one connection with one request at a time; the one used last is taken
// first, so that idle ones may end.
//
// Why not undici's own pool: Garage writes head and body of a GET one after the other and does not set TCP_NODELAY, so
// a body of 3 to 64 KB is kept back until our kernel acknowledges the head: after 40 ms. Whatever we send carries that
// acknowledgement at once, and an empty line before a request is to be ignored by the server (RFC 9112 §2.2). So, when
// a head has come without its body, an empty line is sent ("nudge"): a GET of 10 KB then takes 1 ms. A server that
// takes offence answers 400 to it: then the request is sent again and no server is ever nudged again.
import { Client, buildConnector } from 'undici';
import type { TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import { limits } from '../base/index.ts';

/** Longer bodies come in several segments, which are acknowledged anyway. */
const NUDGE_BYTES_MAX = 256 * 1024;

export interface Lane {
  readonly client: Client;
  /** Sends an empty line, when the body isn't there yet. */
  nudge(bytes: number, there: number): void;
  /** True when the lane's last answer may be one to an empty line: it must be asked again. */
  offended(status: number): boolean;
}

export class Lanes {
  readonly #origin: string;
  readonly #connect = buildConnector({ timeout: limits.store_request_ms_max, allowH2: false });
  readonly #free: Lane[] = [];
  readonly #all = new Set<Client>();
  #nudges = true;

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** The caller bounds how many are taken at once. */
  take(): Lane {
    return this.#free.pop() ?? this.#make();
  }

  give(lane: Lane): void {
    this.#free.push(lane);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((client) => client.destroy()));
  }

  #make(): Lane {
    let socket: Socket | TLSSocket | null = null;
    let nudged = false;
    const client = new Client(this.#origin, {
      pipelining: 1,
      allowH2: false,
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 60_000,
      // Timers of the call end every send; these are a second net only.
      headersTimeout: 0,
      bodyTimeout: limits.store_request_ms_max,
      // undici sets TCP_NODELAY.
      connect: (options, callback) => {
        nudged = false;
        this.#connect(options, (...result) => {
          socket = result[1];
          callback(...result);
        });
      },
    });
    this.#all.add(client);
    return {
      client,
      nudge: (bytes, there) => {
        if (!this.#nudges || !(bytes > there) || bytes > NUDGE_BYTES_MAX || !socket?.writable) return;
        nudged = true;
        socket.write('\r\n');
      },
      offended: (status) => {
        const offence = nudged && status === 400;
        if (offence) {
          this.#nudges = false;
          socket?.destroy();
        }
        nudged = false;
        return offence;
      },
    };
  }
}
