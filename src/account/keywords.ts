// How many keywords a mailbox may have, and a user may ever have had: whoever sets one leaves a trace of it for ever.
import { Refused, limits } from '../base/index.ts';
import type { Flag } from '../base/index.ts';
import type { UserState } from '../state/index.ts';

/** Refused(LIMIT) when messages of a mailbox where `inUse` are can't get these too. */
export function checkKeywords(state: UserState, inUse: readonly Flag[], flags: Iterable<Flag>): void {
  const there = new Set(inUse);
  const more = [...flags].filter((flag) => !there.has(flag));
  const keywords = more.filter((flag) => !flag.startsWith('\\'));
  if (there.size + more.length > limits.keywords_max || (keywords.length > 0 && state.flagsKnownWith(keywords) > limits.keywords_known_max)) throw new Refused('Too many keywords', 'LIMIT');
}
