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
 * Standards: RFC 9580 (OpenPGP: PKESK v6, SEIPD v2, AES-256-GCM), RFC 9180 (HPKE), RFC 5869 (HKDF), RFC 9106 (Argon2),
 * RFC 5802 and 7677 (what SCRAM-SHA-256 proves).
 *
 * Failures: Corrupt for stored bytes that are not what was sealed; Refused for a wrong password or code and for a
 * mistyped secret; Unavailable when too many passwords wait to be tried.
 */
export { BlobSealer } from './blob-sealer.ts';
export type { SealedBlob } from './blob-sealer.ts';
export { checkBlobForm, openBlob, openBlobWithSecretKey, openRange } from './blob-opener.ts';
export { contentKeyPlainBytes } from './blob-key.ts';
export { chunkBegins, chunkOf, sealedRange, sealedSize } from './blob-layout.ts';
export { ClusterKeys, createClusterSecret } from './cluster.ts';
export { MAC_BYTES, mac, macKeyId, verifyMac } from './mac.ts';
export { hmacOnce } from './primitives.ts';
export { NAMED_OVERHEAD_BYTES, openNamed, sealNamed, sealedKeyId } from './named.ts';
export { DELIVERED_OVERHEAD_BYTES, deliveryKey, openDelivered, sealDelivered } from './delivered.ts';
export { createSymmetricKey, decodeUserPublic, encodeUserPublic, openRing, sealRing } from './keys.ts';
export type { BlobPublicKey, BlobSecretKey, EventPublicKey, EventSecretKey, SymmetricKey, UserPublic, UserRing, UserSecrets } from './keys.ts';
export { createPassingSecrets, createUserSecrets, exportSecretKey } from './openpgp.ts';
export { Token, createAppPassword, createRecoveryCode, findToken, parseToken } from './token.ts';
export type { TokenKind } from './token.ts';
export { createRootKey, unwrapWithPassword, unwrapWithScram, unwrapWithToken, wrapInfo, wrapWithPassword, wrapWithToken } from './wrap.ts';
export type { WrapInfo, WrapKind } from './wrap.ts';
export { SCRAM_ITERATIONS, falseScramSalt, scramSalt } from './scram.ts';
export type { ScramOpened, ScramProof } from './scram.ts';
export { ARGON2_COST, PasswordPool } from './password-pool.ts';
export type { Argon2Cost } from './password-pool.ts';
export { LoginCache } from './login-cache.ts';
