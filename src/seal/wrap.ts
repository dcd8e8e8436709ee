// The root key of a user, wrapped by a password (Argon2id) or by a code of ours (HKDF), bound to the user's id.
//
// Format 1: version 1 | kind (1 password, 2 app password, 3 recovery code) | id, string | salt, 16 bytes |
// for a password memory KiB, passes, lanes, varints | nonce, 12 bytes | root key, 32 bytes, sealed, and tag, 16 bytes |
// first 8 bytes of SHA-256 of all before: tells a damaged wrap (Corrupt) from a wrong password (Refused).
// Format 2, of app passwords: version 2, and behind the salt what SCRAM needs (scram.ts).
import { hash } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt, Refused, randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { ARGON2_COST } from './password-pool.ts';
import type { Argon2Cost, PasswordPool } from './password-pool.ts';
import { GCM_NONCE_BYTES, GCM_TAG_BYTES, asBuffer, gcmOpen, gcmSeal, hkdf, secretKey } from './primitives.ts';
import { makeVerifiers, openVerifier, readVerifiers, writeVerifiers } from './scram.ts';
import type { ScramOpened, ScramProof, ScramVerifier } from './scram.ts';
import type { Token } from './token.ts';

/** App passwords are written as 2, all else as 1. */
const VERSION = 2;
const KINDS = ['password', 'app', 'recovery'] as const;
const SALT_BYTES = 16;
const ROOT_BYTES = 32;
const CHECK_BYTES = 8;
const ID_CHARS_MAX = 40;
const PASSWORD_BYTES_MAX = 1024;
/** A stored wrap must not make a log-in take all memory or minutes. */
const COST_MAX: Argon2Cost = { memoryKib: 512 * 1024, passes: 16, lanes: 8 };

export type WrapKind = (typeof KINDS)[number];
/** What can be read of a wrap without opening it. */
export interface WrapInfo {
  readonly id: string;
  readonly kind: WrapKind;
}
interface Wrap extends WrapInfo {
  salt: Buffer;
  cost: Argon2Cost | null;
  verifiers: ScramVerifier[];
  /** What their sealing authenticates. */
  front: Buffer;
  nonce: Buffer;
  sealed: Buffer;
  /** What the sealing authenticates. */
  head: Buffer;
}

/** A new root key (32 bytes). */
export const createRootKey = (random: Random): Buffer => random.bytes(ROOT_BYTES);

