import { Refused } from '../../base/index.ts';
import { parentsOf } from '../list/names.ts';
import { oldName, quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';

/** RFC 9051 §6.3.5. `delete` is a word of the language. */
export const deleteMailbox = command<{ name: string; sent: string }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    return { name: args.mailbox(), sent: args.mailboxAsSent };
  },
  async run(context, { name, sent }) {
    if (name === 'INBOX') throw new Refused('INBOX can not be deleted', 'CANNOT');
    await context.session.delete(name);
    context.teller.own({ names: [name, ...parentsOf(name)] });
    if (context.enabled.rev2 && sent !== name) context.out.line(`* LIST (\\NonExistent) "/" ${quoteMailbox(name, true)}${oldName(name, sent)}`);
    return '';
  },
});
