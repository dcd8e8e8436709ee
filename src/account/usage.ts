// How much mail a user has, without any secret: snapshots, bundles and events tell counts and bytes in clear. Near
// enough for quota: what was expunged since the last snapshot still counts.
import { limits } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import { parseEventLeaf } from '../store/index.ts';
import { NotListed, authentic, eventId, guarded, listAll, readBundles, readEvent, readStanding } from '../log/index.ts';
import type { EventHeader, Reading } from '../log/index.ts';
import { logPrefix, userRoot } from '../store/index.ts';
import { confirmedOnce } from './confirmed.ts';
import type { Replica } from './replica.ts';

export interface Usage {
  messages: number;
  bytes: number;
}

const AT_ONCE = 8;

/** What reads a user's log by names. */
export function readingOf(replica: Replica, record: UserRecord): Reading {
  return { store: confirmedOnce(replica.stores.bucket(record.bucket)), root: userRoot(record.id), authenticator: guarded(replica.authenticator), logger: replica.logger, limits };
}

/** The header of a stored event; null when it counts for nothing: under a former cluster secret and not listed. Unavailable, Corrupt. */
export async function headerOf(reading: Reading, name: string, bytes: Buffer): Promise<EventHeader | null> {
  try {
    return (await authentic(reading, () => readEvent(reading.authenticator, reading.root, name, bytes, false))).header;
  } catch (e) {
    if (e instanceof NotListed) return null;
    throw e;
  }
}

/** Asks the store. Unavailable, Corrupt. */
export async function totalsOf(replica: Replica, record: UserRecord): Promise<Usage> {
  const reading = readingOf(replica, record);
  const { store, root } = reading;
  const [manifests, bundles, { rows }] = await Promise.all([readStanding(reading), readBundles(reading), listAll(store, logPrefix(root), limits.list_keys_max)]);
  const newest = manifests.at(-1);
  const sum: Usage = { messages: newest?.messages ?? 0, bytes: newest?.bytes ?? 0 };
  const counted = new Set<string>();
  const add = (id: string, header: Usage | null): void => {
    if (header === null || counted.has(id) || newest?.named.has(id)) return;
    counted.add(id);
    sum.messages += header.messages;
    sum.bytes += header.bytes;
  };
  for (const bundle of bundles) for (const e of bundle.events) if (e.ref.position > (newest?.floor ?? 0)) add(eventId(e.ref.writer, e.ref.seq), await headerOf(reading, logPrefix(root) + e.leaf, e.bytes));
  const names = rows.map((row) => row.name).filter((name) => {
    const ref = parseEventLeaf(name.slice(logPrefix(root).length));
    return !counted.has(eventId(ref.writer, ref.seq)) && !newest?.named.has(eventId(ref.writer, ref.seq));
  });
  for (let i = 0; i < names.length; i += AT_ONCE) {
    await Promise.all(names.slice(i, i + AT_ONCE).map(async (name) => {
      const object = await store.get(name);
      if (!object) return;
      const { writer, seq } = parseEventLeaf(name.slice(logPrefix(root).length));
      add(eventId(writer, seq), await headerOf(reading, name, object.bytes));
    }));
  }
  return sum;
}
