// Prints what sealing and opening cost on this machine: node test/seal/speed.ts
import { systemClock, systemRandom } from '../../src/base/index.ts';
import * as seal from '../../src/seal/index.ts';

function measure(name: string, times: number, run: () => unknown): void {
  for (let i = 0; i < times / 5; i++) run();
  const from = performance.now();
  for (let i = 0; i < times; i++) run();
  console.log(`${name.padEnd(46)} ${(((performance.now() - from) / times) * 1000).toFixed(1).padStart(9)} µs`);
}

const { ring, public: to } = await seal.createUserSecrets(systemRandom, systemClock.now());
const plain = systemRandom.bytes(10240);
const large = systemRandom.bytes(20 * 2 ** 20);
const event = systemRandom.bytes(1500);
const clear = systemRandom.bytes(60);
const name = 'users/abcdefgh12345678/log/0000000000001234-abcdefghjkmn-17';
const keys = seal.ClusterKeys.parse([seal.createClusterSecret(systemRandom)]);

function sealBlob(bytes: Buffer): { sealed: Buffer; contentKey: Buffer } {
  const sealer = new seal.BlobSealer(to.blob, systemRandom);
  const pieces = sealer.push(bytes);
  const done = sealer.finish();
  pieces.push(...done.pieces);
  return { sealed: pieces.length === 1 ? pieces[0] : Buffer.concat(pieces), contentKey: done.contentKey };
}
const blob = sealBlob(plain);
const largeBlob = sealBlob(large);
const middle = seal.sealedRange(10_000_000, 10_020_000, large.length);
const slice = largeBlob.sealed.subarray(middle.from, middle.to);
measure('seal a blob of 10 KB', 2000, () => sealBlob(plain));
measure('open a blob of 10 KB (content key)', 2000, () => seal.openBlob(blob.contentKey, blob.sealed));
measure('open a blob of 10 KB (secret key)', 2000, () => seal.openBlobWithSecretKey(ring.blobs, blob.sealed));
measure('seal a blob of 20 MB', 10, () => sealBlob(large));
measure('open a blob of 20 MB', 10, () => seal.openBlob(largeBlob.contentKey, largeBlob.sealed));
measure('open 20 KB in the middle of 20 MB', 1000, () => seal.openRange(largeBlob.contentKey, slice, middle.from, 10_000_000, 10_020_000));
const delivered = seal.sealDelivered(to.event, name, clear, event, systemRandom);
measure('seal a delivered event of 1.5 KB (HPKE)', 2000, () => seal.sealDelivered(to.event, name, clear, event, systemRandom));
measure('open a delivered event of 1.5 KB (HPKE)', 2000, () => seal.openDelivered(ring.events, name, clear, delivered));
const named = seal.sealNamed(ring.sessions[0], name, clear, event, systemRandom);
measure('seal a session event of 1.5 KB', 10000, () => seal.sealNamed(ring.sessions[0], name, clear, event, systemRandom));
measure('open a session event of 1.5 KB', 10000, () => seal.openNamed(ring.sessions, name, clear, named));
const made = seal.mac(keys, name, clear, named);
measure('MAC an event of 1.5 KB', 10000, () => seal.mac(keys, name, clear, named));
measure('verify the MAC of an event of 1.5 KB', 10000, () => seal.verifyMac(keys, made, name, clear, named));
const root = seal.createRootKey(systemRandom);
const token = seal.createAppPassword(systemRandom);
const wrap = seal.wrapWithToken(root, 'u1', token, systemRandom);
const sealedRing = seal.sealRing(root, 'u1', ring, systemRandom);
measure('unwrap with an app password', 2000, () => seal.unwrapWithToken(wrap, 'u1', seal.findToken(token.text())!));
measure('open a ring', 2000, () => seal.openRing(root, 'u1', sealedRing));
const cache = new seal.LoginCache(systemClock, systemRandom);
cache.remember('u1', 'w1', 'a password', root);
measure('find a password in the log-in cache', 10000, () => cache.find('u1', 'w1', 'a password'));
cache.close();
const pool = new seal.PasswordPool();
for (const which of ['first (starts the thread)', 'second']) {
  const from = performance.now();
  await seal.wrapWithPassword(root, 'u1', 'a password', pool, systemRandom);
  console.log(`${`Argon2id, ${which}`.padEnd(46)} ${((performance.now() - from) * 1000).toFixed(0).padStart(9)} µs`);
}
const rss = process.memoryUsage().rss;
await pool.close();
console.log(`${'memory of the process, idle thread / without'.padEnd(46)} ${(rss / 2 ** 20).toFixed(0)} / ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB`);
