// SELECT and EXAMINE: RFC 9051 §6.3.2, §6.3.3; CONDSTORE and QRESYNC: RFC 7162 §3.1.8, §3.2.5; MAILBOXID: RFC 8474 §4.2.
import { Malformed } from '../../base/index.ts';
import type { ModSeq } from '../../base/index.ts';
import { fetchChanged } from '../fetch/changed.ts';
import type { MailboxIndex } from '../session.ts';
import { oldName, quoteMailbox } from '../wire/index.ts';
import type { Args, SequenceSet } from '../wire/index.ts';
import { command } from './command.ts';
import type { Command, Context } from './command.ts';

interface Resync {
  uidValidity: number;
  since: ModSeq;
  known: SequenceSet | null;
}
interface Parsed {
  name: string;
  sent: string;
  condstore: boolean;
  resync: Resync | null;
}

function parse(args: Args, _byUid: boolean, context: Context): Parsed {
  args.sp();
  const parsed: Parsed = { name: args.mailbox(), sent: args.mailboxAsSent, condstore: false, resync: null };
  if (args.done) return parsed;
  args.sp();
  args.list(() => {
    const name = args.keyword();
    if (name === 'CONDSTORE') parsed.condstore = true;
    else if (name === 'QRESYNC') parsed.resync = parseResync(args, context.enabled.uidonly);
    else throw new Malformed(`there is no SELECT parameter ${name.slice(0, 40)}`);
  });
  if (parsed.resync !== null && !context.enabled.qresync) throw new Malformed('ENABLE QRESYNC comes before SELECT (QRESYNC …)');
  return parsed;
}

/** `(uidvalidity modseq [known-uids] [(sequence-numbers uids)])`. */
function parseResync(args: Args, uidonly: boolean): Resync {
  args.sp();
  args.open();
  const uidValidity = args.nzNumber();
  args.sp();
  const since = args.number64();
  if (since === 0) throw new Malformed('MODSEQ above zero expected');
  let known: SequenceSet | null = null;
  if (args.skip(' ')) {
    if (args.peek() !== '(') {
      known = args.sequenceSet();
      // RFC 7162 §7: known-uids has neither `*` nor `$`.
      if (known.saved || known.star !== null) throw new Malformed('known UIDs are numbers');
    }
    if (known === null || args.skip(' ')) {
      // Sequence match data helps servers that forget expunges; this one does not (it only reads them).
      if (uidonly) throw new Malformed('UIDONLY is on', 'UIDREQUIRED');
      args.open();
      args.sequenceSet();
      args.sp();
      args.sequenceSet();
      args.close();
    }
  }
  args.close();
  return { uidValidity, since, known };
}

function selecting(readOnly: boolean): Command<Parsed> {
  return command<Parsed>({
    when: 'authenticated',
    parse,
    async run(context, { name, sent, condstore, resync }) {
      const { session, out, enabled } = context;
      if (context.isOpen) {
        // Even when the new one can't be selected the old one no longer is (RFC 9051 §6.3.2).
        context.unselect();
        out.line('* OK [CLOSED] the mailbox before is closed');
      }
      if (condstore) context.enableCondstore();
      const selected = await session.select(name, readOnly);
      const view = context.opened(selected);
      const { index } = selected;
      out.line(`* ${view.count} EXISTS`);
      if (!enabled.rev2) out.line('* 0 RECENT');
      out.write(view.flagsInUse());
      const unseen = enabled.rev2 || enabled.uidonly ? 0 : firstUnseen(index, view.count);
      if (unseen > 0) out.line(`* OK [UNSEEN ${unseen}] first unseen`);
      out.line(`* OK [UIDVALIDITY ${index.uidValidity}] these UIDs`);
      out.line(`* OK [UIDNEXT ${index.uidNext}] next UID`);
      out.line(`* OK [HIGHESTMODSEQ ${index.highestModSeq}] newest change`);
      // RFC 9051 §6.3.2.
      if (enabled.rev2) out.line(`* LIST () "/" ${quoteMailbox(selected.name, true)}${oldName(selected.name, sent)}`);
      out.line(`* OK [MAILBOXID (${selected.id})] this mailbox`);
      if (resync !== null && resync.uidValidity === index.uidValidity) await fetchChanged(context, resync.since, resync.known);
      return selected.readOnly ? '[READ-ONLY] EXAMINE completed' : '[READ-WRITE] SELECT completed';
    },
  });
}

/** Sequence number of the first message without \Seen, or 0 (RFC 3501 §6.3.1). Each set of flags is looked at once. */
function firstUnseen(index: MailboxIndex, count: number): number {
  const seen: (boolean | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const set = index.flagSet(i);
    if (!(seen[set] ??= index.flagsOf(set).includes('\\Seen'))) return i + 1;
  }
  return 0;
}

export const select = selecting(false);
export const examine = selecting(true);
