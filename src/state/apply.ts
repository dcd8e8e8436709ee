// Operations applied to the state. Each is a join (maxima, sets, last writers), so their order doesn't matter as long
// as causes come first; and where an event was given up even that may fail: then a row without content takes what
// later events say.
import { limits } from '../base/index.ts';
import type { MailboxId, MessageRef, Position, Writer } from '../base/index.ts';
import type { Box } from './box.ts';
import { encodeContent, messageSize } from './content-format.ts';
import type { Core, Waiting } from './core.ts';
import { refKey, sameDelivery } from './delivery-keys.ts';
import type { KeyedCopy } from './delivery-keys.ts';
import { NO_MAILBOX } from './metadata.ts';
import type { Op } from './ops.ts';
import type { Register } from './registers.ts';
import { ADDED, AWAITING, DROPPED, EXPUNGED, GROUPED } from './rows.ts';
import type { EventEffects, FoldedEvent, MailboxEffect } from './types.ts';

const STEP = limits.slots;

/** Messages that an operation makes: they count up the index within the event. */
const makes = (op: Op): number => (op.kind === 'MessageAdded' ? op.messages.length : op.kind === 'MessagesCopied' ? op.sources.length : 0);

export function applyEvent(core: Core, event: FoldedEvent): void {
  const { writer, seq } = event.ref;
  let index = 0;
  for (const { op, first } of event.ops) {
    if (!applyToRoot(core, op, first, writer)) {
      const waiting: Waiting = { op, first, writer, seq, index, boxes: boxesOf(core, op, first, writer, seq, index) };
      if (waiting.boxes.every((id) => core.box(id).loaded)) applyToRows(core, waiting);
      else core.waiting.push(waiting);
    }
    index += makes(op);
  }
}

/** After rows were loaded: applies what waited for them. */
export function applyWaiting(core: Core): void {
  const waiting = core.waiting;
  core.waiting = [];
  for (const w of waiting) {
    if (w.boxes.every((id) => core.box(id).loaded)) applyToRows(core, w);
    else core.waiting.push(w);
  }
}

/** Operations that need no rows. False: it does. */
function applyToRoot(core: Core, op: Op, position: Position, writer: Writer): boolean {
  switch (op.kind) {
    case 'MailboxCreated':
      core.box(op.mailbox);
      core.names.create(op.mailbox, { position, writer, name: op.name, made: op.made, specialUse: op.specialUse });
      break;
    case 'MailboxRenamed':
      core.box(op.mailbox);
      core.names.rename(op.mailbox, { position, writer, name: op.name });
      break;
    case 'MailboxDeleted':
      core.box(op.mailbox);
      core.names.registration(op.mailbox).deleted = true;
      break;
    case 'SubscriptionChanged':
      core.names.subscribe(op.name, { position, writer, on: op.on });
      break;
    case 'MetadataChanged':
      core.metadata.set(op.mailbox ?? NO_MAILBOX, op.entry, { position, writer, value: op.value });
      // A change of the mailbox, as HIGHESTMODSEQ tells (RFC 7162 §3.2).
      if (op.mailbox !== null) core.box(op.mailbox).touchBox(position);
      break;
    case 'EventLost':
      core.lost.add(`${op.lost.writer}#${op.lost.seq}`);
      break;
    case 'Restored':
      break;
    case 'EpochBegan':
      core.beginEpoch({ position, writer });
      break;
    default:
      return false;
  }
  core.rootChanged();
  return true;
}

/** The mailboxes whose rows an operation needs. Takes in delivery keys, which are in the root. */
function boxesOf(core: Core, op: Op, first: Position, writer: Writer, seq: number, index: number): MailboxId[] {
  if (op.kind === 'MessagesCopied') return linked(core, op.from === op.to ? [op.to] : [op.from, op.to]);
  const boxes = new Set<MailboxId>();
  if ('mailbox' in op && op.mailbox !== null) boxes.add(op.mailbox);
  if (op.kind === 'MessageAdded') {
    op.messages.forEach((m, i) => {
      if (m.deliveryKey === null || core.mutations.noDeliveryKeys) return;
      if (core.keys.add(m.deliveryKey, { ref: { writer, seq, index: index + i }, mailbox: op.mailbox, position: first + i * STEP, at: op.at })) core.rootChanged();
    });
  }
  return linked(core, [...boxes]);
}
/** Adds the mailboxes that share deliveries with these. */
function linked(core: Core, boxes: MailboxId[]): MailboxId[] {
  if (!core.keys.hasGroups) return boxes;
  const out = new Set(boxes);
  for (const group of core.keys.groups()) if (group.some((c) => out.has(c.mailbox))) for (const c of group) out.add(c.mailbox);
  return [...out];
}

