// Operations in stored form, version 1: what is sealed into an event.
//   body: writers (dictionary), count, then for each operation its code and fields in the order of ops.ts.
// Mailbox ids are 8 bytes, sets of messages are runs (message-set.ts), times are ms since 1970.
import { ByteReader, ByteWriter, Corrupt, limits } from '../base/index.ts';
import type { EventRef, Flag, MailboxId, SpecialUse, Writer } from '../base/index.ts';
import { readContent, writeContent } from './content-format.ts';
import { readMessageSet, setBudget, sortedSet, WriterDictionary, writeMessageSet } from './message-set.ts';
import type { SetBudget } from './message-set.ts';
import { NO_MAILBOX, readEntry, writeEntry } from './metadata.ts';
import type { AddedMessage, Op } from './ops.ts';
import { checkPacked, pack, unpack } from './packed.ts';

const VERSION = 1;
/** Numbers are stored: never change one, never use one again. */
const CODES = { MessageAdded: 1, MessagesCopied: 2, FlagsChanged: 3, MessagesExpunged: 4, MailboxCreated: 5, MailboxRenamed: 6, MailboxDeleted: 7, SubscriptionChanged: 8, Repaired: 9, EventLost: 10, Restored: 11, EpochBegan: 12, MetadataChanged: 13 } as const;
const ROLES: (SpecialUse | null)[] = [null, '\\Drafts', '\\Sent', '\\Junk', '\\Trash', '\\Archive'];

export function writeMailboxId(w: ByteWriter, id: MailboxId): void {
  w.raw(Buffer.from(id, 'hex'));
}
export const readMailboxId = (r: ByteReader): MailboxId => r.raw(8).toString('hex');

export const roleNumber = (role: SpecialUse | null): number => ROLES.indexOf(role);
/** Throws Corrupt. */
export function roleOf(number: number): SpecialUse | null {
  if (number >= ROLES.length) throw new Corrupt('stored mailbox has an unknown role');
  return ROLES[number];
}

export function writeFlags(w: ByteWriter, flags: readonly Flag[]): void {
  w.varint(flags.length);
  for (const f of flags) w.string(f);
}
/** Throws Corrupt. */
export function readFlags(r: ByteReader): Flag[] {
  const flags: Flag[] = [];
  for (let n = r.count(2); n > 0; n--) {
    const f = r.string();
    if (f === '' || f.length > limits.keyword_bytes_max) throw new Corrupt('stored flag has a wrong length');
    flags.push(f);
  }
  return flags;
}

function writeEventRef(w: ByteWriter, e: EventRef, dictionary: WriterDictionary): void {
  w.varint(e.position).varint(dictionary.number(e.writer)).varint(e.seq);
}
function readEventRef(r: ByteReader, writers: readonly Writer[]): EventRef {
  const position = r.varint();
  const number = r.varint();
  if (number >= writers.length) throw new Corrupt('stored event reference names an unknown writer');
  return { position, writer: writers[number], seq: r.varint() };
}

function writeAdded(w: ByteWriter, m: AddedMessage): void {
  writeContent(w, m.content);
  w.signed(m.internalDate).signed(m.zone);
  writeFlags(w, m.flags);
  w.string(m.deliveryKey ?? '');
}
function readAdded(r: ByteReader): AddedMessage {
  const content = readContent(r);
  const internalDate = r.signed();
  const zone = r.signed();
  if (zone < -0x8000 || zone > 0x7fff) throw new Corrupt('stored time zone is out of range');
  const flags = readFlags(r);
  const key = r.string();
  return { content, internalDate, zone, flags, deliveryKey: key === '' ? null : key };
}

function writeOp(w: ByteWriter, op: Op, dictionary: WriterDictionary): void {
  w.u8(CODES[op.kind]);
  if ('mailbox' in op) writeMailboxId(w, op.mailbox ?? NO_MAILBOX);
  switch (op.kind) {
    case 'MessageAdded':
      w.signed(op.at).varint(op.messages.length);
      for (const m of op.messages) writeAdded(w, m);
      return;
    case 'MessagesCopied': {
      writeMailboxId(w, op.from);
      writeMailboxId(w, op.to);
      w.signed(op.at);
      writeMessageSet(w, op.sources, dictionary);
      w.varint(op.flagSets.length);
      for (const f of op.flagSets) {
        writeFlags(w, f);
        checkPacked(w.length); // tens of thousands of sets of hundreds of keywords would fill the memory first
      }
      // Runs of equal flags: a copied mailbox is mostly read mail.
      for (let i = 0, n = 0; i < op.sources.length; i += n) {
        for (n = 1; i + n < op.sources.length && op.flagSetOf[i + n] === op.flagSetOf[i]; ) n++;
        w.varint(op.flagSetOf[i]).varint(n);
      }
      return;
    }
    case 'FlagsChanged':
      writeMessageSet(w, sortedSet(op.messages), dictionary);
      writeFlags(w, op.set);
      writeFlags(w, op.clear);
      return;
    case 'MessagesExpunged':
      w.signed(op.at);
      writeMessageSet(w, sortedSet(op.messages), dictionary);
      return;
    case 'MailboxCreated':
      w.string(op.name).varint(op.made).varint(roleNumber(op.specialUse));
      return;
    case 'MailboxRenamed':
      w.string(op.name);
      return;
    case 'SubscriptionChanged':
      w.string(op.name).u8(op.on ? 1 : 0);
      return;
    case 'MetadataChanged':
      writeEntry(w, op.entry, op.value);
      return;
    case 'Repaired':
      w.varint(op.repaired.length);
      for (const e of op.repaired) writeEventRef(w, e, dictionary);
      writeMessageSet(w, op.renumbered, dictionary);
      writeMessageSet(w, sortedSet(op.touched), dictionary);
      return;
    case 'EventLost':
      writeEventRef(w, op.lost, dictionary);
      return;
    case 'Restored':
      w.signed(op.at);
      return;
  }
}

