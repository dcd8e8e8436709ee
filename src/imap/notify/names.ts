// What became of mailbox names and subscriptions between two looks at them, as LIST answers (RFC 5465 §5.4, §5.5).
import type { MailboxId } from '../../base/index.ts';
import { nameTree } from '../list/names.ts';
import type { Named } from '../list/names.ts';
import type { MailboxEntry } from '../session.ts';
import { quoteMailbox } from '../wire/index.ts';

/** All names at one moment. */
export interface Names {
  mailboxes: MailboxEntry[];
  subscriptions: ReadonlySet<string>;
}
export const NO_NAMES: Names = { mailboxes: [], subscriptions: new Set() };

export interface NameChange {
  event: 'MailboxName' | 'SubscriptionChange';
  /** The name as it is now; of one that is gone, as it was. */
  name: string;
  /** The name that it had before, when it was renamed. */
  old: string | null;
}

/**
 * Each name once, in their order. A new or deleted mailbox affects its parent too, which comes behind it; what is
 * renamed because its parent is, is not named (§5.4).
 */
export function nameChanges(before: Names, now: Names): NameChange[] {
  const was = new Map<MailboxId, string>(before.mailboxes.map(({ id, name }) => [id, name]));
  const is = new Map<MailboxId, string>(now.mailboxes.map(({ id, name }) => [id, name]));
  const renamed = new Map<string, string>();
  for (const [id, name] of is) if ((was.get(id) ?? name) !== name) renamed.set(was.get(id)!, name);
  const changes = new Map<string, NameChange>();
  const parents = new Set<string>();
  const take = (change: NameChange): unknown => changes.has(change.name) || changes.set(change.name, change);
  const takeMade = (name: string): void => {
    take({ event: 'MailboxName', name, old: null });
    if (name.includes('/')) parents.add(name.slice(0, name.lastIndexOf('/')));
  };
  for (const [id, name] of is) {
    const old = was.get(id);
    if (old === undefined) takeMade(name);
    else if (old !== name && !withParent(renamed, old, name)) take({ event: 'MailboxName', name, old });
  }
  const there = new Set(is.values());
  for (const [id, name] of was) if (!is.has(id) && !there.has(name)) takeMade(name);
  for (const name of new Set([...before.subscriptions, ...now.subscriptions])) {
    if (before.subscriptions.has(name) !== now.subscriptions.has(name)) take({ event: 'SubscriptionChange', name, old: null });
  }
  for (const name of parents) take({ event: 'MailboxName', name, old: null });
  return [...changes.values()];
}

function withParent(renamed: ReadonlyMap<string, string>, old: string, name: string): boolean {
  for (let at = old.lastIndexOf('/'); at > 0; at = old.lastIndexOf('/', at - 1)) {
    const parent = renamed.get(old.slice(0, at));
    if (parent !== undefined && name === parent + old.slice(at)) return true;
  }
  return false;
}

/** Writes LIST answers with every attribute that a name has. */
export function nameWriter({ mailboxes, subscriptions }: Names, utf8: boolean): (change: NameChange) => string {
  const tree = nameTree(mailboxes, []);
  return ({ name, old }) => {
    const named: Pick<Named, 'exists' | 'children' | 'specialUse'> = tree.get(name) ?? { exists: false, children: false, specialUse: null };
    const attributes = named.exists ? [] : ['\\NonExistent'];
    if (subscriptions.has(name)) attributes.push('\\Subscribed');
    attributes.push(named.children ? '\\HasChildren' : '\\HasNoChildren');
    if (named.specialUse !== null) attributes.push(named.specialUse);
    const oldName = old === null ? '' : ` ("OLDNAME" (${quoteMailbox(old, utf8)}))`;
    return `* LIST (${attributes.join(' ')}) "/" ${quoteMailbox(name, utf8)}${oldName}`;
  };
}
