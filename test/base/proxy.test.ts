import assert from 'node:assert/strict';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import fc from 'fast-check';
import { Malformed, Networks, Proxies, networkOf, parseProxyHeader, reversedAddress, systemClock } from '../../src/base/index.ts';

const v2 = (command: number, kind: number, addresses: Buffer, extension = Buffer.alloc(0)) => {
  const head = Buffer.from('0d0a0d0a000d0a515549540a00000000', 'hex');
  head[12] = 0x20 | command;
  head[13] = kind;
  head.writeUInt16BE(addresses.length + extension.length, 14);
  return Buffer.concat([head, addresses, extension]);
};
const four = Buffer.from('cb00710ac0000201d6d80019', 'hex'); // 203.0.113.10 → 192.0.2.1, 55000 → 25
const six = Buffer.concat([Buffer.from('20010db8000000000000000000000001', 'hex'), Buffer.alloc(16), Buffer.from('d6d80019', 'hex')]);

describe('base/proxy', () => {
  it('reads both versions', () => {
    const text = 'PROXY TCP4 203.0.113.10 192.0.2.1 55000 25\r\n';
    assert.deepEqual(parseProxyHeader(Buffer.from(`${text}EHLO x\r\n`)), { address: '203.0.113.10', port: 55000, length: text.length });
    assert.equal(parseProxyHeader(Buffer.from('PROXY TCP6 2001:db8::1 ::1 1 2\r\n'))?.address, '2001:db8::1');
    assert.equal(parseProxyHeader(Buffer.from('PROXY UNKNOWN what ever\r\n'))?.address, null);
    assert.deepEqual(parseProxyHeader(v2(1, 0x11, four)), { address: '203.0.113.10', port: 55000, length: 28 });
    assert.equal(parseProxyHeader(v2(1, 0x21, six))?.address, '2001:db8:0:0:0:0:0:1');
    assert.equal(parseProxyHeader(v2(1, 0x21, Buffer.concat([Buffer.from('00000000000000000000ffffcb00710a', 'hex'), six.subarray(16)])))?.address, '203.0.113.10');
    assert.equal(parseProxyHeader(v2(0, 0, Buffer.alloc(0)))?.address, null);
    assert.equal(parseProxyHeader(v2(1, 0x11, four, Buffer.alloc(100)))?.length, 128);
  });

  it('waits for the rest, whatever the cut', () => {
    for (const whole of [Buffer.from('PROXY TCP4 203.0.113.10 192.0.2.1 55000 25\r\n'), v2(1, 0x11, four)]) for (let n = 0; n < whole.length; n++) assert.equal(parseProxyHeader(whole.subarray(0, n)), null, `${n}`);
  });

  const bad = ['EHLO x\r\n', 'PROXY\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n', 'PROXY TCP4 1.2.3.4 ::1 1 2\r\n', 'PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 65536 2\r\n', 'PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n', 'PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n', 'proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n', `PROXY UNKNOWN ${'x'.repeat(100)}`, '\r\n\r\nEHLO'];
  for (const text of bad) it(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => assert.throws(() => parseProxyHeader(Buffer.from(text)), Malformed));
  it('refuses bad version 2', () => {
    for (const b of [v2(2, 0x11, four), v2(1, 0x12, four), v2(1, 0x31, four), v2(1, 0x41, four), v2(1, 0x11, four.subarray(1)), v2(1, 0x21, four), v2(1, 0x11, four, Buffer.alloc(5000))]) assert.throws(() => parseProxyHeader(b), Malformed);
    const old = v2(1, 0x11, four);
    old[12] = 0x11;
    assert.throws(() => parseProxyHeader(old), Malformed);
  });

  it('never throws anything else, and never reads further than it has', () => {
    const begins = fc.constantFrom(Buffer.alloc(0), Buffer.from('PROXY '), Buffer.from('PROXY TCP4 '), Buffer.from('0d0a0d0a000d0a515549540a', 'hex'), Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex'));
    fc.assert(fc.property(begins, fc.uint8Array({ maxLength: 200 }), (begin, rest) => {
      const bytes = Buffer.concat([begin, rest]);
      try {
        const header = parseProxyHeader(bytes);
        assert.ok(header === null || header.length <= bytes.length);
      } catch (e) {
        assert.ok(e instanceof Malformed);
      }
    }));
  });
});

describe('base/proxy connections', () => {
  let server: Server;
  const open: Socket[] = [];
  afterEach(() => {
    for (const s of open.splice(0)) s.destroy();
    server.close();
  });
  const serve = async (from: string[], then: (s: Socket) => void, waitingMax?: number) => {
    const proxies = new Proxies(from, systemClock, waitingMax);
    const refused: string[] = [];
    server = createServer((s) => {
      s.on('error', () => {});
      open.push(s);
      if (proxies.speaks(s)) proxies.accept(s, () => then(s), (why) => refused.push(why));
      else then(s);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = () => {
      const c = connect((server.address() as AddressInfo).port, '127.0.0.1');
      c.on('error', () => {});
      open.push(c);
      return c;
    };
    return { client, refused };
  };
  const answered = (c: Socket) => new Promise<string>((resolve) => {
    let text = '';
    c.on('data', (d) => (text += d));
    c.on('close', () => resolve(text));
  });

  it('gives the client its own address, and loses no byte, however it is cut', async () => {
    const { client } = await serve(['127.0.0.0/8'], (s) => s.on('data', (d) => s.end(`${s.remoteAddress} ${d}`)));
    for (const cut of [1, 12, 44, 46]) {
      const c = client();
      const text = 'PROXY TCP4 203.0.113.10 192.0.2.1 55000 25\r\nhello';
      const all = answered(c);
      c.write(text.slice(0, cut));
      await new Promise((resolve) => setTimeout(resolve, 20));
      c.write(text.slice(cut));
      assert.match(await all, /^203\.0\.113\.10 h/);
    }
  });

  it('closes a believed one that says nothing good, without a word', async () => {
    let reached = 0;
    const { client, refused } = await serve(['127.0.0.1'], () => reached++);
    const c = client();
    c.write('EHLO x\r\n');
    assert.equal(await answered(c), '');
    assert.deepEqual(refused, ['no PROXY header']);
    assert.equal(reached, 0);
  });

  it('lets no more wait than its bound, and has room again', async () => {
    const { client, refused } = await serve(['127.0.0.1'], (s) => s.end('served'), 2);
    const waiting = [client(), client()];
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await answered(client()), '');
    waiting[0].destroy();
    while (refused.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual(refused, ['closed before its PROXY header']);
    const c = client();
    c.write('PROXY UNKNOWN\r\n');
    assert.equal(await answered(c), 'served');
  });

  it('believes nobody else', async () => {
    const { client } = await serve(['192.0.2.0/24', '::1'], (s) => s.on('data', (d) => s.end(`${s.remoteAddress} ${d}`)));
    const c = client();
    c.write('PROXY TCP4 203.0.113.10 192.0.2.1 55000 25\r\n');
    assert.match(await answered(c), /^127\.0\.0\.1 PROXY/);
  });
});

describe('base/networks', () => {
  it('knows who is meant', () => {
    const n = new Networks(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1']);
    for (const a of ['10.255.0.1', '192.0.2.7', '::ffff:10.1.2.3', '2001:db8:ffff::1', '::1']) assert.ok(n.has(a), a);
    for (const a of ['11.0.0.1', '192.0.2.8', '2001:db9::1', '::2', '', 'x']) assert.ok(!n.has(a), a);
    for (const bad of ['10.0.0.0/33', 'host', '::1/129', '10.0.0.0/', '']) assert.throws(() => new Networks([bad]), Malformed, bad);
  });
  it('names networks and reverses addresses', () => {
    assert.equal(networkOf('192.0.2.7'), '192.0.2');
    assert.equal(networkOf('::ffff:192.0.2.7'), '192.0.2');
    assert.equal(networkOf('2001:db8::1'), networkOf('2001:db8:0:0:ffff::2'));
    assert.notEqual(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'));
    assert.equal(reversedAddress('192.0.2.1'), '1.2.0.192');
    assert.equal(reversedAddress('2001:db8::1'), '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2');
    assert.equal(reversedAddress('64:ff9b::192.0.2.1'), '1.0.2.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0');
  });
});
