import { Malformed } from '../../base/index.ts';
import type { MailboxStatus } from '../session.ts';
import { quoteMailbox } from '../wire/index.ts';
import type { Args } from '../wire/index.ts';
import { command } from './command.ts';
import type { Context } from './command.ts';

type Item = (status: MailboxStatus, context: Context, deletedBytes: number) => string | number;

/** RFC 9051 §6.3.11, RFC 3501 §6.3.10 (RECENT), RFC 7162 §3.1.7, RFC 8474 §4.3, RFC 7889 §3, RFC 9208 §4.2.5 (DELETED-STORAGE). */
const ITEMS: Record<string, Item> = {
  MESSAGES: (s) => s.messages,
  RECENT: () => 0, // of IMAP4rev1; harmless in IMAP4rev2
  UIDNEXT: (s) => s.uidNext,
  UIDVALIDITY: (s) => s.uidValidity,
  UNSEEN: (s) => s.unseen,
  DELETED: (s) => s.deleted,
  'DELETED-STORAGE': (_s, _context, deletedBytes) => deletedBytes,
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

/** To ask for HIGHESTMODSEQ enables CONDSTORE (RFC 7162 §3.1). */
export function noteItems(context: Context, items: string[]): void {
  if (items.includes('HIGHESTMODSEQ')) context.enableCondstore();
}

/** The untagged answer. */
export async function writeStatus(context: Context, name: string, items: string[], status: MailboxStatus): Promise<void> {
  const deletedBytes = items.includes('DELETED-STORAGE') && status.deleted > 0 ? await deletedStorage(context, name) : 0;
  const values = items.map((item) => `${item} ${ITEMS[item](status, context, deletedBytes)}`).join(' ');
  context.out.line(`* STATUS ${quoteMailbox(name, context.enabled.utf8)} (${values})`);
}

/** Bytes of the messages that EXPUNGE would remove. */
async function deletedStorage(context: Context, name: string): Promise<number> {
  const looked = await context.session.look(name);
  try {
    const { index } = looked;
    const deleted: (boolean | undefined)[] = [];
    let bytes = 0;
    for (let i = 0; i < index.count; i++) {
      const set = index.flagSet(i);
      if ((deleted[set] ??= index.flagsOf(set).includes('\\Deleted'))) bytes += index.size(i);
    }
    return bytes;
  } finally {
    looked.close();
  }
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
    noteItems(context, items);
    await writeStatus(context, name, items, await context.session.status(name));
    return '';
  },
});
