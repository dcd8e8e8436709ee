// Mailbox ids and UIDVALIDITY. Two replicas that create one mailbox at once must agree on both without talking, so
// they follow from the user, the name (or role) and how often it was made.
import { createHash } from 'node:crypto';
import type { MailboxId, SpecialUse } from '../base/index.ts';

/** The names under which mailboxes with a role are shown until they are created or renamed. */
export const DEFAULT_NAMES: Record<SpecialUse, string> = { '\\Drafts': 'Drafts', '\\Sent': 'Sent', '\\Junk': 'Junk', '\\Trash': 'Trash', '\\Archive': 'Archive' };

/** RFC 9051 §5.1: INBOX in any case is one mailbox. */
export const isInbox = (name: string): boolean => name.length === 5 && name.toUpperCase() === 'INBOX';

/**
 * The id of a mailbox: 16 hex digits. A mailbox with a role is known by the role (it begins with a backslash), so mail
 * can be delivered to it before it is created; every other one by its full name.
 */
export function mailboxId(user: string, nameOrRole: string, made: number): MailboxId {
  const name = isInbox(nameOrRole) ? 'INBOX' : nameOrRole;
  return createHash('sha256').update(JSON.stringify(['mailbox', user, name, made])).digest('hex').slice(0, 16);
}

/** RFC 9051 §2.3.1.1: 2^20 * made + 20 bits of the id; never 0, since `made` begins at 1. */
export function uidValidity(id: MailboxId, made: number): number {
  return made * 2 ** 20 + Number.parseInt(id.slice(0, 5), 16);
}
