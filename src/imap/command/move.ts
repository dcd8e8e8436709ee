// MOVE and UID MOVE: RFC 6851. COPYUID comes in an untagged OK before the messages vanish (RFC 6851 §4.3).
import { Refused } from '../../base/index.ts';
import { taken, withCode } from '../message-limit.ts';
import { command } from './command.ts';
import { copy, copyUid } from './copy.ts';

export const move = command({
  when: 'selected',
  uid: true,
  parse: copy.parse,

  async run(context, { set, name }, byUid) {
    const { view, selected, out, enabled, limits } = context;
    const part = taken(view.resolve(set, byUid), limits);
    const { uids } = part;
    if (selected.readOnly) throw new Refused('The mailbox is open for reading only', 'READ-ONLY');
    if (!byUid && uids.some((uid) => view.index.find(uid) < 0)) throw new Refused('Some of the messages are gone', 'EXPUNGEISSUED');
    if (uids.length === 0) return '';
    const moved = await selected.move(uids, name);
    context.teller.made(name, moved.to);
    const code = copyUid(moved);
    if (code !== '') out.line(`* OK [${code}] Moved`);
    view.poll(out, { allowExpunge: true, own: true });
    // RFC 7162 §3.2.8: VANISHED does not bear a MODSEQ, so the client learns here how far it is.
    const done = enabled.qresync && code !== '' ? `[HIGHESTMODSEQ ${view.index.highestModSeq}] MOVE completed` : '';
    return withCode(done, 'MOVE', part, (line) => out.line(line));
  },
});
