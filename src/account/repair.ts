// `check --repair`: mends what can be mended without making anything worse. The rule: nothing is taken out of the way unless
// what remains is whole by its own account (every event that another has seen is there or covered, every digest fits),
// and what is taken out of the way is kept under `damaged/`. Where that can't be shown, it is left and told.
//
// With the user's secret more can be seen (parts that no longer open) and done: what an altered event said is given up in the
// log (EventLost), so that the mailboxes can be shown again; should the event come back from a backup, it counts again.
import { Corrupt, Unavailable, limits } from '../base/index.ts';
import type { EventRef } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import { authentic, check, listAll, readBundles, readEvent, readManifests } from '../log/index.ts';
import type { CheckOptions, Reading } from '../log/index.ts';
import { bundlePrefix, damagedName, eventName, keyName, logPrefix, parseEventLeaf, partName, snapshotPrefix } from '../store/index.ts';
import type { Listed, ObjectStore } from '../store/index.ts';
import type { Op } from '../state/index.ts';
import { isNewerKeyObject, keyObject } from './admin.ts';
import { confirmAnew } from './confirmed.ts';
import type { OpenUser } from './open-user.ts';
import type { Replica } from './replica.ts';
import { headerOf, readingOf } from './usage.ts';

/** What a newer release wrote is not damaged. */
const NEWER = /newer version/;

/** What was done, and to which object. */
export type Mended = (object: string | null, what: string) => void;
type Source = NonNullable<CheckOptions<Op>['source']>;

export interface RepairOptions {
  /** May write. */
  replica: Replica;
  record: UserRecord;
  mended: Mended;
  /** With the user's secret: what opens objects, and the user's mailboxes. */
  secret?: { source: Source; borrow<T>(run: (open: OpenUser) => Promise<T>): Promise<T> };
}

/** A store without some objects, for reading. */
function without(store: ObjectStore, hidden: (name: string) => boolean): ObjectStore {
  return {
    counts: store.counts,
    get: async (name, options) => (hidden(name) ? null : store.get(name, options)),
    list: async (options) => {
      const page = await store.list(options);
      // The page's own end decides where the next one begins, so only what is shown of it is less.
      if (page.truncated && page.objects.every((o) => hidden(o.name))) return { ...page, objects: page.objects.slice(-1) };
      return { ...page, objects: page.objects.filter((o) => !hidden(o.name)) };
    },
    put: () => Promise.reject(new TypeError('for reading')),
    putStream: () => Promise.reject(new TypeError('for reading')),
    delete: () => Promise.reject(new TypeError('for reading')),
    confirm: () => Promise.reject(new TypeError('for reading')),
    close: async () => {},
  };
}

/** Runs `read`; the message of Corrupt, or null when all is well. */
async function damageOf(read: () => Promise<unknown>): Promise<string | null> {
  try {
    await read();
    return null;
  } catch (e) {
    if (!(e instanceof Corrupt)) throw e;
    return e.message;
  }
}

/** Unavailable when the store does not answer; then what was done stays done, and it can be run again. */
export async function repairUser(o: RepairOptions): Promise<void> {
  const reading = readingOf(o.replica, o.record);
  await mendKeys(o, reading);
  const covers = await damagedCovers(o, reading);
  const events = await damagedEvents(o, reading);
  const damaged = new Set([...covers.keys(), ...events.keys()]);
  let dropped = false;
  if (damaged.size > 0 && (await isWhole(o, reading, damaged))) {
    for (const [name, why] of [...covers, ...events]) await putAside(reading, name, `${why}; all that it says is elsewhere, so it was taken out of the way`, o.mended);
    dropped = true;
  } else if (covers.size === 0 && events.size > 0 && o.secret) {
    for (const [name, why] of events) await putAside(reading, name, `${why}; it was taken out of the way, and what it said is given up`, o.mended);
    dropped = true;
  } else {
    for (const name of covers.keys()) if (await isWhole(o, reading, new Set([name]))) await putAside(reading, name, `${covers.get(name)}; all that it says is elsewhere, so it was taken out of the way`, o.mended);
  }
  await makeCertain(o, reading, damaged);
  if (o.secret) await o.secret.borrow((open) => mendOpened(o, open, dropped ? damaged : null));
}

/** What a user with a recovery code opens the mailbox with is in the directory too. */
async function mendKeys({ replica, record, mended }: RepairOptions, reading: Reading): Promise<void> {
  const { store, root } = reading;
  for (const wrap of record.wraps.values()) {
    if (wrap.kind === 'password') continue;
    const name = keyName(root, wrap.id);
    const right = keyObject(wrap, record.ring);
    const object = await store.get(name);
    if (object && (object.bytes.equals(right) || isNewerKeyObject(object.bytes))) continue;
    await store.put(name, right);
    mended(name, object ? 'a wrapped key was altered; it is what the directory says again' : 'a wrapped key was missing; it is back');
  }
  const { state } = replica.directory;
  const { rows, date } = await listAll(store, keyName(root, ''), limits.list_keys_max);
  for (const { name, modified } of rows) {
    const id = name.slice(keyName(root, '').length);
    if (record.wraps.has(id)) continue;
    // Of a password that was taken back nothing may stay that it opens. Another may be on its way into the directory still.
    if (state.isTakenBack(record.id, id)) {
      await store.delete(name);
      mended(name, 'a wrapped key of a password that was removed; it is deleted');
    } else if (date - modified > limits.claim_end_ms) await putAside(reading, name, 'a wrapped key that the directory does not know; it was taken out of the way', mended);
  }
}

