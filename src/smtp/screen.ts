// The seam between receiving and what judges it (verify/ implements it): types only. Without a screen nothing here costs anything.

/** Judges what strangers send. One for a listener. */
export interface Screen {
  /** A connection has come; it is asked before the greeting. Null: nothing of it is looked at. Throws Refused: the connection ends with that answer. */
  open(remote: string): Visit | null;
}

/** One connection. */
export interface Visit {
  /** MAIL FROM. Throws Refused. */
  mail(): void;
  /** A recipient that is known here. Rejects with Refused. */
  recipient(from: string, to: string, helo: string): Promise<void>;
  /** Waits before a recipient is called unknown, the longer the more there were. */
  stall(): Promise<void>;
  /** The bytes of a message are about to come. */
  begin(envelope: Envelope): Inspection;
  /** The connection has ended. Once. */
  close(): void;
}

export interface Envelope {
  /** MAIL FROM without angle brackets; empty for bounces. */
  readonly from: string;
  readonly recipients: readonly string[];
  /** As the client called itself. */
  readonly helo: string;
  readonly tls: boolean;
}

/** One message while it comes. */
export interface Inspection {
  /** Takes the next piece, gives what is to be stored of it and of what was held back. Rejects with Refused, Unavailable. */
  take(piece: Buffer): Promise<Buffer>;
  /** The message is over. Rejects with Refused (the message is not wanted) or Unavailable. */
  end(): Promise<Verdict>;
  /** It is not wanted any more. */
  abort(): void;
}

export interface Verdict {
  /** What was held back, to be stored last. */
  readonly rest: Buffer;
  /** Header fields that stand before the message, CRLF at the end of each. */
  readonly fields: string;
  /** It belongs into Junk, not into INBOX. */
  readonly junk: boolean;
}
