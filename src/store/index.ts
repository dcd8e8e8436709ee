/**
 * store/: objects under names, and nothing else: PUT, GET with Range, LIST, DELETE.
 *
 * In: names and sealed bytes (this room never sees plaintext). Out: the same bytes, rows of LIST in bytewise order of
 * names, and the store's own time with every answer.
 *
 * Invariants: a PUT that resolved is durable and every LIST and GET that begins afterwards shows it (until DELETE); an
 * object is never visible half-written; a PUT that failed with Unavailable may have happened, may happen later, and
 * may be sent again with the same bytes at any time. Names are made in names.ts only.
 *
 * Adapters: disk (one machine, any number of processes), s3 (Garage or another S3, SigV4), memory (tests, with
 * faults). One contract test for all: test/store/contract.ts.
 *
 * Failures: Unavailable (no answer, no quorum, disk full or not writable, keys or bucket refused), Malformed (a name
 * that no store may hold), Corrupt (a damaged folder or file, a newer format), Refused (a bucket that isn't configured).
 */
export * from './object-store.ts';
export * from './names.ts';
export { MemoryWorld, MemoryStore } from './memory.ts';
export type { Fault, Faults, Operation } from './memory-faults.ts';
export { makeFolders } from './disk-folders.ts';
export { openStores } from './open.ts';
export type { S3Settings, StoreSettings } from './open.ts';
