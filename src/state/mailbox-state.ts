import type { Flag, MailboxId, ModSeq, Uid } from '../base/index.ts';
import type { MailboxChange } from './types.ts';
const no = (): never => { throw new TypeError('not yet'); };
/** The live messages of one mailbox: satisfies MailboxIndex of imap/session.ts. */
export class MailboxState {
  readonly id: MailboxId = '';
  /** Live messages that sessions must not see yet, because their UIDs lie below one that was shown. */
  get withheld(): number { return no(); }
  /** Shows what is withheld (but never two messages with one UID). Only while no session has the mailbox selected. */
  showWithheld(): void { no(); }
  get uidValidity(): number { return no(); }
  get uidNext(): Uid { return no(); }
  get highestModSeq(): ModSeq { return no(); }
  get count(): number { return no(); }
  get uids(): Uint32Array { return no(); }
  find(uid: Uid): number { return no(); }
  modSeq(i: number): ModSeq { return no(); }
  size(i: number): number { return no(); }
  internalDate(i: number): number { return no(); }
  zone(i: number): number { return no(); }
  saveDate(i: number): number { return no(); }
  emailId(i: number): string { return no(); }
  threadId(i: number): string { return no(); }
  flagSet(i: number): number { return no(); }
  flagsOf(flagSet: number): readonly Flag[] { return no(); }
  flagsInUse(): Flag[] { return no(); }
  get version(): number { return no(); }
  changesSince(version: number): readonly MailboxChange[] | null { return no(); }
  vanishedSince(modSeq: ModSeq): Uint32Array { return no(); }
}
