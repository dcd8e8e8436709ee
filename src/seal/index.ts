/**
 * seal/: keys and envelopes. Nothing leaves for the store or a disk but through here.
 *
 * Flow in: bytes of a message as they arrive, encoded events and parts, passwords and codes, a user's public keys or
 * secret ring, the cluster secret. Flow out: sealed bytes, MACs, content keys, wrapped root keys; and back.
 *
 * Invariants:
 * - sealing a delivery needs public keys only; opening needs the user's ring, or for one blob its content key.
 * - every sealed object is bound to its name (or, a blob, to its content key), so none can be moved, swapped, cut or
 *   replayed elsewhere; every format begins with a version byte (a blob is OpenPGP and has OpenPGP's).
 * - the first key of a ring (or of the cluster's secrets) writes, all of them open.
 * - secrets are never logged, never part of an error's text, and never leave a process but wrapped.
 *
 * Standards: RFC 9580 (OpenPGP: PKESK v6, SEIPD v2, AES-256-GCM), RFC 9180 (HPKE), RFC 5869 (HKDF), RFC 9106 (Argon2).
 *
 * Failures: Corrupt for stored bytes that are not what was sealed; Refused for a wrong password or code and for a
 * mistyped secret; Unavailable when too many passwords wait to be tried.
 */
import type { KeyObject } from 'node:crypto';
import type { Clock, Random } from '../base/index.ts';

// ---- key values -------------------------------------------------------------------------------------------------

/** A secret of 32 bytes with the id that sealed objects name (16 hex digits). */
export interface SymmetricKey {
  readonly id: string;
  readonly key: KeyObject;
}
/** What sealing a blob needs: the fingerprint (32 bytes) and X25519 point (32 bytes) of an OpenPGP v6 encryption subkey. */
export interface BlobPublicKey {
  readonly fingerprint: Buffer;
  readonly point: Buffer;
}
export interface BlobSecretKey extends BlobPublicKey {
  readonly secret: Buffer;
  /** The whole transferable secret key (RFC 9580 §10.2), without passphrase: for export. */
  readonly openpgp: Buffer;
}
/** What sealing a delivered event needs. `id` is 16 hex digits. */
export interface EventPublicKey {
  readonly id: string;
  readonly point: Buffer;
}
export interface EventSecretKey extends EventPublicKey {
  readonly secret: Buffer;
}
/** A user's secrets. The first of each list writes, all open. */
export interface UserRing {
  readonly blobs: readonly BlobSecretKey[];
  readonly events: readonly EventSecretKey[];
  /** For session events and parts of snapshots. */
  readonly sessions: readonly SymmetricKey[];
}
/** A user's record in the directory: what a delivery needs. */
export interface UserPublic {
  readonly blob: BlobPublicKey;
  readonly event: EventPublicKey;
  /** The OpenPGP certificate (transferable public key) of `blob`. */
  readonly certificate: Buffer;
  /** 32 bytes for keyed hashes that must outlive a rotation of the cluster secret: delivery keys. Known to replicas, not to the store. */
  readonly hashKey: Buffer;
}
export interface UserSecrets {
  readonly ring: UserRing;
  readonly public: UserPublic;
}
/** `nowMs` dates the OpenPGP key. Loads openpgp.js at the first call (50 ms). */
export declare function createUserSecrets(random: Random, nowMs: number): Promise<UserSecrets>;
export declare function encodeUserPublic(value: UserPublic): Buffer;
/** Throws Corrupt. */
export declare function decodeUserPublic(bytes: Uint8Array): UserPublic;
/** The ring, sealed under the root key and bound to the user's id. */
export declare function sealRing(root: Buffer, user: string, ring: UserRing, random: Random): Buffer;
/** Throws Corrupt. */
export declare function openRing(root: Buffer, user: string, sealed: Uint8Array): UserRing;
/** Armored OpenPGP secret key, locked with `passphrase` if given. */
export declare function exportSecretKey(ring: UserRing, passphrase?: string): Promise<string>;

// ---- cluster secret ---------------------------------------------------------------------------------------------

export declare function createClusterSecret(random: Random): string;
export declare class ClusterKeys {
  /** `texts`: the writing secret first, then others that are still accepted. Throws Refused on a typo. */
  static parse(texts: readonly string[]): ClusterKeys;
  /** Id of the writing secret, 8 hex digits. */
  readonly id: string;
  readonly ids: readonly string[];
  /** For sealNamed/openNamed of directory events: the writing one first. */
  readonly directory: readonly SymmetricKey[];
  /** 32 bytes for the peer channel, of the secret `id`. Throws Refused for an unknown id. */
  peerKey(id?: string): Buffer;
  /** 32 bytes for any other purpose. */
  derive(purpose: string, id?: string): Buffer;
}
/** 20 bytes: key id (4), HMAC-SHA256 truncated to 16 over name, clear bytes and sealed pieces. */
export declare function mac(keys: ClusterKeys, name: string, clear: Uint8Array, ...sealed: Uint8Array[]): Buffer;
/** Returns the id of the key that made it (8 hex digits); throws Corrupt. */
export declare function verifyMac(keys: ClusterKeys, made: Uint8Array, name: string, clear: Uint8Array, ...sealed: Uint8Array[]): string;
export declare const MAC_BYTES: 20;

