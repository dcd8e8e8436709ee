// The keys that a domain signs with.
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

export interface NewKey {
  selector: string;
  algorithm: 'rsa' | 'ed25519';
  /** PKCS #8, DER. */
  secret: Buffer;
}

/** §3.2 of RFC 8301 asks for 2048; more does not fit one string of TXT everywhere. */
const RSA_BITS = 2048;

/** An RSA key, which all can verify, and an Ed25519 key. `name` (a date, say) tells their selectors from older ones. */
export async function createDomainKeys(name: string): Promise<NewKey[]> {
  const generate = promisify(generateKeyPair) as (type: string, options: object) => Promise<{ privateKey: KeyObject }>;
  const der = async (type: string, options: object) => (await generate(type, options)).privateKey.export({ type: 'pkcs8', format: 'der' }) as Buffer;
  return [
    { selector: `r${name}`, algorithm: 'rsa', secret: await der('rsa', { modulusLength: RSA_BITS }) },
    { selector: `e${name}`, algorithm: 'ed25519', secret: await der('ed25519', {}) },
  ];
}

/** Of a domain's keys those that sign at a moment (ms since 1970): of the newest date that has come; none has: the oldest. */
export function signingKeys<K extends { at: number }>(keys: readonly K[], now: number): K[] {
  const dates = keys.map((k) => k.at).sort((a, b) => b - a);
  const at = dates.find((d) => d <= now) ?? dates.at(-1);
  return keys.filter((k) => k.at === at);
}

export const readSecret = (der: Buffer): KeyObject => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });

/** The text of the DNS record that others verify with (RFC 6376 §3.6.1, RFC 8463 §4). */
export function publicRecord(algorithm: 'rsa' | 'ed25519', secret: Buffer): string {
  const key = createPublicKey(readSecret(secret));
  const p = algorithm === 'rsa' ? (key.export({ type: 'spki', format: 'der' }) as Buffer).toString('base64') : Buffer.from(key.export({ format: 'jwk' }).x!, 'base64url').toString('base64');
  return `v=DKIM1; k=${algorithm}; p=${p}`;
}