function applyToRows(core: Core, w: Waiting): void {
  const { op, first } = w;
  const groups = new Set<KeyedCopy[]>();
  switch (op.kind) {
    case 'MessageAdded':
      return added(core, w, op, groups);
    case 'MessagesCopied':
      return copied(core, w, op);
    case 'FlagsChanged': {
      const box = core.box(op.mailbox);
      const write = box.flagWriter(registersOf(core, op.set, op.clear, first, w.writer));
      eachRow(core, box, op.messages, () => first, groups, (row) => write(row, first));
      break;
    }
    case 'MessagesExpunged': {
      const box = core.box(op.mailbox);
      eachRow(core, box, op.messages, () => first, groups, (row) => {
        box.touch(row, first);
        box.expunge(row, op.at);
      });
      break;
    }
    case 'Repaired': {
      const box = core.box(op.mailbox);
      const at = (i: number) => first + i * STEP;
      // Also when a record is forgotten: UIDNEXT never goes back.
      for (let i = 0; i < op.renumbered.length; i++) box.assigned = Math.max(box.assigned, at(i));
      const renumber = (row: number, i: number) => {
        box.touch(row, at(i));
        box.assign(row, at(i));
      };
      // Others that know of this repair and not yet of the removal have shown the new UID.
      const forgotten = (i: number) => box.vanish(at(i), Math.max(at(i), box.touched));
      eachRow(core, box, op.renumbered, at, groups, renumber, forgotten);
      const last = first + op.renumbered.length * STEP;
      eachRow(core, box, op.touched, () => last, groups, (row) => box.touch(row, last));
      // Of annotations alone.
      if (op.renumbered.length + op.touched.length === 0) box.touchBox(first);
      break;
    }
  }
  for (const group of groups) settleGroup(core, group);
}

function eachRow(core: Core, box: Box, set: readonly MessageRef[], position: (i: number) => Position, groups: Set<KeyedCopy[]>, run: (row: number, i: number) => void, forgotten: (i: number) => void = () => {}): void {
  const { writers } = core.shared;
  let writer: Writer | null = null;
  let number = 0;
  for (let i = 0; i < set.length; i++) {
    const ref = set[i];
    if (ref.writer !== writer) number = writers.number((writer = ref.writer));
    let row = box.rows.find(number, ref.seq, ref.index);
    if (row < 0) {
      // In a snapshot that we came from, and not here: its record is forgotten, and nothing brings it back.
      if (core.covers(ref.writer, ref.seq) && !core.lost.has(`${ref.writer}#${ref.seq}`)) {
        box.touchBox(position(i));
        forgotten(i);
        continue;
      }
      row = box.rows.add(number, ref.seq, ref.index);
    }
    if (box.rows.bits[row] & DROPPED) {
      box.touchBox(position(i));
      forgotten(i);
      continue;
    }
    run(row, i);
    if (box.rows.bits[row] & GROUPED) {
      const group = core.keys.groupOf(ref);
      if (group) groups.add(group);
    }
  }
}

function registersOf(core: Core, set: readonly string[], clear: readonly string[], position: Position, writer: Writer): Register[] {
  const said = new Map<number, Register>();
  const number = core.shared.writers.number(writer);
  for (const f of clear) said.set(core.shared.flags.flag(f), { flag: core.shared.flags.flag(f), on: false, position, writer: number });
  for (const f of set) said.set(core.shared.flags.flag(f), { flag: core.shared.flags.flag(f), on: true, position, writer: number });
  return [...said.values()].sort((a, b) => a.flag - b.flag);
}

function added(core: Core, w: Waiting, op: Extract<Op, { kind: 'MessageAdded' }>, groups: Set<KeyedCopy[]>): void {
  const box = core.box(op.mailbox);
  const writer = core.shared.writers.number(w.writer);
  op.messages.forEach((m, i) => {
    const position = w.first + i * STEP;
    const row = box.row(writer, w.seq, w.index + i);
    box.touch(row, position);
    box.assign(row, position);
    box.fill(row, core.shared.flags.setOf(m.flags), true, () => {
      const { rows } = box;
      const c = m.content;
      const at = core.contents.add(encodeContent(c), core.shared.tick + 1);
      rows.chunk[row] = at.chunk;
      rows.entry[row] = at.entry;
      rows.size[row] = messageSize(c);
      rows.date[row] = m.internalDate;
      rows.zone[row] = m.zone;
      rows.saved[row] = op.at;
      rows.ids[row] = box.texts.add(c);
    });
    resolve(core, box, row);
    const group = m.deliveryKey === null ? null : core.keys.groupOf({ writer: w.writer, seq: w.seq, index: w.index + i });
    if (group) groups.add(group);
  });
  for (const group of groups) settleGroup(core, group);
}

