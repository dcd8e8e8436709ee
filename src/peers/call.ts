// TLS 1.3 with a key derived from the cluster secret in place of certificates (RFC 8446 §2.2, external PSK with DHE).
import * as tls from 'node:tls';

const IDENTITY = 'colombier';
const COMMON = { ciphers: 'TLS_AES_128_GCM_SHA256', minVersion: 'TLSv1.3' } as const;

/** Splits `host:port` or `[v6]:port`. */
export function parseAddress(address: string): { host: string; port: number } | null {
  const m = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address);
  const port = m ? Number(m[3]) : 0;
  return m && port > 0 && port < 65536 ? { host: m[1] ?? m[2], port } : null;
}

/** Of a server: who hasn't the key fails the handshake. */
export const accepting = (key: Buffer): tls.TlsOptions => ({ ...COMMON, pskCallback: (_socket, id) => (id === IDENTITY ? key : null) });

/**
 * Calls a replica. Whoever answers without the key fails the handshake, whatever certificate it shows: none is asked for
 * where the key was used, and one that a public authority has signed would otherwise do in its place.
 */
export const call = (address: { host: string; port: number }, key: Buffer): tls.TLSSocket =>
  tls.connect({ ...address, ...COMMON, ca: [], rejectUnauthorized: true, pskCallback: () => ({ psk: key, identity: IDENTITY }), checkServerIdentity: () => new Error('a certificate in place of the key') });
