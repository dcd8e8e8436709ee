// The whole state as one hash: equal for equal states, whatever the order in which they came to be.
import { createHash } from 'node:crypto';
import { limits } from '../base/index.ts';
import type { Box } from './box.ts';
import type { Core } from './core.ts';
import { ADDED, DROPPED, NO_CHUNK } from './rows.ts';
import { decodeContent } from './content-format.ts';
import { compareCopies, refKey } from './delivery-keys.ts';

/** The state in plain values, sorted: for tests to compare and to print. */
export function describe(core: Core, contents: boolean): unknown {
  const from = core.keys.latest - limits.delivery_key_ms;
  const metadata = [...core.metadata.all()].map(([mailbox, entry, m]) => [mailbox, entry, m.position, m.writer, m.value && Buffer.from(m.value).toString('hex')]);
  return {
    ...(metadata.length > 0 ? { metadata } : {}),
    epochs: core.epochs,
    lost: [...core.lost].sort(),
    subscriptions: [...core.names.subscriptions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([n, s]) => [n, s.position, s.writer, s.on]),
    shown: core.names.shown((id) => core.messages(id)).list.map((m) => [m.name, m.id, m.specialUse]),
    keys: [...core.keys.keys]
      .map(([key, copies]) => [key, copies.filter((c) => c.at >= from).sort(compareCopies).map((c) => [refKey(c.ref), c.mailbox, c.position, c.at])] as const)
      .filter(([, copies]) => copies.length > 0)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    mailboxes: [...core.boxes.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((box) => describeBox(core, box, contents)),
  };
}

function describeBox(core: Core, box: Box, contents: boolean): unknown {
  const { rows, shared } = box;
  const r = core.names.registration(box.id);
  const vanished = new Map<number, number>();
  for (let i = 0; i < box.vanished.n; i++) vanished.set(box.vanished.position[i], box.vanished.modSeq[i]);
  const messages: [string, ...unknown[]][] = [];
  for (let row = 0; row < rows.n; row++) {
    if (rows.bits[row] & DROPPED) continue;
    for (const p of box.vanishedOf(row)) vanished.set(p, Math.max(rows.modSeq[row], vanished.get(p) ?? 0));
    // A row whose event is not known yet shows nothing; it is compared by what it will decide.
    const said = box.registers.registers(rows.registers[row]).map((x) => [shared.flags.flags[x.flag], x.on, x.position, shared.writers.writers[x.writer]] as const);
    said.sort((a, b) => (a[0] < b[0] ? -1 : 1));
    const known = rows.chunk[row] !== NO_CHUNK;
    const content = contents && known ? decodeContent(core.contents.get(rows.chunk[row], rows.entry[row])) : null;
    const ids = known ? [0, 1, 2, 3].map((k) => box.texts.text(rows.ids[row], k)) : null;
    messages.push([refKey(rows.ref(row, shared.writers)), rows.position[row], rows.older.get(row) ?? [], rows.modSeq[row], rows.isLive(row), rows.bits[row] & ADDED, rows.gone(row), rows.size[row], rows.date[row], rows.zone[row], rows.saved[row], ids, shared.flags.sets[rows.base[row]], shared.flags.sets[rows.shown[row]], said, content && [Buffer.from(content.index).toString('hex'), Buffer.from(content.prefix).toString('hex'), Buffer.from(content.contentKey).toString('hex')]]);
  }
  messages.sort((a, b) => (a[0] < b[0] ? -1 : 1));
  return [box.id, r.created, r.renamed, r.deleted, box.assigned, box.touched, box.counters(), box.flagsInUse().sort(), messages, [...vanished].sort((a, b) => a[0] - b[0])];
}

export const fingerprint = (core: Core): string => createHash('sha256').update(JSON.stringify(describe(core, false))).digest('hex');
