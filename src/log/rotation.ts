// Writes down what is under former keys: see guard.ts.
import { Refused, reason } from '../base/index.ts';
import { logPrefix } from '../store/index.ts';
import { readBundles } from './bundle.ts';
import { readEvent } from './event.ts';
import { Guard, NotListed, authentic, encodeList, hashOf } from './guard.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { readManifests } from './snapshot.ts';

/** What is younger may still be on its way, or a replica still writes under the old key. */
const SETTLED_MS = 3_600_000;

/** Notes what is under former keys. */
class Recorder extends Guard {
  readonly found = new Map<string, Map<string, string>>();
  override verify(name: string, bytes: Uint8Array[], mac: Uint8Array): void {
    super.verify(name, bytes, mac);
    const { writing, of } = this.keys!;
    const id = of(mac);
    if (id === writing) return;
    const names = this.found.get(id);
    if (names) names.set(name, hashOf(bytes, mac));
    else this.found.set(id, new Map([[name, hashOf(bytes, mac)]]));
  }
}

/** How much of a log is under former keys. */
export interface FormerKeys {
  /** Objects that count and bear a MAC under one. */
  former: number;
  /** Those of them that no list names: only the former key tells that they are authentic. */
  unlisted: number;
}

interface Survey {
  recorder: Recorder;
  /** When each object was stored first, by name, ms; and the store's own time. */
  ages: Map<string, number>;
  date: number;
}

/** Reads every snapshot, bundle and event. What is not on a list that is there counts for nothing. Throws Unavailable, Corrupt. */
async function survey(reading: Reading): Promise<Survey> {
  const { store, root, limits } = reading;
  if (!reading.authenticator.keys) throw new TypeError('an authenticator of one key has no former ones');
  const recorder = new Recorder(reading.authenticator);
  const o: Reading = { ...reading, authenticator: recorder };
  const read = async (name: string, bytes: Buffer) => {
    try {
      await authentic(o, () => readEvent(recorder, root, name, bytes));
    } catch (e) {
      if (!(e instanceof NotListed)) throw e;
      reading.logger.error('an event counts for nothing', { name, reason: reason(e) });
    }
  };
  const ages = new Map((await readManifests(o)).map((m) => [m.name, m.modified]));
  for (const b of await readBundles(o)) {
    ages.set(b.name, b.modified);
    for (const e of b.events) await read(logPrefix(root) + e.leaf, e.bytes);
  }
  const { rows, date } = await listAll(store, logPrefix(root), limits.list_keys_max);
  let next = 0;
  const lane = async () => {
    while (next < rows.length) {
      const { name } = rows[next++];
      const object = await store.get(name);
      if (!object) continue;
      await read(name, object.bytes);
      ages.set(name, object.firstModified ?? object.modified);
    }
  };
  await Promise.all(Array.from({ length: limits.event_fetches_max }, lane));
  return { recorder, ages, date };
}

/** What of a log is under former keys now. Throws Unavailable, Corrupt. */
export async function formerKeys(reading: Reading): Promise<FormerKeys> {
  const { recorder } = await survey(reading);
  const sum: FormerKeys = { former: 0, unlisted: 0 };
  for (const [id, names] of recorder.found) {
    sum.former += names.size;
    for (const name of names.keys()) if (!recorder.lists(id, name)) sum.unlisted++;
  }
  return sum;
}

/**
 * Writes the list of all that is under former keys in this log. To be called when all replicas write under the new key, an hour
 * after the last of them began. Resolves with the number of listed objects for each former key. Throws Refused when something
 * under a former key is younger than an hour, Unavailable, Corrupt.
 */
export async function listFormerKeys(reading: Reading): Promise<Map<string, number>> {
  const { store, root } = reading;
  const { recorder, ages, date } = await survey(reading);
  const counts = new Map<string, number>();
  for (const [id, names] of recorder.found) {
    for (const name of names.keys()) if (date - (ages.get(name) ?? 0) < SETTLED_MS) throw new Refused(`${name} was written under the former key less than an hour ago: does every replica have the new secret?`);
    await store.put(...encodeList(recorder, root, id, names));
    counts.set(id, names.size);
  }
  return counts;
}
