import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Corrupt, seededRandom } from '../../src/base/index.ts';
import { decodeBundle, encodeBundle, encodeEvent, placeOps, readEvent } from '../../src/log/index.ts';
import type { EventHeader } from '../../src/log/index.ts';
import { encodeManifest, openManifest, readCovers, readPrivateHalf, writeClearHalf, writePrivateHalf } from '../../src/log/snapshot-format.ts';
import { decodePresence, encodePresence } from '../../src/log/presence.ts';
import { eventName } from '../../src/store/index.ts';
import { openOps, toyAuthenticator, toyCodec } from './toy.ts';
import type { ToyOp } from './toy.ts';

const ROOT = 'users/u/';
const HEADER: EventHeader = {
  ref: { position: 0x1c3, writer: '7k2m9q4x0v3bt', seq: 7 },
  first: 0x183,
  kind: 'session',
  seen: {
    floor: 0x100,
    digest: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
    above: new Map([
      ['0a1b2c3d4e5f6', { position: 0x141, seq: 3 }],
      ['7k2m9q4x0v3bt', { position: 0x143, seq: 6 }],
      ['zzzzzzzzzzzz1', { position: 0x17f, seq: 90 }],
    ]),
  },
  born: 1_700_000_000_123,
  messages: 1,
  bytes: 10_000,
};
const OPS: ToyOp[] = [{ t: 'append', id: 'm1', box: 'INBOX' }, { t: 'expunge', id: 'm0' }];
const NAME = eventName(ROOT, HEADER.ref);
const encoded = () => encodeEvent(toyAuthenticator, NAME, HEADER, (clear) => toyCodec.seal('session', NAME, clear, OPS)).bytes;
const fixture = (name: string) => Buffer.from(readFileSync(new URL(`../../fixtures/log/${name}`, import.meta.url), 'utf8').replace(/\s/g, ''), 'hex');

const COVERS = [
  { ...HEADER, modified: 1_700_000_000_500, effects: [{ scope: 'INBOX', any: 0x1c3, assigned: 0x183, anyLeast: 0x183, assignedLeast: 0x183, messages: [{ writer: '7k2m9q4x0v3bt', seq: 7, index: 0 }, { writer: '7k2m9q4x0v3bt', seq: 7, index: 1 }] }], repaired: [{ writer: 'a', seq: 1, position: 5 }], lost: null },
];
const MANIFEST = { floor: 0x1c0, position: 0x1c3, digest: HEADER.seen.digest, born: 1_700_000_001_000, messages: 4, bytes: 44_000, partIds: ['p1', 'p2'], covers: COVERS };
const SNAPSHOT = `${ROOT}snapshots/00000000000001c0-00000000000001c3-0123456789abcdef`;
const manifest = () => encodeManifest(toyAuthenticator, SNAPSHOT, writeClearHalf(MANIFEST), writePrivateHalf(['root', 'rows'], COVERS));
const bundle = () => encodeBundle(toyAuthenticator, ROOT, [{ leaf: NAME.slice(`${ROOT}log/`.length), ref: HEADER.ref, modified: 1_700_000_000_500, bytes: encoded() }], { messages: 1, bytes: 10_000 });
const PRESENCE = { slot: 17, address: 'dovecote.example:4190', version: '0.1.0', since: 1_700_000_000_000, left: false };

function decodeManifest(...from: Parameters<typeof openManifest>) {
  const { head, sealed, rest } = openManifest(...from);
  return { body: { ...head, covers: readCovers(rest) }, sealed };
}

