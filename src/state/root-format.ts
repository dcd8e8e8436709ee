// The root part of a snapshot: all that is not in rows, contents and vanished pairs. And the vanished part.
// Version 2 has annotations at its end; without any, version 1 is written.
import { ByteReader, ByteWriter, Corrupt, limits } from '../base/index.ts';
import type { MailboxId } from '../base/index.ts';
import type { Counters } from './box.ts';
import { VanishedPairs } from './box.ts';
import { readColumn, writeColumn } from './columns.ts';
import type { KeyedCopy } from './delivery-keys.ts';
import type { Registration, Stamp } from './mailbox-names.ts';
import { readEntry, writeEntry } from './metadata.ts';
import type { Annotation } from './metadata.ts';
import { WriterDictionary } from './message-set.ts';
import { readMailboxId, readName, roleNumber, roleOf, writeMailboxId } from './op-format.ts';
import { pack, unpack } from './packed.ts';

const VERSION = 1;
const WITH_METADATA = 2;
/** Vanished UIDs of one mailbox: columns of equal steps take no bytes, so the count itself needs a limit. */
const PAIRS_MAX = 1 << 24;

/** What the root says of one mailbox. */
export interface RootMailbox extends Counters {
  registration: Registration;
  assigned: number;
  touched: number;
  chunks: { key: string; rows: number }[];
  chunkNext: number;
  /** Pairs in the mailbox's vanished part; 0: it has none. */
  vanished: number;
}

export interface Root {
  epochs: Stamp[];
  lost: string[];
  subscriptions: [string, Stamp & { on: boolean }][];
  mailboxes: RootMailbox[];
  keys: [string, KeyedCopy[]][];
  latest: number;
  contents: { number: number; key: string; count: number; bytes: number; used: number }[];
  contentNext: number;
  metadata: [MailboxId, string, Annotation][];
}

export function encodeRoot(root: Root): Buffer {
  const dictionary = new WriterDictionary();
  const w = new ByteWriter(4096);
  const stamp = (s: Stamp) => w.varint(s.position).varint(dictionary.number(s.writer));
  w.varint(root.epochs.length);
  for (const e of root.epochs) stamp(e);
  w.varint(root.lost.length);
  for (const l of root.lost) w.string(l);
  w.varint(root.subscriptions.length);
  for (const [name, said] of root.subscriptions) {
    w.string(name).u8(said.on ? 1 : 0);
    stamp(said);
  }
  w.varint(root.mailboxes.length);
  for (const m of root.mailboxes) {
    const { created, renamed, deleted, id } = m.registration;
    writeMailboxId(w, id);
    w.u8((created ? 1 : 0) | (renamed ? 2 : 0) | (deleted ? 4 : 0));
    if (created) {
      stamp(created);
      w.string(created.name).varint(created.made).varint(roleNumber(created.specialUse));
    }
    if (renamed) {
      stamp(renamed);
      w.string(renamed.name);
    }
    w.varint(m.assigned).varint(m.touched).varint(m.messages).varint(m.unseen).varint(m.deleted).varint(m.size);
    w.varint(m.chunkNext).varint(m.vanished).varint(m.chunks.length);
    for (const c of m.chunks) w.string(c.key).varint(c.rows);
  }
  w.signed(root.latest).varint(root.keys.length);
  for (const [key, copies] of root.keys) {
    w.string(key).varint(copies.length);
    for (const c of copies) {
      writeMailboxId(w, c.mailbox);
      w.varint(dictionary.number(c.ref.writer)).varint(c.ref.seq).varint(c.ref.index).varint(c.position).signed(c.at);
    }
  }
  w.varint(root.contentNext).varint(root.contents.length);
  for (const c of root.contents) w.varint(c.number).string(c.key).varint(c.count).varint(c.bytes).varint(c.used);
  if (root.metadata.length > 0) w.varint(root.metadata.length);
  for (const [mailbox, entry, said] of root.metadata) {
    writeMailboxId(w, mailbox);
    stamp(said);
    writeEntry(w, entry, said.value);
  }
  const head = new ByteWriter(256);
  head.varint(dictionary.writers.length);
  for (const x of dictionary.writers) head.string(x);
  return pack(root.metadata.length > 0 ? WITH_METADATA : VERSION, Buffer.concat([head.done(), w.done()]), 3);
}

