// TLS 1.3 with a key derived from the cluster secret in place of certificates (RFC 8446 §2.2, external PSK with DHE).
import { createHash } from 'node:crypto';
import * as tls from 'node:tls';

const COMMON = { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' } as const;

/** Splits `host:port` or `[v6]:port`. */
export function parseAddress(address: string): { host: string; port: number } | null {
  const m = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const port = m ? Number(m[3]) : 0;
  return m && port > 0 && port < 65536 ? { host: m[1] ?? m[2], port } : null;
}

/** What both must have: the cluster's key, and the same store. */
export interface Bond {
  /** 32 bytes, derived from the cluster secret. */
  key: Buffer;
  /** Names the store: a copy of it has the same secret, and presences of replicas that know nothing of the copy. */
  place: string;
}

const identityOf = ({ place }: Bond): string => `colombier ${createHash('sha256').update(place).digest('base64url')}`;

/** Of a server: who hasn't the key, or serves another store, fails the handshake. */
export function accepting(bond: Bond): tls.TlsOptions {
  const identity = identityOf(bond);
  return { ...COMMON, pskCallback: (_socket, id) => (id === identity ? bond.key : null) };
}

/**
 * Calls a replica. Whoever answers without the key fails the handshake, whatever certificate it shows: none is asked for
 * where the key was used, and one that a public authority has signed would otherwise do in its place.
 */
export const call = (address: { host: string; port: number }, bond: Bond): tls.TLSSocket =>
  tls.connect({ ...address, ...COMMON, ca: [], rejectUnauthorized: true, pskCallback: () => ({ psk: bond.key, identity: identityOf(bond) }), checkServerIdentity: () => new Error('a certificate in place of the key') });
