// A server that mail goes to, and whose answers never end: the message is put off in bounded memory, and others go on.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Route } from '../../src/queue/index.ts';

const MB = 1_000_000;
/** What is read of it, and what lies in the buffers of two sockets. */
const READ_BYTES_MAX = 24 * MB;
const ENDLESS = 200 * MB;
const PIECE = 64 * 1024;
const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
const message = Buffer.from('From: anna@here.test\r\nSubject: x\r\n\r\nHello.\r\n');

/** Answers as it should until a command begins with `stage`, and then with `line` again and again. */
class Endless {
  written = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(stage: string, line: string) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
      const piece = Buffer.from(line.repeat(Math.ceil(PIECE / line.length)));
      const pour = () => {
        while (!socket.destroyed && this.written < ENDLESS) {
          this.written += piece.length;
          if (!socket.write(piece)) return void socket.once('drain', pour);
        }
      };
      if (stage === '220') return pour();
      socket.write('220 mx.there.test\r\n');
      let text = '';
      let data = false;
      socket.on('data', (more) => {
        text += more.toString('latin1');
        for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
          const command = text.slice(0, end);
          text = text.slice(end + 2);
          if (data ? command === '.' && stage === '.' : command.startsWith(stage)) return pour();
          if (data && command !== '.') continue;
          socket.write(command === 'DATA' ? '354 go\r\n' : '250 fine\r\n');
          data = command === 'DATA';
        }
      });
    });
  }
  async start(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
    return (this.#server.address() as AddressInfo).port;
  }
  close(): void {
    for (const s of this.#sockets) s.destroy();
    this.#server.close();
  }
}

describe('queue/hostile', function () {
  this.timeout(60_000);
  let server: Endless | null = null;
  let route: Route | null = null;
  afterEach(() => {
    route?.close();
    server?.close();
  });
  const lines = { 'one line': 'x', 'an answer of many lines': '250-and more\r\n', 'refusals of many lines': '550-and more\r\n' };
  for (const stage of ['220', 'EHLO', 'MAIL', 'RCPT', 'DATA', '.']) for (const [name, line] of Object.entries(lines)) it(`is answered ${stage} without end: ${name}`, async () => {
    server = new Endless(stage, line);
    const mxPort = await server.start();
    route = new Route({ smarthost: null, dns: { mx: async () => [{ exchange: 'mx.there.test', priority: 10 }], a: async () => ['127.0.0.1'], aaaa: missing, txt: missing, srv: missing }, mxPort, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent });
    const envelope = { from: 'anna@here.test', to: [{ index: 0, address: 'ben@there.test' }], bytes: message.length, eightBit: false, utf8: false };
    const [outcome] = await route.send('there.test', envelope, () => (async function* () {
      yield message;
    })(), () => true, new AbortController().signal);
    assert.equal(outcome.result, 'deferred', outcome.text);
    assert.ok(outcome.text.length <= 300);
    assert.ok(server.written < READ_BYTES_MAX, `${server.written} bytes`);
  });
});
