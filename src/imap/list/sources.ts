// Which mailboxes a search or a notification is about: the mailbox filters of RFC 5465 §6, and subtree-one of RFC 7377.
import { Malformed, Refused, limits } from '../../base/index.ts';
import type { MailboxEntry } from '../session.ts';
import type { Args } from '../wire/index.ts';

/** Which mailboxes are meant (RFC 7377 §2.2, RFC 5465 §6): a kind, and the names that go with it. */
export interface Source {
  kind: 'selected' | 'inboxes' | 'personal' | 'subscribed' | 'subtree' | 'subtree-one' | 'mailboxes';
  names: string[];
  /** `selected-delayed`. */
  delayed: boolean;
}
/** One of the filters that RFC 5465 §6 calls mailbox specifiers. Throws Malformed. */
export function parseSource(args: Args): Source {
  const kind = args.keyword().toLowerCase();
  switch (kind) {
    case 'selected':
    case 'selected-delayed':
      return { kind: 'selected', names: [], delayed: kind !== 'selected' };
    case 'inboxes':
    case 'personal':
    case 'subscribed':
      return { kind, names: [], delayed: false };
    case 'subtree':
    case 'subtree-one':
    case 'mailboxes': {
      args.sp();
      const names: string[] = [];
      if (args.peek() === '(') args.list(() => names.push(args.mailbox()));
      else names.push(args.mailbox());
      if (names.length === 0) throw new Malformed('a mailbox expected');
      // More are searched through for each mailbox, one by one.
      if (names.length > limits.imap_sources_max) throw new Refused(`More than ${limits.imap_sources_max} mailboxes`, 'LIMIT');
      return { kind, names, delayed: false };
    }
  }
  throw new Malformed(`unknown mailbox filter ${kind.slice(0, 40)}`);
}

/** What a source looks at. */
export type Place = Pick<MailboxEntry, 'name' | 'subscribed' | 'specialUse'>;

/** Which of a user's mailboxes a source means. */
export function sourceTest({ kind, names }: Source): (mailbox: Place) => boolean {
  switch (kind) {
    case 'selected':
      return () => false;
    case 'inboxes':
      // RFC 5465 §6.3: wherever mail is delivered to.
      return ({ name, specialUse }) => name === 'INBOX' || specialUse === '\\Junk';
    case 'personal':
      return () => true;
    case 'subscribed':
      return ({ subscribed }) => subscribed;
    case 'mailboxes':
    case 'subtree':
    case 'subtree-one': {
      // By the name and its parents, however many names are given.
      const wanted = new Set(names);
      if (kind === 'mailboxes') return ({ name }) => wanted.has(name);
      return ({ name }) => {
        if (wanted.has(name)) return true;
        for (let at = name.lastIndexOf('/'); at > 0; at = name.lastIndexOf('/', at - 1)) {
          if (wanted.has(name.slice(0, at))) return true;
          if (kind === 'subtree-one') return false;
        }
        return false;
      };
    }
  }
}
