// Bundles: delivered events, still sealed, concatenated, so that who doesn't log in for months costs no log-in of
// thousands of requests. A bundle covers exactly the events in it, by name; it has no floor.
//
// Format 1: version 1 | length, table | length, MAC over version and table | events one after the other.
// Table: messages | bytes | count of (leaf, modified, size). Each event has its own MAC, so the table's is enough.
import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt, reason } from '../base/index.ts';
import type { EventRef, Position } from '../base/index.ts';
import { bundleName, bundlePrefix, eventName, parseEventLeaf, parseSnapshotLeaf } from '../store/index.ts';
import { eventId, readEvent } from './event.ts';
import { NotListed, authentic } from './guard.ts';
import { listAll, readAll } from './reading.ts';
import type { Reading } from './reading.ts';
import type { Authenticator } from './types.ts';

export const BUNDLE_VERSION = 1;

export interface BundledEvent {
  leaf: string;
  ref: EventRef;
  /** The store's own time of the event's first PUT. */
  modified: number;
  bytes: Buffer;
}

export interface Bundle {
  name: string;
  modified: number;
  least: Position;
  greatest: Position;
  messages: number;
  bytes: number;
  events: BundledEvent[];
  named: ReadonlySet<string>;
  stored: Buffer;
}

/** Bytes and name of a bundle of verified events, which must be in order of positions and not none. */
export function encodeBundle(authenticator: Authenticator, root: string, events: readonly BundledEvent[], totals: { messages: number; bytes: number }): { name: string; bytes: Buffer } {
  const table = new ByteWriter(64 * events.length).varint(totals.messages).varint(totals.bytes).varint(events.length);
  for (const e of events) table.string(e.leaf).varint(e.modified).varint(e.bytes.length);
  const body = table.done();
  const head = new ByteWriter(body.length + 8).u8(BUNDLE_VERSION).bytes(body).done();
  const hash = createHash('sha256').update(head).digest('hex').slice(0, 16);
  const name = bundleName(root, events[0].ref.position, events[events.length - 1].ref.position, hash);
  const mac = authenticator.mac(name, [head]);
  return { name, bytes: Buffer.concat([head, Buffer.from([mac.length]), mac, ...events.map((e) => e.bytes)]) };
}

/** Throws Corrupt. The events' own MACs are verified when they are read. */
export function decodeBundle(authenticator: Authenticator, name: string, bytes: Buffer, modified = 0): Bundle {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== BUNDLE_VERSION) throw new Corrupt(version > BUNDLE_VERSION ? 'a bundle was written by a newer version' : 'a bundle has an unknown version');
  const body = r.bytes();
  const head = bytes.subarray(0, r.at);
  authenticator.verify(name, [head], r.raw(r.u8()));
  const t = new ByteReader(body);
  const [messages, total] = [t.varint(), t.varint()];
  const events = Array.from({ length: t.count(3) }, (): BundledEvent => {
    const leaf = t.string();
    const eventModified = t.varint();
    return { leaf, ref: parseEventLeaf(leaf), modified: eventModified, bytes: r.raw(t.varint()) };
  });
  t.finish();
  r.finish();
  if (events.length === 0) throw new Corrupt('a bundle is empty');
  const named = new Set(events.map((e) => eventId(e.ref.writer, e.ref.seq)));
  return { name, modified, least: events[0].ref.position, greatest: events[events.length - 1].ref.position, messages, bytes: total, events, named, stored: bytes };
}

/** All bundles of a log whose events `wanted` may need, by their greatest position. Throws Unavailable, Corrupt. */
export async function readBundles(reading: Reading): Promise<Bundle[]> {
  const { store, root, authenticator, limits, logger } = reading;
  const prefix = bundlePrefix(root);
  const { rows } = await listAll(store, prefix, limits.list_keys_max);
  const read = await readAll(rows, (row) => row.bytes, limits.log_read_bytes_max, async (row) => {
    if (!parseSnapshotLeaf(row.name.slice(prefix.length))) {
      logger.error('not the name of a bundle', { name: row.name });
      return null;
    }
    const object = await store.get(row.name);
    if (!object) return null;
    try {
      return await authentic(reading, () => decodeBundle(authenticator, row.name, object.bytes, object.firstModified ?? object.modified));
    } catch (e) {
      if (!(e instanceof NotListed)) throw e;
      logger.error('a bundle counts for nothing', { name: row.name, reason: reason(e) });
      return null;
    }
  });
  return read.filter((b) => b !== null);
}

/** Verifies the events and stores the bundle. Null when there is nothing in it. Throws Unavailable, Corrupt. */
export async function writeBundle(reading: Reading, events: readonly BundledEvent[]): Promise<string | null> {
  if (events.length === 0) return null;
  const sorted = [...events].sort((a, b) => a.ref.position - b.ref.position || (a.leaf < b.leaf ? -1 : 1));
  const totals = { messages: 0, bytes: 0 };
  for (const e of sorted) {
    const { header } = await authentic(reading, () => readEvent(reading.authenticator, reading.root, eventName(reading.root, e.ref), e.bytes));
    if (header.kind !== 'delivered') throw new Corrupt('only delivered events go into bundles');
    totals.messages += header.messages;
    totals.bytes += header.bytes;
  }
  const { name, bytes } = encodeBundle(reading.authenticator, reading.root, sorted, totals);
  await reading.store.put(name, bytes);
  return name;
}
