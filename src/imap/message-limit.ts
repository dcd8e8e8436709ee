// How many messages one command takes (MESSAGELIMIT, RFC 9738). FETCH, SEARCH, STORE, MOVE and UID EXPUNGE take those
// with the highest UIDs and say how far they came; what would mean something else in part is refused.
import { Refused } from '../base/index.ts';
import type { Limits, Uid } from '../base/index.ts';

export interface Taken {
  uids: Uint32Array;
  /** Response code, '' when all were taken. */
  code: string;
}

/** Of `uids` (ascending) as many as one command takes, from the end. */
export function taken(uids: Uint32Array, { imap_command_messages_max: max }: Limits): Taken {
  if (uids.length <= max) return { uids, code: '' };
  const some = uids.subarray(uids.length - max);
  return { uids: some, code: `MESSAGELIMIT ${max} ${some[0]}` };
}

/** For commands that do all or nothing. Refused(MESSAGELIMIT). `lowest`: what a command that did a part would have reached. */
export function takeAll(uids: Uint32Array, { imap_command_messages_max: max }: Limits): void {
  const lowest: Uid = uids[uids.length - max];
  if (uids.length > max) throw new Refused(`More than ${max} messages for one command`, `MESSAGELIMIT ${max} ${lowest}`);
}

/** The text of the tagged OK; beside another code the limit is told on its own line (§3.1). */
export function withCode(done: string, name: string, { code }: Taken, line: (text: string) => void): string {
  if (code === '') return done;
  if (done === '') return `[${code}] ${name} took a part of them`;
  line(`* NO [${code}] took a part of them`);
  return done;
}
