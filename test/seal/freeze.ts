// Writes fixtures/seal/formats-1.json. Run once for a new format number; a frozen file is never written again.
import { existsSync, writeFileSync } from 'node:fs';
import { seededRandom } from '../../src/base/index.ts';
import * as seal from '../../src/seal/index.ts';
import { encodeRing } from '../../src/seal/keys.ts';

const file = new URL('../../fixtures/seal/formats-1.json', import.meta.url);
if (existsSync(file)) throw new Error('formats-1.json is frozen');
const user = 'k7m2p9x4q1r8t5w3';
const name = `users/${user}/log/0000000000000041-abcdefghjkmnpqrs-1`;
const random = seededRandom(20260101);
const text = Buffer.from('From: a@example.org\r\nSubject: frozen\r\n\r\nHello.\r\n');
const aad = Buffer.from('seen');
const secrets = await seal.createUserSecrets(random, Date.UTC(2026, 0, 1));
const root = seal.createRootKey(random);
const clusterSecret = seal.createClusterSecret(random);
const keys = seal.ClusterKeys.parse([clusterSecret]);
const sealer = new seal.BlobSealer(secrets.public.blob, random);
const pieces = sealer.push(text);
const done = sealer.finish();
const app = seal.createAppPassword(random);
const recovery = seal.createRecoveryCode(user, random);
const pool = new seal.PasswordPool();
const named = seal.sealNamed(secrets.ring.sessions[0], name, aad, text, random);
const value: Record<string, Buffer | string> = {
  root,
  ringClear: encodeRing(secrets.ring),
  ring: seal.sealRing(root, user, secrets.ring, random),
  public: seal.encodeUserPublic(secrets.public),
  clusterSecret,
  text,
  aad,
  named,
  delivered: seal.sealDelivered(secrets.public.event, name, aad, text, random),
  directory: seal.sealNamed(keys.directory[0], name, aad, text, random),
  mac: seal.mac(keys, name, aad, named),
  derived: keys.derive('a purpose'),
  peerKey: keys.peerKey(),
  deliveryKey: seal.deliveryKey(secrets.public.hashKey, 'a@example.org', 'b@example.com', Buffer.alloc(32, 7)),
  blob: Buffer.concat([...pieces, ...done.pieces]),
  contentKey: done.contentKey,
  app: app.text(),
  recovery: recovery.text(),
  wrapApp: seal.wrapWithToken(root, user, app, random),
  wrapRecovery: seal.wrapWithToken(root, user, recovery, random),
  wrapPassword: await seal.wrapWithPassword(root, user, 'käse und brot', pool, random, { memoryKib: 64, passes: 1, lanes: 1 }),
};
await pool.close();
const lines = Object.entries(value).map(([k, v]) => `  ${JSON.stringify(k)}: ${JSON.stringify(typeof v === 'string' ? v : v.toString('hex'))}`);
writeFileSync(file, `{\n${lines.join(',\n')}\n}\n`);
