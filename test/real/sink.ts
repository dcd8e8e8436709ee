// Another server that takes whatever a replica sends to it, and remembers the subjects.
import type { AddressInfo, Server } from 'node:net';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import type { Person } from './site.ts';

export class Sink {
  /** Subjects, in the order in which they came. */
  readonly came: string[] = [];
  /** What it says to recipients instead of taking mail: `451 not now`. */
  answer: string | null = null;
  readonly #server: SMTPServer;

  static async start(): Promise<Sink> {
    const sink = new Sink();
    await new Promise<void>((resolve) => sink.#server.listen(0, '127.0.0.1', () => resolve()));
    return sink;
  }

  private constructor() {
    this.#server = new SMTPServer({
      authOptional: true, disableReverseLookup: true, logger: false, closeTimeout: 100,
      onRcptTo: (_address, _session, done) => done(this.answer === null ? null : Object.assign(new Error(this.answer.slice(4)), { responseCode: Number(this.answer.slice(0, 3)) })),
      onData: (stream, _session, done) => {
        let text = '';
        stream.on('data', (piece: Buffer) => (text += piece.toString('latin1')));
        stream.on('end', () => {
          this.came.push(/^Subject: (.*?)\r$/m.exec(text)?.[1] ?? '');
          done();
        });
      },
    });
  }

  /** For the settings of a replica that sends everything here. */
  get smarthost(): string {
    return `127.0.0.1:${((this.#server.server as unknown as Server).address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

/** A mail app hands a message in. Rejects with what the replica answered. */
export const submit = (port: number, who: Person, subject: string): Promise<unknown> =>
  createTransport({ host: '127.0.0.1', port, requireTLS: true, tls: { rejectUnauthorized: false }, auth: { user: who.address, pass: who.password } }).sendMail({ from: who.address, to: 'far@away.example', subject, text: 'x' });
