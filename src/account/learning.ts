// What people move into Junk, or out of it, teaches the spam filter beside us.
import { limits } from '../base/index.ts';
import type { MailboxId, Uid } from '../base/index.ts';
import type { OpenUser } from './open-user.ts';

/** `uids`: the copies in `to`. Does nothing where nobody learns; reads nothing before it is asked to. */
export function teach(user: OpenUser, from: MailboxId, to: MailboxId, uids: readonly Uid[]): void {
  const { learn } = user.replica;
  if (!learn || uids.length === 0 || from === to) return;
  const role = (id: MailboxId) => user.state.byId(id)?.specialUse ?? null;
  const [left, entered] = [role(from), role(to)];
  // Who empties Junk into Trash says nothing of the mail.
  const kind = entered === '\\Junk' ? 'spam' : left === '\\Junk' && entered !== '\\Trash' ? 'ham' : null;
  if (kind === null) return;
  for (const uid of uids.slice(0, limits.learn_messages_max)) learn(kind, () => bytesOf(user, to, uid));
}

async function bytesOf(user: OpenUser, mailbox: MailboxId, uid: Uid): Promise<Buffer | null> {
  await user.need({ kind: 'rows', mailbox });
  await user.need({ kind: 'contents', mailbox, uids: [uid] });
  const content = user.state.content(mailbox, uid);
  if (!content || content.plainBytes > limits.learn_bytes_max) return null;
  return user.replica.blobs.read(user.at.store, user.at.root, content, 0, content.plainBytes);
}
