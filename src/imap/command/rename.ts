import { Refused } from '../../base/index.ts';
import { parentsOf } from '../list/names.ts';
import { checkNewName } from '../mailbox-name.ts';
import { command } from './command.ts';

/** RFC 9051 §6.3.6. */
export const rename = command<{ from: string; to: string }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    const from = args.mailbox();
    args.sp();
    return { from, to: args.mailbox().replace(/\/$/, '') };
  },
  async run(context, { from, to }) {
    checkNewName(to);
    if (to === 'INBOX') throw new Refused('INBOX is always there', 'ALREADYEXISTS');
    if (to.startsWith(`${from}/`) && from !== 'INBOX') throw new Refused('a mailbox can not move below itself', 'CANNOT');
    await context.session.rename(from, to);
    context.teller.own({ names: [to, ...parentsOf(to)] });
    return '';
  },
});