function readCopied(r: ByteReader, writers: readonly Writer[], budget: SetBudget): Op {
  const from = readMailboxId(r);
  const to = readMailboxId(r);
  const at = r.signed();
  const sources = readMessageSet(r, writers, budget);
  const flagSets: Flag[][] = [];
  for (let n = r.count(); n > 0; n--) flagSets.push(readFlags(r));
  const flagSetOf: number[] = [];
  while (flagSetOf.length < sources.length) {
    const set = r.varint();
    const n = r.varint();
    if (set >= flagSets.length || n < 1 || n > sources.length - flagSetOf.length) throw new Corrupt('stored copy has wrong flags');
    for (let i = 0; i < n; i++) flagSetOf.push(set);
  }
  return { kind: 'MessagesCopied', from, to, at, sources, flagSets, flagSetOf };
}

function readOp(r: ByteReader, writers: readonly Writer[], budget: SetBudget): Op {
  const code = r.u8();
  switch (code) {
    case CODES.MessageAdded: {
      const mailbox = readMailboxId(r);
      const at = r.signed();
      const messages: AddedMessage[] = [];
      for (let n = r.count(10); n > 0; n--) messages.push(readAdded(r));
      return { kind: 'MessageAdded', mailbox, at, messages };
    }
    case CODES.MessagesCopied:
      return readCopied(r, writers, budget);
    case CODES.FlagsChanged:
      return { kind: 'FlagsChanged', mailbox: readMailboxId(r), messages: readMessageSet(r, writers, budget), set: readFlags(r), clear: readFlags(r) };
    case CODES.MessagesExpunged:
      return { kind: 'MessagesExpunged', mailbox: readMailboxId(r), at: r.signed(), messages: readMessageSet(r, writers, budget) };
    case CODES.MailboxCreated: {
      const mailbox = readMailboxId(r);
      const name = readName(r);
      const made = r.varint();
      if (made < 1 || made > limits.mailbox_made_max) throw new Corrupt('stored mailbox was made too often');
      return { kind: 'MailboxCreated', mailbox, name, made, specialUse: roleOf(r.varint()) };
    }
    case CODES.MailboxRenamed:
      return { kind: 'MailboxRenamed', mailbox: readMailboxId(r), name: readName(r) };
    case CODES.MailboxDeleted:
      return { kind: 'MailboxDeleted', mailbox: readMailboxId(r) };
    case CODES.SubscriptionChanged: {
      const name = readName(r);
      const on = r.u8();
      if (on > 1) throw new Corrupt('stored subscription is neither on nor off');
      return { kind: 'SubscriptionChanged', name, on: on === 1 };
    }
    case CODES.MetadataChanged: {
      const mailbox = readMailboxId(r);
      return { kind: 'MetadataChanged', mailbox: mailbox === NO_MAILBOX ? null : mailbox, ...readEntry(r) };
    }
    case CODES.Repaired: {
      const mailbox = readMailboxId(r);
      const repaired: EventRef[] = [];
      for (let n = r.count(3); n > 0; n--) repaired.push(readEventRef(r, writers));
      return { kind: 'Repaired', mailbox, repaired, renumbered: readMessageSet(r, writers, budget), touched: readMessageSet(r, writers, budget) };
    }
    case CODES.EventLost:
      return { kind: 'EventLost', lost: readEventRef(r, writers) };
    case CODES.Restored:
      return { kind: 'Restored', at: r.signed() };
    case CODES.EpochBegan:
      return { kind: 'EpochBegan' };
  }
  throw new Corrupt(`event has an unknown operation (${code}); it may be written by a newer version`);
}

/** Throws Corrupt. */
export function readName(r: ByteReader): string {
  const name = r.string();
  if (Buffer.byteLength(name) > limits.mailbox_name_bytes_max) throw new Corrupt('stored mailbox name is too long');
  return name;
}

/** The stored form, ready to be sealed. Sets whose order says nothing come back ordered by writer, seq and index. */
export function encodeOps(ops: Op[]): Buffer {
  const dictionary = new WriterDictionary();
  const body = new ByteWriter(1024);
  body.varint(ops.length);
  for (const op of ops) {
    writeOp(body, op, dictionary);
    checkPacked(body.length);
  }
  const head = new ByteWriter(64);
  head.varint(dictionary.writers.length);
  for (const w of dictionary.writers) head.string(w);
  return pack(VERSION, Buffer.concat([head.done(), body.done()]));
}

/** Throws Corrupt. Byte arrays inside are views of `bytes` (or of its unpacked form). */
export function decodeOps(bytes: Uint8Array): Op[] {
  const r = new ByteReader(unpack(VERSION, bytes, 'event'));
  const writers: Writer[] = [];
  for (let n = r.count(2); n > 0; n--) writers.push(r.string());
  const budget = setBudget();
  const ops: Op[] = [];
  for (let n = r.count(); n > 0; n--) ops.push(readOp(r, writers, budget));
  r.finish();
  return ops;
}
