// `undelete`: what a user removed and can have back, and the bringing back. Needs the user's password or recovery code:
// nobody else can read or write that mail.
import { Malformed } from '../base/index.ts';
import type { Undelete } from './admin.ts';
import type { Run } from './context.ts';
import { size, table } from './print.ts';
import { secrets } from './secret-input.ts';

const day = (ms: number) => `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')}Z`;

export const undelete: Run = async (c) => {
  const [user, mailbox] = c.words;
  const id = c.options.get('id');
  const wanted: Undelete[] = [...(mailbox === undefined ? [] : [{ mailbox }]), ...(typeof id === 'string' ? [{ id }] : []), ...(c.options.has('all') ? ['all' as const] : [])];
  if (wanted.length > 1) throw new Malformed('give one of MAILBOX, --id ID and --all');
  const code = c.options.has('recovery-code');
  const [secret] = await secrets(c, [code ? 'Recovery code' : 'Password']);
  const proof = code ? { recoveryCode: secret } : { password: secret };
  const admin = await c.admin();
  if (wanted.length === 1) {
    const count = await admin.undelete(user, proof, wanted[0]);
    c.out(count === 0 ? 'nothing that could be brought back\n' : `${count} message${count === 1 ? '' : 's'} brought back\n`);
    return count === 0 ? 1 : 0;
  }
  const { total, messages } = await admin.removed(user, proof);
  if (total === 0) return c.out('nothing was removed in the last weeks\n');
  c.out(table(['ID', 'REMOVED', 'MAILBOX', 'SIZE', 'DATE', 'FROM', 'SUBJECT'], messages.map((m) => [m.id, day(m.removedMs), m.mailboxGone ? `${m.mailbox} (deleted)` : m.mailbox, size(m.bytes), day(m.dateMs), m.from, m.subject])));
  if (total > messages.length) c.out(`and ${total - messages.length} that were removed earlier\n`);
};
