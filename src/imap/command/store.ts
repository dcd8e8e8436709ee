// STORE and UID STORE: RFC 9051 §6.4.6, §6.4.9; UNCHANGEDSINCE: RFC 7162 §3.1.3. One operation for the whole set.
import { Malformed, Refused } from '../../base/index.ts';
import type { Flag, ModSeq, Uid } from '../../base/index.ts';
import { Pace } from '../fetch/pace.ts';
import { sortedUnique, without } from '../fetch/uidset.ts';
import { taken, withCode } from '../message-limit.ts';
import type { View } from '../view.ts';
import { formatSet } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

type Mode = 'add' | 'remove' | 'replace';
const MODES: Record<string, Mode> = { '+FLAGS': 'add', '-FLAGS': 'remove', FLAGS: 'replace' };

export const store = command({
  when: 'selected',
  uid: true,
  keepsNumbers: true,

  parse(args) {
    args.sp();
    const set = args.sequenceSet();
    args.sp();
    let unchangedSince: ModSeq | null = null;
    if (args.peek() === '(') {
      args.list(() => {
        const name = args.keyword();
        if (name !== 'UNCHANGEDSINCE') throw new Malformed(`unknown STORE modifier ${name}`);
        args.sp();
        unchangedSince = args.number64();
      });
      args.sp();
    }
    const item = args.keyword();
    const silent = item.endsWith('.SILENT');
    const mode = MODES[silent ? item.slice(0, -7) : item];
    if (mode === undefined) throw new Malformed(`unknown STORE item ${item}`);
    args.sp();
    // RFC 9051 §9: store-att-flags may come without parentheses.
    const flags: Flag[] = [];
    if (args.peek() === '(') flags.push(...args.flagList());
    else {
      do flags.push(args.flag());
      while (args.skip(' '));
    }
    return { set, mode, silent, flags, unchangedSince: unchangedSince as ModSeq | null };
  },

  async run(context, { set, mode, silent, flags: sent, unchangedSince }, byUid) {
    const { view, out, enabled, selected } = context;
    const flags = spelt(view, mode, sent);
    if (unchangedSince !== null) context.enableCondstore();
    const part = taken(view.resolve(set, byUid), context.limits);
    const { uids } = part;
    if (selected.readOnly) throw new Refused('The mailbox is open for reading only', 'READ-ONLY');
    const knewAll = !view.behind;
    // What the client knows of each message must be what the change starts from: then .SILENT may keep the result.
    view.poll(out, { allowExpunge: false });
    const there = uids.filter((uid) => view.index.find(uid) >= 0);
    const expected = silent ? expectedFlags(view, there, mode, flags) : null;
    const { failed } = there.length > 0 ? await selected.store(there, mode, flags, unchangedSince) : { failed: [] };
    const modified = sortedUnique(failed);
    const changed = without(there, modified);
    const told = expected === null ? changed : changed.filter((uid) => expected(uid));
    view.poll(out, { allowExpunge: false, told });
    // Of a new keyword, and whether more can be made (RFC 9051 §7.1), a silent store tells too.
    const first = silent && told.length > 0 ? view.index.find(told[0]) : -1;
    if (first >= 0) view.announce(out, view.index.flagSet(first));
    // With CONDSTORE the client needs the new MODSEQ also of a silent store (RFC 7162 §3.1.3).
    if (!silent || enabled.condstore) await answer(context, told, byUid, !silent);
    // What it should have started from (§3.1.3), unless it has just heard of it.
    if (knewAll && modified.length > 0) await answer(context, modified, byUid, true);
    if (there.length < uids.length && !byUid) throw new Refused('Some of the messages are gone', 'EXPUNGEISSUED');
    const done = (text: string) => withCode(text, 'STORE', part, (line) => out.line(line));
    if (modified.length === 0) return done('');
    const names = byUid ? modified : modified.map((uid) => view.seqOf(uid));
    return done(`[MODIFIED ${formatSet(names)}] Some of the messages were changed meanwhile`);
  },
});

/** Keywords are equal in any case (RFC 9051 §2.3.2): the mailbox's spelling counts, and all there are when one is removed. */
function spelt({ index }: View, mode: Mode, flags: Flag[]): Flag[] {
  if (flags.every((flag) => flag.startsWith('\\'))) return flags;
  const spellings = Map.groupBy(index.flagsInUse(), (flag) => flag.toLowerCase());
  const names = Map.groupBy(flags, (flag) => flag.toLowerCase());
  return [...names].flatMap(([name, written]) => {
    const known = spellings.get(name) ?? written;
    return mode === 'remove' ? known : [known[0]];
  });
}

async function answer(context: Context, uids: Uint32Array, byUid: boolean, withFlags: boolean): Promise<void> {
  const { view, out, clock } = context;
  const pace = new Pace(clock);
  for (let at = 0; at < uids.length; at += 256) {
    let text = '';
    for (const uid of uids.subarray(at, at + 256)) {
      const i = view.index.find(uid);
      if (i < 0) continue;
      view.announce(out, view.index.flagSet(i));
      text += view.flagsAnswer(view.seqOf(uid), i, byUid, withFlags);
    }
    out.write(text);
    if (out.full) await out.drain();
    if (pace.due) await pace.rest();
  }
}

/**
 * Whether a message's flags after the store are what the client must think: what it had before, changed by its own
 * command alone. Worked out once for each pair of flag sets, not for each message.
 */
function expectedFlags(view: View, uids: Uint32Array, mode: Mode, flags: Flag[]): (uid: Uid) => boolean {
  const { index } = view;
  const before = new Map<Uid, number>();
  for (const uid of uids) before.set(uid, index.flagSet(index.find(uid)));
  const known = new Map<number, Map<number, boolean>>();
  return (uid) => {
    const i = index.find(uid);
    const was = before.get(uid);
    if (i < 0 || was === undefined) return true;
    const is = index.flagSet(i);
    let row = known.get(was);
    if (!row) known.set(was, (row = new Map()));
    let same = row.get(is);
    if (same === undefined) row.set(is, (same = sameFlags(applied(index.flagsOf(was), mode, flags), index.flagsOf(is))));
    return same;
  };
}

function applied(flags: readonly Flag[], mode: Mode, change: Flag[]): Flag[] {
  if (mode === 'replace') return change;
  // Keywords are equal in any case (RFC 9051 §2.3.2).
  const names = new Set(change.map((flag) => flag.toLowerCase()));
  const kept = flags.filter((flag) => !names.has(flag.toLowerCase()));
  return mode === 'add' ? [...kept, ...change] : kept;
}

function sameFlags(a: readonly Flag[], b: readonly Flag[]): boolean {
  const key = (flags: readonly Flag[]) => flags.map((flag) => flag.toLowerCase()).sort().join(' ');
  return key(a) === key(b);
}
