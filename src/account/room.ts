// Whether there is room for more mail (RFC 9208): limits of bytes and of messages, over all mailboxes of a user together.
import { Refused } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import type { Replica } from './replica.ts';
import type { Usage } from './usage.ts';

/** What a user may have; null: no limit. */
export interface Room {
  bytes: number | null;
  messages: number | null;
}

/** Room that several take at once in one process: what is on its way counts as if it were there. */
export class Taken {
  readonly #coming: Usage = { bytes: 0, messages: 0 };

  /** Refused(OVERQUOTA), or a function to call once `more` is there, or will not come. */
  take(room: Room, used: Usage, more: Usage): () => void {
    const coming = this.#coming;
    checkRoom(room, { bytes: used.bytes + coming.bytes, messages: used.messages + coming.messages }, more);
    const [bytes, messages] = [Math.max(0, more.bytes), Math.max(0, more.messages)];
    coming.bytes += bytes;
    coming.messages += messages;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      coming.bytes -= bytes;
      coming.messages -= messages;
    };
  }
}

/** Null where there is no limit. */
export function roomOf(replica: Replica, record: UserRecord): Room | null {
  const room: Room = { bytes: record.quotaBytes || null, messages: replica.directory.state.messageQuotaOf(record.id) || null };
  return room.bytes === null && room.messages === null ? null : room;
}

/** Refused(OVERQUOTA) where `more` leads above a limit. What takes nothing (a copy of no message) is never refused. */
export function checkRoom({ bytes, messages }: Room, used: Usage, more: Usage): void {
  const full = bytes !== null && more.bytes > 0 && used.bytes + more.bytes > bytes;
  const many = messages !== null && more.messages > 0 && used.messages + more.messages > messages;
  if (full) throw new Refused('Mailbox is full', 'OVERQUOTA', '552 5.2.2');
  if (many) throw new Refused('Mailbox has as many messages as it may have', 'OVERQUOTA', '552 5.2.2');
}
