// Brings mail by SMTP or LMTP and says truly what became of each message.
import assert from 'node:assert/strict';
import type net from 'node:net';
import { connect } from './imap.ts';

const WAIT_MS = 20_000;
export const SENDER = 'sender@elsewhere.example';

/** What became of a message: `null` means that the connection broke before the answer. */
export type Outcome = string | null;

export class Mail {
  readonly socket: net.Socket;
  #text = '';
  #closed = false;
  #wake: () => void = () => {};

  static async connect(port: number, protocol: 'smtp' | 'lmtp', from?: string, host?: string): Promise<Mail> {
    const mail = new Mail(await connect(port, false, from, host));
    const greeting = await mail.reply();
    assert.ok(greeting?.startsWith('220'), `greeting: ${greeting}`);
    assert.ok((await mail.say(`${protocol === 'smtp' ? 'EHLO' : 'LHLO'} elsewhere.example`))?.startsWith('250'));
    return mail;
  }

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('data', (d) => {
      this.#text += d.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  /** The next reply, or null when the connection ended before it. */
  async reply(ms = WAIT_MS): Promise<Outcome> {
    const end = Date.now() + ms;
    for (;;) {
      const m = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text);
      if (m !== null) {
        this.#text = this.#text.slice(m[0].length);
        return m[0].slice(0, -2);
      }
      if (this.#closed) return null;
      if (Date.now() > end) throw new Error(`no reply within ${ms} ms, only ${JSON.stringify(this.#text)}`);
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, Math.max(1, end - Date.now()));
      });
      clearTimeout(timer);
    }
  }

  say(line: string): Promise<Outcome> {
    this.socket.write(`${line}\r\n`);
    return this.reply();
  }

  /** One message for one recipient; gives the last reply that came: for RCPT TO when it was refused there. */
  async deliver(to: string, message: Buffer, from = SENDER, ms?: number): Promise<Outcome> {
    this.socket.write(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
    const [mail, rcpt, data] = [await this.reply(), await this.reply(), await this.reply()];
    if (data === null) return mail?.startsWith('4') ? mail : rcpt?.startsWith('4') ? rcpt : null;
    if (!data.startsWith('354')) {
      const refused = [mail!, rcpt!, data].find((r) => /^[45]/.test(r))!;
      await this.say('RSET');
      return refused;
    }
    this.socket.write(Buffer.concat([message, Buffer.from('.\r\n')]));
    return this.reply(ms);
  }

  /** The same, and it must be stored. */
  async stored(to: string, message: Buffer): Promise<void> {
    const answer = await this.deliver(to, message);
    assert.ok(answer?.startsWith('250'), `not stored: ${answer}`);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** A message that no other test has; `token` stands in Message-ID, Subject and text. CRLF, no line begins with a dot. */
export function message(token: string, bytes = 600, more: string[] = []): Buffer {
  const head = [
    'From: Ada Example <ada@elsewhere.example>',
    'To: someone@real.example',
    `Subject: about ${token}`,
    'Date: Mon, 02 Jan 2023 10:00:00 +0100',
    `Message-ID: <${token}@elsewhere.example>`,
    'MIME-Version: 1.0',
    ...more,
    'Content-Type: text/plain; charset=utf-8',
    '',
    `token ${token}.`,
  ].join('\r\n');
  const line = 'The quick brown fox jumps over the lazy dog, again and again.\r\n';
  return Buffer.from(`${head}\r\n${line.repeat(Math.max(1, Math.ceil((bytes - head.length) / line.length)))}`);
}
