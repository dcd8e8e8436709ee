// What the scanner finds out about a message, and how other rooms ask for it.
import type { BodyPart, Envelope, HeaderText } from '../base/index.ts';
import type { FieldNames } from './kept.ts';

/** A header field kept verbatim: `prefix + value + end` are its bytes (latin1). */
export interface KeptField {
  /** Lower case, without spaces around it. */
  name: string;
  /** As it came, colon and one space (if there) included: `Subject: `. */
  prefix: HeaderText;
  /** All that follows, folding included, without the last line end. */
  value: HeaderText;
  end: '\r\n' | '\n' | '';
}

/** All that the server ever asks about a message without opening its blob. Immutable. */
export interface MessageIndex {
  /** Bytes as received (RFC822.SIZE). */
  readonly size: number;
  /** Bytes of the header, the empty line included. */
  readonly headerBytes: number;
  readonly envelope: Envelope;
  readonly body: BodyPart;
  /** Header fields that clients often ask for, in their order in the message. */
  readonly fields: KeptField[];
  /** The values of those of them that have that name (any case). */
  values(name: string): HeaderText[];
  /** False: `fields` has all that the message has under that name (any case). May be true without need. */
  mayHaveMore(name: string): boolean;
  /** The fields of those names as they came, in their order in the message; null where the blob may have more of them. */
  text(wanted: FieldNames): HeaderText | null;
  /** The Date field, in ms since 1970 UTC; null when absent or hopeless. */
  readonly sentAt: number | null;
  /** The Date field's calendar day as written, its time and zone disregarded (RFC 9051 §6.4.4 SENTSINCE): ms of that day's 0:00 UTC. */
  readonly sentDay: number | null;
  /** RFC 8970: the beginning of the first readable text, decoded, one line, at most limits.preview_chars_max characters. */
  readonly preview: string;
  /** As the envelope has it. */
  readonly subject: HeaderText | null;
  /** Message-ID without angle brackets. */
  readonly messageId: HeaderText | null;
  /** First id of In-Reply-To. */
  readonly inReplyTo: HeaderText | null;
  /** Ids of References, the oldest first; the middle is left out when there are very many. */
  readonly references: HeaderText[];
  /** The id that all messages of a thread have in common: first of References, else In-Reply-To, else Message-ID. */
  readonly threadRoot: HeaderText | null;
  /** Count of Received fields (loops). */
  readonly received: number;
  /** Any part that a reader would list as an attachment. */
  readonly hasAttachment: boolean;
}

/** Bytes [start, end) of the message as received. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Part specifiers of RFC 9051 §6.4.5; 'all' is the body of the part (without specifier). */
export type Section = 'all' | 'header' | 'text' | 'mime';
