import type { MailboxId, MessageRef, SpecialUse, Uid } from '../base/index.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { Content, Op } from './ops.ts';
import type { EncodedState, EventEffects, ExpungedMessage, FoldedEvent, LateEvent, MailboxCounters, MailboxInfo, Manifest, MissingPart, StateMutations, StoredPart, Wanted } from './types.ts';
const no = (): never => { throw new TypeError('not yet'); };
export interface UserStateOptions { mutations?: StateMutations }
export class UserState {
  /** Empty: for a user without snapshots. */
  constructor(user: string, options: UserStateOptions = {}) { no(); }
  /** From snapshots (none: empty). Provide the parts of `missing({kind:'root'})` before anything else. */
  static load(user: string, manifests: readonly Manifest[], options: UserStateOptions = {}): UserState { return no(); }
  missing(what: Wanted): MissingPart[] { return no(); }
  /** Throws Corrupt. */
  provide(part: MissingPart, bytes: Uint8Array): void { no(); }

  /** In causal order; twice is as good as once. */
  apply(event: FoldedEvent): void { no(); }
  effects(event: FoldedEvent): EventEffects { return no(); }
  /** Repair operations (to be written as one event) for late events. Rows of all mailboxes in their effects must be loaded. */
  planRepair(late: readonly LateEvent[]): Op[] { return no(); }

  /** Bytewise order of names, INBOX first. */
  mailboxes(): MailboxInfo[] { return no(); }
  byName(name: string): MailboxInfo | null { return no(); }
  byId(id: MailboxId): MailboxInfo | null { return no(); }
  subscriptions(): string[] { return no(); }
  /** How often `name` (or, with a role, the role) will have been made: what the next MailboxCreated must say. Above limits.mailbox_made_max: Refused(LIMIT) by the caller. */
  nextMade(name: string, specialUse?: SpecialUse | null): number { return no(); }
  status(id: MailboxId): MailboxCounters { return no(); }
  /** The live index, shared by all sessions. Also of a mailbox that no event ever named (empty). */
  mailbox(id: MailboxId): MailboxState { return no(); }
  /** Mailboxes whose live index changed since the last call: whose listeners to call. */
  changed(): MailboxId[] { return no(); }
  /** References in the order of `uids`; UIDs that are not there are passed over. `uids` (if given) receives those that are. */
  messageRefs(id: MailboxId, uids: ArrayLike<Uid>, found?: Uid[]): MessageRef[] { return no(); }
  /** Current UID, or 0 when it is not live. */
  uidOf(id: MailboxId, ref: MessageRef): Uid { return no(); }
  /** Null when the message is gone. Contents must be loaded (`missing`). */
  content(id: MailboxId, uid: Uid): Content | null { return no(); }
  /** Live messages and their bytes (near enough while operations wait for rows). */
  quota(): { messages: number; bytes: number } { return no(); }
  /** Everything must be loaded. Blob ids of all messages whose records are kept, expunged ones too; may repeat. */
  referencedBlobs(): Iterable<{ blob: string; words: string | null }> { return no(); }
  /** Everything must be loaded. */
  expungedBefore(at: number): ExpungedMessage[] { return no(); }
  /** Forgets the records of messages expunged before `at` (their UIDs stay among the vanished): their blobs may go then. */
  forgetExpunged(at: number): void { no(); }

  /** After `missing({kind:'encode', stored})`. `stored`: ids of parts that current manifests in the store name; null: trust all. */
  encode(stored: ReadonlySet<string> | null): EncodedState { return no(); }
  /** After all parts of `encoded` were stored: under these ids. */
  stored(encoded: EncodedState, ids: readonly StoredPart[]): void { no(); }
  /** Lets contents that are in stored parts go from memory until at most `bytes` of contents are left. */
  evictContents(bytes: number): void { no(); }
  /** Hex; equal for equal states. Everything must be loaded. For tests. */
  fingerprint(): string { return no(); }
}