// ---- events and parts -------------------------------------------------------------------------------------------

export declare function sealNamed(key: SymmetricKey, name: string, aad: Uint8Array, plaintext: Uint8Array, random: Random): Buffer;
/** Throws Corrupt. */
export declare function openNamed(keys: readonly SymmetricKey[] | SymmetricKey, name: string, aad: Uint8Array, sealed: Uint8Array): Buffer;
export declare function sealDelivered(key: EventPublicKey, name: string, aad: Uint8Array, plaintext: Uint8Array, random: Random): Buffer;
/** Throws Corrupt. */
export declare function openDelivered(keys: readonly EventSecretKey[] | EventSecretKey, name: string, aad: Uint8Array, sealed: Uint8Array): Buffer;
/** 16 bytes: the delivery key of DESIGN "Delivered twice". */
export declare function deliveryKey(hashKey: Buffer, mailFrom: string, recipient: string, digest: Uint8Array): Buffer;

// ---- blobs ------------------------------------------------------------------------------------------------------

export interface SealedBlob {
  /** What was not returned by push yet. */
  pieces: Buffer[];
  /** All that opening needs: 53 bytes and the size. Belongs into the sealed event, nowhere else. */
  contentKey: Buffer;
  plainBytes: number;
  sealedBytes: number;
}
export declare class BlobSealer {
  constructor(key: BlobPublicKey, random: Random);
  /** Copies what it takes; returns sealed bytes that are ready, in order. */
  push(chunk: Uint8Array): Buffer[];
  finish(): SealedBlob;
}
/** Size of the sealed object. */
export declare function sealedSize(plainBytes: number): number;
/** The bytes [from, to) of the sealed object that hold the plaintext [plainFrom, plainTo). */
export declare function sealedRange(plainFrom: number, plainTo: number, plainBytes: number): { from: number; to: number };
export declare function contentKeyPlainBytes(contentKey: Uint8Array): number;
/** Opens [plainFrom, plainTo) from a slice that holds its sealedRange. Throws Corrupt. */
export declare function openRange(contentKey: Uint8Array, slice: Uint8Array, sliceFrom: number, plainFrom: number, plainTo: number): Buffer;
/** Opens the whole object and checks every byte of it. Throws Corrupt. */
export declare function openBlob(contentKey: Uint8Array, sealed: Uint8Array): Buffer;
/** By the OpenPGP key alone, for check and export. Throws Corrupt. */
export declare function openBlobWithSecretKey(keys: readonly BlobSecretKey[] | BlobSecretKey, sealed: Uint8Array): { plain: Buffer; contentKey: Buffer };

// ---- root key, passwords, codes ---------------------------------------------------------------------------------

/** 32 bytes. */
export declare function createRootKey(random: Random): Buffer;
export interface Argon2Cost {
  memoryKib: number;
  passes: number;
  lanes: number;
}
/** An app password or recovery code as typed or printed; the secret doesn't show in logs. */
export declare class Token {
  readonly kind: 'app' | 'recovery';
  /** Id of the wrap that it opens. */
  readonly id: string;
  /** The user's id in a recovery code, else null. */
  readonly user: string | null;
  /** The text for its owner, grouped by five. */
  text(): string;
}
export declare function createAppPassword(random: Random): Token;
export declare function createRecoveryCode(user: string, random: Random): Token;
/** Null if the text does not look like one at all; throws Refused if it does and has a typo. */
export declare function parseToken(text: string): Token | null;

/** A wrapped root key, as stored; its id and kind are readable. */
export interface WrapInfo {
  readonly id: string;
  readonly kind: 'password' | 'app' | 'recovery';
}
export declare function wrapInfo(wrap: Uint8Array): WrapInfo;
export declare function wrapWithPassword(root: Buffer, user: string, password: string, pool: PasswordPool, random: Random, cost?: Argon2Cost): Promise<Buffer>;
/** Throws Refused (wrong password), Corrupt, Unavailable (too many wait). */
export declare function unwrapWithPassword(wrap: Uint8Array, user: string, password: string, pool: PasswordPool): Promise<Buffer>;
export declare function wrapWithToken(root: Buffer, user: string, token: Token, random: Random): Buffer;
/** Throws Refused (not this code), Corrupt. */
export declare function unwrapWithToken(wrap: Uint8Array, user: string, token: Token): Buffer;

export declare class PasswordPool {
  constructor(clock: Clock);
  close(): Promise<void>;
}

/** Passwords of users with an open secret, so that the same log-in again costs no Argon2. */
export declare class LoginCache {
  constructor(clock: Clock, random: Random);
  /** The root key if this password opened this wrap before. */
  find(user: string, wrapId: string, password: string): Buffer | null;
  remember(user: string, wrapId: string, password: string, root: Buffer): void;
  /** Keeps the user's entries while a session is open; call what it returns when the session ends. */
  hold(user: string): () => void;
  /** After a password changed or the user was removed. */
  forget(user: string): void;
  close(): void;
}
