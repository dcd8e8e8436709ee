// The seam between SMTP/LMTP and the mail: what smtp/ needs of the accounts. The account room implements it.

/** An accepted recipient. */
export interface Recipient {
  /** As given in RCPT TO, without angle brackets. */
  readonly address: string;
  /** Opaque to smtp/: user, mailbox, keys. */
  readonly target: unknown;
  /** It leads elsewhere, and what its sender wants to hear comes from there. */
  readonly onward?: true;
}

/** What a sender here wants to hear (RFC 3461), for a Receiver that hands the message on to other servers. */
export interface Wishes {
  /** Id of the user who sends it; empty: the server itself. */
  user: string;
  ret: '' | 'FULL' | 'HDRS';
  envid: string;
  /** By address of recipient. `notify`: bits of NOTIFY (queue/ops.ts). */
  of: ReadonlyMap<string, { notify: number; orcpt: string }>;
}

export interface TransactionInfo {
  /** MAIL FROM without angle brackets; empty for bounces. */
  from: string;
  recipients: Recipient[];
  /** SIZE= of MAIL FROM, or null. */
  declaredBytes: number | null;
  /** SMTPUTF8 was given. */
  utf8?: boolean;
  /** Absent: of a stranger. */
  wishes?: Wishes;
}

/** What became of one recipient's copy; `error` is one of the four kinds. */
export interface Outcome {
  recipient: Recipient;
  error: Error | null;
}

/** One message while it arrives. Bytes are read once, sealed for each recipient as they come. */
export interface Transaction {
  /** Resolves when more may come (back-pressure). Throws Malformed, Refused or Unavailable: the rest is to be read and dropped. */
  write(piece: Buffer): Promise<void>;
  /** Received fields seen in the header so far: smtp/ refuses loops. Known after the header's end. */
  readonly received: number;
  /**
   * Ends the message and makes it durable for each recipient that it can. `prefix` gives the header fields that stand
   * before the message (Return-Path, Delivered-To, Received), CRLF at the end of each. `junk`: into the mailbox with that
   * role, not into INBOX. Never rejects.
   */
  commit(prefix: (recipient: Recipient) => Buffer, junk?: boolean): Promise<Outcome[]>;
  abort(): void;
}

export interface Receiver {
  /** Refused 550 5.1.1 (unknown, after asking the store), 552 5.2.2 (over quota), Unavailable. `declaredBytes`: SIZE= of MAIL FROM. */
  recipient(address: string, declaredBytes: number | null): Promise<Recipient>;
  begin(info: TransactionInfo): Transaction;
}
