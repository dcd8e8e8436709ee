// What happened, as past facts: the operations inside the events of a user's log. An event holds one or more
// operations; each takes the positions that `positionsOf` says, one after the other in steps of the number of slots,
// so an operation needs to store no position of its own.
import type { EventRef, Flag, MailboxId, MessageRef, SpecialUse } from '../base/index.ts';

/** Where a message's bytes are and how a session opens them. Never changes; COPY and MOVE share it. */
export interface Content {
  /** Object id under `blobs/`. */
  blob: string;
  /** What opens any chunk of the blob, without a public-key operation. */
  contentKey: Uint8Array;
  /** Bytes of the blob as stored. */
  sealedBytes: number;
  /** Bytes of the message as received, without `prefix`. */
  plainBytes: number;
  /** Header fields that we added (Received, …), with CRLF; stand before the blob's bytes. */
  prefix: Uint8Array;
  /** What `message/` found, in its stored form (encodeIndex). */
  index: Uint8Array;
  /** Object id under `words/`, or null. */
  words: string | null;
  /** RFC 8474 EMAILID and THREADID without prefix; never change. */
  emailId: string;
  threadId: string;
}

/** A message that came in by SMTP, LMTP or APPEND. */
export interface AddedMessage {
  content: Content;
  /** Milliseconds since 1970; `zone` in minutes east of UTC is kept so that APPEND's date comes back as it was given. */
  internalDate: number;
  zone: number;
  flags: Flag[];
  /** Keyed hash of (MAIL FROM, RCPT, bytes as received); null without a Message-ID, and for APPEND. */
  deliveryKey: string | null;
}

/** Messages of one mailbox, by reference. Stored sorted by (writer, seq, index) as runs, so that 10,000 take few bytes. */
export type MessageSet = MessageRef[];

export type Op =
  /** One position each message: its UID. `at`: SAVEDATE, ms since 1970. With Restored the only operation in a delivered event. */
  | { kind: 'MessageAdded'; mailbox: MailboxId; at: number; messages: AddedMessage[] }
  /**
   * One position each source, in the order of `sources` (ascending UID). Content and INTERNALDATE are the source's;
   * flags are told here, because a concurrent change of the source must not decide them differently at two replicas.
   * `flagSets[flagSetOf[i]]` are the flags of the i-th copy.
   */
  | { kind: 'MessagesCopied'; from: MailboxId; to: MailboxId; at: number; sources: MessageSet; flagSets: Flag[][]; flagSetOf: number[] }
  /** One position. STORE FLAGS (replace) lists in `clear` all flags that any of the messages had beyond `set`. */
  | { kind: 'FlagsChanged'; mailbox: MailboxId; messages: MessageSet; set: Flag[]; clear: Flag[] }
  /** One position. Final. `at`: ms since 1970, from which the blob's 30 days count. */
  | { kind: 'MessagesExpunged'; mailbox: MailboxId; at: number; messages: MessageSet }
  /** One position each. `made` counts how often that name was made: the id and UIDVALIDITY follow from it. */
  | { kind: 'MailboxCreated'; mailbox: MailboxId; name: string; made: number; specialUse: SpecialUse | null }
  | { kind: 'MailboxRenamed'; mailbox: MailboxId; name: string }
  /** Comes in one event with MessagesExpunged for all that the deleter saw; what arrived unseen brings the mailbox back. */
  | { kind: 'MailboxDeleted'; mailbox: MailboxId }
  | { kind: 'SubscriptionChanged'; name: string; on: boolean }
  /** One position each (RFC 5464). `mailbox` null: of the user. `entry` in lower case. `value` null: removed. */
  | { kind: 'MetadataChanged'; mailbox: MailboxId | null; entry: string; value: Uint8Array | null }
  /**
   * Repair of late events `repaired`: one position for each of `renumbered` (a new UID, in this order), and one more
   * position for all of `touched` together (a new MODSEQ) when it isn't empty.
   */
  | { kind: 'Repaired'; mailbox: MailboxId; repaired: EventRef[]; renumbered: MessageSet; touched: MessageSet }
  /** One position each. Ends the waiting for an event that can't be found; a later finding counts as passed over. */
  | { kind: 'EventLost'; lost: EventRef }
  /**
   * After a restore from backup: takes a position 2^24 beyond all that is listed; changes nothing else. It needs no secret,
   * so it comes in a delivered event.
   */
  | { kind: 'Restored'; at: number }
  /** UID = position - this event's position from here on; adds one to `made` in every UIDVALIDITY. The smallest wins. */
  | { kind: 'EpochBegan' };

/** An operation with the position that it begins at. */
export interface PlacedOp {
  first: number;
  op: Op;
}

/** How many positions an operation takes. */
export function positionsOf(op: Op): number {
  switch (op.kind) {
    case 'MessageAdded':
      return op.messages.length;
    case 'MessagesCopied':
      return op.sources.length;
    case 'Repaired':
      return op.renumbered.length + (op.touched.length > 0 || op.renumbered.length === 0 ? 1 : 0);
    default:
      return 1;
  }
}
