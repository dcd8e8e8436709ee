// An IMAP client that keeps every answer whole, literals included, so that two replicas can be compared byte for byte.
import assert from 'node:assert/strict';
import net from 'node:net';
import tls from 'node:tls';

const WAIT_MS = 20_000;

export interface Answer {
  status: 'OK' | 'NO' | 'BAD';
  /** The tagged line behind its status. */
  text: string;
  /** Without `* ` and the last CRLF, as Latin-1. */
  untagged: string[];
}

/** The server closed the connection before the answer. */
export class Closed extends Error {
  override name = 'Closed';
}

export class Imap {
  readonly socket: net.Socket;
  /** Untagged responses that no command has taken. */
  readonly heard: string[] = [];
  closed = false;
  #pieces: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes that must be there before it is worth to look again. */
  #wanted = 0;
  #bytes = 0;
  #tag = 0;
  #tagged: { tag: string; line: string; untagged: string[] } | null = null;
  #plus = false;
  readonly #wakes = new Set<() => void>();

  static async connect(port: number, secure = false, from?: string, host?: string): Promise<Imap> {
    const socket = await connect(port, secure, from, host);
    const imap = new Imap(socket);
    await imap.hears(/^(OK|BYE)/);
    return imap;
  }

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (d: Buffer) => this.#data(d));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakes]) wake();
  }

  #data(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    if (this.#bytes < this.#wanted) return;
    let all = this.#pieces.length === 1 && this.#rest.length === 0 ? piece : Buffer.concat([this.#rest, ...this.#pieces]);
    this.#pieces = [];
    for (let end = this.#end(all); end > 0; end = this.#end(all)) {
      this.#response(all.toString('latin1', 0, end - 2));
      all = all.subarray(end);
    }
    this.#rest = all;
    this.#bytes = all.length;
    this.#wake();
  }

  /** Where the first response ends, or 0 when it isn't all there. */
  #end(all: Buffer): number {
    this.#wanted = 0;
    for (let at = 0; ; ) {
      const eol = all.indexOf('\r\n', at, 'latin1');
      if (eol < 0) return 0;
      const literal = /\{(\d+)\}$/.exec(all.toString('latin1', Math.max(at, eol - 20), eol));
      if (literal === null) return eol + 2;
      at = eol + 2 + Number(literal[1]);
      if (at > all.length) {
        this.#wanted = at;
        return 0;
      }
    }
  }

  #response(line: string): void {
    if (line.startsWith('* ')) this.heard.push(line.slice(2));
    else if (line.startsWith('+')) this.#plus = true;
    else this.#tagged = { tag: line.slice(0, line.indexOf(' ')), line: line.slice(line.indexOf(' ') + 1), untagged: this.heard.splice(0) };
  }

  async #until<T>(look: () => T | null, what: string, ms = WAIT_MS): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    let wake = () => {};
    try {
      return await new Promise<T>((resolve, reject) => {
        wake = () => {
          const found = look();
          if (found !== null) resolve(found);
          else if (this.closed) reject(new Closed(`closed before ${what}, after ${this.heard.slice(-3).join(' | ').slice(0, 500)}`));
        };
        this.#wakes.add(wake);
        timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms, only ${this.heard.slice(-5).join(' | ').slice(0, 500)}`)), ms);
        wake();
      });
    } finally {
      clearTimeout(timer);
      this.#wakes.delete(wake);
    }
  }

  /** The first untagged response, heard already or to come, that matches; it and those before it are taken. */
  hears(what: RegExp, ms?: number): Promise<string> {
    return this.#until(() => {
      const at = this.heard.findIndex((line) => what.test(line));
      return at < 0 ? null : this.heard.splice(0, at + 1)[at];
    }, String(what), ms);
  }

  /** Sends a command, with literals as strings behind pieces that end in `{n+}`. */
  async command(text: string | Buffer, ms?: number): Promise<Answer> {
    const tag = `t${++this.#tag}`;
    this.#tagged = null;
    this.socket.write(Buffer.concat([Buffer.from(`${tag} `), typeof text === 'string' ? Buffer.from(text, 'utf8') : text, Buffer.from('\r\n')]));
    return this.#answer(tag, String(text).slice(0, 60), ms);
  }

  async #answer(tag: string, what: string, ms?: number): Promise<Answer> {
    const { line, untagged } = await this.#until(() => (this.#tagged?.tag === tag ? this.#tagged : null), `answer to ${what}`, ms);
    const m = /^(OK|NO|BAD) ?([^]*)$/.exec(line);
    assert.ok(m, `a strange answer to ${what}: ${line}`);
    return { status: m[1] as Answer['status'], text: m[2], untagged };
  }

  /** Untagged responses of a command that must be OK. */
  async ok(text: string | Buffer, ms?: number): Promise<string[]> {
    const answer = await this.command(text, ms);
    assert.equal(answer.status, 'OK', `${String(text).slice(0, 100)}: ${answer.status} ${answer.text}`);
    return answer.untagged;
  }

  /** APPEND with LITERAL+. Gives the UID. */
  async append(mailbox: string, message: Buffer, flags = ''): Promise<number> {
    const answer = await this.command(Buffer.concat([Buffer.from(`APPEND ${mailbox} (${flags}) {${message.length}+}\r\n`), message]));
    assert.equal(answer.status, 'OK', answer.text);
    return Number(/APPENDUID \d+ (\d+)/.exec(answer.text)![1]);
  }

  async idle(): Promise<void> {
    this.#plus = false;
    this.socket.write(`t${++this.#tag} IDLE\r\n`);
    await this.#until(() => this.#plus || null, 'continuation of IDLE');
  }

  /** Ends IDLE; gives what was heard and not taken. */
  async done(): Promise<string[]> {
    this.#tagged = null;
    this.socket.write('DONE\r\n');
    return (await this.#answer(`t${this.#tag}`, 'DONE')).untagged;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A socket of loopback, under TLS if wanted, ready for talk; `from` is an own address such as 127.0.0.2. */
export function connect(port: number, secure = false, from?: string, host = '127.0.0.1'): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const plain = net.connect({ host, port, noDelay: true, localAddress: from });
    plain.once('error', reject);
    if (!secure) return void plain.once('connect', () => resolve(plain));
    const over = tls.connect({ socket: plain, rejectUnauthorized: false }, () => resolve(over));
    over.once('error', reject);
  });
}

/** All that a client can see of a mailbox: UIDVALIDITY, UIDNEXT and each message whole, line by line. */
export async function everything(imap: Imap, mailbox = 'INBOX'): Promise<string[]> {
  const opened = (await imap.ok(`EXAMINE ${mailbox} (CONDSTORE)`)).filter((line) => /EXISTS|UIDVALIDITY|UIDNEXT|HIGHESTMODSEQ/.test(line));
  const items = 'UID MODSEQ FLAGS INTERNALDATE RFC822.SIZE EMAILID THREADID SAVEDATE ENVELOPE BODYSTRUCTURE BODY.PEEK[]';
  const rows = opened[0].startsWith('0 ') ? [] : await imap.ok(`FETCH 1:* (${items})`);
  await imap.ok('UNSELECT');
  return [...opened, ...rows];
}

/** UID → flags of the selected mailbox. What the server tells unasked in the same answer has no UID, and is left out. */
export async function flagsOf(imap: Imap): Promise<Map<number, string[]>> {
  const rows = await imap.ok('UID FETCH 1:* (FLAGS)');
  return new Map(rows.filter((row) => / FETCH \(.*UID /.test(row)).map((row) => [Number(/UID (\d+)/.exec(row)![1]), /FLAGS \(([^)]*)\)/.exec(row)![1].split(' ').filter((f) => f !== '').sort()]));
}
