import { checkNewName } from '../mailbox-name.ts';
import { command } from './command.ts';
import type { Command } from './command.ts';

function subscription(on: boolean): Command<string> {
  return command<string>({
    when: 'authenticated',
    parse(args) {
      args.sp();
      return args.mailbox();
    },
    async run(context, name) {
      // A name may be subscribed before its mailbox is there (RFC 9051 §6.3.7), so it is checked like a new one.
      if (on) checkNewName(name);
      await context.session.subscribe(name, on);
      context.teller.own({ names: [name] });
      return '';
    },
  });
}

/** RFC 9051 §6.3.7, §6.3.8. */
export const subscribe = subscription(true);
export const unsubscribe = subscription(false);
