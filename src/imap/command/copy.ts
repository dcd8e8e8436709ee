// COPY and UID COPY: RFC 9051 §6.4.7; COPYUID: RFC 4315 §3.
import { Refused } from '../../base/index.ts';
import { takeAll } from '../message-limit.ts';
import { formatSet } from '../wire/index.ts';
import { command } from './command.ts';

export const copy = command({
  when: 'selected',
  uid: true,

  parse(args) {
    args.sp();
    const set = args.sequenceSet();
    args.sp();
    return { set, name: args.mailbox() };
  },

  async run(context, { set, name }, byUid) {
    const { view, selected, limits } = context;
    const uids = view.resolve(set, byUid);
    takeAll(uids, limits);
    // A number whose message is gone: all or none is copied (RFC 9051 §6.4.7), so none.
    if (!byUid && uids.some((uid) => view.index.find(uid) < 0)) throw new Refused('Some of the messages are gone', 'EXPUNGEISSUED');
    if (uids.length === 0) return '';
    const copied = await selected.copy(uids, name);
    context.teller.made(name, copied.to);
    const code = copyUid(copied);
    return code === '' ? '' : `[${code}] COPY completed`;
  },
});

/** `COPYUID validity from to`, the sets paired by place; '' when nothing was copied (RFC 4315 §3). */
export function copyUid({ uidValidity, from, to }: { uidValidity: number; from: number[]; to: number[] }): string {
  return from.length === 0 ? '' : `COPYUID ${uidValidity} ${formatSet(from)} ${formatSet(to)}`;
}
