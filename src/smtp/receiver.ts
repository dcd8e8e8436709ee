// The seam between SMTP/LMTP and the mail: what smtp/ needs of the accounts. The account room implements it.

/** An accepted recipient. */
export interface Recipient {
  /** As given in RCPT TO, without angle brackets. */
  readonly address: string;
  /** Opaque to smtp/: user, mailbox, keys. */
  readonly target: unknown;
}

export interface TransactionInfo {
  /** MAIL FROM without angle brackets; empty for bounces. */
  from: string;
  recipients: Recipient[];
  /** SIZE= of MAIL FROM, or null. */
  declaredBytes: number | null;
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
