/**
 * state/: the pure fold. No await, no clock, no randomness: the same events, in any order that causality allows, give
 * the same state, byte for byte.
 *
 * Flow in: opened events (`UserState.apply`), parts of snapshots (`load`, `provide`). Flow out: mailboxes, live
 * message indexes (`MailboxState`, what imap/session.ts calls MailboxIndex), what an event touched (`effects`, for the
 * log's lateness), repairs (`planRepair`), contents, parts of snapshots (`encode`).
 *
 * Invariants: UIDs and MODSEQs are positions (UID = position - the epoch's position); a message is named by (writer,
 * seq, index) and never changes its mailbox (a MOVE is a copy and an expunge in one event); its live UID is the
 * greatest that it was ever given; expunged is final; a flag is what the change with the greatest (position, writer)
 * said; a mailbox's UIDVALIDITY never changes and its UIDNEXT and HIGHESTMODSEQ only grow. Snapshot + tail = full fold.
 *
 * Loading is lazy and the caller does the waiting: `for (let need; (need = state.missing(what)).length > 0;)` fetch
 * and `provide` each; then call what you wanted. Operations on a mailbox whose rows aren't loaded wait inside the
 * state until they are.
 *
 * Standards: RFC 9051 §2.3.1 (UIDs), RFC 7162 (MODSEQ, VANISHED), RFC 8474 (ids), RFC 8514 (SAVEDATE), RFC 6154.
 * Failures: Corrupt for stored bytes that are not what was written; a TypeError for calling out of turn (a bug).
 */
export * from './ops.ts';
export * from './types.ts';
export { encodeOps, decodeOps } from './op-format.ts';
export { mailboxId, uidValidity, DEFAULT_NAMES } from './ids.ts';
export { UserState } from './user-state.ts';
export type { UserStateOptions } from './user-state.ts';
export type { RemovedMessage } from './removed.ts';
export { MailboxState } from './mailbox-state.ts';
