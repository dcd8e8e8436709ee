// What a client that was away has missed: messages that vanished and flags that moved since a MODSEQ (RFC 7162 §3.2.5,
// §3.2.6). The mailbox keeps (UID, MODSEQ) of all that vanished, so neither answer ever has to name everything.
import type { ModSeq } from '../../base/index.ts';
import type { Context } from '../command/command.ts';
import type { View } from '../view.ts';
import { formatSet } from '../wire/index.ts';
import type { Output, SequenceSet } from '../wire/index.ts';
import { FetchAnswers } from './answer.ts';

/** `* VANISHED (EARLIER) …` with those of `known` (null: all) that vanished after `since`; nothing when there are none. */
export function writeVanishedEarlier(view: View, out: Output, since: ModSeq, known: SequenceSet | null): void {
  const { index } = view;
  let gone = index.vanishedSince(since);
  if (known !== null) {
    const ranges = known.resolved(Math.max(index.uidNext - 1, 0));
    let r = 0;
    gone = gone.filter((uid) => {
      while (r < ranges.length && ranges[r + 1] < uid) r += 2;
      return r < ranges.length && ranges[r] <= uid;
    });
  }
  // A message that this client still counts is told by VANISHED without EARLIER, in its time.
  gone = gone.filter((uid) => view.seqOf(uid) === 0);
  if (gone.length > 0) out.write(`* VANISHED (EARLIER) ${formatSet(gone)}\r\n`);
}

/** Those of `uids` whose MODSEQ is above `since`. */
export function changedSince(view: View, uids: Uint32Array, since: ModSeq): Uint32Array {
  const { index } = view;
  if (index.highestModSeq <= since) return uids.subarray(0, 0);
  const live = index.uids;
  let i = -1;
  return uids.filter((uid) => {
    // Nearly always the next one: looking each of 100,000 up would take longer than all else.
    i = i + 1 < index.count && live[i + 1] === uid ? i + 1 : index.find(uid);
    return i >= 0 && index.modSeq(i) > since;
  });
}

/**
 * SELECT … (QRESYNC (uidvalidity since [known])): VANISHED (EARLIER), then UID, FLAGS and MODSEQ of all messages that
 * changed after `since`, among `known` UIDs (null: all). The client's sequence match data is not needed, because no
 * expunge was ever forgotten.
 */
export async function fetchChanged(context: Context, since: ModSeq, known: SequenceSet | null): Promise<void> {
  const { view, out } = context;
  writeVanishedEarlier(view, out, since, known);
  const uids = known === null ? view.uids.slice(0, view.count) : view.resolve(known, true);
  const changed = changedSince(view, uids, since);
  await new FetchAnswers(context, [{ kind: 'UID' }, { kind: 'FLAGS' }, { kind: 'MODSEQ' }], changed).write();
}
