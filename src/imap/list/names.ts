// The mailboxes as a tree: what LIST says of a name comes from its place among all names.
import type { SpecialUse } from '../../base/index.ts';
import type { MailboxEntry } from '../session.ts';

/** A name that LIST can answer with: a mailbox, a parent that is none itself, or a subscription to nothing. */
export interface Named {
  name: string;
  exists: boolean;
  subscribed: boolean;
  specialUse: SpecialUse | null;
  children: boolean;
}

/**
 * All names in the order of their mailboxes, parents that are no mailboxes included, each before its children.
 * `subscriptions`: names that are subscribed and may not be there.
 */
export function nameTree(entries: MailboxEntry[], subscriptions: string[]): Map<string, Named> {
  const names = new Map<string, Named>();
  const add = (name: string, entry: MailboxEntry | null, subscribed: boolean): void => {
    const known = names.get(name);
    if (known !== undefined) {
      known.exists ||= entry !== null;
      known.subscribed ||= subscribed;
      known.specialUse ??= entry?.specialUse ?? null;
      return;
    }
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
      const parent = name.slice(0, at);
      if (!names.has(parent)) names.set(parent, { name: parent, exists: false, subscribed: false, specialUse: null, children: false });
    }
    names.set(name, { name, exists: entry !== null, subscribed, specialUse: entry?.specialUse ?? null, children: false });
  };
  for (const entry of entries) add(entry.name, entry, entry.subscribed);
  for (const name of subscriptions) add(name, null, true);
  for (const { name, exists } of names.values()) {
    if (!exists) continue;
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) names.get(name.slice(0, at))!.children = true;
  }
  return names;
}

/** Parents of a name, nearest last. */
export function parentsOf(name: string): string[] {
  const parents: string[] = [];
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) parents.push(name.slice(0, at));
  return parents;
}