function copied(core: Core, w: Waiting, op: Extract<Op, { kind: 'MessagesCopied' }>): void {
  const from = core.box(op.from);
  const to = core.box(op.to);
  const { writers, flags } = core.shared;
  const writer = writers.number(w.writer);
  const bases = op.flagSets.map((f) => flags.setOf(f));
  op.sources.forEach((ref, i) => {
    const position = w.first + i * STEP;
    const row = to.row(writer, w.seq, w.index + i);
    to.touch(row, position);
    to.assign(row, position);
    const source = { from: op.from, writer: writers.number(ref.writer), seq: ref.seq, index: ref.index };
    const sourceRow = from.rows.find(source.writer, source.seq, source.index);
    const known = sourceRow >= 0 && hasContent(from, sourceRow);
    to.fill(row, bases[op.flagSetOf[i]], known, () => {
      to.rows.saved[row] = op.at;
      if (known) copyContent(from, sourceRow, to, row);
      else await_(core, to, row, source);
    });
    if (known) resolve(core, to, row);
  });
}
const hasContent = (box: Box, row: number): boolean => (box.rows.bits[row] & (ADDED | AWAITING)) === ADDED;

/** Notes that a copy waits for its source. */
export function await_(core: Core, box: Box, row: number, source: { from: MailboxId; writer: number; seq: number; index: number }): void {
  box.awaiting.set(row, source);
  const key = refKey({ writer: core.shared.writers.writers[source.writer], seq: source.seq, index: source.index });
  const list = core.orphans.get(key) ?? [];
  list.push({ box, row });
  core.orphans.set(key, list);
}
/** A message's content became known: copies that waited for it get it too. */
export function resolve(core: Core, box: Box, row: number): void {
  if (core.orphans.size === 0) return;
  const key = refKey(box.rows.ref(row, core.shared.writers));
  const list = core.orphans.get(key);
  if (!list || !hasContent(box, row)) return;
  core.orphans.delete(key);
  for (const o of list) {
    o.box.awaiting.delete(o.row);
    o.box.fill(o.row, o.box.rows.base[o.row], true, () => copyContent(box, row, o.box, o.row));
    resolve(core, o.box, o.row);
  }
}
function copyContent(from: Box, a: number, to: Box, b: number): void {
  to.rows.chunk[b] = from.rows.chunk[a];
  to.rows.entry[b] = from.rows.entry[a];
  to.rows.size[b] = from.rows.size[a];
  to.rows.date[b] = from.rows.date[a];
  to.rows.zone[b] = from.rows.zone[a];
  to.rows.ids[b] = from === to ? from.rows.ids[a] : to.texts.copy(from.texts, from.rows.ids[a]);
}

/**
 * Copies with one delivery key: each that has a smaller one within seven days counts as expunged and passes on what
 * was said of its flags, down to the smallest. Run again whenever one of them changes: then the order never matters.
 */
export function settleGroup(core: Core, group: readonly KeyedCopy[]): void {
  const { writers } = core.shared;
  const found = group.map((copy) => {
    const box = core.box(copy.mailbox);
    let row = box.loaded ? box.rows.find(writers.number(copy.ref.writer), copy.ref.seq, copy.ref.index) : -1;
    if (row >= 0 && box.rows.bits[row] & DROPPED) row = -1;
    if (row >= 0) box.rows.bits[row] |= GROUPED;
    return { copy, box, row };
  });
  for (let x = found.length - 1; x > 0; x--) {
    const { copy, box, row } = found[x];
    if (row < 0) continue;
    const said = box.saidOf(row);
    for (let y = 0; y < x; y++) {
      const smaller = found[y];
      if (!sameDelivery(copy, smaller.copy)) continue;
      if (!(box.rows.bits[row] & EXPUNGED) || box.rows.gone(row) < copy.at) {
        box.touch(row, Math.max(copy.position, smaller.copy.position));
        box.expunge(row, copy.at);
      }
      if (said.length === 0) break;
      if (smaller.row >= 0) smaller.box.flagWriter(said)(smaller.row, box.rows.modSeq[row]);
    }
  }
}

