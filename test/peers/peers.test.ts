import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { silent, systemClock, systemRandom, limits } from '../../src/base/index.ts';
import { call } from '../../src/peers/call.ts';
import { Peers, parseAddress } from '../../src/peers/index.ts';
import type { Logger } from '../../src/base/index.ts';
import type { Hint, Member } from '../../src/peers/index.ts';
import { FrameReader, encodeFrame } from '../../src/peers/frames.ts';

const key = randomBytes(32);
const started: Peers[] = [];
async function replica(writer: string, members: () => Member[], psk = key, port: number | null = 0, logger: Logger = silent, place = 'here') {
  const hints: Hint[] = [];
  const peers = new Peers({ writer: () => writer, release: 'test', place, key: psk, clock: systemClock, random: systemRandom, logger, members, onHint: (h) => hints.push(h) });
  started.push(peers);
  const bound = await peers.start('127.0.0.1', port);
  peers.dial();
  return { peers, hints, address: `127.0.0.1:${bound}` };
}
async function until(what: () => boolean, ms = 5000) {
  for (const end = Date.now() + ms; !what(); await systemClock.sleep(5)) if (Date.now() > end) throw new Error('did not happen');
}
const hint = (n: number): Hint => ({ bucket: null, root: 'users/u/', name: `users/u/log/${n}`, bytes: Buffer.alloc(1000, n) });

