// What sessions have put into the event that is being made. It is not in the state yet, but shares the fate of what is
// built after it: so that is decided as if it were.
import type { Flag, MailboxId, Uid } from '../base/index.ts';

/** What one operation does to messages of a mailbox. */
export interface PendingChange {
  mailbox: MailboxId;
  uids: readonly Uid[];
  /** Flags that it sets. */
  flags: readonly Flag[];
  /** It removes the messages. */
  gone: boolean;
}

export class Pending {
  /** The sets are made when somebody asks: mostly nobody does. */
  readonly #changes = new Map<object, { change: PendingChange; uids: Set<Uid> | null }>();

  get any(): boolean {
    return this.#changes.size > 0;
  }

  /** `owner` has built this; whatever it had built before (an event without room) counts no more. */
  put(owner: object, change: PendingChange): void {
    this.#changes.set(owner, { change, uids: null });
  }
  /** The event is stored and applied, or it never will be. */
  end(owner: object): void {
    this.#changes.delete(owner);
  }

  #find(mailbox: MailboxId, uid: Uid, gone: boolean): boolean {
    for (const entry of this.#changes.values()) {
      if (entry.change.mailbox !== mailbox || (gone && !entry.change.gone)) continue;
      entry.uids ??= new Set(entry.change.uids);
      if (entry.uids.has(uid)) return true;
    }
    return false;
  }
  touches(mailbox: MailboxId, uid: Uid): boolean {
    return this.#changes.size > 0 && this.#find(mailbox, uid, false);
  }
  removes(mailbox: MailboxId, uid: Uid): boolean {
    return this.#changes.size > 0 && this.#find(mailbox, uid, true);
  }
  /** Flags that messages of a mailbox are about to get. */
  flags(mailbox: MailboxId): Flag[] {
    return [...this.#changes.values()].flatMap(({ change }) => (change.mailbox === mailbox ? change.flags : []));
  }
}
