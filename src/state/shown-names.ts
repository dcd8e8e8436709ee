// The mailboxes as they are shown, in order of their names. All of them are worked out when they are first asked for;
// afterwards one that was made, named or removed is put in its place, so that 10,000 mailboxes can be made one by one.
import type { MailboxId } from '../base/index.ts';
import type { MailboxNames, Shown } from './mailbox-names.ts';

export class ShownNames {
  readonly list: Shown[];
  readonly byName = new Map<string, Shown>();
  readonly byId = new Map<MailboxId, Shown>();
  readonly #names: MailboxNames;
  readonly #messages: (id: MailboxId) => number;
  /** Every mailbox has the name and the role that it was given: what one is shown as does not depend on others. */
  readonly #plain: boolean;

  constructor(names: MailboxNames, messages: (id: MailboxId) => number) {
    this.#names = names;
    this.#messages = messages;
    const { list, plain } = names.shown(messages);
    this.list = list;
    this.#plain = plain;
    for (const m of list) this.#know(m);
  }

  #know(m: Shown): void {
    this.byName.set(m.name, m);
    this.byId.set(m.id, m);
  }

  /** After something was said of a mailbox's name. False: all must be worked out again. */
  refresh(id: MailboxId): boolean {
    const was = this.byId.get(id);
    if (!this.#plain || id === this.#names.inbox) return false;
    if (was) {
      this.list.splice(this.#place(was.name), 1);
      this.byName.delete(was.name);
      this.byId.delete(id);
    }
    const now = this.#names.alone(id, this.#messages);
    if (now === null) return true;
    if (this.byName.has(now.name) || (now.specialUse !== null && this.list.some((m) => m.specialUse === now.specialUse))) return false;
    this.list.splice(this.#place(now.name), 0, now);
    this.#know(now);
    return true;
  }

  /** The place of a name, or where it belongs; INBOX is before all. */
  #place(name: string): number {
    let lo = 1;
    let hi = this.list.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (compareNames(this.list[mid].name, name) < 0) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}

/** By the bytes of UTF-8: as UTF-16, but what needs surrogates comes last. */
export function compareNames(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return (isSurrogate(x) ? x + 0x10000 : x) - (isSurrogate(y) ? y + 0x10000 : y);
  }
  return a.length - b.length;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit < 0xe000;
