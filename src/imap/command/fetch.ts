// FETCH and UID FETCH: RFC 9051 §6.4.5, §6.4.9; CHANGEDSINCE and VANISHED: RFC 7162 §3.1.4.1, §3.2.6; PARTIAL: RFC 9394
// §3.3.
import { Malformed, Refused } from '../../base/index.ts';
import { FetchAnswers } from '../fetch/answer.ts';
import { changedSince, writeVanishedEarlier } from '../fetch/changed.ts';
import { parseFetch } from '../fetch/items.ts';
import type { Item } from '../fetch/items.ts';
import { within } from '../search/partial.ts';
import { takeAll, taken, withCode } from '../message-limit.ts';
import { command } from './command.ts';

export const fetch = command({
  when: 'selected',
  uid: true,
  keepsNumbers: true,

  parse(args, byUid, context) {
    args.sp();
    const set = args.sequenceSet();
    const request = parseFetch(args);
    if (request.vanished && !(byUid && context.enabled.qresync)) throw new Malformed('VANISHED is for UID FETCH after ENABLE QRESYNC');
    if (request.partial !== null && !byUid) throw new Malformed('PARTIAL is for UID FETCH');
    return { set, ...request };
  },

  async run(context, { set, items, changedSince: since, vanished, partial }, byUid) {
    const { view, out, enabled } = context;
    const asked = (kind: string) => items.some((item) => item.kind === kind);
    const all: Item[] = [...items];
    // RFC 7162 §3.1.4.1: CHANGEDSINCE asks for MODSEQ too; §3.2.4: with QRESYNC every FETCH bears the UID.
    if (since !== null && !asked('MODSEQ')) all.push({ kind: 'MODSEQ' });
    if (since !== null || asked('MODSEQ')) context.enableCondstore();
    if ((byUid || enabled.qresync) && !enabled.uidonly && !asked('UID')) all.unshift({ kind: 'UID' });
    let uids = view.resolve(set, byUid);
    if (partial !== null) uids = within(uids, partial);
    if (since !== null) {
      if (vanished) writeVanishedEarlier(view, out, since, set);
      uids = changedSince(view, uids, since);
    }
    // A page is what the client asked for, or nothing (RFC 9738 §3.1).
    if (partial !== null) takeAll(uids, context.limits);
    const part = taken(uids, context.limits);
    const answers = new FetchAnswers(context, all, part.uids);
    await answers.write();
    // RFC 5530: by UID, what isn't there is passed over; by number, the client believed it to be there.
    if (answers.gone > 0 && !byUid) throw new Refused('Some of the messages are gone', 'EXPUNGEISSUED');
    return withCode('', 'FETCH', part, (line) => out.line(line));
  },
});
