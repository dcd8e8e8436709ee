/**
 * directory/: domains, users, addresses, public keys, wrapped secrets and limits: a log like a user's, under
 * `directory/`, sealed and MACed with keys from the cluster secret, folded in memory by every replica.
 *
 * In: administrators' changes, and the log. Out: who an address belongs to, and what a user's record holds.
 *
 * Invariants: a "no" (no such user, no such address, wrong password) is never given from memory but after one LIST
 * begun after the question, shared by all who wait, at most one a second. An address belongs to one user at most,
 * though the store has no condition to offer: a claim, a LIST, a confirmation, a LIST (claims.ts). A user's id is random
 * and never used again.
 *
 * Failures: Refused for what the rules forbid, Unavailable while the store does not answer, Corrupt for a forged or
 * damaged log.
 */
export { Directory } from './directory.ts';
export type { DirectoryOptions } from './directory.ts';
export { DirectoryState } from './fold.ts';
export type { Claim, UserRecord } from './fold.ts';
export { candidatesFor, normaliseAddress, normaliseDomain, writtenDomain } from './addresses.ts';
export { decodeDirectoryOps, elsewhere, encodeDirectoryOps, leadingTo } from './ops.ts';
export type { DirectoryOp, DomainKey, SpamScores, StoredWrap } from './ops.ts';
export { directoryCodec } from './codec.ts';