/** The mailboxes that an event may make, name or remove; 'any' when that can't be told before it is applied. */
export function namesTouched(core: Core, event: FoldedEvent): MailboxId[] | 'any' {
  // Mail in a mailbox that is there for no other reason decides whether it is there.
  const unsure = (id: MailboxId) => {
    const r = core.names.registrations.get(id);
    return !r || r.deleted || (!r.created && !r.renamed && id !== core.names.inbox);
  };
  const ids: MailboxId[] = [];
  for (const { op } of event.ops) {
    switch (op.kind) {
      case 'FlagsChanged':
      case 'Repaired':
      case 'MetadataChanged':
      case 'SubscriptionChanged':
      case 'EventLost':
      case 'Restored':
        break;
      case 'MessageAdded':
      case 'MessagesExpunged':
        if (core.orphans.size > 0 || core.keys.hasGroups || unsure(op.mailbox)) return 'any';
        break;
      case 'MessagesCopied':
        if (core.orphans.size > 0 || unsure(op.to)) return 'any';
        break;
      case 'MailboxCreated':
      case 'MailboxRenamed':
      case 'MailboxDeleted':
        ids.push(op.mailbox);
        break;
      default:
        return 'any';
    }
  }
  return ids;
}

/** What an event touched, whether its rows are loaded or not. */
export function effectsOf(core: Core, event: FoldedEvent): EventEffects {
  const scopes = new Map<MailboxId, MailboxEffect>();
  const out: EventEffects = { effects: [], repaired: [], lost: null, restored: false };
  const { writer, seq } = event.ref;
  const touch = (scope: MailboxId, any: Position, assigned: Position, messages: readonly MessageRef[]) => {
    let e = scopes.get(scope);
    if (!e) scopes.set(scope, (e = { scope, any: 0, assigned: 0, messages: [] }));
    e.any = Math.max(e.any, any);
    e.assigned = Math.max(e.assigned, assigned);
    for (const m of messages) e.messages.push(m);
    if (core.keys.hasGroups) for (const m of messages) touchGroup(m, any);
  };
  const touchGroup = (m: MessageRef, any: Position) => {
    const group = core.keys.groupOf(m);
    const self = group?.find((c) => refKey(c.ref) === refKey(m));
    for (const c of group ?? []) {
      if (c === self) continue;
      let e = scopes.get(c.mailbox);
      if (!e) scopes.set(c.mailbox, (e = { scope: c.mailbox, any: 0, assigned: 0, messages: [] }));
      e.any = Math.max(e.any, any);
      e.messages.push(c.ref);
    }
  };
  let index = 0;
  for (const { op, first } of event.ops) {
    const n = makes(op);
    if (n > 0) {
      const last = first + (n - 1) * STEP;
      const made = Array.from({ length: n }, (_, i) => ({ writer, seq, index: index + i }));
      touch(op.kind === 'MessagesCopied' ? op.to : (op as { mailbox: MailboxId }).mailbox, last, last, made);
    } else if (op.kind === 'FlagsChanged' || op.kind === 'MessagesExpunged') {
      if (op.messages.length > 0) touch(op.mailbox, first, 0, op.messages);
    } else if (op.kind === 'Repaired') {
      out.repaired.push(...op.repaired);
      const last = first + (op.renumbered.length - 1) * STEP;
      if (op.renumbered.length > 0) touch(op.mailbox, last, last, op.renumbered);
      if (op.touched.length > 0 || op.renumbered.length === 0) touch(op.mailbox, last + STEP, 0, op.touched);
    } else if (op.kind === 'MetadataChanged') {
      if (op.mailbox !== null) touch(op.mailbox, first, 0, []);
    } else if (op.kind === 'EventLost') out.lost = op.lost;
    else if (op.kind === 'Restored') out.restored = true;
    index += n;
  }
  if (event.ops.length > 1 || core.keys.hasGroups) for (const e of scopes.values()) e.messages = unique(e.messages);
  out.effects = [...scopes.values()];
  return out;
}
function unique(messages: MessageRef[]): MessageRef[] {
  if (messages.length < 2) return messages;
  const seen = new Set<string>();
  return messages.filter((m) => !seen.has(refKey(m)) && seen.add(refKey(m)));
}
