// The whole seam between the protocol and the mail: what imap/ needs of a user, grouped by IMAP state. The account
// room implements it; tests implement it in memory. Nothing here knows about stores, logs or keys.
import type { Flag, HeaderText, MailboxId, ModSeq, SpecialUse, Uid } from '../base/index.ts';
import type { MessageIndex } from '../message/index.ts';

/** Not authenticated. */
export interface Backend {
  /**
   * Throws Refused(AUTHENTICATIONFAILED) after the delay that wrong passwords cost, Refused(LIMIT) for too many
   * connections, Unavailable. `remote` is the client's address without port.
   */
  login(user: string, password: string, remote: string): Promise<Session>;
  /** False while SCRAM is not offered. */
  readonly scramAllowed: boolean;
  /**
   * What SCRAM-SHA-256 (RFC 5802 §3) tells a client that says who it is: of a name that nobody has it looks the same, and
   * is always the same. Unavailable, Refused(AUTHENTICATIONFAILED) while too much failed from there.
   */
  scramSalt(user: string, remote: string): Promise<ScramSalt>;
  /** As `login`, by the client's proof; `serverSignature` proves the server to the client. */
  scramLogin(user: string, proof: ScramProof, remote: string): Promise<{ session: Session; serverSignature: Buffer }>;
  /** False while log-in without TLS is not allowed from this address. */
  plaintextAllowed(remote: string): boolean;
}

export interface ScramSalt {
  salt: Buffer;
  iterations: number;
  /** The server's part of the nonce, printable and without commas. */
  nonce: string;
}
export interface ScramProof {
  iterations: number;
  /** What both sides said, as RFC 5802 §3 puts it together. */
  authMessage: Buffer;
  proof: Buffer;
}

export interface MailboxEntry {
  /** Full name, UTF-8 (NFC), levels separated by `/`. INBOX is always there and always spelt so. */
  name: string;
  id: MailboxId;
  specialUse: SpecialUse | null;
  subscribed: boolean;
}

export interface MailboxStatus {
  id: MailboxId;
  messages: number;
  uidNext: Uid;
  uidValidity: number;
  unseen: number;
  deleted: number;
  /** Sum of RFC822.SIZE. */
  size: number;
  highestModSeq: ModSeq;
}

/** What happened to one mailbox's messages: how many came and how many went, and whether any has other flags. */
export interface MailboxNews {
  added: number;
  gone: number;
  flags: boolean;
}

/** What happened in a user's mailboxes, told as it was folded. */
export interface AccountNews {
  mailboxes: { id: MailboxId; news: MailboxNews }[];
  /** Names or subscriptions may be others. */
  names: boolean;
  /** Annotations that were set or removed; null: the user's own. */
  metadata: { mailbox: MailboxId | null; entry: string }[];
}

/** Authenticated. Every method throws the four kinds of error; mailbox names are full names as in MailboxEntry. */
export interface Session {
  /** The user's primary address. */
  readonly address: string;
  /** Called once when the server ends this session (drain, account removed, log damaged): say BYE and close. */
  onEnded: ((text: string) => void) | null;
  /** All mailboxes in bytewise order of their names, INBOX first; names that exist only as parents are not in it. */
  mailboxes(): Promise<MailboxEntry[]>;
  /** Subscribed names, also of mailboxes that are not there (RFC 9051 §6.3.9). */
  subscriptions(): Promise<string[]>;
  /** Asks the store first. Refused(NONEXISTENT). */
  status(name: string): Promise<MailboxStatus>;
  /** As `status` of several, asking the store once; null for names that are not there. */
  statuses(names: string[]): Promise<(MailboxStatus | null)[]>;
  /** Asks the store first. Refused(NONEXISTENT). */
  select(name: string, readOnly: boolean): Promise<Selected>;
  /** As `select` for reading only, beside whatever is selected; the caller closes it. Refused(NONEXISTENT). */
  look(name: string): Promise<Selected>;
  /** Refused(ALREADYEXISTS), Refused(CANNOT), Refused(LIMIT). Makes missing parents. Resolves with the MAILBOXID. */
  create(name: string, specialUse: SpecialUse | null): Promise<MailboxId>;
  delete(name: string): Promise<void>;
  /**
   * INBOX: moves its messages into a new mailbox, and resolves with how many those were; else with 0. Children are renamed
   * with their parent.
   */
  rename(from: string, to: string): Promise<number>;
  subscribe(name: string, on: boolean): Promise<void>;
  /**
   * Begins APPEND or MULTIAPPEND: all messages or none. Refused(TRYCREATE) when there is no such mailbox, Refused(OVERQUOTA).
   * `instead`: a message that the caller removes when the new one is there (REPLACE, RFC 8508): its room counts as free.
   */
  append(name: string, instead?: { bytes: number } | null): Promise<Appender>;
  /** Bytes and messages used and allowed (null: no limit). */
  quota(): Promise<{ bytes: number; bytesMax: number | null; messages: number; messagesMax: number | null }>;
  /** Annotations (RFC 5464) of a mailbox, or of the user (null), by name in lower case. Refused(NONEXISTENT). */
  metadata(name: string | null): Promise<{ entry: string; value: Uint8Array }[]>;
  /**
   * All or none; null removes. Resolves with whose annotations those are, and which have other values now.
   * Refused(NONEXISTENT), Refused(METADATA MAXSIZE …), Refused(METADATA TOOMANY).
   */
  setMetadata(name: string | null, entries: { entry: string; value: Uint8Array | null }[]): Promise<{ mailbox: MailboxId | null; changed: string[] }>;
  /** Called (synchronously, keep it short) after anything happened in any mailbox of the user; null: no longer. One listener. */
  watch(listener: ((news: AccountNews) => void) | null): void;
  /** As `status`, by id and as known here, without asking the store; null when there is no such mailbox. */
  glance(id: MailboxId): Promise<(MailboxStatus & { name: string }) | null>;
  /** LOGOUT or the connection is gone. */
  close(): void;
}

