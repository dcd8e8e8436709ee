// Writing a snapshot of an opened log: parts first, then the manifest that names them.
import { createHash } from 'node:crypto';
import { Refused, randomId } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { partName, snapshotName } from '../store/index.ts';
import { digestBytes } from './event.ts';
import type { Listing } from './listing.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { readPartIds } from './snapshot.ts';
import type { NamedParts } from './snapshot.ts';
import { encodeManifest, writeClearHalf, writePrivateHalf } from './snapshot-format.ts';
import type { CoveredEvent } from './snapshot-format.ts';
import type { Tail } from './tail.ts';
import type { SnapshotBox, SnapshotSource } from './types.ts';

export interface Writing extends Reading {
  random: Random;
  clock: Clock;
  listing: Listing;
  // The operations don't matter here.
  tail: Tail<never>;
  box: SnapshotBox;
  /** What `readPartIds` remembers of this log. */
  partsOf: Map<string, NamedParts>;
  /** False when the log was closed meanwhile: then nothing is known any more of what the state has in it. */
  open(): boolean;
}

const PART_BITS = 130;

/**
 * Ids of the parts that may be kept: those that a snapshot names and that are there. A snapshot that was stored in part may have
 * lost its own to a collection that didn't see it; one that goes right after this look makes the new snapshot hollow too,
 * before anything is collected because of it.
 */
async function keepable(w: Reading & Pick<Writing, 'partsOf'>): Promise<Set<string>> {
  const named = await readPartIds(w, w.partsOf);
  if (named.length === 0) return new Set();
  const { rows } = await listAll(w.store, partName(w.root, ''), w.limits.list_keys_max);
  const there = new Set(rows.map((row) => row.name));
  return new Set(named.filter((id) => there.has(partName(w.root, id))));
}

/**
 * Called right after a whole LIST and with nothing waiting. Refuses (false) while something at or below the floor is
 * late, because a reader takes all there as repaired.
 */
export async function writeSnapshot<Op>(w: Omit<Writing, 'tail'> & { tail: Tail<Op> }, source: SnapshotSource): Promise<boolean> {
  const { listing, tail, box, store, root, clock, limits } = w;
  const began = clock.monotonic();
  const born = listing.listed!.date;
  // Parts are collected a day after the last manifest that names them is gone, so what a manifest names now stays.
  const present = await keepable(w);
  await source.prepare?.(present);
  // From here to the end of `encode` nothing may be applied: no await.
  if (!w.open()) return false;
  const floor = Math.max(listing.closed, tail.applied.base);
  if (tail.pending.size > 0 || tail.lateness.late().some((l) => l.passedOver || l.event.ref.position <= floor)) return false;
  const known = [...listing.entries.values()].filter((e) => e.applied && (e.last > floor || listing.inLog(e.id)));
  const covers: CoveredEvent[] = known.sort((a, b) => a.last - b.last || (a.leaf < b.leaf ? -1 : 1)).map((e) => ({ ...e.summary!, modified: e.modified }));
  const digest = digestBytes(tail.applied.digest(floor)!);
  const position = listing.greatest;
  const encoded = source.encode(present);
  if (!encoded) return false;
  if (encoded.kept.some((p) => !present.has(p.id))) return false;
  tail.uncovered = 0;
  const ids = encoded.parts.map(() => randomId(w.random, PART_BITS));
  const parts = [...encoded.parts.map((p, i) => ({ key: p.key, id: ids[i] })), ...encoded.kept];
  const clear = writeClearHalf({ floor, position, digest, born, messages: encoded.messages, bytes: encoded.bytes, partIds: parts.map((p) => p.id), covers });
  const plain = writePrivateHalf(
    parts.map((p) => p.key),
    covers,
  );
  // Nobody could read it: the events stay, until those that an earlier one lists are collected.
  if (clear.length + plain.length > limits.packed_bytes_max) throw new Refused('too many events for the list of a snapshot', 'LIMIT');
  const name = snapshotName(root, floor, position, createHash('sha256').update(clear).update(plain).digest('hex').slice(0, 16));
  const bytes = encodeManifest(w.authenticator, name, clear, box.seal(name, plain));
  for (let i = 0; i < ids.length; i += 8) {
    await Promise.all(ids.slice(i, i + 8).map((id, n) => store.put(partName(root, id), box.seal(partName(root, id), encoded.parts[i + n].bytes))));
  }
  const inTime = () => clock.monotonic() - began < limits.snapshot_window_ms;
  if (!inTime()) return false;
  await store.put(name, bytes, { maySend: inTime });
  source.stored?.(encoded, ids);
  return true;
}
