import { Refused } from '../../base/index.ts';
import { parentsOf } from '../list/names.ts';
import { command } from './command.ts';

/** RFC 9051 §6.3.5. `delete` is a word of the language. */
export const deleteMailbox = command<string>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    return args.mailbox();
  },
  async run(context, name) {
    if (name === 'INBOX') throw new Refused('INBOX can not be deleted', 'CANNOT');
    await context.session.delete(name);
    context.teller.own({ names: [name, ...parentsOf(name)] });
    return '';
  },
});