/** Throws Corrupt. */
export function decodeRoot(bytes: Uint8Array): Root {
  const version = bytes[0] === VERSION ? VERSION : WITH_METADATA;
  const r = new ByteReader(unpack(version, bytes, 'snapshot'));
  const list = <T>(min: number, read: () => T): T[] => {
    const out: T[] = [];
    for (let n = r.count(min); n > 0; n--) out.push(read());
    return out;
  };
  const writers = list(1, () => r.string());
  const writer = () => {
    const n = r.varint();
    if (n >= writers.length) throw new Corrupt('snapshot names an unknown writer');
    return writers[n];
  };
  const stamp = (): Stamp => ({ position: r.varint(), writer: writer() });
  const epochs = list(2, stamp);
  const lost = list(1, () => r.string());
  const subscriptions = list(4, (): Root['subscriptions'][number] => {
    const name = readName(r);
    const on = r.u8() === 1;
    return [name, { on, ...stamp() }];
  });
  const mailboxes = list(16, () => readMailbox(r, stamp));
  const latest = r.signed();
  const keys = list(2, (): [string, KeyedCopy[]] => [
    r.string(),
    list(13, () => {
      const mailbox = readMailboxId(r);
      return { mailbox, ref: { writer: writer(), seq: r.varint(), index: r.varint() }, position: r.varint(), at: r.signed() };
    }),
  ]);
  const contentNext = r.varint();
  const contents = list(5, () => ({ number: r.varint(), key: r.string(), count: r.varint(), bytes: r.varint(), used: r.varint() }));
  for (const c of contents) if (c.number >= contentNext || contentNext > 0xfffffffe || c.count > 0xffff) throw new Corrupt('snapshot has wrong content chunks');
  const metadata: Root['metadata'] = version < WITH_METADATA ? [] : list(12, () => {
    const mailbox = readMailboxId(r);
    const said = stamp();
    const { entry, value } = readEntry(r);
    return [mailbox, entry, { ...said, value }];
  });
  r.finish();
  return { epochs, lost, subscriptions, mailboxes, keys, latest, contents, contentNext, metadata };
}

function readMailbox(r: ByteReader, stamp: () => Stamp): RootMailbox {
  const id: MailboxId = readMailboxId(r);
  const bits = r.u8();
  const registration: Registration = { id, created: null, renamed: null, deleted: (bits & 4) !== 0 };
  if (bits & 1) {
    const s = stamp();
    const name = readName(r);
    const made = r.varint();
    if (made < 1 || made > limits.mailbox_made_max) throw new Corrupt('stored mailbox was made too often');
    registration.created = { ...s, name, made, specialUse: roleOf(r.varint()) };
  }
  if (bits & 2) registration.renamed = { ...stamp(), name: readName(r) };
  const m = { registration, assigned: r.varint(), touched: r.varint(), messages: r.varint(), unseen: r.varint(), deleted: r.varint(), size: r.varint(), chunkNext: r.varint(), vanished: r.varint() };
  const chunks: RootMailbox['chunks'] = [];
  for (let n = r.count(2); n > 0; n--) chunks.push({ key: r.string(), rows: r.varint() });
  return { ...m, chunks };
}

export function encodeVanished(v: VanishedPairs): Buffer {
  const w = new ByteWriter(v.n * 8 + 16);
  w.varint(v.n);
  writeColumn(w, v.n, (i) => v.position[i]);
  writeColumn(w, v.n, (i) => v.modSeq[i]);
  return pack(VERSION, w.done(), 3);
}

/** Throws Corrupt. `n`: how many the root says there are. */
export function decodeVanished(bytes: Uint8Array, n: number, into: VanishedPairs): void {
  const r = new ByteReader(unpack(VERSION, bytes, 'vanished UIDs'));
  const count = r.varint();
  if (count !== n || n > PAIRS_MAX) throw new Corrupt('stored vanished UIDs are not as many as said');
  const position = new Float64Array(n);
  const modSeq = new Float64Array(n);
  readColumn(r, n, position, 0, 1, Number.MAX_SAFE_INTEGER);
  readColumn(r, n, modSeq, 0, 0, Number.MAX_SAFE_INTEGER);
  r.finish();
  for (let i = 1; i < n; i++) if (position[i] <= position[i - 1]) throw new Corrupt('stored vanished UIDs are in no order');
  into.fill(n, position, modSeq);
}
