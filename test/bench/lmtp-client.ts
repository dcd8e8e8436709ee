// A lean client of LMTP (RFC 2033) and SMTP that sends MAIL, RCPT and DATA together (PIPELINING, RFC 2920), as mail servers do.
import type { Socket } from 'node:net';
import { open } from './wire.ts';
import type { Where } from './wire.ts';

export class LmtpClient {
  readonly socket: Socket;
  #text = '';
  #replies: string[] = [];
  #wanted = 0;
  #resolve: ((replies: string[]) => void) | null = null;
  #reject: ((e: Error) => void) | null = null;

  static async connect(where: Where, hello: 'LHLO' | 'EHLO' = 'LHLO'): Promise<LmtpClient> {
    const client = new LmtpClient(await open(where));
    await client.#expect(1);
    await client.#say(`${hello} bench.example\r\n`, 1);
    return client;
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.#data(chunk));
    socket.on('close', () => this.#reject?.(new Error('the server closed the connection')));
  }

  /** AUTH PLAIN. */
  async logIn(user: string, password: string): Promise<void> {
    const [answer] = await this.#say(`AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}\r\n`, 1);
    if (!answer.startsWith('235')) throw new Error(answer);
  }

  /** Delivers to one recipient; resolves at its 250. The message has CRLF and no line that begins with a dot. */
  async deliver(to: string, message: Buffer, from = 'sender@example.net'): Promise<void> {
    const replies = await this.#say(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\n`, 3);
    if (!replies[2].startsWith('354')) throw new Error(replies.join(' | '));
    this.socket.cork();
    this.socket.write(message);
    this.socket.write('.\r\n');
    this.socket.uncork();
    const [answer] = await this.#expect(1);
    if (!answer.startsWith('250')) throw new Error(answer);
  }

  /** The same, with a message that is never in memory as a whole. */
  async deliverStream(to: string, pieces: Iterable<Buffer>): Promise<void> {
    const replies = await this.#say(`MAIL FROM:<sender@example.net>\r\nRCPT TO:<${to}>\r\nDATA\r\n`, 3);
    if (!replies[2].startsWith('354')) throw new Error(replies.join(' | '));
    const answered = this.#expect(1);
    answered.catch(() => undefined);
    for (const piece of pieces) {
      if (this.#reject === null) break;
      if (!this.socket.write(piece)) await new Promise<void>((resolve) => {
        const go = () => {
          this.socket.off('drain', go).off('close', go);
          resolve();
        };
        this.socket.once('drain', go).once('close', go);
      });
    }
    this.socket.write('.\r\n');
    const [answer] = await answered;
    if (!answer.startsWith('250')) throw new Error(answer);
  }

  close(): void {
    this.socket.destroy();
  }

  #say(text: string, replies: number): Promise<string[]> {
    this.socket.write(text, 'latin1');
    return this.#expect(replies);
  }

  #expect(n: number): Promise<string[]> {
    this.#wanted = n;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#settle();
    });
  }

  #data(chunk: Buffer): void {
    const lines = (this.#text + chunk.toString('latin1')).split('\r\n');
    this.#text = lines.pop()!;
    for (const line of lines) if (/^\d{3}(?: |$)/.test(line)) this.#replies.push(line);
    this.#settle();
  }

  #settle(): void {
    const resolve = this.#resolve;
    if (resolve === null || this.#replies.length < this.#wanted) return;
    this.#resolve = this.#reject = null;
    resolve(this.#replies.splice(0, this.#wanted));
  }
}
