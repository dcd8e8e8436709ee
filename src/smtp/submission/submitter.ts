// The seam between submission and the mail: what a mail app that sends needs of the accounts and the queue.
import type { Transaction } from '../receiver.ts';

/** Who gets it, and what its sender wants to hear of it (RFC 3461). */
export interface SentTo {
  address: string;
  /** NOTIFY= in capitals, empty when it was not given. */
  notify: readonly string[];
  /** ORCPT= decoded, or empty. */
  orcpt: string;
}

export interface SentMail {
  /** MAIL FROM; empty: the null sender. */
  from: string;
  recipients: SentTo[];
  declaredBytes: number | null;
  /** RET= (RFC 3461 §4.3), or empty. */
  ret: '' | 'FULL' | 'HDRS';
  /** ENVID= decoded, or empty. */
  envid: string;
  /** SMTPUTF8 was given. */
  utf8: boolean;
  /** REQUIRETLS was given (RFC 8689). */
  requireTls?: boolean;
  /** Not to be sent before, ms since 1970; 0: at once (RFC 4865). */
  releaseAt?: number;
}

/** One user, logged in. */
export interface Submission {
  /** The user's own address. */
  readonly address: string;
  /** Refused 553 5.7.1 for another's address; Unavailable. */
  sender(address: string): Promise<void>;
  /** Refused: nobody here has that address (550 5.1.1), or the limit of an hour or a day is reached (450 4.7.1). Unavailable. */
  recipient(address: string, before: number): Promise<void>;
  /** `commit` gives one outcome for all recipients: all or none of them. */
  begin(mail: SentMail): Pick<Transaction, 'write' | 'received' | 'abort'> & {
    /** Durable when it resolves. `received`: our Received field. Refused, Malformed, Unavailable. */
    commit(received: string): Promise<void>;
  };
}

export interface Submitter {
  /** Refused(AUTHENTICATIONFAILED), Unavailable. */
  login(user: string, password: string, remote: string): Promise<Submission>;
  plaintextAllowed(remote: string): boolean;
}
