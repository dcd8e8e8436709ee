/**
 * log/: one log for each user (and one for the directory), generic over what its events say; knows no mail.
 *
 * In: operations to append (`Log.submit`), hints from peers (`Log.hint`), objects of the store. Out: one event object for
 * each batch, acknowledged before a submission resolves; every event of the log once, in causal order, into a fold
 * (`Log.attach`); which events are late (`Log.late`); snapshots, bundles, and their collection.
 *
 * Invariants: an object is written once under a name that no one else can choose; a position once tried is spent; what
 * was acknowledged before a LIST began is applied or the caller gets Unavailable; an event is applied after all that it
 * has seen; nothing is deleted that a reader could still need.
 *
 * How it is used: a delivering replica makes a Log (no secret), calls `refresh` while the blob is on its way, and
 * `submit('delivered', …)`. A session calls `attach` once, then `caughtUp` before it shows anything, `late` before it
 * shows a mailbox, and `submit('session', …)`. All polling is the caller's: nothing here keeps a timer of its own but
 * for requests under way and presence.
 *
 * Failures: Unavailable (the store doesn't answer, the minute is over, an event waits for another), Refused (a command
 * of more than 2^22 positions), Corrupt (an object isn't what was written). After `onForgotten` the fold is void.
 */
export * from './types.ts';
export * from './mutations.ts';
export * from './log.ts';
export * from './presence.ts';
export * from './event.ts';
export * from './reading.ts';
export * from './snapshot.ts';
export * from './bundle.ts';
export * from './collect.ts';
export * from './check.ts';
export { NotListed, authentic, declareReplaced, guarded, wasReplaced } from './guard.ts';
export { formerKeys, listFormerKeys } from './rotation.ts';
export type { FormerKeys } from './rotation.ts';