export interface Appender {
  /**
   * One message of MULTIAPPEND; pieces are given with `write`, which resolves when more may come. `internalDate` null: now.
   * `bytes` 0: not known yet.
   * Nothing is visible before `commit`.
   */
  begin(flags: Flag[], internalDate: { at: number; zone: number } | null, bytes: number): void;
  write(piece: Buffer): Promise<void>;
  end(): Promise<void>;
  commit(): Promise<{ uidValidity: number; uids: Uid[] }>;
  abort(): void;
}

/** What the server keeps of a message beyond flags. Cached by the account; `rendered` is imap's own cache on it. */
export interface MessageRecord {
  readonly index: MessageIndex;
  /** Header fields that we added; the message as clients see it is `prefix` and then the bytes as received. */
  readonly prefix: Buffer;
  rendered: { envelope?: string; body?: string; structure?: string } | null;
}

/** Something that happened in a mailbox after `version`. */
export interface Change {
  kind: 'added' | 'expunged' | 'flags';
  uid: Uid;
}

/**
 * The mailbox as folded now: live messages in ascending UID order, by index 0 … count-1. It is shared by all sessions
 * of the user and changes between awaits, never during synchronous code. New messages only ever come at the end.
 */
export interface MailboxIndex {
  readonly uidValidity: number;
  readonly uidNext: Uid;
  readonly highestModSeq: ModSeq;
  readonly count: number;
  /**
   * The UIDs of all live messages. Elements below `count` of an array that was given out never change: additions are
   * appended behind, an expunge makes a new array. So a session may keep it as its own sequence numbers.
   */
  readonly uids: Uint32Array;
  /** Index of a UID, or -1. */
  find(uid: Uid): number;
  modSeq(i: number): ModSeq;
  /** RFC822.SIZE: prefix included. */
  size(i: number): number;
  internalDate(i: number): number;
  /** Minutes east of UTC. */
  zone(i: number): number;
  saveDate(i: number): number;
  emailId(i: number): string;
  threadId(i: number): string;
  /** A small number that stands for a set of flags: the same number, the same flags, while the process lives. */
  flagSet(i: number): number;
  /** The same of the messages [from, to). */
  flagSets(from: number, to: number): Uint32Array;
  flagsOf(flagSet: number): readonly Flag[];
  /** All flags in use in this mailbox, system flags included. */
  flagsInUse(): Flag[];
  /** Grows with every change. */
  readonly version: number;
  /** What changed after a version, oldest first; null when that is too long ago to tell: compare everything. */
  changesSince(version: number): readonly Change[] | null;
  /** UIDs that vanished with a MODSEQ above `modSeq`, ascending, each once. */
  vanishedSince(modSeq: ModSeq): Uint32Array;
}

/** A text that a search looks for in messages. */
export interface TextAsked {
  /** `gramsOf` message/. */
  grams: Uint32Array;
  /** TEXT: in the header too. BODY: not there. */
  header: boolean;
}

/** What is known of messages without reading them, by their places among those asked about. */
export interface Sifted {
  /** 1: something is known of it. */
  known: Uint8Array;
  /** For each text: 1 where the message has it nowhere. Never wrong; 0 says nothing. */
  absent: Uint8Array[];
}

/** Selected. UIDs given that are not there (any more) are passed over, as RFC 9051 §6.4.8 asks. */
export interface Selected {
  readonly id: MailboxId;
  readonly name: string;
  readonly readOnly: boolean;
  readonly index: MailboxIndex;
  /** Called (synchronously, keep it short) after the index changed. One listener. */
  onChange: (() => void) | null;
  /** NOOP and CHECK: asks the store, so that all that was acknowledged before is in the index. */
  refresh(): Promise<void>;
  /** Records in the order of `uids`; null for messages that are gone. Ask for some hundreds at a time. */
  records(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]>;
  /** Brings into memory what `skim` of these needs, all of it side by side, or of as many of the first as a bound allows. */
  gather(uids: Uint32Array): Promise<void>;
  /** As `records`, for who looks at thousands and lets them go: nothing is kept, and one that is holds more in memory than itself. */
  skim(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]>;
  /** Bytes [from, to) of the message as clients see it; shorter at its end. Null when the message is gone. May be called for several at once. */
  read(uid: Uid, from: number, to: number): Promise<Buffer | null>;
  /** For SEARCH BODY and TEXT. Null when nothing is known now; whatever is wrong with the index, it is no error. */
  sift?(uids: ArrayLike<Uid>, texts: readonly TextAsked[]): Promise<Sifted | null>;
  /** What a search has read of a message whose `known` was 0: its folded header and texts, for the next `sift`. */
  learn?(uid: Uid, header: string, texts: readonly string[]): Promise<void>;
  /**
   * Resolves when durable and in the index. `failed`: messages not changed because of `unchangedSince` (RFC 7162 §3.1.3).
   * Refused(LIMIT) for too many keywords.
   */
  store(uids: ArrayLike<Uid>, mode: 'add' | 'remove' | 'replace', flags: Flag[], unchangedSince: ModSeq | null): Promise<{ failed: Uid[] }>;
  /** Refused(TRYCREATE) when there is no such mailbox. `from[i]` became `to[i]`. */
  copy(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }>;
  move(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }>;
  /** Removes those of `uids` (null: of all) that have \Deleted; resolves with how many it removed. */
  expunge(uids: ArrayLike<Uid> | null): Promise<number>;
  /** CLOSE, UNSELECT, SELECT of another. */
  close(): void;
}

export type { HeaderText };
