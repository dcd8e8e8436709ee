// The four kinds of error. Every protocol maps these, and nothing else, to its own answers (src/imap/answer.ts,
// src/smtp/answer.ts); anything else that is thrown is a bug: it closes one connection and is counted.

/** What came from outside breaks its grammar or a limit: IMAP `BAD` (with `code`, if any, in brackets), SMTP `501`. */
export class Malformed extends Error {
  override name = 'Malformed';
  readonly code: string | null;
  constructor(message: string, code: string | null = null) {
    super(message);
    this.code = code;
  }
}

/**
 * Well-formed and refused. `code` is an IMAP response code without brackets (RFC 5530, RFC 9051 §7.1: `NONEXISTENT`,
 * `ALREADYEXISTS`, `OVERQUOTA`, `AUTHENTICATIONFAILED`, `CANNOT`, `LIMIT`, `TRYCREATE`, …); `smtp` is the reply code
 * and enhanced status (RFC 3463) when SMTP can meet this error.
 */
export class Refused extends Error {
  override name = 'Refused';
  readonly code: string | null;
  readonly smtp: string | null;
  constructor(message: string, code: string | null = null, smtp: string | null = null) {
    super(message);
    this.code = code;
    this.smtp = smtp;
  }
}

/** The store (or a quorum of it) does not answer, or a rule forbids to answer yet: IMAP `NO [UNAVAILABLE]`, SMTP `451`. */
export class Unavailable extends Error {
  override name = 'Unavailable';
  /** It stays so until somebody mends it (the disk is full): trying again at once is of no use. */
  readonly lasting: boolean;
  constructor(message: string, options: { cause?: unknown; lasting?: boolean } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.lasting = options.lasting ?? false;
  }
}

/** A replica that a command asks does not answer, or not now; says nothing of the store. */
export class ReplicaAway extends Unavailable {}

/** Stored bytes are not what was written (altered, truncated, forged, of a newer version): IMAP `NO [SERVERBUG]`; loud, never skipped over. */
export class Corrupt extends Error {
  override name = 'Corrupt';
}

const FILE_FAULTS: Record<string, string> = { ENOENT: 'no such file or folder', EISDIR: 'a folder stands there', ENOTDIR: 'a file stands where a folder should', EACCES: 'not allowed', EPERM: 'not allowed', EROFS: 'nothing may be written there' };

/** What is wrong with a file, for a person: `ENOENT, no such file or folder`. */
export function fileFault(e: unknown): string {
  const code = (e as NodeJS.ErrnoException).code ?? reason(e);
  return FILE_FAULTS[code] === undefined ? code : `${code}, ${FILE_FAULTS[code]}`;
}

/** Why a port can't be listened on, for a person. */
export function listenFault(e: NodeJS.ErrnoException): string {
  if (e.code === 'EADDRINUSE') return 'another program has this port';
  if (e.code === 'EACCES') return 'this port needs a privilege';
  if (e.code === 'EADDRNOTAVAIL' || e.code === 'ENOTFOUND') return 'this machine has no such address';
  return e.code ?? e.message;
}

/** The text of any thrown thing, for a log line. */
export function reason(e: unknown): string {
  return e instanceof Error ? `${e.name}: ${e.message}` : String(e);
}
