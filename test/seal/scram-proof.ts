// What a client of SCRAM-SHA-256 computes (RFC 5802 §3), for tests.
import { createHmac, hash, pbkdf2Sync } from 'node:crypto';
import type { ScramProof } from '../../src/seal/index.ts';

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

export function scramProof(password: string, salt: Buffer, iterations: number, said: string): ScramProof & { expected: Buffer } {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const signature = hmac(hash('sha256', clientKey, 'buffer'), said);
  const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]));
  return { iterations, authMessage: Buffer.from(said), proof, expected: hmac(hmac(salted, 'Server Key'), said) };
}
