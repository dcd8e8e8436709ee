// What sessions that watch all of a user's mailboxes (RFC 5465) are told of an event.
import type { MailboxId } from '../base/index.ts';
import type { AccountNews, MailboxNews } from '../imap/session.ts';
import type { Op } from '../state/index.ts';

/** By the operations alone, so that it costs nothing in proportion to the mailbox; what they came to is for whoever asks. */
export function newsOf(ops: readonly Op[]): AccountNews {
  const mailboxes = new Map<MailboxId, MailboxNews>();
  const news: AccountNews = { mailboxes: [], names: false, metadata: [] };
  const at = (id: MailboxId): MailboxNews => {
    let known = mailboxes.get(id);
    if (!known) mailboxes.set(id, (known = { added: 0, gone: 0, flags: false }));
    return known;
  };
  for (const op of ops) {
    switch (op.kind) {
      case 'MessageAdded':
        at(op.mailbox).added += op.messages.length;
        break;
      case 'MessagesCopied':
        at(op.to).added += op.sources.length;
        break;
      case 'MessagesExpunged':
        at(op.mailbox).gone += op.messages.length;
        break;
      case 'FlagsChanged':
        at(op.mailbox).flags = true;
        break;
      case 'Repaired':
        // Renumbered messages go and come again.
        at(op.mailbox).added += op.renumbered.length;
        at(op.mailbox).gone += op.renumbered.length;
        at(op.mailbox).flags = true;
        break;
      case 'MetadataChanged':
        news.metadata.push({ mailbox: op.mailbox, entry: op.entry });
        break;
      case 'MailboxCreated':
      case 'MailboxRenamed':
      case 'MailboxDeleted':
      case 'SubscriptionChanged':
        news.names = true;
        break;
      case 'EventLost':
      case 'Restored':
      case 'EpochBegan':
        break;
    }
  }
  news.mailboxes = [...mailboxes].map(([id, what]) => ({ id, news: what }));
  return news;
}
