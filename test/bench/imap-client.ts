// A lean IMAP client: commands out, bytes counted until the tagged line comes.
import type { Socket } from 'node:net';
import { LastLine, open } from './wire.ts';
import type { Where } from './wire.ts';

interface Waiting {
  prefix: string;
  keep: Buffer[] | null;
  bytes: number;
  resolve(answer: Answer): void;
  reject(e: Error): void;
}

export interface Answer {
  /** All that came, the tagged line included. */
  bytes: number;
  /** Latin-1; empty unless it was asked for. */
  text: string;
}

export class ImapClient {
  readonly socket: Socket;
  /** Called with what comes unasked. */
  onPush: ((chunk: Buffer) => void) | null = null;
  readonly #line = new LastLine();
  #waiting: Waiting | null = null;
  #tag = 0;
  #closed: Error | null = null;

  /** Connects and awaits the greeting. */
  static async connect(where: Where): Promise<ImapClient> {
    const client = new ImapClient(await open(where));
    await client.#answer('* ', false);
    return client;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('close', () => {
      this.#closed = new Error('the server closed the connection');
      this.#waiting?.reject(this.#closed);
      this.#waiting = null;
    });
  }

  /** One command without its tag. Rejects unless it is OK. */
  run(command: string, keep = false): Promise<Answer> {
    const tag = `a${++this.#tag}`;
    this.socket.write(`${tag} ${command}\r\n`, 'latin1');
    return this.#answer(`${tag} `, keep);
  }

  /** APPENDs sent one after the other without waiting (LITERAL+, RFC 7888). */
  async append(mailbox: string, messages: readonly Buffer[]): Promise<void> {
    let tag = '';
    this.socket.cork();
    for (const message of messages) {
      tag = `a${++this.#tag}`;
      this.socket.write(`${tag} APPEND ${mailbox} {${message.length}+}\r\n`, 'latin1');
      this.socket.write(message);
      this.socket.write('\r\n');
    }
    this.socket.uncork();
    const { text } = await this.#answer(`${tag} `, messages.length > 1);
    const bad = messages.length > 1 && /^a\d+ (?:NO|BAD).*/m.exec(text);
    if (bad) throw new Error(bad[0]);
  }

  /** All in one command (MULTIAPPEND, RFC 3502). */
  async multiAppend(mailbox: string, messages: readonly Buffer[]): Promise<void> {
    const tag = `a${++this.#tag}`;
    this.socket.cork();
    this.socket.write(`${tag} APPEND ${mailbox}`, 'latin1');
    for (const message of messages) {
      this.socket.write(` {${message.length}+}\r\n`, 'latin1');
      this.socket.write(message);
    }
    this.socket.write('\r\n');
    this.socket.uncork();
    await this.#answer(`${tag} `, false);
  }

  /** IDLE (RFC 2177); what comes goes to `onPush`. */
  async idle(): Promise<void> {
    this.socket.write(`a${++this.#tag} IDLE\r\n`, 'latin1');
    await this.#answer('+ ', false);
  }

  /** Ends IDLE. */
  async done(): Promise<void> {
    this.socket.write('DONE\r\n');
    await this.#answer(`a${this.#tag} `, false);
  }

  async login(user: { address: string; password: string }): Promise<void> {
    await this.run(`LOGIN ${user.address} ${user.password}`);
  }

  /** Closes without a word. */
  close(): void {
    this.socket.destroy();
  }

  #answer(prefix: string, keep: boolean): Promise<Answer> {
    if (this.#closed) return Promise.reject(this.#closed);
    return new Promise((resolve, reject) => {
      this.#waiting = { prefix, keep: keep ? [] : null, bytes: 0, resolve, reject };
    });
  }

  #data(chunk: Buffer): void {
    this.#line.push(chunk);
    const waiting = this.#waiting;
    if (!waiting) {
      this.onPush?.(chunk);
      return;
    }
    waiting.bytes += chunk.length;
    waiting.keep?.push(chunk);
    const head = this.#line.head;
    // What happened meanwhile may stand right behind the continuation.
    if (waiting.prefix === '+ ' ? !/^\+ /m.test(chunk.toString('latin1')) : !this.#line.ended || !head.startsWith(waiting.prefix)) return;
    this.#waiting = null;
    const tagged = waiting.prefix.startsWith('a');
    if (tagged && !head.startsWith('OK', waiting.prefix.length)) waiting.reject(new Error(head.trim()));
    else waiting.resolve({ bytes: waiting.bytes, text: waiting.keep ? Buffer.concat(waiting.keep).toString('latin1') : '' });
  }
}
