// A mail server in bad moods: it puts off, drops connections anywhere, says nothing, refuses, and now and then takes mail.
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { seededRandom } from '../../src/base/index.ts';

/** One message that was taken. `by`: name in EHLO. `lost`: its answer was never sent. */
export interface Taken {
  token: string;
  by: string;
  at: number;
  lost: boolean;
}

/** Out of a hundred. */
const MOODS = { busy: 4, deaf: 3, later: 12, cut: 5, laterAtEnd: 8, cutInMessage: 5, mute: 2, answerLost: 4 } as const;
export type Mood = keyof typeof MOODS | 'good';

/** Where the storm's mail goes. */
export interface StormSink {
  readonly taken: Taken[];
  readonly moods: ReadonlyMap<string, number>;
  readonly port: number;
  listen(): Promise<void>;
  /** What is wrong with what was taken, said at the end. */
  checked(): Promise<string[]>;
  close(): Promise<void>;
}

export class Sink implements StormSink {
  readonly taken: Taken[] = [];
  readonly moods = new Map<Mood, number>();
  port = 0;
  readonly #random: { unit(): number };
  readonly #sockets = new Set<Socket>();
  #connections = 0;
  readonly #server: Server;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#server = createServer((socket) => this.#serve(socket));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
    this.port = (this.#server.address() as { port: number }).port;
  }
  async close(): Promise<void> {
    for (const s of this.#sockets) s.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async checked(): Promise<string[]> {
    return [];
  }

  /** Of these, else a good one. */
  #mood(of: (keyof typeof MOODS)[]): Mood {
    let chance = this.#random.unit() * 100;
    for (const mood of of) {
      chance -= MOODS[mood];
      if (chance < 0) return this.#felt(mood);
    }
    return this.#felt('good');
  }
  #felt(mood: Mood): Mood {
    this.moods.set(mood, (this.moods.get(mood) ?? 0) + 1);
    return mood;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.setNoDelay(true).on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    const say = (line: string) => socket.write(`${line}\r\n`);
    const begin = this.#mood(['busy', 'deaf']);
    if (begin === 'busy') return void socket.end('421 4.3.2 busy\r\n');
    if (begin === 'deaf') return;
    let [buffer, by, data] = ['', '', false];
    // Every other connection offers chunks.
    const chunking = this.#connections++ % 2 === 1;
    /** Of a chunk, what is still to come. */
    let [left, last] = [0, false];
    let tokens: string[] = [];
    say('220 there');
    socket.on('data', (piece) => {
      buffer += piece.toString('latin1');
      for (;;) {
        if (left > 0) {
          if (mood === 'cutInMessage') return void socket.destroy();
          const part = Math.min(left, buffer.length);
          [buffer, left] = [buffer.slice(part), left - part];
          if (left > 0) return;
          chunked();
          continue;
        }
        const end = data ? buffer.indexOf('\r\n.\r\n') : buffer.indexOf('\r\n');
        if (end < 0) {
          if (data && buffer.length > 20 && mood === 'cutInMessage') socket.destroy();
          return;
        }
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + (data ? 5 : 2));
        if (socket.destroyed) return;
        if (data) {
          data = false;
          atEnd();
        } else command(line);
      }
    });
    const chunked = () => {
      if (tokens.length === 0) say('554 5.5.1 no recipients');
      else if (last) atEnd();
      else say('250 2.0.0 octets');
    };
    let mood: Mood = 'good';
    const atEnd = () => {
      if (mood === 'cutInMessage') return void socket.destroy();
      if (mood === 'laterAtEnd') return void say('451 4.3.0 later');
      for (const token of tokens) this.taken.push({ token, by, at: Date.now(), lost: mood === 'answerLost' });
      if (mood === 'answerLost') socket.destroy();
      else say('250 2.0.0 taken');
    };
    const command = (line: string) => {
      const [verb] = line.toUpperCase().split(/[ :]/);
      if (verb === 'EHLO') {
        by = line.slice(5);
        say(`250-there\r\n${chunking ? '250-CHUNKING\r\n' : ''}250 PIPELINING`);
      } else if (verb === 'MAIL') {
        tokens = [];
        mood = this.#mood(['later', 'cut', 'laterAtEnd', 'cutInMessage', 'mute', 'answerLost']);
        if (mood === 'cut') socket.destroy();
        else if (mood !== 'mute') say('250 2.1.0 ok');
      } else if (mood === 'mute') return;
      else if (verb === 'RCPT') {
        const token = /<([^@>]+)@/.exec(line)![1];
        if (token.startsWith('never')) say('550 5.1.1 who is that');
        else if (mood === 'later') say('451 4.7.1 later');
        else {
          tokens.push(token);
          say('250 2.1.5 ok');
        }
      } else if (verb === 'DATA') {
        if (tokens.length === 0) return void say('554 5.5.1 no recipients');
        data = true;
        say('354 go');
      } else if (verb === 'BDAT') {
        const [, bytes, end] = /^BDAT (\d+)( LAST)?$/.exec(line)!;
        [left, last] = [Number(bytes), end !== undefined];
        if (left === 0) chunked();
      } else if (verb === 'QUIT') socket.end('221 2.0.0 bye\r\n');
      else say('250 2.0.0 ok');
    };
  }
}
