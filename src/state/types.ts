// The words that the state room shares with those who use it: what an event must look like here, what parts are, and
// which rule a test may switch off.
import type { EventRef, Flag, MailboxId, MessageRef, ModSeq, Position, SpecialUse, Uid, Writer } from '../base/index.ts';
import type { PlacedOp } from './ops.ts';

/** What the fold needs of an opened event; the log's own type has more and fits. */
export interface FoldedEvent {
  /** `ref.position` is the last position, `first` the first. */
  ref: EventRef;
  first: Position;
  ops: PlacedOp[];
}

/** What an event did to one mailbox (`scope` is its id), for lateness. */
export interface MailboxEffect {
  scope: MailboxId;
  /** Greatest position that touched the mailbox. */
  any: Position;
  /** Greatest position that became a UID in it, else 0. */
  assigned: Position;
  messages: MessageRef[];
}

export interface EventEffects {
  effects: MailboxEffect[];
  repaired: EventRef[];
  lost: EventRef | null;
  restored: boolean;
}

/** A mailbox as LIST shows it. */
export interface MailboxInfo {
  /** As shown: INBOX, or the name register with a suffix where two mailboxes ended with one name. */
  name: string;
  id: MailboxId;
  specialUse: SpecialUse | null;
  subscribed: boolean;
}

export interface MailboxCounters {
  id: MailboxId;
  messages: number;
  uidNext: Uid;
  uidValidity: number;
  unseen: number;
  deleted: number;
  /** Sum of RFC822.SIZE, bytes. */
  size: number;
  highestModSeq: ModSeq;
}

/** An event that has to be repaired, as the log found it; `effects` as `UserState.effects` told them. */
export interface LateEvent {
  ref: EventRef;
  first: Position;
  /** The messages that it added (or numbered anew) need new UIDs, not only new MODSEQs. */
  uid: boolean;
  effects: { scope: MailboxId; messages: Iterable<MessageRef> }[];
}

/** A part of a snapshot in plain bytes. `key` says what it is within its manifest, and is unique there. */
export interface Part {
  key: string;
  bytes: Buffer;
}

/** Where a part of a manifest is stored: `id` is the object's id, opaque here. */
export interface StoredPart {
  key: string;
  id: string;
}

/** A snapshot as `UserState.load` takes it. */
export interface Manifest {
  parts: readonly StoredPart[];
  /** True when the snapshot covers the event `seq` of `writer`. */
  covers(ref: { writer: Writer; seq: number }): boolean;
}

/** A part that is needed, of which manifest (index in the list given to `load`). */
export interface MissingPart extends StoredPart {
  manifest: number;
}

/**
 * What the caller is about to do; `missing` answers with the parts that must be provided first. Ask again after
 * providing: what one part says can make another necessary.
 */
export type Wanted =
  /** Anything at all: before `apply`, and before every other read. With several manifests: everything of all. */
  | { kind: 'root' }
  /** `mailboxes`, `byName`: rows only of deleted mailboxes that the tail touched (they may come back). */
  | { kind: 'names' }
  /** `status`. Nothing but the root unless the tail touched the mailbox. */
  | { kind: 'status'; mailbox: MailboxId }
  /** `mailbox`, `messageRefs`, `planRepair`. */
  | { kind: 'rows'; mailbox: MailboxId }
  /** `content` of these UIDs; rows come first. */
  | { kind: 'contents'; mailbox: MailboxId; uids: ArrayLike<Uid> }
  /** `removedSince(since)` and `removedContent`. */
  | { kind: 'removed'; since: number }
  /** `encode(stored)`: what the tail touched, and what is in no stored part any more. */
  | { kind: 'encode'; stored: ReadonlySet<string> | null }
  /** All rows of all mailboxes: `referencedBlobs`, `expungedBefore`, `fingerprint`. */
  | { kind: 'everything' };

/**
 * A snapshot in the making: `parts` are to be stored, `kept` are stored already and belong to it too. When all is
 * stored call `UserState.stored` with this object and the ids of `parts`.
 */
export interface EncodedState {
  parts: Part[];
  kept: StoredPart[];
  /** Messages that are live and their bytes, for the manifest in clear. */
  messages: number;
  bytes: number;
  /** The state's own note of what was encoded. */
  readonly token: unknown;
}

/** A message of which no replica's session needs anything but its blob to go. */
export interface ExpungedMessage {
  mailbox: MailboxId;
  ref: MessageRef;
  blob: string;
  words: string | null;
  /** When it was expunged, ms since 1970. */
  at: number;
}

/** Something that happened in a mailbox after a version; as imap/session.ts has it. */
export interface MailboxChange {
  kind: 'added' | 'expunged' | 'flags';
  uid: Uid;
}

/** Rules that a test switches off to see its check fail. Never set elsewhere. */
export interface StateMutations {
  /** Joins two snapshots without asking whether the other covers what it has not got. */
  noCoversInJoin?: boolean;
  /** Keeps a message that was delivered twice. */
  noDeliveryKeys?: boolean;
}

export type { Flag };
