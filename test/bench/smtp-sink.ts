// A mail server that takes or puts off everything, counts, and stores nothing: so fast that it is not what is measured.
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

const END = Buffer.from('\r\n.\r\n');

export class SmtpSink {
  taken = 0;
  /** Puts all recipients off. */
  defers = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #waiting: { n: number; resolve: () => void } | null = null;

  static async start(): Promise<SmtpSink> {
    const sink = new SmtpSink();
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', resolve));
    return sink;
  }
  private constructor() {
    this.#server = createServer((socket) => this.#serve(socket));
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves when so many were taken since the start. */
  until(n: number): Promise<void> {
    if (this.taken >= n) return Promise.resolve();
    return new Promise((resolve) => (this.#waiting = { n, resolve }));
  }

  #took(): void {
    this.taken++;
    if (this.#waiting && this.taken >= this.#waiting.n) {
      this.#waiting.resolve();
      this.#waiting = null;
    }
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true).on('error', () => socket.destroy()).on('close', () => this.#sockets.delete(socket));
    socket.write('220 sink\r\n');
    let rest = Buffer.alloc(0);
    let data = false;
    socket.on('data', (piece) => {
      rest = rest.length > 0 ? Buffer.concat([rest, piece]) : piece;
      let answer = '';
      for (;;) {
        const at = data ? rest.indexOf(END) : rest.indexOf('\r\n');
        if (at < 0) break;
        const line = data ? '' : rest.toString('latin1', 0, Math.min(at, 20)).toUpperCase();
        rest = rest.subarray(at + (data ? END.length : 2));
        if (data) {
          data = false;
          this.#took();
          answer += '250 2.0.0 taken\r\n';
        } else if (line.startsWith('EHLO')) answer += '250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE\r\n';
        else if (line.startsWith('RCPT')) answer += this.defers ? '451 4.7.1 later\r\n' : '250 2.1.5 ok\r\n';
        else if (line.startsWith('DATA')) {
          data = !this.defers;
          answer += data ? '354 go\r\n' : '554 5.5.1 no recipients\r\n';
        } else if (line.startsWith('QUIT')) return void socket.end(`${answer}221 2.0.0 bye\r\n`);
        else answer += '250 2.0.0 ok\r\n';
      }
      if (answer !== '') socket.write(answer);
    });
  }

  async stop(): Promise<void> {
    for (const s of this.#sockets) s.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
