// Protocol tests as dialogues: `C:` lines go out, `S:` lines must come in, in order and completely. In `S:` lines `…`
// stands for anything. A server with the fake backend and a raw socket.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { createSecureContext, connect as connectTls } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { generate } from 'selfsigned';
import { limits as everybodys, silent, systemClock } from '../../src/base/index.ts';
import type { Clock, Limits, Logger, Proxies } from '../../src/base/index.ts';
import { ImapServer } from '../../src/imap/index.ts';
import { FakeBackend, FakeUser } from './fake.ts';

export interface World {
  user: FakeUser;
  backend: FakeBackend;
  server: ImapServer;
  port: number;
  tlsPort: number;
  stop(): Promise<void>;
}

let certificate: Promise<SecureContext> | null = null;

/** One certificate for all tests. */
function secureContext(): Promise<SecureContext> {
  certificate ??= Promise.resolve(generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 })).then(({ private: key, cert }) => createSecureContext({ key, cert }));
  return certificate;
}

/** A server with the user `ann@example.org`, password `secret`. */
export async function startWorld({ clock = systemClock, logger = silent as Logger, tls = true, limits = everybodys, withheld = [], proxies }: { clock?: Clock; logger?: Logger; tls?: boolean; limits?: Limits; withheld?: string[]; proxies?: Proxies } = {}): Promise<World> {
  const user = new FakeUser('ann@example.org', 'secret');
  const backend = new FakeBackend(user);
  const context = tls ? await secureContext() : null;
  const server = new ImapServer({ backend, secureContext: () => context, logger, clock, hostname: 'imap.example.org', limits, withheld, proxies });
  const port = await server.listen(0, '127.0.0.1');
  const tlsPort = await server.listen(0, '127.0.0.1', { implicitTls: true });
  return { user, backend, server, port, tlsPort, stop: () => server.drain(200) };
}

/** A client that speaks bytes. */
export class Wire {
  socket: Socket;
  ended = false;
  #buffer = '';
  #wake: (() => void) | null = null;

  constructor(socket: Socket) {
    this.socket = socket;
    this.#attach();
  }
  #attach(): void {
    this.socket.on('data', (chunk) => {
      this.#buffer += chunk.toString('latin1');
      this.#wake?.();
    });
    const end = () => {
      this.ended = true;
      this.#wake?.();
    };
    this.socket.on('end', end).on('close', end).on('error', end);
  }

  /** Reads bytes as they come again, after something else did. */
  plain(): void {
    this.socket.unpipe();
    this.socket.removeAllListeners('data');
    this.#attach();
    this.socket.resume();
  }

  /** What has come and was not read yet. */
  get waiting(): string {
    return this.#buffer;
  }
  send(text: string | Buffer): void {
    this.socket.write(typeof text === 'string' ? Buffer.from(text, 'latin1') : text);
  }
  async #more(): Promise<void> {
    if (this.ended) throw new Error(`connection ended; unread: ${JSON.stringify(this.#buffer.slice(0, 300))}`);
    let timer: NodeJS.Timeout;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(() => reject(new Error(`no answer; unread: ${JSON.stringify(this.#buffer.slice(0, 300))}`)), 5000);
    }).finally(() => clearTimeout(timer));
    this.#wake = null;
  }
  /** One line without its end. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#buffer.indexOf('\r\n');
      if (end >= 0) {
        const line = this.#buffer.slice(0, end);
        this.#buffer = this.#buffer.slice(end + 2);
        return line;
      }
      await this.#more();
    }
  }
  /** All lines up to the answer that bears `tag`. */
  async until(tag: string): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      lines.push(line);
      if (line.startsWith(`${tag} `)) return lines;
    }
  }
  /** Sends a command and gives its answer's lines. */
  command(tag: string, text: string): Promise<string[]> {
    this.send(`${tag} ${text}\r\n`);
    return this.until(tag);
  }
  /** Everything until the server closes. */
  async rest(): Promise<string> {
    while (!this.ended) await this.#more();
    const rest = this.#buffer;
    this.#buffer = '';
    return rest;
  }
  /** Nothing unexpected lies there. */
  assertQuiet(): void {
    assert.equal(this.#buffer, '');
  }
  async startTls(): Promise<void> {
    this.socket.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close').removeAllListeners('error');
    this.socket = connectTls({ socket: this.socket, rejectUnauthorized: false });
    this.#attach();
    await new Promise<void>((resolve) => this.socket.once('secureConnect', resolve));
  }
  close(): void {
    this.socket.destroy();
  }
}

export async function dial(port: number, { tls = false, greeting = true, login = false } = {}): Promise<Wire> {
  const socket = tls ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }) : connect({ port, host: '127.0.0.1', noDelay: true });
  const wire = new Wire(socket);
  if (greeting) assert.match(await wire.line(), /^\* OK \[CAPABILITY /);
  if (login) assert.match((await wire.command('login', 'LOGIN ann@example.org secret')).at(-1)!, /^login OK/);
  return wire;
}

/** Plays a dialogue. */
export async function play(wire: Wire, script: string): Promise<void> {
  const lines = script.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of lines) {
    const text = line.slice(3);
    if (line.startsWith('C:')) wire.send(`${text}\r\n`);
    else if (line.startsWith('S:')) assert.match(await wire.line(), expected(text), `expected ${text}`);
    else throw new Error(`neither C: nor S:: ${line}`);
  }
}

function expected(text: string): RegExp {
  return new RegExp(`^${text.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*')}$`, 's');
}