describe('stored forms of the log', () => {
  it('an event comes back as it was written', () => {
    const stored = readEvent(toyAuthenticator, ROOT, NAME, encoded());
    assert.deepEqual(stored.header, HEADER);
    const event = placeOps(stored.header, openOps('session', NAME, stored.clear, stored.sealed), toyCodec.positions, 64);
    assert.deepEqual(event.ops, [{ first: 0x183, op: OPS[0] }, { first: 0x1c3, op: OPS[1] }]);
  });

  it('a header with three writers above the floor takes less than 150 bytes', () => {
    assert.ok(readEvent(toyAuthenticator, ROOT, NAME, encoded()).clear.length < 150);
  });

  it('frozen bytes of format 1 are read', () => {
    assert.deepEqual(readEvent(toyAuthenticator, ROOT, NAME, fixture('event-1.hex')).header, HEADER);
    const { body, sealed } = decodeManifest(toyAuthenticator, SNAPSHOT, fixture('snapshot-1.hex'));
    assert.deepEqual(readPrivateHalf(sealed, body), [{ key: 'root', id: 'p1' }, { key: 'rows', id: 'p2' }]);
    const spelt = (covers: typeof body.covers) => covers.map((e) => ({ ...e, effects: e.effects.map((x) => ({ ...x, messages: [...x.messages] })) }));
    assert.deepEqual({ ...body, covers: spelt(body.covers) }, MANIFEST);
    assert.deepEqual(decodeBundle(toyAuthenticator, bundle().name, fixture('bundle-1.hex')).events[0].bytes, fixture('event-1.hex'));
    assert.deepEqual(decodePresence(fixture('presence-1.hex')), PRESENCE);
  });

  it('what is written today is format 1', () => {
    assert.deepEqual(encoded(), fixture('event-1.hex'));
    assert.deepEqual(manifest(), fixture('snapshot-1.hex'));
    assert.deepEqual(bundle().bytes, fixture('bundle-1.hex'));
    assert.deepEqual(encodePresence(PRESENCE), fixture('presence-1.hex'));
  });

  it('a newer version is said to be one', () => {
    const newer = (bytes: Buffer) => Buffer.from([2, ...bytes.subarray(1)]);
    assert.throws(() => readEvent(toyAuthenticator, ROOT, NAME, newer(encoded())), /written by a newer version/);
    assert.throws(() => decodeManifest(toyAuthenticator, SNAPSHOT, newer(manifest())), /written by a newer version/);
    assert.throws(() => decodeBundle(toyAuthenticator, bundle().name, newer(bundle().bytes)), /written by a newer version/);
    assert.throws(() => decodePresence(newer(encodePresence(PRESENCE))), /written by a newer version/);
  });

  it('an altered, truncated or renamed object is Corrupt, whatever byte it is', () => {
    const readers: [Buffer, (b: Buffer) => unknown][] = [
      [encoded(), (b) => readEvent(toyAuthenticator, ROOT, NAME, b)],
      [manifest(), (b) => decodeManifest(toyAuthenticator, SNAPSHOT, b)],
      [bundle().bytes, (b) => decodeBundle(toyAuthenticator, bundle().name, b).events.map((e) => readEvent(toyAuthenticator, ROOT, NAME, e.bytes))],
    ];
    for (const [bytes, read] of readers) {
      for (let i = 0; i < bytes.length; i++) {
        const altered = Buffer.from(bytes);
        altered[i] ^= 0x41;
        assert.throws(() => read(altered), Corrupt, `byte ${i}`);
        assert.throws(() => read(bytes.subarray(0, i)), Corrupt, `cut at ${i}`);
      }
    }
    assert.throws(() => readEvent(toyAuthenticator, ROOT, eventName(ROOT, { ...HEADER.ref, seq: 8 }), encoded()), Corrupt);
  });

  it('random bytes are Corrupt in bounded time and memory', () => {
    const random = seededRandom(4);
    for (let i = 0; i < 3000; i++) {
      const bytes = Buffer.concat([Buffer.from([1]), random.bytes(Math.floor(random.unit() * 80))]);
      assert.throws(() => readEvent(toyAuthenticator, ROOT, NAME, bytes), Corrupt);
      assert.throws(() => decodeManifest(toyAuthenticator, SNAPSHOT, bytes), Corrupt);
      assert.throws(() => decodeBundle(toyAuthenticator, 'b', bytes), Corrupt);
      assert.throws(() => readPrivateHalf(bytes, { covers: [], partIds: ['x'] }), Corrupt);
    }
  });

  it('operations that do not fill an event exactly are Corrupt', () => {
    assert.throws(() => placeOps(HEADER, OPS.slice(1), toyCodec.positions, 64), Corrupt);
  });
});
