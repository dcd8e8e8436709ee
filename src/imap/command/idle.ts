import { Malformed } from '../../base/index.ts';
import { command, nothing } from './command.ts';

/** RFC 2177. Changes come from the mailbox's own notification, not from a timer; the idle time-out ends a forgotten one. */
export const idle = command<null>({
  when: 'authenticated',
  parse: nothing,
  async run(context) {
    context.out.line('+ idling');
    void context.idle(true);
    try {
      const line = await context.readLine(null);
      if (line.toUpperCase() !== 'DONE') throw new Malformed('DONE expected');
    } finally {
      await context.idle(false);
    }
    return '';
  },
});