describe('peers', () => {
  afterEach(async () => {
    await Promise.all(started.splice(0).map((p) => p.stop()));
  });

  it('carries hints both ways over one connection', async () => {
    const a = await replica('a', () => []);
    const b = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => a.peers.connected.length === 1 && b.peers.connected.length === 1);
    assert.equal(b.peers.complete, true);
    a.peers.broadcast(hint(1));
    b.peers.broadcast(hint(2));
    await until(() => a.hints.length === 1 && b.hints.length === 1);
    assert.deepEqual(b.hints[0], hint(1));
    assert.deepEqual(a.hints[0], hint(2));
  });

  it('works one way when the other can not be called', async () => {
    const members: Member[] = [];
    const hidden = await replica('hidden', () => members, key, null);
    const open = await replica('open', () => [{ writer: 'hidden', address: null }]);
    members.push({ writer: 'open', address: open.address });
    hidden.peers.dial();
    await until(() => open.peers.complete);
    open.peers.broadcast(hint(3));
    await until(() => hidden.hints.length === 1);
  });

  it('leaves a connection alone when a presence of before names the same address', async () => {
    const said: string[] = [];
    const note = (what: string, fields?: object) => void said.push(`${what} ${Object.values(fields ?? {})[0]}`);
    const logger: Logger = { debug: note, info: note, warn: note, error: note, room: () => logger };
    const a = await replica('a', () => []);
    const c = await replica('c', () => []);
    // The store has not told of the new one yet.
    const members: Member[] = [{ writer: 'a-long-before', address: a.address }];
    const b = await replica('b', () => members, key, 0, logger);
    await until(() => b.peers.connected.length === 1);
    // Killed: the one that was at a's address, and the one that was at b's own.
    members.push({ writer: 'a-before', address: a.address }, { writer: 'a', address: a.address }, { writer: 'b-before', address: b.address }, { writer: 'c', address: c.address });
    b.peers.dial();
    await until(() => b.peers.connected.length === 2);
    await systemClock.sleep(200);
    assert.deepEqual(said.filter((line) => line.startsWith('peer ')), ['peer connected a', 'peer connected c']);
  });

  it('refuses a stranger without the key, and goes on', async () => {
    const a = await replica('a', () => []);
    const stranger = await replica('s', () => [{ writer: 'a', address: a.address }], randomBytes(32));
    await until(() => a.peers.counts.refused > 0);
    assert.deepEqual(a.peers.connected, []);
    assert.deepEqual(stranger.peers.connected, []);
    const friend = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => friend.peers.complete);
  });

  it('refuses a replica on a copy of the store; an older release, which names no store, is a peer', async () => {
    const said: string[] = [];
    const a = await replica('a', () => [], key, 0, { ...silent, info: (message) => void said.push(message) });
    const copied = await replica('copied', () => [{ writer: 'a', address: a.address }], key, 0, silent, 'a copy');
    await until(() => a.peers.counts.refused > 0);
    const hello = Buffer.from(encodeFrame({ type: 'hello', hello: { version: 1, writer: 'old', release: 'x', place: '' } }).subarray(0, -1));
    hello.writeUInt32BE(hello.length - 4);
    const old = call(parseAddress(a.address)!, key);
    old.once('secureConnect', () => old.write(hello));
    await until(() => a.peers.connected.includes('old'));
    assert.deepEqual([a.peers.connected, copied.peers.connected], [['old'], []]);
    assert.match(said[0], /another store, or a copy/);
    old.destroy();
  });

  it('a stranger who sends rubbish or says nothing harms nobody', async () => {
    const a = await replica('a', () => []);
    const [host, port] = a.address.split(':');
    const rubbish = connect(Number(port), host, () => rubbish.write(randomBytes(5000)));
    rubbish.on('error', () => {});
    const mute = connect(Number(port), host);
    mute.on('error', () => {});
    const b = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => b.peers.complete);
    rubbish.destroy();
    mute.destroy();
  });

  it('connects again after the other was away', async () => {
    let at = '';
    const b = await replica('b', () => (at ? [{ writer: 'a', address: at }] : []));
    const first = await replica('a', () => []);
    at = first.address;
    b.peers.dial();
    await until(() => b.peers.complete);
    await first.peers.stop();
    await until(() => !b.peers.complete);
    const second = await replica('a2', () => []);
    at = second.address;
    await systemClock.sleep(20);
    const c = await replica('c', () => [{ writer: 'a2', address: at }]);
    await until(() => c.peers.complete);
  });

  it('makes one connection, however long the other takes to say who it is', async () => {
    const a = await replica('a', () => []);
    const [host, port] = a.address.split(':');
    const arrived: Socket[] = [];
    let mute = true;
    const held: (() => void)[] = [];
    const between = createServer((near) => {
      arrived.push(near);
      const far = connect(Number(port), host);
      near.pipe(far);
      // What the other says is kept back for a while: its end of the handshake passes, its hello does not.
      let said = 0;
      far.on('data', (bytes) => ((said += bytes.length) > bytes.length + 500 && mute ? held.push(() => near.write(bytes)) : near.write(bytes)));
      for (const socket of [near, far]) socket.on('error', () => {}).on('close', () => [near, far].forEach((s) => s.destroy()));
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const through = `127.0.0.1:${(between.address() as AddressInfo).port}`;
    const b = await replica('b', () => [{ writer: 'a', address: through }]);
    for (let i = 0; i < 5; i++) {
      await systemClock.sleep(20);
      b.peers.dial();
    }
    mute = false;
    for (const say of held.splice(0)) say();
    await until(() => b.peers.complete);
    assert.equal(arrived.length, 1);
    between.close();
    arrived.forEach((s) => s.destroy());
  });

  it('of two calls that cross keeps one, the same on both sides', async () => {
    const members: Member[] = [];
    const a = await replica('a', () => members.filter((m) => m.writer !== 'a'));
    const b = await replica('b', () => members.filter((m) => m.writer !== 'b'));
    members.push({ writer: 'a', address: a.address }, { writer: 'b', address: b.address });
    a.peers.dial();
    b.peers.dial();
    await until(() => a.peers.complete && b.peers.complete);
    await systemClock.sleep(50);
    for (let i = 0; i < 20; i++) a.peers.broadcast(hint(i));
    await until(() => b.hints.length === 20);
    assert.deepEqual([a.peers.connected, b.peers.connected], [['b'], ['a']]);
  });

  it('refuses and counts a peer of another version, one that speaks before it says who it is, and an oversized frame; the others go on', async () => {
    const a = await replica('a', () => []);
    const friend = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => friend.peers.complete && a.peers.complete);
    const oversized = Buffer.alloc(4);
    oversized.writeUInt32BE(limits.peer_frame_bytes_max + 1);
    const hello = encodeFrame({ type: 'hello', hello: { version: 1, writer: 'x', release: 'x', place: 'here' } });
    const newer = encodeFrame({ type: 'hello', hello: { version: 99, writer: 'x', release: 'x', place: 'here' } });
    for (const [i, bytes] of [newer, encodeFrame({ type: 'hint', hint: hint(9) }), Buffer.concat([hello, oversized]), Buffer.concat([hello, hello])].entries()) {
      const stranger = call(parseAddress(a.address)!, key);
      stranger.on('error', () => {});
      const ended = new Promise((resolve) => stranger.once('close', resolve));
      stranger.once('secureConnect', () => stranger.write(bytes));
      await ended;
      assert.equal(a.peers.counts.refused, i + 1);
    }
    assert.deepEqual(a.hints, []);
    assert.deepEqual(a.peers.connected, ['b']);
    a.peers.broadcast(hint(1));
    await until(() => friend.hints.length === 1);
  });

  it('a hint that comes twice is told twice, and one too large is not sent', async () => {
    const a = await replica('a', () => []);
    const b = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => a.peers.connected.length === 1);
    a.peers.broadcast({ ...hint(1), bytes: Buffer.alloc(limits.peer_frame_bytes_max) });
    a.peers.broadcast(hint(2));
    a.peers.broadcast(hint(2));
    await until(() => b.hints.length === 2);
    assert.deepEqual(b.hints, [hint(2), hint(2)]);
  });

  it('refuses oversized and broken frames', () => {
    const reader = new FrameReader(100);
    const big = Buffer.alloc(4);
    big.writeUInt32BE(limits.peer_frame_bytes_max);
    assert.throws(() => reader.push(big), { name: 'Malformed' });
    assert.throws(() => new FrameReader(100).push(Buffer.from([0, 0, 0, 2, 2, 255])), { name: 'Malformed' });
    const frame = encodeFrame({ type: 'hint', hint: hint(7) });
    const whole = new FrameReader(5000);
    const got = [...frame].flatMap((byte) => whole.push(Buffer.from([byte])));
    assert.deepEqual(got, [{ type: 'hint', hint: hint(7) }]);
    assert.deepEqual(new FrameReader(100).push(Buffer.from([0, 0, 0, 1, 99])), [], 'an unknown type is passed over');
  });

  it('reads addresses', () => {
    assert.deepEqual(parseAddress('127.0.0.1:80'), { host: '127.0.0.1', port: 80 });
    assert.deepEqual(parseAddress('[::1]:80'), { host: '::1', port: 80 });
    for (const bad of ['', 'x', 'x:0', 'x:99999', '::1:80']) assert.equal(parseAddress(bad), null);
  });
});
