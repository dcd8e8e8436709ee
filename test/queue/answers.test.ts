// What other servers answer, step by step: a server that says what each test wants, and what is made of it for each recipient.
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { seededRandom, silent, systemClock } from '../../src/base/index.ts';
import { Route } from '../../src/queue/index.ts';
import type { Sender } from '../../src/queue/index.ts';
import { until } from '../real/site.ts';
import { QueueWorld } from './world.ts';

/** The answer to a command; of `.` to the end of data. Null: the connection is cut; undefined: all is well. */
type Say = (line: string, recipients: number) => string | null | undefined;

async function server(extensions: readonly string[], say: Say = () => undefined, greet: (socket: Socket) => void = (socket) => void socket.write('220 there\r\n')) {
  const [commands, sockets]: [string[], Set<Socket>] = [[], new Set()];
  const listener = createServer((socket) => {
    sockets.add(socket.setNoDelay(true).on('error', () => {}));
    let [all, data, recipients] = ['', false, 0];
    greet(socket);
    socket.on('data', (piece) => {
      all += piece.toString('utf8');
      for (;;) {
        const end = all.indexOf(data ? '\r\n.\r\n' : '\r\n');
        const after = end + (data ? 5 : 2) + Number(/^BDAT (\d+)/.exec(all)?.[1] ?? 0);
        if (end < 0 || all.length < after) return;
        const line = data ? '.' : all.slice(0, end);
        all = all.slice(after);
        commands.push(line);
        if (line.startsWith('RCPT')) recipients++;
        const answer = say(line, recipients);
        if (answer === null) return void socket.destroy();
        data = line === 'DATA' && (answer ?? '3').startsWith('3');
        socket.write(answer ? `${answer}\r\n` : line.startsWith('EHLO') ? ['250-there', ...extensions.map((x) => `250-${x}`), '250 HELP\r\n'].join('\r\n') : data ? '354 go\r\n' : '250 2.0.0 fine\r\n');
      }
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const close = () => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  };
  return { port: (listener.address() as AddressInfo).port, commands, close };
}

const missing = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
const text = 'From: anna@here.test\r\nSubject: x\r\n\r\nhello\r\n';

describe('queue/answers', () => {
  const open: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(x: T): T => (open.push(x), x);
  afterEach(() => {
    for (const x of open.splice(0).reverse()) x.close();
  });
  const send = async (port: number, to: string[], { hosts = 1, addresses = Array<string>(hosts).fill('127.0.0.1'), smart = false, ...more }: { utf8?: boolean; eightBit?: boolean; hosts?: number; addresses?: string[]; smart?: boolean } = {}) => {
    const route = keep(new Route({ smarthost: smart ? { host: '127.0.0.1', port, auth: null } : null, dns: { mx: async () => [{ exchange: 'mx.there.test', priority: 10 }], a: async () => addresses, aaaa: missing, txt: missing, srv: missing }, mxPort: port, hostname: 'here.test', clock: systemClock, random: seededRandom(1), logger: silent }));
    const envelope = { from: 'anna@here.test', to: to.map((address, index) => ({ index, address })), bytes: text.length, eightBit: false, utf8: false, ...more };
    return (await route.send('there.test', envelope, () => (async function* () {
      yield Buffer.from(text);
    })(), () => true, new AbortController().signal)).map((o) => `${o.recipient} ${o.result} ${o.status}`);
  };
  const two = ['ben@there.test', 'cleo@there.test'];
  const kinds: [string, string[]][] = [['one by one', []], ['pipelined', ['PIPELINING']], ['in chunks', ['PIPELINING', 'CHUNKING']]];

  it('says SMTPUTF8 for a header that needs it, once', async () => {
    for (const to of ['ben@there.test', 'jürgen@there.test']) {
      const there = keep(await server(['SMTPUTF8', '8BITMIME', 'SIZE']));
      assert.deepEqual(await send(there.port, [to], { utf8: true, eightBit: true }), ['0 delivered 2.0.0']);
      assert.match(there.commands[1], /^MAIL FROM:<anna@here\.test> SMTPUTF8 BODY=8BITMIME SIZE=\d+$/);
    }
    const there = keep(await server(['SMTPUTF8']));
    await send(there.port, ['ben@there.test']);
    assert.equal(there.commands[1], 'MAIL FROM:<anna@here.test>');
  });

  it('asks other servers for SMTPUTF8 where an address or the header needs it, not for a body', async () => {
    const world = new QueueWorld(systemClock);
    const asked: boolean[] = [];
    const sender: Sender = {
      destination: () => 'there.test',
      send: async (_, { utf8, to }) => (asked.push(utf8), to.map(({ index }) => ({ recipient: index, result: 'delivered', status: '2.0.0', text: '250', host: '', nextAt: 0 }))),
      close: () => {},
    };
    const member = await world.member(sender);
    for (const [utf8, to, header, body] of [[true, 'ben@there.test', 'x', 'ü'], [true, 'ben@there.test', 'ü', 'x'], [false, 'ben@there.test', 'ü', 'ü'], [true, 'ben@there.test', 'x', 'x'], [false, 'bén@there.test', 'x', 'x']] as const) {
      const submission = await member.outbox.login('anna', 'x', '127.0.0.1');
      const sending = submission.begin({ from: 'anna@here.test', recipients: [{ address: to, notify: [], orcpt: '' }], declaredBytes: null, ret: '', envid: '', utf8 });
      await sending.write(Buffer.from(`From: anna@here.test\r\nSubject: ${header}\r\n\r\n${body}\r\n`));
      const before = asked.length;
      await sending.commit('Received: by test\r\n');
      await until(() => asked.length > before);
    }
    assert.deepEqual(asked, [false, true, false, false, true]);
    await world.stop();
  });

  it('an address that the library does not say holds up nobody else', async () => {
    const there = keep(await server(['PIPELINING']));
    assert.deepEqual(await send(there.port, ['"a<b"@there.test', 'ben@there.test']), ['0 failed 5.1.3', '1 delivered 2.0.0']);
    assert.deepEqual(await send(there.port, ['"a>b"@there.test']), ['0 failed 5.1.3']);
  });

  it('tells a sender in a form of ASCII what was said in another', async () => {
    const world = new QueueWorld(systemClock);
    const sender: Sender = {
      destination: () => 'there.test',
      send: async (_, { to }) => to.map(({ index }) => ({ recipient: index, result: 'failed', status: '5.1.1', text: '550 5.1.1 Empfänger unbekannt', host: 'mx.there.test', nextAt: 0 })),
      close: () => {},
    };
    await world.submit(await world.member(sender), 'ben@there.test');
    await until(() => world.inboxes.got.length > 0);
    const [head, people, fields] = world.inboxes.got[0].text.split(/\r\n--=_.*\r\n/);
    assert.match(head, /^Content-Transfer-Encoding: 8bit$/m);
    assert.match(people, /^Content-Type: text\/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n[^]*Empfänger unbekannt/);
    assert.match(fields, /^Content-Type: message\/delivery-status\r\n\r\n[^]*^Diagnostic-Code: smtp; 550 5\.1\.1 Empf\?nger unbekannt\r$/m);
    await world.stop();
  });

  it('tells delivery here from handing on', async () => {
    const world = new QueueWorld(systemClock);
    const sender: Sender = {
      destination: () => 'there.test',
      send: async (_, { to }) => to.map(({ index }) => ({ recipient: index, result: 'delivered', status: '2.0.0', text: '250 2.0.0 taken', host: 'mx.there.test', nextAt: 0 })),
      close: () => {},
    };
    const member = await world.member(sender);
    for (const [to, subject, action] of [['ben@here.test', 'Your message was delivered', 'delivered'], ['ben@there.test', 'Your message was handed on', 'relayed']]) {
      await world.submit(member, to, undefined, { notify: ['SUCCESS'] });
      const notice = await until(() => world.inboxes.got.find((g) => g.from === '' && g.text.includes(`Final-Recipient: rfc822; ${to}`)));
      assert.ok(notice.text.includes(`\r\nSubject: ${subject}\r\n`) && notice.text.includes(`\r\nAction: ${action}\r\n`));
    }
    await world.stop();
  });

  it('who is too many for one transaction comes in the next one, at once', async () => {
    const there = keep(await server(['PIPELINING'], (line, n) => (line.startsWith('RCPT') && n > 1 ? '552 5.5.3 too many recipients' : undefined)));
    assert.deepEqual(await send(there.port, two), ['0 delivered 2.0.0', '1 deferred 4.5.3']);

    const world = new QueueWorld(systemClock);
    const sent: number[] = [];
    const taken = (index: number) => ({ recipient: index, result: 'delivered' as const, status: '2.0.0', text: '250', host: '', nextAt: 0 });
    const sender: Sender = {
      destination: () => 'there.test',
      send: async (_, { to }) => (sent.push(to.length), to.map(({ index }, i) => (i < 2 ? taken(index) : { ...taken(index), result: 'deferred', status: '4.5.3', text: '452' }))),
      close: () => {},
    };
    await world.submit(await world.member(sender), ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}@there.test`));
    await until(() => sent.length === 3);
    assert.deepEqual(sent, [5, 3, 1]);
    await world.stop();
  });

  it('who refuses every name of ours takes no mail, once each of its servers has said so', async () => {
    const refusing = (code: string, names = /^(EHLO|HELO)/) => server([], (line) => (names.test(line) ? `${code} 5.7.1 not you` : undefined));
    for (const [code, result] of [['550', '0 failed 5.7.1'], ['450', '0 deferred 4.4.1']]) {
      const there = keep(await refusing(code));
      assert.deepEqual(await send(there.port, ['ben@there.test'], { hosts: 2 }), [result]);
      assert.deepEqual(there.commands, ['EHLO here.test', 'HELO here.test', 'EHLO here.test', 'HELO here.test']);
    }
    // Who knows HELO alone takes it.
    assert.deepEqual(await send(keep(await refusing('550', /^EHLO/)).port, ['ben@there.test']), ['0 delivered 2.0.0']);
    // One of its servers may come back, and a smarthost is mended.
    assert.deepEqual(await send(keep(await refusing('550')).port, ['ben@there.test'], { addresses: ['127.0.0.1', '127.0.0.9'] }), ['0 deferred 4.4.1']);
    assert.deepEqual(await send(keep(await refusing('550')).port, ['ben@there.test'], { smart: true }), ['0 deferred 4.4.1']);
  });

  describe('greetings', () => {
    const { setTimeout: real } = globalThis;
    const waits: number[] = [];
    beforeEach(() => {
      waits.length = 0;
      globalThis.setTimeout = ((then: () => void, ms: number) => (waits.push(ms), real(then, ms >= 10_000 ? ms / 100 : ms))) as typeof real;
    });
    afterEach(() => void (globalThis.setTimeout = real));

    it('may take a minute', async () => {
      const there = keep(await server([], undefined, (socket) => void real(() => socket.write('220 there\r\n'), 600)));
      assert.deepEqual(await send(there.port, ['ben@there.test']), ['0 delivered 2.0.0']);
    });

    it('that never come leave time for the servers that are next, and are waited for once each', async () => {
      let connections = 0;
      const there = keep(await server([], undefined, (socket) => void (++connections === 8 && socket.write('220 there\r\n'))));
      assert.deepEqual(await send(there.port, ['ben@there.test'], { hosts: 8 }), ['0 delivered 2.0.0']);
      assert.equal(connections, 8);
      assert.ok(waits.every((ms) => ms <= 30_000), String(waits));
    });
  });

  for (const [how, extensions] of kinds) {
    it(`each recipient has the answer that was about it, ${how}`, async () => {
      const asked = async (rcpt: string | null, message: string | null, at: RegExp) =>
        send(keep(await server(extensions, (line, n) => (line.startsWith('RCPT') && n === 2 ? rcpt : at.test(line) ? message : undefined))).port, two);
      const [begin, end] = [/^(DATA|BDAT [1-9])/, /^(\.|BDAT 0 LAST)$/];
      for (const at of [begin, end]) {
        assert.deepEqual(await asked('451 4.7.1 greylisted', '554 5.7.1 spam', at), ['0 failed 5.7.1', '1 deferred 4.7.1']);
        assert.deepEqual(await asked('550 5.1.1 none', '451 4.3.0 later', at), ['0 deferred 4.3.0', '1 failed 5.1.1']);
        assert.deepEqual(await asked('550 5.1.1 none', null, at), ['0 deferred 4.4.2', '1 failed 5.1.1']);
      }
      assert.deepEqual(await asked('452 4.5.3 too many', undefined as never, end), ['0 delivered 2.0.0', '1 deferred 4.5.3']);
    });

    it(`a sender that is put off makes no recipient unknown, ${how}`, async () => {
      const there = keep(await server(extensions, (line) => (line.startsWith('MAIL') ? '451 4.7.1 not now' : /^(RCPT|DATA|BDAT)/.test(line) ? '503 5.5.1 MAIL first' : undefined)));
      assert.deepEqual(await send(there.port, two), ['0 deferred 4.7.1', '1 deferred 4.7.1']);
    });
  }
});
