// What a command is, and what it may use of its connection. One command, one file; the table is registry.ts.
import type { Clock, Limits, Logger } from '../../base/index.ts';
import type { Selected, Session } from '../session.ts';
import type { View } from '../view.ts';
import type { Args, Output } from '../wire/index.ts';

/** What the client has enabled (RFC 5161), or what a command that uses the extension has enabled by itself. */
export interface Enabled {
  /** RFC 7162 §3.1: FETCH answers bear MODSEQ. */
  condstore: boolean;
  /** RFC 7162 §3.2.3: VANISHED instead of EXPUNGE. Implies condstore. */
  qresync: boolean;
  /** RFC 6855: mailbox names and quoted strings are UTF-8. */
  utf8: boolean;
}

/** What a command may use of its connection. */
export interface Context {
  readonly out: Output;
  readonly enabled: Enabled;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly logger: Logger;
  /** Set in the states authenticated and selected. */
  readonly session: Session;
  /** Set in the state selected. */
  readonly selected: Selected;
  readonly view: View;
}

/** Client states in which a command is allowed (RFC 9051 §3). */
export type When = 'any' | 'not authenticated' | 'authenticated' | 'selected';

/**
 * `parse` takes everything behind the command's name (it begins before the space, so a command without arguments calls
 * only `args.end()`, which the connection does itself after parse). `run` writes untagged answers and resolves with
 * the text of the tagged OK, response code included (`[APPENDUID 1 2] APPEND completed`); '' means "NAME completed".
 * Both throw the four kinds of error.
 */
export interface Command<A = unknown> {
  readonly when: When;
  /** `UID FETCH` and its like: also allowed behind UID; `byUid` says which. */
  readonly uid?: boolean;
  /**
   * Which untagged updates may be sent before the tagged answer: all, or all but EXPUNGE/VANISHED (RFC 9051 §7.5.1:
   * FETCH, STORE and SEARCH by sequence number). With `UID` all may be sent. Default: all.
   */
  readonly keepsNumbers?: boolean;
  parse(args: Args, byUid: boolean, context: Context): A;
  run(context: Context, parsed: A, byUid: boolean): Promise<string>;
}

/** For tables: gives the type of what `parse` returns to `run`. */
export function command<A>(c: Command<A>): Command<A> {
  return c;
}
