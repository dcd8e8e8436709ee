// The words of mail: types without behaviour that several rooms share.

/** A position in a user's log: 1 … 2^53 - 1. UIDs and MODSEQs are positions. */
export type Position = number;
/** RFC 9051 §2.3.1.1; 1 … 2^32 - 1. */
export type Uid = number;
/** RFC 7162 §3.1; 1 … 2^53 - 1. */
export type ModSeq = number;
/** `\Seen` or a keyword; system flags in the spelling of RFC 9051 §2.3.2. */
export type Flag = string;
/** Random id of a process's life: base 32, never used again. */
export type Writer = string;
/** 16 hex digits: hash(user id, name or special-use role, how often that name was made). */
export type MailboxId = string;

/** The event of one writer in one log. */
export interface EventRef {
  position: Position;
  writer: Writer;
  seq: number;
}

/** A message, for ever: the event that made it, and its index among the messages of that event. */
export interface MessageRef {
  writer: Writer;
  seq: number;
  index: number;
}

/** RFC 6154 and RFC 8621 roles that are made at the first log-in. */
export type SpecialUse = '\\Drafts' | '\\Sent' | '\\Junk' | '\\Trash' | '\\Archive';

/** Text as it stands in a header: every character is one byte (latin1), nothing decoded. */
export type HeaderText = string;

/** RFC 9051 §7.5.2; a group's start has host null, its end mailbox and host null. */
export interface Address {
  name: HeaderText | null;
  mailbox: HeaderText | null;
  host: HeaderText | null;
}

/** RFC 9051 §2.3.5. Sender and Reply-To already default to From. Null where the field is absent. */
export interface Envelope {
  date: HeaderText | null;
  subject: HeaderText | null;
  from: Address[] | null;
  sender: Address[] | null;
  replyTo: Address[] | null;
  to: Address[] | null;
  cc: Address[] | null;
  bcc: Address[] | null;
  inReplyTo: HeaderText | null;
  messageId: HeaderText | null;
}

/** Parameters of a Content-Type or Content-Disposition in order, RFC 2231 continuations joined. */
export type Parameters = [name: HeaderText, value: HeaderText][];

/**
 * One part of a message (RFC 9051 §2.3.6). Offsets are bytes from the start of the message as received (without the
 * prefix that we add): the part's header is [headerStart, bodyStart), its body [bodyStart, bodyEnd). The part of a
 * message/rfc822 holds the inner message in `message`, whose header starts at this part's bodyStart.
 */
export interface BodyPart {
  type: HeaderText;
  subtype: HeaderText;
  params: Parameters;
  id: HeaderText | null;
  description: HeaderText | null;
  encoding: HeaderText;
  md5: HeaderText | null;
  disposition: { type: HeaderText; params: Parameters } | null;
  language: HeaderText[] | null;
  location: HeaderText | null;
  headerStart: number;
  bodyStart: number;
  bodyEnd: number;
  /** Lines of the body (text and message/rfc822 parts), else 0. */
  lines: number;
  /** Sub-parts of a multipart. */
  parts: BodyPart[] | null;
  /** The message inside a message/rfc822 or message/global. */
  message: { envelope: Envelope; body: BodyPart } | null;
}
