// EXPUNGE: RFC 9051 §6.4.3; UID EXPUNGE: §6.4.9; HIGHESTMODSEQ with QRESYNC: RFC 7162 §3.2.7, §3.2.8.
import { Refused } from '../../base/index.ts';
import { command } from './command.ts';

export const expunge = command({
  when: 'selected',
  uid: true,

  parse(args, byUid) {
    if (!byUid) return null;
    args.sp();
    return args.sequenceSet();
  },

  async run({ view, selected, out, enabled }, set) {
    if (selected.readOnly) throw new Refused('The mailbox is open for reading only', 'READ-ONLY');
    const before = view.index.highestModSeq;
    // EXPUNGE means what this client can see: a message that it never heard of stays.
    const all = view.whole ? null : view.uids.slice(0, view.count);
    await selected.expunge(set === null ? all : view.resolve(set, true));
    view.poll(out, { allowExpunge: true, own: true });
    const now = view.index.highestModSeq;
    return enabled.qresync && now > before ? `[HIGHESTMODSEQ ${now}] EXPUNGE completed` : '';
  },
});
