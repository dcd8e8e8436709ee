// Repairs of late events (DESIGN of the log: Late events): what they touched gets new MODSEQs, and messages whose UIDs
// they gave get new UIDs where those can't stand.
import { limits } from '../base/index.ts';
import type { EventRef, MailboxId } from '../base/index.ts';
import type { Core } from './core.ts';
import { refKey } from './delivery-keys.ts';
import type { Op } from './ops.ts';
import type { LateEvent } from './types.ts';
import { DROPPED, EXPUNGED } from './rows.ts';

interface Touched {
  row: number;
  key: string;
  position: number;
  /** A late event whose UIDs can't stand gave the current one. */
  anew: boolean;
}

/** One Repaired operation for each mailbox, messages in the order of (UID, reference). Rows must be loaded. */
export function planRepair(core: Core, late: readonly LateEvent[]): Op[] {
  const scopes = new Map<MailboxId, { rows: Map<number, Touched>; repaired: EventRef[] }>();
  for (const event of late) {
    for (const { scope, messages } of event.effects) {
      const box = core.box(scope);
      if (!box.loaded) throw new TypeError('rows are not loaded');
      let s = scopes.get(scope);
      if (!s) scopes.set(scope, (s = { rows: new Map(), repaired: [] }));
      s.repaired.push(event.ref);
      for (const ref of messages) {
        const row = box.rows.find(core.shared.writers.number(ref.writer), ref.seq, ref.index);
        if (row < 0 || box.rows.bits[row] & DROPPED) continue;
        const position = box.rows.position[row];
        let t = s.rows.get(row);
        if (!t) s.rows.set(row, (t = { row, key: refKey(ref), position, anew: false }));
        const gave = position >= event.first && position <= event.ref.position && (position - event.first) % limits.slots === 0;
        if (event.uid && gave && !(box.rows.bits[row] & EXPUNGED)) t.anew = true;
      }
    }
  }
  return [...scopes].map(([mailbox, { rows, repaired }]) => {
    const box = core.box(mailbox);
    const sorted = [...rows.values()].sort((a, b) => a.position - b.position || (a.key < b.key ? -1 : 1));
    const refs = (anew: boolean) => sorted.filter((t) => t.anew === anew).map((t) => box.rows.ref(t.row, core.shared.writers));
    return { kind: 'Repaired', mailbox, repaired, renumbered: refs(true), touched: refs(false) };
  });
}
