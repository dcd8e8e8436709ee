import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { silent, systemClock, systemRandom, limits } from '../../src/base/index.ts';
import { Peers, parseAddress } from '../../src/peers/index.ts';
import type { Hint, Member } from '../../src/peers/index.ts';
import { FrameReader, encodeFrame } from '../../src/peers/frames.ts';

const key = randomBytes(32);
const started: Peers[] = [];
async function replica(writer: string, members: () => Member[], psk = key, port: number | null = 0) {
  const hints: Hint[] = [];
  const peers = new Peers({ writer: () => writer, release: 'test', key: psk, clock: systemClock, random: systemRandom, logger: silent, members, onHint: (h) => hints.push(h) });
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

  it('refuses a stranger without the key, and goes on', async () => {
    const a = await replica('a', () => []);
    const stranger = await replica('s', () => [{ writer: 'a', address: a.address }], randomBytes(32));
    await until(() => a.peers.counts.refused > 0);
    assert.deepEqual(a.peers.connected, []);
    assert.deepEqual(stranger.peers.connected, []);
    const friend = await replica('b', () => [{ writer: 'a', address: a.address }]);
    await until(() => friend.peers.complete);
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