/** Snapshots and bundles that are not what was written, or of which a part is gone or does not open; and why. */
async function damagedCovers({ secret }: RepairOptions, reading: Reading): Promise<Map<string, string>> {
  const { store, root } = reading;
  const found = new Map<string, string>();
  const parts = new Set((await listAll(store, partName(root, ''), limits.list_keys_max)).rows.map((row) => row.name));
  const only = (row: Listed, prefix: string) => ({ ...reading, store: without(store, (name) => name.startsWith(prefix) && name !== row.name) });
  for (const row of (await listAll(store, snapshotPrefix(root), limits.list_keys_max)).rows) {
    const why = await damageOf(async () => {
      for (const m of await readManifests(only(row, snapshotPrefix(root)))) {
        secret?.source.box?.open(m.name, m.sealed);
        for (const id of m.partIds) {
          const name = partName(root, id);
          if (!parts.has(name)) throw new Corrupt(`its part ${name} is gone`);
          const part = secret ? await store.get(name) : null;
          if (part) await opens(() => secret!.source.box!.open(name, part.bytes), name);
        }
      }
    });
    if (why !== null && !NEWER.test(why)) found.set(row.name, why);
  }
  for (const row of (await listAll(store, bundlePrefix(root), limits.list_keys_max)).rows) {
    const why = await damageOf(() => readBundles(only(row, bundlePrefix(root))));
    if (why !== null && !NEWER.test(why)) found.set(row.name, why);
  }
  return found;
}

async function opens(open: () => unknown, name: string): Promise<void> {
  const why = await damageOf(async () => open());
  if (why !== null) throw new Corrupt(`its part ${name} does not open: ${why}`);
}

async function damagedEvents({ secret }: RepairOptions, reading: Reading): Promise<Map<string, string>> {
  const { store, root, authenticator } = reading;
  const found = new Map<string, string>();
  for (const { name } of (await listAll(store, logPrefix(root), limits.list_keys_max)).rows) {
    const why = await damageOf(async () => {
      parseEventLeaf(name.slice(logPrefix(root).length));
      const object = await store.get(name);
      if (!object) return;
      const stored = await authentic(reading, () => readEvent(authenticator, root, name, object.bytes));
      secret?.source.open(stored.header.kind, name, stored.clear, stored.sealed);
    });
    if (why !== null && !NEWER.test(why)) found.set(name, why);
  }
  return found;
}

/** Without these objects the log is whole by its own account. */
async function isWhole({ secret }: RepairOptions, reading: Reading, hidden: ReadonlySet<string>): Promise<boolean> {
  const view = { ...reading, store: without(reading.store, (name) => hidden.has(name)), source: secret?.source };
  for await (const f of check(view)) if (f.level === 'error' || /something else below/.test(f.text)) return false;
  return true;
}

async function putAside({ store, root }: Reading, name: string, why: string, mended: Mended): Promise<void> {
  const object = await store.get(name);
  if (!object) return;
  await store.put(damagedName(root, name), object.bytes);
  await store.delete(name);
  mended(name, why);
}

/** What a quorum may lack (a PUT that failed in part) is stored again; nothing that is not what was written. */
async function makeCertain({ mended }: RepairOptions, reading: Reading, damaged: ReadonlySet<string>): Promise<void> {
  const { store, root } = reading;
  let count = 0;
  for (const prefix of [logPrefix(root), bundlePrefix(root), snapshotPrefix(root)]) {
    for (const { name } of (await listAll(store, prefix, limits.list_keys_max)).rows) {
      const object = damaged.has(name) ? null : await store.get(name);
      if (!object) continue;
      await confirmAnew(store, name, object.bytes, object.firstModified ?? object.modified);
      count++;
    }
  }
  if (count > 0) mended(null, `${count} objects of the log were stored once more, so that every node can have them`);
}

/** With the mailboxes open: gives up what is lost, and writes a snapshot in place of those that went (`dropped`). */
async function mendOpened(o: RepairOptions, open: OpenUser, dropped: ReadonlySet<string> | null): Promise<void> {
  try {
    await open.fresh();
  } catch (e) {
    if (!(e instanceof Unavailable) || !open.at.log.attached) throw e;
    const missing = open.at.log.lost(0);
    const longMissed = await missedForLong(o, missing);
    const lost = missing.filter((ref) => longMissed.includes(ref) || dropped?.has(eventName(open.at.root, ref)));
    if (lost.length === 0) throw e;
    await open.write(() => lost.map((ref) => ({ kind: 'EventLost', lost: ref })), { positions: lost.length, must: true });
    for (const { position, writer, seq } of lost) o.mended(null, `the event ${writer}#${seq} at ${position} is nowhere: it is given up, and others no longer wait for it`);
    await open.fresh();
  }
  if (!dropped) return;
  if (await open.snapshot()) o.mended(null, 'a new snapshot was written');
}

/** Those that an event has seen which is itself an hour old: whoever wrote it had it, and it has not been found since. */
async function missedForLong(o: RepairOptions, missing: EventRef[]): Promise<EventRef[]> {
  const reading = readingOf(o.replica, o.record);
  const { store, root } = reading;
  const old = new Set<EventRef>();
  const { rows, date } = await listAll(store, logPrefix(root), limits.list_keys_max);
  for (const row of rows) {
    const object = await store.get(row.name);
    if (!object || date - (object.firstModified ?? object.modified) < limits.event_lost_ms) continue;
    const header = await headerOf(reading, row.name, object.bytes);
    if (!header) continue;
    const { ref, seen } = header;
    for (const lost of missing) if ((seen.above.get(lost.writer)?.seq ?? 0) >= lost.seq || (ref.writer === lost.writer && ref.seq > lost.seq)) old.add(lost);
  }
  return missing.filter((ref) => old.has(ref) && !rows.some((row) => row.name.endsWith(`-${ref.writer}-${ref.seq}`)));
}
