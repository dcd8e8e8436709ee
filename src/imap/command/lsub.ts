// LSUB: RFC 3501 §6.3.9; clients of today use LIST (SUBSCRIBED).
import { Pace } from '../fetch/pace.ts';
import { nameTree } from '../list/names.ts';
import { quoteMailbox } from '../wire/index.ts';
import { command } from './command.ts';
import { compile } from './list.ts';

export const lsub = command<{ reference: string; pattern: string }>({
  when: 'authenticated',

  parse(args) {
    args.sp();
    const reference = args.mailbox();
    args.sp();
    return { reference, pattern: args.listMailbox() };
  },

  async run({ out, session, enabled, clock }, { reference, pattern }) {
    const matches = compile(reference, [pattern]);
    const entries = await session.mailboxes();
    const there = new Set(entries.map((entry) => entry.name));
    // Only what is subscribed, and parents that `%` stops at (marked \Noselect).
    const names = nameTree([], await session.subscriptions());
    const pace = new Pace(clock);
    for (const { name, subscribed } of names.values()) {
      if (pace.due) await pace.rest();
      if (!matches(name) || (!subscribed && !pattern.endsWith('%'))) continue;
      const attributes = subscribed && there.has(name) ? '' : '\\Noselect';
      out.line(`* LSUB (${attributes}) "/" ${quoteMailbox(name, enabled.utf8)}`);
      if (out.full) await out.drain();
    }
    return '';
  },
});
