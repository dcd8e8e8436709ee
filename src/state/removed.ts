// Messages that were removed and can still be brought back: their records are kept a while after they were expunged.
import type { Flag, MailboxId, MessageRef, Position } from '../base/index.ts';
import type { Box } from './box.ts';
import type { Core } from './core.ts';
import { refKey, sameDelivery } from './delivery-keys.ts';
import { ADDED, AWAITING, DROPPED, EXPUNGED, NO_CHUNK } from './rows.ts';

export interface RemovedMessage {
  mailbox: MailboxId;
  ref: MessageRef;
  /** That of its last UID: in this order messages stood in the mailbox. */
  position: Position;
  /** As it was last, without \Deleted. */
  flags: Flag[];
  /** When it was expunged, and INTERNALDATE: ms since 1970. */
  at: number;
  internalDate: number;
  /** As clients see it, bytes. */
  size: number;
  /** Where its content is. */
  chunk: number;
  entry: number;
}

/** A message that a sender repeated: it was taken out because another is there, so nobody removed it. */
function repeated(core: Core, ref: MessageRef): boolean {
  const group = core.keys.groupOf(ref);
  const self = group?.find((c) => refKey(c.ref) === refKey(ref));
  return self !== undefined && group!.some((c) => c !== self && sameDelivery(c, self) && group!.indexOf(c) < group!.indexOf(self));
}

/**
 * What was expunged at `since` or later (ms since 1970) and is in no mailbox any more; of several copies of one message
 * the one that was removed last: a MOVE removes nothing. Mailbox by mailbox, each in its order. All rows must be loaded.
 */
export function removedSince(core: Core, since: number): RemovedMessage[] {
  const there = new Set<string>();
  const gone = new Map<string, { box: Box; row: number }>();
  const emailId = (box: Box, row: number) => box.texts.text(box.rows.ids[row], 0);
  for (const box of core.boxes.values()) {
    if (!box.loaded) throw new TypeError('rows are not loaded');
    const { rows } = box;
    for (let row = 0; row < rows.n; row++) {
      const bits = rows.bits[row];
      if (bits & (DROPPED | AWAITING) || !(bits & ADDED) || rows.chunk[row] === NO_CHUNK) continue;
      const id = emailId(box, row);
      if (!(bits & EXPUNGED)) there.add(id);
      else if (rows.gone(row) >= since && !repeated(core, rows.ref(row, core.shared.writers))) {
        const other = gone.get(id);
        if (!other || other.box.rows.gone(other.row) < rows.gone(row) || (other.box.rows.gone(other.row) === rows.gone(row) && other.box.rows.position[other.row] < rows.position[row])) gone.set(id, { box, row });
      }
    }
  }
  const out: RemovedMessage[] = [];
  for (const [id, { box, row }] of gone) {
    if (there.has(id)) continue;
    const { rows } = box;
    const flags = core.shared.flags.sets[rows.shown[row]].filter((f) => f.toLowerCase() !== '\\deleted');
    out.push({ mailbox: box.id, ref: rows.ref(row, core.shared.writers), position: rows.position[row], flags, at: rows.gone(row), internalDate: rows.date[row], size: rows.size[row], chunk: rows.chunk[row], entry: rows.entry[row] });
  }
  return out.sort((a, b) => (a.mailbox < b.mailbox ? -1 : a.mailbox > b.mailbox ? 1 : a.position - b.position));
}
