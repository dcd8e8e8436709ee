// A Postfix in bad moods, for the storm: its policy puts off and refuses, by recipient and at the end of the data, and what stands before it
// on the wire drops connections anywhere, falls silent, and loses answers.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/base/index.ts';
import { Postfix } from '../real/world.ts';
import { Authority } from './authority.ts';
import type { Mood, StormSink, Taken } from './storm-sink.ts';

/** Out of a hundred connections, or messages. */
const CHANCES = { deaf: 3, cut: 5, cutInMessage: 5, mute: 2, answerLost: 4, later: 12, laterAtEnd: 8 } as const;
const POSTFIX_MS = 15_000;

export class PostfixSink implements StormSink {
  readonly taken: Taken[] = [];
  readonly moods = new Map<Mood, number>();
  port = 0;
  readonly #random: { unit(): number };
  readonly #open = new Set<Socket>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'colombier-storm-postfix-'));
  readonly #servers: Server[] = [];
  #postfix: Postfix | null = null;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  async listen(): Promise<void> {
    const policy = await this.#serve((socket) => this.#judge(socket));
    const authority = await Authority.create();
    const asks = `check_policy_service inet:127.0.0.1:${policy}`;
    this.#postfix = await Postfix.start({
      folder: join(this.#folder, 'postfix'), hostname: 'mx.there.test', domains: ['there.test'], routes: {}, tls: authority.chain(await authority.issue(['mx.there.test'])),
      // In clear, so that what stands before it sees what is said.
      more: ['smtpd_tls_security_level = none', `smtpd_recipient_restrictions = ${asks}, permit_mynetworks, reject`, `smtpd_end_of_data_restrictions = ${asks}`, 'smtpd_error_sleep_time = 0', 'smtpd_hard_error_limit = 100', 'smtpd_client_connection_count_limit = 0', 'default_process_limit = 40'],
    });
    this.port = await this.#serve((socket) => this.#pass(socket));
  }

  async #serve(take: (socket: Socket) => void): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => {
      this.#open.add(socket.on('error', () => {}));
      socket.once('close', () => this.#open.delete(socket));
      take(socket);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return (server.address() as AddressInfo).port;
  }

  #feels(mood: keyof typeof CHANCES): boolean {
    if (this.#random.unit() * 100 >= CHANCES[mood]) return false;
    this.moods.set(mood, (this.moods.get(mood) ?? 0) + 1);
    return true;
  }

  /** Postfix's policy protocol: lines `name=value`, an empty one, and an answer likewise. */
  #judge(socket: Socket): void {
    let text = '';
    socket.on('data', (piece) => {
      text += piece.toString('latin1');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const asked = Object.fromEntries(text.slice(0, end).split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
        text = text.slice(end + 2);
        let action = 'DUNNO';
        if (asked.protocol_state === 'RCPT' && asked.recipient.startsWith('never')) action = '550 5.1.1 who is that';
        else if (asked.protocol_state === 'RCPT' && this.#feels('later')) action = '451 4.7.1 later';
        else if (asked.protocol_state === 'END-OF-MESSAGE' && this.#feels('laterAtEnd')) action = '451 4.3.0 later';
        socket.write(`action=${action}\n\n`);
      }
    });
  }

  /** Between a replica and Postfix. */
  #pass(near: Socket): void {
    if (this.#feels('deaf')) return;
    const far = connect({ host: '127.0.0.1', port: this.#postfix!.port, noDelay: true });
    this.#open.add(far.on('error', () => {}));
    let [by, token, heard, mood] = ['', '', '', null as 'cut' | 'cutInMessage' | 'mute' | 'answerLost' | null];
    const cut = () => (near.destroy(), far.destroy());
    near.on('data', (piece) => {
      const text = piece.toString('latin1');
      by = /^EHLO (\S+)/m.exec(text)?.[1] ?? by;
      if (/^MAIL FROM/m.test(text)) mood = (['cut', 'cutInMessage', 'mute', 'answerLost'] as const).find((one) => this.#feels(one)) ?? null;
      token = /^RCPT TO:<([^@>]+)@/m.exec(text)?.[1] ?? token;
      if (mood === 'cut') return cut();
      if (mood === 'cutInMessage' && /^Subject: /m.test(text)) {
        far.write(piece.subarray(0, piece.length - 10));
        return cut();
      }
      far.write(piece);
    });
    far.on('data', (piece) => {
      heard = (heard + piece.toString('latin1')).slice(-200);
      if (/^250 2\.0\.0 Ok: (?:\d+ bytes )?queued as \w+\r\n/m.test(heard)) {
        heard = '';
        this.taken.push({ token, by, at: Date.now(), lost: mood === 'answerLost' });
        if (mood === 'answerLost') return cut();
      }
      if (mood !== 'mute') near.write(piece);
    });
    near.on('close', () => far.destroy());
    far.on('close', () => (this.#open.delete(far), near.destroy()));
  }

  /** What Postfix has in its Maildir is what was seen on the wire: every message, as often. */
  async checked(): Promise<string[]> {
    const seen = this.taken.map((t) => t.token).sort();
    let kept: string[] = [];
    for (const end = Date.now() + POSTFIX_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 200))) {
      kept = this.#postfix!.mails.map((mail) => /^(?:X-Original-To|Delivered-To): ([^@\s]+)@/m.exec(mail)?.[1] ?? '?').sort();
      if (kept.join() === seen.join()) return [];
    }
    return [`Postfix has ${kept.length} messages, the wire saw ${seen.length}`];
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    for (const server of this.#servers) server.close();
    await this.#postfix?.stop();
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
