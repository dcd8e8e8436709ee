// What SCRAM-SHA-256 (RFC 5802, RFC 7677) needs of an app password. A log-in shows the server ClientKey, and that is what
// opens the root key; stored is its hash only, so who reads the directory can neither log in nor open anything. Chosen
// passwords have none of this: PBKDF2 would undo their Argon2id.
//
// In a wrap of format 2: count, then for each spelling of the password
// iterations, varint | StoredKey, 32 bytes | root key and ServerKey, 32 each, sealed, and tag, 16. The sealing key is made
// with the wrap's own random salt and seals this alone, so its nonce is zero.
import { createHmac, hash, pbkdf2Sync, timingSafeEqual } from 'node:crypto';
import { Corrupt } from '../base/index.ts';
import type { ByteReader, ByteWriter } from '../base/index.ts';
import { GCM_NONCE_BYTES, GCM_TAG_BYTES, gcmOpen, gcmSeal, hkdf, secretKey } from './primitives.ts';
import type { Token } from './token.ts';

/** RFC 7677 §4 asks for 4096 at least; more would not help 135 bits. */
export const SCRAM_ITERATIONS = 4096;
const ITERATIONS_MAX = 1_000_000;
const SALT_BYTES = 16;
const KEY_BYTES = 32;
const VERIFIERS_MAX = 4;

export interface ScramVerifier {
  iterations: number;
  storedKey: Buffer;
  sealed: Buffer;
}
/** A client's proof over what was said so far. */
export interface ScramProof {
  iterations: number;
  authMessage: Buffer;
  proof: Buffer;
}
export interface ScramOpened {
  root: Buffer;
  /** Tells the client that the server knew its password. */
  serverSignature: Buffer;
}

const hmac = (key: Buffer, text: string | Buffer): Buffer => createHmac('sha256', key).update(text).digest();
const NONCE = Buffer.alloc(GCM_NONCE_BYTES);
const sealingKey = (clientKey: Buffer, salt: Buffer, user: string) => secretKey(hkdf(clientKey, salt, Buffer.from(`colombier scram 1\0${user}`), 32));

/** One for all app passwords of a user, for ever: the client is told it before it is known which one it has. */
export const scramSalt = (user: string): Buffer => hash('sha256', `colombier scram salt 1\0${user}`, 'buffer').subarray(0, SALT_BYTES);
/** The salt of a name that nobody has: always the same, and like any other. `key`: of the cluster. */
export const falseScramSalt = (key: Buffer, name: string): Buffer => hmac(key, name).subarray(0, SALT_BYTES);

/** An app password as it is shown, and without its hyphens: SCRAM can't undo how it was typed. */
function spellings(token: Token): string[] {
  const text = token.text();
  return [text, text.replaceAll('-', '')];
}

/** `salt` and `front`: of the wrap; `front` is authenticated with what is sealed. */
export function makeVerifiers(token: Token, user: string, root: Buffer, salt: Buffer, front: Buffer): ScramVerifier[] {
  return spellings(token).map((password) => {
    const salted = pbkdf2Sync(password, scramSalt(user), SCRAM_ITERATIONS, KEY_BYTES, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = hash('sha256', clientKey, 'buffer');
    const sealed = gcmSeal(sealingKey(clientKey, salt, user), NONCE, front, Buffer.concat([root, hmac(salted, 'Server Key')]));
    return { iterations: SCRAM_ITERATIONS, storedKey, sealed };
  });
}

export function writeVerifiers(w: ByteWriter, verifiers: readonly ScramVerifier[]): void {
  w.varint(verifiers.length);
  for (const { iterations, storedKey, sealed } of verifiers) w.varint(iterations).raw(storedKey).raw(sealed);
}

/** Throws Corrupt. */
export function readVerifiers(r: ByteReader): ScramVerifier[] {
  const n = r.varint();
  if (n > VERIFIERS_MAX) throw new Corrupt('a wrapped key has too many verifiers');
  return Array.from({ length: n }, () => {
    const iterations = r.varint();
    if (iterations < 1 || iterations > ITERATIONS_MAX) throw new Corrupt('a wrapped key asks for a PBKDF2 that nobody should compute');
    return { iterations, storedKey: r.raw(KEY_BYTES), sealed: r.raw(2 * KEY_BYTES + GCM_TAG_BYTES) };
  });
}

/** Null: the proof is of another password. Throws Corrupt. */
export function openVerifier(verifier: ScramVerifier, user: string, salt: Buffer, front: Buffer, { iterations, authMessage, proof }: ScramProof): ScramOpened | null {
  if (iterations !== verifier.iterations || proof.length !== KEY_BYTES) return null;
  const clientKey = hmac(verifier.storedKey, authMessage);
  for (let i = 0; i < KEY_BYTES; i++) clientKey[i] ^= proof[i];
  if (!timingSafeEqual(hash('sha256', clientKey, 'buffer'), verifier.storedKey)) return null;
  const opened = gcmOpen(sealingKey(clientKey, salt, user), NONCE, front, verifier.sealed);
  if (!opened) throw new Corrupt('a wrapped key does not fit its verifier');
  return { root: opened.subarray(0, KEY_BYTES), serverSignature: hmac(opened.subarray(KEY_BYTES), authMessage) };
}
