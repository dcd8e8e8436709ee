// NOTIFY: RFC 5465 §3.1.
import { Malformed } from '../../base/index.ts';
import { NOTHING, parseRequest } from '../notify/request.ts';
import type { NotifyRequest } from '../notify/request.ts';
import { command } from './command.ts';
import { writeStatus } from './status.ts';

/** Mailboxes whose STATUS is asked for together: the store is asked each time. */
const STATUS_AT_ONCE = 20_000;

export const notify = command<NotifyRequest>({
  when: 'authenticated',

  parse(args) {
    args.sp();
    const word = args.keyword();
    if (word === 'NONE') return NOTHING;
    if (word !== 'SET') throw new Malformed('SET or NONE expected');
    return parseRequest(args);
  },

  async run(context, request) {
    // §3.1: a NOTIFY SET is a NOOP too.
    if (request !== NOTHING && context.isOpen) await context.selected.refresh();
    const watched = await context.notify(request);
    if (!request.status) return '';
    const selected = context.isOpen ? context.selected.id : null;
    // Of the selected mailbox the client knows it.
    const others = watched.filter(({ id }) => id !== selected);
    for (let at = 0; at < others.length; at += STATUS_AT_ONCE) {
      const some = others.slice(at, at + STATUS_AT_ONCE);
      const statuses = await context.session.statuses(some.map(({ name }) => name));
      for (const [i, status] of statuses.entries()) {
        if (status === null) continue;
        const { name, flags } = some[i];
        // Who hears of flags needs HIGHESTMODSEQ, CONDSTORE or not.
        const items = ['MESSAGES', 'UIDNEXT', 'UIDVALIDITY', 'UNSEEN', ...(context.enabled.condstore || flags ? ['HIGHESTMODSEQ'] : [])];
        await writeStatus(context, name, items, status);
      }
      if (context.out.full) await context.out.drain();
    }
    return '';
  },
});
