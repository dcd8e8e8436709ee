import { Refused } from '../../base/index.ts';
import { parentsOf } from '../list/names.ts';
import { checkNewName } from '../mailbox-name.ts';
import { oldName, quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';

/** RFC 9051 §6.3.6. */
export const rename = command<{ from: string; to: string; sent: { from: string; to: string } }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    const from = args.mailbox();
    const sentFrom = args.mailboxAsSent;
    args.sp();
    const to = args.mailbox().replace(/\/$/, '');
    return { from, to, sent: { from: sentFrom, to: args.mailboxAsSent.replace(/\/$/, '') } };
  },
  async run(context, { from, to, sent }) {
    checkNewName(to);
    if (to === 'INBOX') throw new Refused('INBOX is always there', 'ALREADYEXISTS');
    if (to.startsWith(`${from}/`) && from !== 'INBOX') throw new Refused('a mailbox can not move below itself', 'CANNOT');
    const moved = await context.session.rename(from, to);
    const messages = [{ mailbox: from, added: 0, gone: moved }, { mailbox: to, added: moved, gone: 0 }];
    context.teller.own({ names: [to, ...parentsOf(to)], messages });
    // A client of IMAP4rev2 that wrote a name in another form learns how it is spelt.
    if (context.enabled.rev2 && (sent.from !== from || sent.to !== to)) context.out.line(`* LIST () "/" ${quoteMailbox(to, true)}${oldName(to, sent.from)}`);
    return '';
  },
});
