import { Refused } from '../../base/index.ts';
import type { SpecialUse } from '../../base/index.ts';
import { parentsOf } from '../list/names.ts';
import { checkNewName } from '../mailbox-name.ts';
import { oldName, quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';

const USES = new Map<string, SpecialUse>(
  (['\\Drafts', '\\Sent', '\\Junk', '\\Trash', '\\Archive'] as const).map((use) => [use.toLowerCase(), use]),
);

/** RFC 9051 §6.3.4, with USE (RFC 6154 §3) and MAILBOXID (RFC 8474 §4.1). */
export const create = command<{ name: string; sent: string; uses: string[] }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    // A trailing delimiter only says that children will come.
    const name = args.mailbox().replace(/\/$/, '');
    const sent = args.mailboxAsSent.replace(/\/$/, '');
    const uses: string[] = [];
    if (args.done) return { name, sent, uses };
    args.sp();
    args.list(() => {
      args.expect('USE');
      args.sp();
      args.list(() => {
        args.expect('\\');
        uses.push(`\\${args.atom().toLowerCase()}`);
      });
    });
    return { name, sent, uses };
  },
  async run(context, { name, sent, uses }) {
    checkNewName(name);
    if (name === 'INBOX') throw new Refused('INBOX is always there', 'ALREADYEXISTS');
    const use = uses.length === 0 ? null : USES.get(uses[0]);
    if (use === undefined || uses.length > 1) throw new Refused('a mailbox has one use of \\Drafts \\Sent \\Junk \\Trash \\Archive', 'USEATTR');
    const id = await context.session.create(name, use);
    context.teller.own({ names: [name, ...parentsOf(name)] });
    if (context.enabled.rev2 && sent !== name) context.out.line(`* LIST () "/" ${quoteMailbox(name, true)}${oldName(name, sent)}`);
    return `[MAILBOXID (${id})] CREATE completed`;
  },
});
