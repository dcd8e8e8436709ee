// EXPUNGE: RFC 9051 §6.4.3; UID EXPUNGE: §6.4.9; HIGHESTMODSEQ with QRESYNC: RFC 7162 §3.2.7, §3.2.8.
import { Refused } from '../../base/index.ts';
import { taken, withCode } from '../message-limit.ts';
import type { View } from '../view.ts';
import { command } from './command.ts';

export const expunge = command({
  when: 'selected',
  uid: true,

  parse(args, byUid) {
    if (!byUid) return null;
    args.sp();
    return args.sequenceSet();
  },

  async run({ view, selected, out, enabled, limits }, set) {
    if (selected.readOnly) throw new Refused('The mailbox is open for reading only', 'READ-ONLY');
    const before = view.index.highestModSeq;
    // EXPUNGE means what this client can see: a message that it never heard of stays.
    const all = view.whole ? null : view.uids.slice(0, view.count);
    const part = set === null ? null : taken(deleted(view, view.resolve(set, true)), limits);
    await selected.expunge(part === null ? all : part.uids);
    view.poll(out, { allowExpunge: true, own: true });
    const now = view.index.highestModSeq;
    const done = enabled.qresync && now > before ? `[HIGHESTMODSEQ ${now}] EXPUNGE completed` : '';
    return part === null ? done : withCode(done, 'EXPUNGE', part, (line) => out.line(line));
  },
});

/** Those that are marked: only they count against the limit of a command. */
function deleted({ index }: View, uids: Uint32Array): Uint32Array {
  const marked: (boolean | undefined)[] = [];
  return uids.filter((uid) => {
    const i = index.find(uid);
    if (i < 0) return false;
    const set = index.flagSet(i);
    return (marked[set] ??= index.flagsOf(set).includes('\\Deleted'));
  });
}
