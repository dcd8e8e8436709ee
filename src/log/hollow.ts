// A snapshot of which a part is gone. A manifest that was stored in part (its writer was never told OK) may stay unseen by the
// LISTs of both passes of a collection, which then takes its parts for needless; later reads may show it again.
//
// It may be left out where nothing is lost by that. An event goes from the log only when every snapshot that counts lists it by
// name, and who writes a snapshot begins with all that count; so what isn't in the log is in every snapshot. Where another
// one is whole, that one and the log have everything. Where there is none, nothing was collected ever, and all must be
// in the log still: the names prove it, and the digest that there were no others.
import { eventLeaf } from '../store/index.ts';
import { readBundles } from './bundle.ts';
import type { Bundle } from './bundle.ts';
import { eventId, leafHash } from './event.ts';
import type { Reading } from './reading.ts';
import { covers, readManifests, readStanding } from './snapshot.ts';
import type { Manifest } from './snapshot.ts';

/**
 * The snapshots that a reader may need, those of them that are known to be hollow, and all bundles. Where one is hollow others may have
 * lost the same part, so all are read. Throws Unavailable, Corrupt.
 */
export async function readCovers(reading: Reading, hollow: ReadonlySet<string>): Promise<{ manifests: Manifest[]; leftOut: Manifest[]; bundles: Bundle[] }> {
  const [all, bundles] = await Promise.all([hollow.size > 0 ? readManifests(reading) : readStanding(reading), readBundles(reading)]);
  return { manifests: all.filter((m) => !hollow.has(m.name)), leftOut: all.filter((m) => hollow.has(m.name)), bundles };
}

/** Whether all that the snapshot has in it is in the log, or in `others`, which are whole. `inLog` as for `covers`. */
export function isElsewhere(hollow: Manifest, others: readonly Manifest[], inLog: (id: string) => boolean): boolean {
  const gone = hollow.covers.filter((e) => !inLog(eventId(e.ref.writer, e.ref.seq)));
  if (others.length > 0) return others.some((m) => gone.every((e) => covers(m, eventId(e.ref.writer, e.ref.seq), false, e.ref.position)));
  let digest = 0n;
  for (const e of hollow.covers) if (e.ref.position <= hollow.floor) digest ^= leafHash(eventLeaf(e.ref));
  return gone.length === 0 && digest === hollow.digestNumber;
}
