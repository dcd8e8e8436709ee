import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import { limits, silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { Asking, Peers } from '../../src/peers/index.ts';
import type { Answerer } from '../../src/peers/index.ts';
import { selfSigned } from '../../src/self-signed.ts';

const key = randomBytes(32);

describe('asking a replica', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function replica(onRequest?: Answerer): Promise<{ peers: Peers; address: string }> {
    const peers = new Peers({ writer: () => 'a', release: 'test', place: 'here', key, clock: systemClock, random: systemRandom, logger: silent, members: () => [], onHint: () => {}, onRequest });
    ends.push(() => peers.stop());
    return { peers, address: `127.0.0.1:${await peers.start('127.0.0.1', 0)}` };
  }
  async function ask(address: string, psk = key, place = 'here'): Promise<Asking> {
    const asking = await Asking.open({ address, key: psk, place, release: 'test', clock: systemClock, logger: silent });
    ends.push(() => asking.close());
    return asking;
  }
  const nothing = () => {};

  it('answers with messages of any size, in order, for several questions at once', async () => {
    const { peers, address } = await replica(async (request, tell) => {
      await tell(Buffer.from('first'));
      await tell(Buffer.alloc(0));
      await tell(Buffer.alloc(3 * limits.peer_frame_bytes_max, request));
      return Buffer.from(`last ${request}`);
    });
    const asking = await ask(address);
    assert.deepEqual(peers.connected, [], 'who asks is no replica');
    assert.equal(peers.complete, true);
    await Promise.all(['x', 'y'].map(async (word) => {
      const told: Buffer[] = [];
      assert.equal(String(await asking.ask(Buffer.from(word), (m) => told.push(m))), `last ${word}`);
      assert.deepEqual(told.map((m) => m.length), [5, 0, 3 * limits.peer_frame_bytes_max]);
      assert.equal(told[2].at(-1), word.charCodeAt(0));
    }));
  });

  it('fails without the key, from a copy of the store, without a replica, and when nobody speaks the protocol', async () => {
    const { address } = await replica(async () => Buffer.alloc(0));
    await assert.rejects(ask(address, randomBytes(32)), { name: 'Unavailable' });
    await assert.rejects(ask(address, key, 'a copy'), { name: 'Unavailable' }, 'what is asked of a copy of the store changes nothing here');
    await assert.rejects(ask('127.0.0.1:1'), { name: 'Unavailable' });
    await assert.rejects(ask('nonsense'), { name: 'Unavailable' });
    const mute = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((done) => mute.once('listening', done));
    ends.push(() => mute.close());
    await assert.rejects(ask(`127.0.0.1:${(mute.address() as AddressInfo).port}`), { name: 'Unavailable' });
  });

  it('a certificate that this machine trusts does not stand for the key', async () => {
    const { cert, key: own } = selfSigned(['elsewhere.example'], Date.now(), systemRandom);
    const trusted = tls.getCACertificates('default');
    tls.setDefaultCACertificates([...trusted, cert]);
    ends.push(() => tls.setDefaultCACertificates(trusted));
    let heard = 0;
    const stranger = tls.createServer({ cert, key: own, minVersion: 'TLSv1.3' }, (socket) => socket.on('data', (bytes) => (heard += bytes.length)).on('error', nothing));
    stranger.on('tlsClientError', nothing).listen(0, '127.0.0.1');
    await new Promise((done) => stranger.once('listening', done));
    ends.push(() => stranger.close());
    const { port } = stranger.address() as AddressInfo;
    await new Promise<void>((resolve, reject) => {
      const client = tls.connect({ host: '127.0.0.1', port, servername: 'elsewhere.example' }, () => client.end());
      client.once('error', reject).once('close', () => resolve());
    });
    await assert.rejects(ask(`127.0.0.1:${port}`), { name: 'Unavailable' });
    assert.equal(heard, 0);
  });

  it('hears that the replica went, and the replica survives one who goes', async () => {
    let gone = '';
    const { peers, address } = await replica(async (request, tell) => {
      if (String(request) === 'short') return Buffer.from('yes');
      try {
        for (;;) await tell(Buffer.alloc(500_000));
      } catch (e) {
        gone = (e as Error).name;
        throw e;
      }
    });
    const first = await ask(address);
    const asked = assert.rejects(first.ask(Buffer.from('long'), () => first.close()), { name: 'Unavailable' });
    await asked;
    for (let i = 0; i < 100 && gone === ''; i++) await systemClock.sleep(10);
    assert.equal(gone, 'Unavailable');
    const second = await ask(address);
    assert.equal(String(await second.ask(Buffer.from('short'), nothing)), 'yes');
    const cut = assert.rejects(second.ask(Buffer.from('long'), nothing), { name: 'Unavailable' });
    await systemClock.sleep(20);
    await peers.stop();
    await cut;
  });

  it('questions are bounded: too long, or too many at once, end the connection', async () => {
    const { address } = await replica(() => new Promise(() => {}));
    await assert.rejects((await ask(address)).ask(Buffer.alloc(limits.peer_request_bytes_max + 1), nothing), { name: 'Unavailable' });
    const many = await ask(address);
    const asked = Array.from({ length: limits.peer_requests_max + 1 }, () => many.ask(Buffer.from('x'), nothing));
    for (const one of asked) await assert.rejects(one, { name: 'Unavailable' });
  });

  it('a replica that answers nothing (an answerer that fails, or none) ends it', async () => {
    const bug = await replica(() => Promise.reject(new TypeError('a bug')));
    await assert.rejects((await ask(bug.address)).ask(Buffer.from('x'), nothing), { name: 'Unavailable' });
  });
});
