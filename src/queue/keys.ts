// The queue's keys: all replicas have them, the store has not.
import { createHash, createPrivateKey, createPublicKey, createSecretKey } from 'node:crypto';
import type { ClusterKeys, SymmetricKey } from '../seal/index.ts';
import type { BlobPublicKey } from '../seal/index.ts';

export interface QueueKeys {
  /** For events and snapshots; the first writes, all open. */
  readonly events: readonly SymmetricKey[];
  /** What blobs are sealed to. The events hold the blobs' content keys, so the secret half is not needed to read. */
  readonly blob: BlobPublicKey;
  /** For object names that must not tell what they are about, and for addresses that others bring back; the first makes them. */
  readonly names: readonly Buffer[];
}

function publicPoint(secret: Buffer): Buffer {
  const key = createPrivateKey({ format: 'jwk', key: { kty: 'OKP', crv: 'X25519', d: secret.toString('base64url'), x: Buffer.alloc(32).toString('base64url') } });
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x!, 'base64url');
}

export function queueKeys(keys: ClusterKeys): QueueKeys {
  const point = publicPoint(keys.derive('queue blobs 1'));
  return {
    events: keys.ids.map((id) => ({ id: `${id}00000001`, key: createSecretKey(keys.derive('queue events 1', id)) })),
    blob: { point, fingerprint: createHash('sha256').update('colombier queue key\0').update(point).digest() },
    names: keys.ids.map((id) => keys.derive('queue names 1', id)),
  };
}
