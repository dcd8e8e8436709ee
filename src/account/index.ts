/**
 * account/: mail of users, between the protocols and the store. Deliver (public key only) · open (with the secret) ·
 * operations · notify.
 *
 * In: messages from smtp/ (Receiver), commands from imap/ (Backend, Session, Selected), hints from peers. Out: sealed
 * blobs and events, and what sessions see of the folded state.
 *
 * Invariants: blob before event, event before the answer; every change is an event in the user's log, there is no
 * second way to write; a secret stays in memory only while its user is logged in and a short time after; what can't be
 * asked of the store is Unavailable, never answered from an older state.
 *
 * Failures: the four kinds of errors.
 */
export { Administration } from './admin.ts';
export type { AdminOptions, Proof } from './admin.ts';
export { BlobCache } from './blobs.ts';
export { MailReceiver } from './deliver.ts';
export { DeliveredWords } from './delivered-words.ts';
export { Logins } from './login.ts';
export { OpenUser } from './open-user.ts';
export type { AccountMutations, Learn, Replica, ReplicaCounts } from './replica.ts';
export { userCodec } from './codec.ts';
export { MemoryBudget } from './memory.ts';
export { RecordCache } from './records.ts';
export { SearchMemory } from './search-memory.ts';
export { Spool, SpoolBudget } from './spool.ts';
export { readingOf, totalsOf } from './usage.ts';
export type { Usage } from './usage.ts';
export { checkUser, openingSource } from './check.ts';
export { repairUser } from './repair.ts';
export { Upkeep } from './upkeep.ts';
export { markRestored } from './restored.ts';
export { listRemoved, undelete } from './undelete.ts';
export type { Removed, RemovedList } from './undelete.ts';
export { UserLogs } from './user-log.ts';
export type { UserLog } from './user-log.ts';
export { Users } from './users.ts';