/** RFC 8265 §4.2.2 (OpaqueString): so that a password is the same from every keyboard. Throws Refused. */
export function passwordBytes(password: string): Buffer {
  const bytes = Buffer.from(password.replace(/[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/g, ' ').normalize('NFC'));
  if (bytes.length === 0) throw new Refused('an empty password opens nothing', 'AUTHENTICATIONFAILED', '535 5.7.8');
  if (bytes.length > PASSWORD_BYTES_MAX) throw new Refused(`a password has at most ${PASSWORD_BYTES_MAX} bytes`, 'AUTHENTICATIONFAILED', '535 5.7.8');
  return bytes;
}

function parse(bytes: Uint8Array): Wrap {
  const all = asBuffer(bytes);
  const bodyBytes = all.length - CHECK_BYTES;
  if (bodyBytes < 1) throw new Corrupt('a wrapped key is too short');
  const version = all[0];
  if (version < 1 || version > VERSION) throw new Corrupt(version > VERSION ? 'a wrapped key was written by a newer version' : 'a wrapped key has an unknown version');
  if (!hash('sha256', all.subarray(0, bodyBytes), 'buffer').subarray(0, CHECK_BYTES).equals(all.subarray(bodyBytes))) throw new Corrupt('a wrapped key was altered');
  const r = new ByteReader(all, 1, bodyBytes);
  const kind = KINDS[r.u8() - 1];
  if (!kind) throw new Corrupt('a wrapped key is of an unknown kind');
  const id = r.string();
  if (id.length === 0 || id.length > ID_CHARS_MAX) throw new Corrupt('a wrapped key has no id');
  const salt = r.raw(SALT_BYTES);
  const cost = kind === 'password' ? { memoryKib: r.varint(), passes: r.varint(), lanes: r.varint() } : null;
  if (cost) checkCost(cost);
  const front = all.subarray(0, r.at);
  if (version === 2 && kind !== 'app') throw new Corrupt('a wrapped key has an unknown version');
  const verifiers = version === 2 ? readVerifiers(r) : [];
  const head = all.subarray(0, r.at);
  const nonce = r.raw(GCM_NONCE_BYTES);
  const sealed = r.raw(ROOT_BYTES + GCM_TAG_BYTES);
  r.finish();
  return { id, kind, salt, cost, verifiers, front, nonce, sealed, head };
}

function checkCost(cost: Argon2Cost): void {
  const { memoryKib, passes, lanes } = cost;
  const fine = passes >= 1 && lanes >= 1 && memoryKib >= 8 * lanes && memoryKib <= COST_MAX.memoryKib && passes <= COST_MAX.passes && lanes <= COST_MAX.lanes;
  if (!fine) throw new Corrupt('a wrapped key asks for an Argon2 that nobody should compute');
}

function head(kind: WrapKind, id: string, salt: Buffer, cost: Argon2Cost | null): Buffer {
  const w = new ByteWriter(160).u8(kind === 'app' ? VERSION : 1).u8(KINDS.indexOf(kind) + 1).string(id).raw(salt);
  if (cost) w.varint(cost.memoryKib).varint(cost.passes).varint(cost.lanes);
  return w.done();
}

/** The user's id is in the key and the head in the AAD, so a wrap opens for its user alone. */
const wrappingKey = (secret: Uint8Array, salt: Uint8Array, user: string) => secretKey(hkdf(secret, salt, Buffer.from(`colombier wrap 1\0${user}`), 32));

function seal(root: Buffer, key: ReturnType<typeof wrappingKey>, front: Buffer, random: Random): Buffer {
  if (root.length !== ROOT_BYTES) throw new RangeError('a root key has 32 bytes');
  const nonce = random.bytes(GCM_NONCE_BYTES);
  const body = gcmSeal(key, nonce, front, root, Buffer.concat([front, nonce]));
  return Buffer.concat([body, hash('sha256', body, 'buffer').subarray(0, CHECK_BYTES)]);
}

function open(wrap: Wrap, key: ReturnType<typeof wrappingKey>, wrong: string): Buffer {
  const root = gcmOpen(key, wrap.nonce, wrap.head, wrap.sealed);
  if (!root) throw new Refused(wrong, 'AUTHENTICATIONFAILED', '535 5.7.8');
  return root;
}

/** Id and kind of a wrap. Throws Corrupt. */
export function wrapInfo(wrap: Uint8Array): WrapInfo {
  const { id, kind } = parse(wrap);
  return { id, kind };
}

/** Wraps with a chosen password under a new random id; the cost is stored with it. Throws Refused, Unavailable. */
export async function wrapWithPassword(root: Buffer, user: string, password: string, pool: PasswordPool, random: Random, cost: Argon2Cost = ARGON2_COST): Promise<Buffer> {
  checkCost(cost);
  const salt = random.bytes(SALT_BYTES);
  const front = head('password', randomId(random, 50), salt, cost);
  const derived = await pool.derive(passwordBytes(password), salt, cost);
  return seal(root, wrappingKey(derived, salt, user), front, random);
}

/** The root key. Throws Refused (wrong password), Corrupt, Unavailable (too many log-ins wait). */
export async function unwrapWithPassword(wrap: Uint8Array, user: string, password: string, pool: PasswordPool): Promise<Buffer> {
  const parsed = parse(wrap);
  if (!parsed.cost) throw new Refused('this key is not wrapped by a password', 'AUTHENTICATIONFAILED', '535 5.7.8');
  const derived = await pool.derive(passwordBytes(password), parsed.salt, parsed.cost);
  return open(parsed, wrappingKey(derived, parsed.salt, user), 'wrong user or password');
}

/** Wraps with an app password or recovery code, under the token's id; an app password opens it by SCRAM too. */
export function wrapWithToken(root: Buffer, user: string, token: Token, random: Random): Buffer {
  const salt = random.bytes(SALT_BYTES);
  let front = head(token.kind, token.id, salt, null);
  if (token.kind === 'app') {
    const w = new ByteWriter(512).raw(front);
    writeVerifiers(w, makeVerifiers(token, user, root, salt, front));
    front = w.done();
  }
  return seal(root, wrappingKey(token.secretBytes(), salt, user), front, random);
}

/** The root key, in microseconds. Throws Refused (another code), Corrupt. */
export function unwrapWithToken(wrap: Uint8Array, user: string, token: Token): Buffer {
  const parsed = parse(wrap);
  const wrong = token.kind === 'app' ? 'wrong user or password' : 'this is not the recovery code';
  return open(parsed, wrappingKey(token.secretBytes(), parsed.salt, user), wrong);
}

/** By a proof of SCRAM; null when it is of another password, or the wrap has nothing for SCRAM. Throws Corrupt. */
export function unwrapWithScram(wrap: Uint8Array, user: string, proof: ScramProof): ScramOpened | null {
  const { verifiers, salt, front } = parse(wrap);
  for (const verifier of verifiers) {
    const opened = openVerifier(verifier, user, salt, front, proof);
    if (opened) return opened;
  }
  return null;
}
