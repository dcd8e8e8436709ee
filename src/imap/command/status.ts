import { Malformed } from '../../base/index.ts';
import type { MailboxStatus } from '../session.ts';
import { quoteMailbox } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

type Item = (status: MailboxStatus, context: Context) => string | number;

/** RFC 9051 §6.3.11, RFC 3501 §6.3.10 (RECENT), RFC 7162 §3.1.7, RFC 8474 §4.3, RFC 7889 §3. */
const ITEMS: Record<string, Item> = {
  MESSAGES: (s) => s.messages,
  RECENT: () => 0,
  UIDNEXT: (s) => s.uidNext,
  UIDVALIDITY: (s) => s.uidValidity,
  UNSEEN: (s) => s.unseen,
  DELETED: (s) => s.deleted,
  SIZE: (s) => s.size,
  HIGHESTMODSEQ: (s) => s.highestModSeq,
  MAILBOXID: (s) => `(${s.id})`,
  APPENDLIMIT: (_, context) => context.limits.message_bytes_max,
};

/** `(MESSAGES UNSEEN)`, each once. Throws Malformed. */
export function parseItems(args: Args): string[] {
  const items = new Set<string>();
  args.list(() => {
    const item = args.keyword();
    if (!Object.hasOwn(ITEMS, item)) throw new Malformed(`there is no STATUS item ${item.slice(0, 40)}`);
    items.add(item);
  });
  if (items.size === 0) throw new Malformed('STATUS asks for nothing');
  return [...items];
}

/** The untagged answer. To ask for HIGHESTMODSEQ enables CONDSTORE (RFC 7162 §3.1). */
export function writeStatus(context: Context, name: string, items: string[], status: MailboxStatus): void {
  if (items.includes('HIGHESTMODSEQ')) context.enableCondstore();
  const values = items.map((item) => `${item} ${ITEMS[item](status, context)}`).join(' ');
  context.out.line(`* STATUS ${quoteMailbox(name, context.enabled.utf8)} (${values})`);
}

export const status = command<{ name: string; items: string[] }>({
  when: 'authenticated',
  parse(args) {
    args.sp();
    const name = args.mailbox();
    args.sp();
    return { name, items: parseItems(args) };
  },
  async run(context, { name, items }) {
    writeStatus(context, name, items, await context.session.status(name));
    return '';
  },
});
