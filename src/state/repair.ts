// Repairs of late events (DESIGN of the log: Late events): what they touched gets new MODSEQs, and messages whose UIDs
// they gave get new UIDs where those can't stand.
import { limits } from '../base/index.ts';
import type { EventRef, MailboxId, MessageRef } from '../base/index.ts';
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
  const scopeOf = (mailbox: MailboxId, event: LateEvent) => {
    let s = scopes.get(mailbox);
    if (!s) scopes.set(mailbox, (s = { rows: new Map(), repaired: [] }));
    if (!s.repaired.includes(event.ref)) s.repaired.push(event.ref);
    return s;
  };
  const touch = (mailbox: MailboxId, ref: MessageRef, event: LateEvent) => {
    const box = core.box(mailbox);
    const row = box.rows.find(core.shared.writers.number(ref.writer), ref.seq, ref.index);
    if (row < 0 || box.rows.bits[row] & DROPPED) return;
    const { rows } = scopeOf(mailbox, event);
    const position = box.rows.position[row];
    let t = rows.get(row);
    if (!t) rows.set(row, (t = { row, key: refKey(ref), position, anew: false }));
    const gave = position >= event.first && position <= event.ref.position && (position - event.first) % limits.slots === 0;
    if (event.uid && gave && !(box.rows.bits[row] & EXPUNGED)) t.anew = true;
  };
  for (const event of late) {
    for (const { scope, messages } of event.effects) {
      if (!core.box(scope).loaded) throw new TypeError('rows are not loaded');
      scopeOf(scope, event);
      for (const ref of messages) touch(scope, ref, event);
    }
  }
  // What came twice: a late first copy makes the second one vanish below the MODSEQ that a client may have. Taken from the
  // state, because what an event's effects tell of it depends on which of the two became known first.
  for (const event of late) {
    for (const { messages } of event.effects) {
      for (const ref of messages) {
        for (const copy of core.keys.groupOf(ref) ?? []) if (core.box(copy.mailbox).loaded) touch(copy.mailbox, copy.ref, event);
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
