// Whatever bytes come: the right ones open, all others are Corrupt or Refused, and nothing else happens.
import assert from 'node:assert/strict';
import { Corrupt, Refused, reason, seededRandom, systemRandom } from '../../src/base/index.ts';
import { ClusterKeys, decodeUserPublic, findToken, openBlob, openBlobWithSecretKey, openDelivered, openNamed, openRange, openRing, parseToken, unwrapWithToken, verifyMac, wrapInfo } from '../../src/seal/index.ts';
import { decodeContentKey } from '../../src/seal/blob-key.ts';
import { decodeRing } from '../../src/seal/keys.ts';
import { KNOWN_NAME, KNOWN_USER, frozen, frozenText, knownCluster, knownRing, knownRoot } from './known.ts';

const TIME_MS = 2000;
const ring = knownRing();
const root = knownRoot();
const cluster = knownCluster();
const aad = frozen('aad');
const app = parseToken(frozenText('app'));

// authenticated: altered bytes must not open; otherwise they may, to another value.
const decoders: { name: string; bytes: Buffer; authenticated: boolean; open: (bytes: Buffer) => unknown }[] = [
  { name: 'blob', bytes: frozen('blob'), authenticated: true, open: (b) => openBlob(frozen('contentKey'), b) },
  { name: 'blob by secret key', bytes: frozen('blob'), authenticated: true, open: (b) => openBlobWithSecretKey(ring.blobs, b) },
  { name: 'content key', bytes: frozen('contentKey'), authenticated: true, open: (b) => openBlob(b, frozen('blob')) },
  { name: 'content key, range', bytes: frozen('contentKey'), authenticated: false, open: (b) => openRange(b, frozen('blob'), 0, 0, 10) },
  { name: 'content key, decoded', bytes: frozen('contentKey'), authenticated: false, open: decodeContentKey },
  { name: 'named', bytes: frozen('named'), authenticated: true, open: (b) => openNamed(ring.sessions, KNOWN_NAME, aad, b) },
  { name: 'delivered', bytes: frozen('delivered'), authenticated: true, open: (b) => openDelivered(ring.events, KNOWN_NAME, aad, b) },
  { name: 'directory', bytes: frozen('directory'), authenticated: true, open: (b) => openNamed(cluster.directory, KNOWN_NAME, aad, b) },
  { name: 'MAC', bytes: frozen('mac'), authenticated: true, open: (b) => verifyMac(cluster, b, KNOWN_NAME, aad, frozen('named')) },
  { name: 'sealed ring', bytes: frozen('ring'), authenticated: true, open: (b) => openRing(root, KNOWN_USER, b) },
  { name: 'ring', bytes: frozen('ringClear'), authenticated: false, open: decodeRing },
  { name: 'public record', bytes: frozen('public'), authenticated: false, open: decodeUserPublic },
  { name: 'wrap', bytes: frozen('wrapApp'), authenticated: true, open: (b) => unwrapWithToken(b, KNOWN_USER, app) },
  { name: 'wrap of a password', bytes: frozen('wrapPassword'), authenticated: true, open: wrapInfo },
  { name: 'token', bytes: Buffer.from(frozenText('app')), authenticated: false, open: (b) => [findToken(b.toString('latin1')), parseToken(b.toString('latin1'))] },
  { name: 'cluster secret', bytes: Buffer.from(frozenText('clusterSecret')), authenticated: true, open: (b) => ClusterKeys.parse([b.toString('latin1')]) },
];

describe('seal: fuzz', () => {
  it('every decoder refuses what it must', () => {
    const seed = Math.floor(systemRandom.unit() * 2 ** 32);
    const random = seededRandom(seed);
    const below = (n: number) => Math.floor(random.unit() * n);
    const mutate = (bytes: Buffer): Buffer => {
      const b = Buffer.from(bytes);
      switch (below(7)) {
        case 0:
          return random.bytes(below(2 * b.length));
        case 1:
          return b.subarray(0, below(b.length));
        case 2:
          return Buffer.concat([b, random.bytes(1 + below(20))]);
        case 3: {
          const at = below(b.length);
          return Buffer.concat([b.subarray(0, at), random.bytes(1 + below(9)), b.subarray(at)]);
        }
        case 4: {
          const at = below(b.length);
          return Buffer.concat([b.subarray(0, at), b.subarray(at + 1 + below(9))]);
        }
        case 5:
          b.fill(below(256), below(b.length));
          return b;
        default:
          for (let n = 1 + below(3); n > 0; n--) b[below(b.length)] = below(256);
          return b;
      }
    };
    const until = performance.now() + TIME_MS;
    let rounds = 0;
    while (performance.now() < until) {
      for (const d of decoders) {
        const bytes = mutate(d.bytes);
        const same = bytes.equals(d.bytes) || (d.name === 'cluster secret' && bytes.toString('latin1').trim() === d.bytes.toString('latin1'));
        try {
          d.open(bytes);
          assert.ok(same || !d.authenticated, `${d.name} opened altered bytes`);
        } catch (e) {
          if (!(e instanceof Corrupt || e instanceof Refused)) assert.fail(`seed ${seed}, ${d.name}, bytes ${bytes.toString('hex')}: ${reason(e)}`);
        }
      }
      rounds++;
    }
    assert.ok(rounds > 0);
    for (const d of decoders) d.open(d.bytes);
  }).timeout(20_000);
});
