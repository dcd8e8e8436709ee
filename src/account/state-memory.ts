// States of open users as keepers of memory: contents of messages that are stored, and rows of mailboxes that nobody looks
// at, go when others need the room, and are read again when they are asked for.
import type { MailboxId } from '../base/index.ts';
import type { Keeper } from './memory.ts';
import type { OpenUser } from './open-user.ts';

/** Who has asked for rows may be about to use them: a command takes a minute at most. */
const ROWS_IDLE_MS = 5 * 60_000;

export class StateMemory implements Keeper {
  readonly name = 'states';
  readonly anytime = false;
  readonly #users = new Map<OpenUser, { rows: number; contents: number }>();
  #rows = 0;
  #contents = 0;

  get bytes(): number {
    return this.#rows + this.#contents;
  }
  /** Of rows, most belong to mailboxes that are open. */
  get spare(): number {
    return this.#contents;
  }

  /** Measures a user's state. */
  look(user: OpenUser): void {
    this.forget(user);
    const memory = user.state.memory;
    this.#rows += memory.rows;
    this.#contents += memory.contents;
    this.#users.set(user, memory);
  }
  forget(user: OpenUser): void {
    const was = this.#users.get(user);
    if (!was) return;
    this.#users.delete(user);
    this.#rows -= was.rows;
    this.#contents -= was.contents;
  }

  evict(before: number, bytes: number): number {
    let freed = 0;
    for (const user of [...this.#users.keys()]) {
      if (freed >= bytes) break;
      const more = user.state.evictContents(before, bytes - freed) + evictRows(user, before, bytes - freed);
      if (more > 0) this.look(user);
      freed += more;
    }
    return freed;
  }
}

/** Nobody has the mailbox open, and nobody has asked for its rows for a while (since `before`, at least). */
export function mayEvictRows(user: OpenUser, id: MailboxId, before = Infinity): boolean {
  const latest = Math.min(before, user.replica.clock.monotonic() - ROWS_IDLE_MS);
  if (user.busy || user.allRowsUsed > latest || (user.rowsUsed.get(id) ?? -Infinity) > latest) return false;
  for (const listener of user.listeners) if (listener.mailbox === id) return false;
  return true;
}

function evictRows(user: OpenUser, before: number, bytes: number): number {
  let freed = 0;
  for (const id of user.state.loadedRows) {
    if (freed >= bytes) break;
    if (mayEvictRows(user, id, before)) freed += user.state.evictRows(id);
  }
  return freed;
}
