// Messages in chunks (BDAT, RFC 3030) and wishes for notifications (DSN, RFC 3461) to servers that offer them; and the inside of the
// library on which that rests.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import { seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Route } from '../../src/queue/index.ts';
import { House } from '../smtp/dialogue.ts';

/** A server that writes down every command, and whose answers a test gives: null, its own. */
class Scripted {
  readonly commands: string[] = [];
  readonly messages: Buffer[] = [];
  answer: (command: string, n: number) => string | null = () => null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #extensions: string[];

  constructor(...extensions: string[]) {
    this.#extensions = extensions;
    this.#server = createServer((socket) => this.#serve(socket));
  }
  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', () => resolve()));
    return this;
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  close(): void {
    for (const s of this.#sockets) s.destroy();
    this.#server.close();
  }
  cut(): void {
    for (const s of this.#sockets) s.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    let all = Buffer.alloc(0);
    let message: Buffer[] = [];
    let data = false;
    const say = (text: string) => socket.write(`${text}\r\n`);
    const own = (command: string): string => (/^EHLO/.test(command) ? ['250-mx.there.test', ...this.#extensions.map((x) => `250-${x}`), '250 HELP'].join('\r\n') : /^DATA/.test(command) ? '354 go' : '250 2.0.0 fine');
    const step = (): boolean => {
      const end = data ? all.indexOf('\r\n.\r\n') : all.indexOf('\r\n');
      if (end < 0) return false;
      if (data) {
        this.messages.push(Buffer.from(all.subarray(0, end + 2)));
        [all, data] = [all.subarray(end + 5), false];
        say(this.answer('.', this.commands.length) ?? '250 2.0.0 taken');
        return true;
      }
      const command = all.toString('latin1', 0, end);
      const chunk = /^BDAT (\d+)( LAST)?$/.exec(command);
      const size = chunk === null ? 0 : Number(chunk[1]);
      if (all.length < end + 2 + size) return false;
      if (chunk !== null) message.push(Buffer.from(all.subarray(end + 2, end + 2 + size)));
      all = all.subarray(end + 2 + size);
      this.commands.push(command);
      const said = this.answer(command, this.commands.length) ?? own(command);
      if (/^(MAIL|RSET)/.test(command)) message = [];
      if (chunk?.[2] !== undefined && said.startsWith('2')) this.messages.push(Buffer.concat(message));
      data = command === 'DATA' && said.startsWith('3');
      if (said !== '') say(said);
      return true;
    };
    say('220 mx.there.test ESMTP');
    socket.on('data', (piece) => {
      all = Buffer.concat([all, piece]);
      while (step());
    });
    socket.on('close', () => this.#sockets.delete(socket));
  }
}

const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
const route = (port: number, addresses = ['127.0.0.1']) =>
  new Route({ smarthost: null, dns: { mx: async () => [{ exchange: 'mx.there.test', priority: 10 }], a: async () => addresses, aaaa: missing, txt: missing, srv: missing }, mxPort: port, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent });
const small = Buffer.from('From: anna@here.test\r\nSubject: x\r\n\r\n.dots\r\n..and more\r\n.\r\nend\r\n');
const never = new AbortController().signal;
interface Asked { pieces?: Buffer[]; mayEnd?: () => boolean; envid?: string; ret?: '' | 'FULL' | 'HDRS'; notify?: number[]; orcpt?: string[] }
const send = (r: Route, to: string[], { pieces = [small], mayEnd = () => true, notify = [], orcpt = [], ...more }: Asked = {}) =>
  r.send('there.test', { from: 'anna@here.test', to: to.map((address, index) => ({ index, address, notify: notify[index], orcpt: orcpt[index] })), bytes: pieces.reduce((n, p) => n + p.length, 0), eightBit: false, utf8: false, ...more }, () => (async function* () {
    yield* pieces;
  })(), mayEnd, never);

describe('queue/chunks', () => {
  const open: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(x: T): T => (open.push(x), x);
  afterEach(async () => {
    for (const x of open.splice(0).reverse()) await x.close();
  });
  const scripted = async (...extensions: string[]) => keep(await new Scripted(...extensions).start());

  it('rests on members that the library has', () => {
    const inside = SMTPConnection.prototype as unknown as Record<string, unknown>;
    for (const [name, words] of Object.entries({ _sendCommand: 2, _sendRcpt: 2, _actionRCPT: 2, _createSendStream: 1, _formatError: 4 })) assert.equal((inside[name] as () => void)?.length, words, name);
  });

  for (const pipelining of [true, false]) it(`goes to who offers CHUNKING, byte for byte, over one connection (${pipelining ? '' : 'no '}PIPELINING)`, async () => {
    const there = await scripted('CHUNKING', ...(pipelining ? ['PIPELINING'] : []));
    const r = keep(route(there.port));
    const large = Buffer.alloc(1_700_000, 'a line that is not so short\r\n');
    const pieces = [large.subarray(0, 700_000), large.subarray(700_000)];
    for (const sent of [[small], pieces, [small]]) assert.deepEqual((await send(r, ['ben@there.test', 'cleo@there.test'], { pieces: sent })).map((o) => o.result), ['delivered', 'delivered']);
    assert.deepEqual(there.messages.map((m) => m.length), [small.length, large.length, small.length]);
    assert.ok(there.messages[1].equals(large) && there.messages[2].equals(small));
    assert.deepEqual(there.commands.filter((c) => /^(DATA|EHLO)/.test(c)), ['EHLO here.test']);
    assert.equal(there.commands.filter((c) => c === 'BDAT 0 LAST').length, 3);
  });

  it('is what this server takes, too', async () => {
    const house = await new House(false).start();
    keep({ close: () => house.stop() });
    const r = keep(route(house.port));
    assert.deepEqual((await r.send('there.test', { from: 'anna@here.test', to: [{ index: 0, address: 'ann@example.org' }], bytes: small.length, eightBit: false, utf8: false }, () => (async function* () {
      yield small;
    })(), () => true, never)).map((o) => o.result), ['delivered']);
    assert.ok(house.post.stored[0].bytes.equals(small));
  });

  it('goes by DATA to who does not', async () => {
    const there = await scripted('PIPELINING', 'X-CHUNKING', 'CHUNKINGS');
    assert.deepEqual((await send(keep(route(there.port)), ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.ok(there.commands.includes('DATA') && !there.commands.some((c) => c.startsWith('BDAT')));
  });

  for (const pipelining of [true, false]) it(`tells recipients apart, and sends nothing for nobody (${pipelining ? '' : 'no '}PIPELINING)`, async () => {
    const there = await scripted('CHUNKING', ...(pipelining ? ['PIPELINING'] : []));
    there.answer = (c) => (/^RCPT TO:<no/.test(c) ? '550 5.1.1 who' : /^RCPT TO:<later/.test(c) ? '451 4.7.1 wait' : null);
    const r = keep(route(there.port));
    assert.deepEqual((await send(r, ['no@there.test', 'ben@there.test', 'later@there.test'])).map((o) => [o.result, o.status]), [['failed', '5.1.1'], ['delivered', '2.0.0'], ['deferred', '4.7.1']]);
    assert.deepEqual((await send(r, ['no@there.test'])).map((o) => o.status), ['5.1.1']);
    assert.equal(there.messages.length, 1);
    there.answer = (c) => (/^MAIL/.test(c) ? '550 5.7.1 not you' : /^RCPT/.test(c) ? '503 5.5.1 MAIL first' : null);
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.status), ['5.7.1']);
    there.answer = () => null;
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.equal(there.commands.filter((c) => /^EHLO/.test(c)).length, 1);
  });

  it('hears a refusal of a chunk, first or last, and the connection serves the next', async () => {
    const there = await scripted('CHUNKING', 'PIPELINING');
    const r = keep(route(there.port));
    const pieces = Array.from({ length: 6 }, () => Buffer.alloc(300_000, 'x\r\n'));
    let refused = false;
    for (const [which, status] of [[/^BDAT [1-9]/, '5.3.4'], [/LAST/, '5.7.1']] as const) for (const sent of [[small], pieces]) {
      refused = false;
      there.answer = (c) => (refused && /^BDAT/.test(c) ? '503 5.5.1 RSET first' : which.test(c) ? ((refused = true), `552 ${status} no`) : null);
      assert.deepEqual((await send(r, ['ben@there.test'], { pieces: sent })).map((o) => [o.result, o.status]), [['failed', status]], `${which}`);
    }
    there.answer = () => null;
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.deepEqual([there.messages.length, there.commands.filter((c) => /^EHLO/.test(c)).length], [1, 1]);
  });

  it('does without for a server that offers them and does not know them, and returns no mail for it', async () => {
    const there = await scripted('CHUNKING', 'PIPELINING');
    there.answer = (c) => (/^BDAT/.test(c) ? '502 5.5.1 command not recognized' : null);
    const r = keep(route(there.port));
    const [first] = await send(r, ['ben@there.test']);
    assert.deepEqual([first.result, first.status, /502 5\.5\.1 command/.test(first.text)], ['deferred', '4.5.1', true]);
    assert.deepEqual((await send(r, ['ben@there.test'])).map((o) => o.result), ['delivered']);
    assert.ok(there.messages[0].includes('...and more'));
    assert.ok(there.commands.includes('DATA'));
  });

  it('ends no message when the time is over, and asks right before its end', async () => {
    const there = await scripted('CHUNKING', 'PIPELINING');
    // Asked for each connection that is begun, too: then there is no chunk yet.
    const before: string[] = [];
    const mayEnd = () => (before.push(there.commands.at(-1) ?? ''), !there.commands.some((c) => /^BDAT/.test(c)));
    const late = async () => {
      for (let i = 0; i < 100 && !there.commands.some((c) => /^BDAT/.test(c)); i++) await systemClock.sleep(10);
    };
    const r = keep(route(there.port));
    const outcomes = await r.send('there.test', { from: 'anna@here.test', to: [{ index: 0, address: 'ben@there.test' }], bytes: 2_000_000, eightBit: false, utf8: false }, () => (async function* () {
      yield Buffer.alloc(600_000, 'x\r\n');
      await late();
      yield small;
    })(), mayEnd, never);
    assert.deepEqual(outcomes.map((o) => o.result), ['deferred']);
    assert.ok(before.length >= 2);
    await systemClock.sleep(50);
    assert.deepEqual([there.messages.length, there.commands.includes('BDAT 0 LAST')], [0, false]);
  });

  it('tries nobody else when the answer to the end is lost', async () => {
    const there = await scripted('CHUNKING', 'PIPELINING');
    there.answer = (c) => {
      if (!c.endsWith('LAST')) return null;
      there.cut();
      return '';
    };
    assert.deepEqual((await send(keep(route(there.port, ['127.0.0.1', '127.0.0.1'])), ['ben@there.test'])).map((o) => o.result), ['deferred']);
    assert.equal(there.commands.filter((c) => c.endsWith('LAST')).length, 1);
  });
});

describe('queue: DSN to other servers', () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const x of open.splice(0).reverse()) await x.close();
  });
  const asked: Asked = { envid: 'a+b=c', ret: 'FULL', notify: [2 | 4, 1, 0], orcpt: ['rfc822;ben+list@there.test', '', ''] };
  const to = ['ben@there.test', 'cleo@there.test', 'dan@there.test'];
  for (const extensions of [['DSN', 'PIPELINING'], ['DSN', 'CHUNKING'], ['PIPELINING']]) it(`hands on what each sender asked for to who offers it: ${extensions.join(', ')}`, async () => {
    const there = await new Scripted(...extensions).start();
    const r = route(there.port);
    open.push(there, r);
    const outcomes = await send(r, to, asked);
    const lines = there.commands.filter((c) => /^(MAIL|RCPT)/.test(c));
    const dsn = extensions.includes('DSN');
    assert.deepEqual(outcomes.map((o) => [o.result, o.told ?? false]), to.map(() => ['delivered', dsn]));
    if (dsn) assert.deepEqual(lines, ['MAIL FROM:<anna@here.test> RET=FULL ENVID=a+2Bb+3Dc', 'RCPT TO:<ben@there.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;ben+2Blist@there.test', 'RCPT TO:<cleo@there.test> NOTIFY=NEVER', 'RCPT TO:<dan@there.test>']);
    else assert.deepEqual(lines, ['MAIL FROM:<anna@here.test>', ...to.map((a) => `RCPT TO:<${a}>`)]);
    // Nothing of it stays with the connection.
    there.commands.length = 0;
    await send(r, to.slice(0, 1));
    assert.deepEqual(there.commands.filter((c) => /^(MAIL|RCPT)/.test(c)), ['MAIL FROM:<anna@here.test>', 'RCPT TO:<ben@there.test>']);
  });

  it('asks for the header or the whole where the sender did, and for neither where not (RFC 3461 §5.2.1)', async () => {
    const there = await new Scripted('DSN').start();
    const r = route(there.port);
    open.push(there, r);
    for (const more of [{ ret: 'HDRS' }, { ret: 'FULL' }, { envid: 'e' }, { notify: [1] }, { ret: 'HDRS', notify: [2] }] as Asked[]) await send(r, to.slice(0, 1), more);
    const lines = there.commands.filter((c) => c.startsWith('MAIL')).map((c) => c.slice('MAIL FROM:<anna@here.test>'.length));
    assert.deepEqual(lines, [' RET=HDRS', ' RET=FULL', ' ENVID=e', '', ' RET=HDRS']);
  });
});
