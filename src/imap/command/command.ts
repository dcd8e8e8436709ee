// What a command is, and what it may use of its connection. One command, one file; the table is registry.ts.
import type { Clock, Limits, Logger, MailboxId, Uid } from '../../base/index.ts';
import type { OwnDoing } from '../notify/account.ts';
import type { NotifyRequest } from '../notify/request.ts';
import type { Backend, Selected, Session } from '../session.ts';
import type { Transport } from '../transport.ts';
import type { View } from '../view.ts';
import type { Args, Output } from '../wire/index.ts';

/** What the client has enabled (RFC 5161), or what a command that uses the extension has enabled by itself. */
export interface Enabled {
  /** RFC 7162 §3.1: FETCH answers bear MODSEQ. Set by `enableCondstore`. */
  condstore: boolean;
  /** RFC 7162 §3.2.3: VANISHED instead of EXPUNGE. Implies condstore. */
  qresync: boolean;
  /** RFC 6855: mailbox names and quoted strings are UTF-8. */
  utf8: boolean;
  /** RFC 9051: ESEARCH instead of SEARCH, LIST in SELECT, nothing of \Recent. Implies utf8. */
  rev2: boolean;
  /** RFC 9586: no sequence numbers at all; UIDFETCH and VANISHED. */
  uidonly: boolean;
}

/** What a command may use of its connection. */
export interface Context {
  readonly out: Output;
  readonly enabled: Enabled;
  readonly clock: Clock;
  readonly limits: Limits;
  /** Capabilities that are not offered, in upper case. */
  readonly withheld: ReadonlySet<string>;
  readonly logger: Logger;
  readonly backend: Backend;
  /** Of the running command; '' between commands. */
  readonly tag: string;
  /** The client's address without port. */
  readonly remote: string;
  /** Under TLS. */
  readonly secure: boolean;
  /** What this TLS connection and no other gives (tls-exporter, RFC 9266); null without TLS 1.3. */
  channelBinding(): Buffer | null;
  /** STARTTLS can be offered. */
  readonly tlsAvailable: boolean;
  /** Null before log-in. */
  readonly user: Session | null;
  /** A mailbox is selected. */
  readonly isOpen: boolean;
  /** For commands of the states authenticated and selected. */
  readonly session: Session;
  /** For commands of the state selected. */
  readonly selected: Selected;
  readonly view: View;

  /** From now on FETCH answers bear MODSEQ; with `qresync` VANISHED replaces EXPUNGE. */
  enableCondstore(qresync?: boolean): void;
  /** The other extensions, from now on. */
  enable(what: Partial<Omit<Enabled, 'condstore' | 'qresync'>>): void;
  /** The client has logged in. */
  authenticated(session: Session): void;
  /** UNAUTHENTICATE. */
  unauthenticated(): void;
  /** A mailbox is selected from now on. */
  opened(selected: Selected): View;
  /** No mailbox is selected any more; gives it back to the session. */
  unselect(): void;
  /** Sends `prompt` and waits for one line that is no command (IDLE, SASL). Null prompt: only waits. */
  readLine(prompt: string | null): Promise<string>;
  /** While it is on, what happens is told at once (IDLE); off: resolves when nothing is being told any more. */
  idle(on: boolean): Promise<void>;
  /** From now on this is told unasked; the mailboxes that are not selected of whose messages that is. Unavailable. */
  notify(request: NotifyRequest): Promise<{ id: MailboxId; name: string; flags: boolean }[]>;
  /** Hears what this client does itself, which NOTIFY need not tell it (RFC 5465 §5). */
  readonly teller: {
    own(doing: OwnDoing): void;
    /** Messages that were put into the mailbox of this name, perhaps the selected one. */
    made(mailbox: string, uids: readonly Uid[]): void;
    /** ENABLE METADATA. */
    enableMetadata(): void;
  };
  /** Done once after the tagged answer (STARTTLS, LOGOUT). */
  after(run: () => void | Promise<void>): void;
  /** Goes on under TLS; what was sent in clear beyond STARTTLS is dropped. */
  startTls(): Promise<void>;
  /** COMPRESS: on, off. */
  readonly transport: Pick<Transport, 'compressed' | 'compress' | 'decompress'>;
  /** No more commands; what was written still goes out. */
  end(): void;
}

/** Client states in which a command is allowed (RFC 9051 §3). */
export type When = 'any' | 'not authenticated' | 'authenticated' | 'selected';

/**
 * `parse` takes everything behind the command's name (it begins before the space; that nothing is left over is checked
 * by the connection). `run` writes untagged answers and resolves with the text of the tagged OK, response code
 * included (`[COPYUID 1 2 3] COPY completed`); '' means "NAME completed". Both throw the four kinds of error.
 */
export interface Command<A = unknown> {
  readonly when: When;
  /** `UID FETCH` and its like: also allowed behind UID; `byUid` says which. */
  readonly uid?: boolean;
  /**
   * Before the tagged answer all untagged updates are sent, but no EXPUNGE or VANISHED when this is set and the
   * command is not behind UID (RFC 9051 §7.5.1: FETCH, STORE and SEARCH by sequence number).
   */
  readonly keepsNumbers?: boolean;
  /** Behind UID too, where this is true: a search by sequence numbers (RFC 7162 §3.2.10.2). */
  namesNumbers?(parsed: A): boolean;
  parse(args: Args, byUid: boolean, context: Context): A;
  run(context: Context, parsed: A, byUid: boolean): Promise<string>;
}

/** For tables: gives the type of what `parse` returns to `run`. */
export function command<A>(c: Command<A>): Command<A> {
  return c;
}

/** `parse` of commands without arguments. */
export const nothing = (): null => null;
