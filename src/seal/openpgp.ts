// openpgp.js makes and exports keys, nothing else; it is loaded at the first use (50 ms, 15 MB).
import { Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { createSymmetricKey, eventKeyId } from './keys.ts';
import type { BlobSecretKey, EventSecretKey, UserRing, UserSecrets } from './keys.ts';
import { x25519Point, x25519Secret } from './primitives.ts';

const load = () => import('openpgp');
const ALGORITHM_X25519 = 25;

/**
 * A new OpenPGP v6 key (Ed25519 with an X25519 subkey) without a user id: addresses change, and stay out of the key.
 * Its certificate announces SEIPD v2 with AES-256-GCM. openpgp.js takes its chance from the machine.
 */
async function createBlobKey(nowMs: number): Promise<{ key: BlobSecretKey; certificate: Buffer }> {
  const openpgp = await load();
  const { privateKey, publicKey } = await openpgp.generateKey({
    type: 'curve25519',
    userIDs: [],
    date: new Date(nowMs),
    format: 'object',
    config: {
      v6Keys: true,
      aeadProtect: true,
      preferredAEADAlgorithm: openpgp.enums.aead.gcm,
      preferredSymmetricAlgorithm: openpgp.enums.symmetric.aes256,
      preferredCompressionAlgorithm: openpgp.enums.compression.uncompressed,
    },
  });
  const packet = privateKey.subkeys[0].keyPacket as unknown as {
    version: number;
    algorithm: number;
    publicParams: { A: Uint8Array };
    privateParams: { k: Uint8Array };
    getFingerprint(): string;
  };
  if (packet.version !== 6 || packet.algorithm !== ALGORITHM_X25519) throw new Error('openpgp.js made a key of another kind than asked for');
  const key = {
    fingerprint: Buffer.from(packet.getFingerprint(), 'hex'),
    point: Buffer.from(packet.publicParams.A),
    secret: Buffer.from(packet.privateParams.k),
    openpgp: Buffer.from(privateKey.write()),
  };
  return { key, certificate: Buffer.from(publicKey.write()) };
}

/** A new event key. */
export function createEventKey(random: Random): EventSecretKey {
  const secret = random.bytes(32);
  const point = x25519Point(x25519Secret(secret));
  return { id: eventKeyId(point), point, secret };
}

/** All keys of a new user. `nowMs` (wall clock) dates the OpenPGP key. */
export async function createUserSecrets(random: Random, nowMs: number): Promise<UserSecrets> {
  const { key, certificate } = await createBlobKey(nowMs);
  return secretsWith(key, certificate, random);
}

/** The same without openpgp.js, and so without what its owner could export: for an account that ends with the process. */
export function createPassingSecrets(random: Random): UserSecrets {
  const { secret, point } = createEventKey(random);
  return secretsWith({ fingerprint: random.bytes(32), point, secret, openpgp: NONE }, NONE, random);
}
const NONE = Buffer.alloc(0);

function secretsWith(key: BlobSecretKey, certificate: Buffer, random: Random): UserSecrets {
  const event = createEventKey(random);
  return {
    ring: { blobs: [key], events: [event], sessions: [createSymmetricKey(random)] },
    public: {
      blob: { fingerprint: key.fingerprint, point: key.point },
      event: { id: event.id, point: event.point },
      certificate,
      hashKey: random.bytes(32),
    },
  };
}

/** The ring's OpenPGP keys as armored secret keys, one block each, locked with `passphrase` if given. Throws Corrupt. */
export async function exportSecretKey(ring: UserRing, passphrase?: string): Promise<string> {
  const openpgp = await load();
  let text = '';
  for (const key of ring.blobs) {
    let secret;
    try {
      secret = await openpgp.readPrivateKey({ binaryKey: key.openpgp });
    } catch {
      throw new Corrupt('an OpenPGP key of the ring cannot be read');
    }
    if (passphrase) secret = await openpgp.encryptKey({ privateKey: secret, passphrase });
    text += secret.armor();
  }
  return text;
}
