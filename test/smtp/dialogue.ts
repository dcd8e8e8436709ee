// A client that speaks line by line, and a Receiver that remembers what it was given.
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { limits, type Limits, Refused, seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { LmtpServer, type MailServerOptions, type Outcome, type Receiver, type Recipient, SmtpServer, type Transaction, type TransactionInfo } from '../../src/smtp/index.ts';

export interface Stored {
  info: TransactionInfo;
  bytes: Buffer;
  prefix: Map<string, string>;
  writes: number;
}

/** Knows everybody at example.org; what it does otherwise is set by each test. */
export class Post implements Receiver {
  readonly stored: Stored[] = [];
  aborted = 0;
  begun = 0;
  asked: { address: string; declaredBytes: number | null }[] = [];
  onRecipient: (address: string) => void | Promise<void> = () => {};
  onWrite: (piece: Buffer, sofar: number) => void | Promise<void> = () => {};
  onCommit: (recipient: Recipient) => Error | null | Promise<Error | null> = () => null;
  received = 0;

  async recipient(address: string, declaredBytes: number | null): Promise<Recipient> {
    this.asked.push({ address, declaredBytes });
    await this.onRecipient(address);
    if (!/@example\.org$/i.test(address)) throw new Refused('no such user here', 'NONEXISTENT', '550 5.1.1');
    return { address, target: address.toLowerCase() };
  }

  begin(info: TransactionInfo): Transaction {
    this.begun++;
    const pieces: Buffer[] = [];
    let sofar = 0;
    const post = this;
    return {
      async write(piece) {
        sofar += piece.length;
        pieces.push(Buffer.from(piece));
        await post.onWrite(piece, sofar);
      },
      get received() {
        return post.received;
      },
      async commit(prefix) {
        const stored: Stored = { info, bytes: Buffer.concat(pieces), prefix: new Map(), writes: pieces.length };
        const outcomes: Outcome[] = [];
        for (const recipient of info.recipients) {
          const error = await post.onCommit(recipient);
          if (error === null) stored.prefix.set(recipient.address, prefix(recipient).toString());
          outcomes.push({ recipient, error });
        }
        post.stored.push(stored);
        return outcomes;
      },
      abort() {
        post.aborted++;
      },
    };
  }
}

/** One side of a conversation: says lines, expects answers. */
export class Dialogue {
  #socket: Socket;
  #text = '';
  #ended = false;
  #wake: (() => void) | null = null;
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }
  #listen(): void {
    const wake = () => this.#wake?.();
    this.#socket.on('data', (d) => {
      this.#text += d.toString('latin1');
      wake();
    });
    this.#socket.on('close', () => {
      this.#ended = true;
      wake();
    });
    this.#socket.on('error', () => {});
  }
  static async open(port: number, greeting: string | RegExp | null = '220'): Promise<Dialogue> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const dialogue = new Dialogue(socket);
    if (greeting !== null) await dialogue.expect(greeting);
    return dialogue;
  }
  get socket(): Socket {
    return this.#socket;
  }
  /** Bytes as they are. */
  raw(bytes: string | Buffer): void {
    this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }
  /** The next reply, all its lines, without the last CRLF. */
  async reply(): Promise<string> {
    for (;;) {
      const m = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text);
      if (m !== null) {
        this.#text = this.#text.slice(m[0].length);
        return m[0].slice(0, -2);
      }
      if (this.#ended) throw new Error(`closed, after ${JSON.stringify(this.#text)}`);
      await this.#more(5000);
    }
  }
  async #more(ms: number): Promise<void> {
    let timer: NodeJS.Timeout;
    await new Promise<void>((resolve, reject) => {
      this.#wake = resolve;
      timer = setTimeout(() => reject(new Error(`no reply in ${ms} ms, only ${JSON.stringify(this.#text)}`)), ms);
    }).finally(() => clearTimeout(timer));
    this.#wake = null;
  }
  /** Expects a reply that begins with the text or matches. */
  async expect(what: string | RegExp): Promise<string> {
    const reply = await this.reply();
    if (typeof what === 'string') assert.ok(reply.startsWith(what), `expected ${what}, got ${reply}`);
    else assert.match(reply, what);
    return reply;
  }
  /** Says a line, expects the reply. */
  async say(line: string, what: string | RegExp): Promise<string> {
    this.#socket.write(`${line}\r\n`);
    return this.expect(what);
  }
  /** Nothing is said for `ms`. */
  async silence(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    assert.equal(this.#text, '');
  }
  /** The other side closes. */
  async closed(): Promise<void> {
    while (!this.#ended) await this.#more(6000);
  }
  async tls(): Promise<void> {
    const raw = this.#socket;
    raw.removeAllListeners('data');
    raw.removeAllListeners('close');
    this.#socket = connectTls({ socket: raw, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => this.#socket.once('secureConnect', resolve).once('error', reject));
    this.#listen();
  }
  end(): void {
    this.#socket.destroy();
  }
}

/** A server on a port of its own, closed after the test. */
export class House {
  readonly post = new Post();
  readonly server: SmtpServer | LmtpServer;
  port = 0;
  readonly #open: Dialogue[] = [];
  readonly lmtp: boolean;
  constructor(lmtp: boolean, change: Partial<Limits> = {}, options: Partial<MailServerOptions> = {}) {
    this.lmtp = lmtp;
    const all: MailServerOptions = {
      receiver: this.post,
      hostname: 'mx.example.org',
      tls: () => null,
      clock: systemClock,
      random: seededRandom(1),
      logger: silent,
      limits: { ...limits, ...change },
      ...options,
    };
    this.server = lmtp ? new LmtpServer(all) : new SmtpServer(all);
  }
  async start(): Promise<this> {
    this.port = await this.server.listen('127.0.0.1', 0);
    return this;
  }
  async open(greeting: string | RegExp | null = '220'): Promise<Dialogue> {
    const d = await Dialogue.open(this.port, greeting);
    this.#open.push(d);
    return d;
  }
  /** Greeted, at the point where MAIL FROM may come. */
  async hello(): Promise<Dialogue> {
    const d = await this.open();
    await d.say(this.lmtp ? 'LHLO client.example' : 'EHLO client.example', '250');
    return d;
  }
  /** At the point where the message may come. */
  async data(recipients = ['ann@example.org'], from = 'bob@example.com'): Promise<Dialogue> {
    const d = await this.hello();
    await this.envelope(d, recipients, from);
    return d;
  }
  async envelope(d: Dialogue, recipients = ['ann@example.org'], from = 'bob@example.com'): Promise<void> {
    await d.say(`MAIL FROM:<${from}>`, '250 2.1.0');
    for (const r of recipients) await d.say(`RCPT TO:<${r}>`, '250 2.1.5');
    await d.say('DATA', '354');
  }
  async stop(): Promise<void> {
    for (const d of this.#open) d.end();
    await this.server.drain(1000);
  }
}
