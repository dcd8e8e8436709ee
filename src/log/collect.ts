// Deleting what nobody can need any more. No lock, and never in one pass: candidates are written down first, and a pass
// at least a day later, by the store's own time, reads all manifests and the whole log again and deletes what is still
// a candidate. Needs no secret, but for blobs.
//
// The rule for events: a reader takes an event that is neither listed by name in a snapshot nor in the log as one that
// the snapshot has in it. So an event goes only when every snapshot that counts lists it by name, whatever its floor;
// where two snapshots stand side by side, a session first writes one that joins them, the two go, and then the events.
import { Corrupt, Unavailable, randomId, reason } from '../base/index.ts';
import { ByteReader, ByteWriter } from '../base/index.ts';
import type { Position, Random } from '../base/index.ts';
import { blobName, candidatesName, candidatesPrefix, logPrefix, parseEventLeaf, partName, snapshotPrefix } from '../store/index.ts';
import type { Listed } from '../store/index.ts';
import { readBundles } from './bundle.ts';
import type { Bundle } from './bundle.ts';
import { eventId, readEvent } from './event.ts';
import { authentic, guarded } from './guard.ts';
import { isElsewhere } from './hollow.ts';
import type { LogMutations } from './mutations.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { needed, readManifests, supersedes } from './snapshot.ts';
import type { Manifest } from './snapshot.ts';

const CANDIDATES_VERSION = 1;

export interface CollectOptions extends Reading {
  random: Random;
  /** With the user's secret blobs are collected too. Of these ids, those that a message references or referenced within `blob_kept_ms`. */
  referenced?(ids: string[]): Promise<ReadonlySet<string>>;
  mutations?: Partial<LogMutations>;
}

export interface CollectResult {
  deleted: string[];
  /** Names written down for a later pass. */
  candidates: number;
  /** Two or more snapshots stand side by side: a session should write one that joins them. */
  joinNeeded: boolean;
}

/** Everything of one log that collection looks at. */
interface Survey {
  date: number;
  rows: Listed[];
  /** All objects there, those that don't count too. */
  snapshots: Listed[];
  parts: Listed[];
  manifests: Manifest[];
  bundles: Bundle[];
  inLog: ReadonlySet<string>;
}

/** One pass. Throws Unavailable, Corrupt: then nothing more is deleted. */
export async function collect(options: CollectOptions): Promise<CollectResult> {
  const o = { ...options, authenticator: guarded(options.authenticator) };
  const { store, limits } = o;
  const former = await readCandidates(o);
  if (former.objects.length === 0 && (await isYoung(o))) return { deleted: [], candidates: 0, joinNeeded: false };
  const survey = await look(o);
  const wanted = new Set([...(await needlessEvents(o, survey)), ...needlessSnapshots(o, survey), ...needlessBundles(o, survey), ...needlessParts(o, survey), ...(await needlessBlobs(o, survey.date))]);
  const since = new Map<string, number>();
  const deleted: string[] = [];
  const ready: string[] = [];
  // What an earlier pass found comes first; of the rest no more is written down than can be read again.
  const known = (name: string) => Number(former.since.has(name));
  for (const name of [...wanted].sort((a, b) => known(b) - known(a))) {
    const first = former.since.get(name) ?? Math.floor(survey.date);
    if (survey.date - first >= limits.collect_pass_ms || o.mutations?.onePassCollection) ready.push(name);
    else if (known(name) || since.size < limits.candidates_max) since.set(name, first);
  }
  // Without the secret nobody can tell of blobs: what an earlier pass found stays found, until a pass that can looks again.
  if (!o.referenced) for (const [name, first] of former.since) if (name.startsWith(blobName(o.root, ''))) since.set(name, first);
  // What makes others needless is made certain before they go.
  if (ready.length > 0) await confirmAll(o, survey);
  for (const name of ready) {
    await store.delete(name);
    deleted.push(name);
  }
  if (since.size > 0 && !sameNames(since, former)) await store.put(...encodeCandidates(o, since));
  if (since.size === 0 || !sameNames(since, former)) for (const name of former.objects) await store.delete(name);
  return { deleted, candidates: since.size, joinNeeded: needed(survey.manifests, (id) => survey.inLog.has(id)).length > 1 };
}

/** Its first event is of this hour, as after an import: nothing could go yet, and there may be very much to look at. */
async function isYoung({ store, root, limits }: CollectOptions): Promise<boolean> {
  const { objects, date } = await store.list({ prefix: logPrefix(root), maxKeys: 1 });
  return objects.length > 0 && date - objects[0].modified < limits.snapshot_settled_ms;
}

async function look(o: CollectOptions): Promise<Survey> {
  const snapshots = (await listAll(o.store, snapshotPrefix(o.root), o.limits.list_keys_max)).rows;
  const manifests = await readManifests(o);
  const bundles = await readBundles(o);
  const { rows, date } = await listAll(o.store, logPrefix(o.root), o.limits.list_keys_max);
  const inLog = new Set<string>(bundles.flatMap((b) => [...b.named]));
  const events: Listed[] = [];
  for (const row of rows) {
    const ref = refOf(o, row);
    if (!ref) continue;
    events.push(row);
    inLog.add(eventId(ref.writer, ref.seq));
  }
  const parts = (await listAll(o.store, partName(o.root, ''), o.limits.list_keys_max)).rows;
  return { date, rows: events, snapshots, parts, manifests: await whole(o, manifests, parts, inLog), bundles, inLog };
}

function refOf(o: Reading, row: Listed) {
  try {
    return parseEventLeaf(row.name.slice(logPrefix(o.root).length));
  } catch {
    return null;
  }
}

/** The lowest floor of the events that a snapshot doesn't list: it may have to be compared with all above it. Another that lists it tells its floor. */
async function lowestFloor(o: CollectOptions, s: Survey): Promise<Position> {
  let lowest = Infinity;
  if (s.manifests.length === 0) return 0;
  const floors = new Map(s.manifests.flatMap((m) => m.covers.map((e) => [eventId(e.ref.writer, e.ref.seq), e.seen.floor] as const)));
  for (const b of s.bundles) {
    for (const e of b.events) {
      if (s.manifests.every((m) => m.named.has(eventId(e.ref.writer, e.ref.seq)))) continue;
      const { header } = await authentic(o, () => readEvent(o.authenticator, o.root, logPrefix(o.root) + e.leaf, e.bytes));
      lowest = Math.min(lowest, header.seen.floor);
    }
  }
  for (const row of s.rows) {
    const ref = refOf(o, row)!;
    const id = eventId(ref.writer, ref.seq);
    if (s.manifests.every((m) => m.named.has(id))) continue;
    const floor = floors.get(id);
    if (floor !== undefined) {
      lowest = Math.min(lowest, floor);
      continue;
    }
    const object = await o.store.get(row.name);
    // Not acknowledged and not shown now: nobody knows its floor.
    if (!object) return 0;
    const { header } = await authentic(o, () => readEvent(o.authenticator, o.root, row.name, object.bytes, o.mutations?.firstPositionInName));
    lowest = Math.min(lowest, header.seen.floor);
  }
  return lowest;
}

/** Every snapshot that counts lists it by name, one of them settled and with its floor at or above it. */
function snapshotted(o: CollectOptions, s: Survey, id: string, position: Position): boolean {
  if (s.manifests.length === 0) return false;
  const settled = s.manifests.some((m) => m.floor >= position && s.date - m.modified >= o.limits.snapshot_settled_ms);
  return settled && s.manifests.every((m) => m.named.has(id));
}

async function needlessEvents(o: CollectOptions, s: Survey): Promise<string[]> {
  const greatest = s.rows.reduce((m, row) => Math.max(m, refOf(o, row)!.position), 0);
  const bundleGreatest = o.mutations?.bundleCoversByFloor ? s.bundles.reduce((m, b) => Math.max(m, b.greatest), 0) : 0;
  const names: string[] = [];
  const below: { name: string; position: Position }[] = [];
  for (const row of s.rows) {
    const ref = refOf(o, row)!;
    // The newest event never goes: positions are counted from it.
    if (ref.position === greatest) continue;
    const id = eventId(ref.writer, ref.seq);
    const bundled = s.bundles.some((b) => b.named.has(id)) || ref.position <= bundleGreatest;
    const old = s.date - row.modified >= o.limits.snapshot_settled_ms;
    if (old && bundled) names.push(row.name);
    else if (old && snapshotted(o, s, id, ref.position)) below.push({ name: row.name, position: ref.position });
  }
  // Floors are asked for only where they decide.
  const lowest = below.length === 0 ? 0 : await lowestFloor(o, s);
  return [...names, ...below.filter((e) => e.position <= lowest).map((e) => e.name)];
}

/** Another that counts, settled, has all in it that this one has. */
function needlessSnapshots(o: CollectOptions, s: Survey): string[] {
  const settled = s.manifests.filter((m) => s.date - m.modified >= o.limits.snapshot_settled_ms);
  const needless = s.manifests.filter((old) => settled.some((by) => supersedes(by, old, (id) => s.inLog.has(id)))).map((m) => m.name);
  // One that landed too late to count.
  const counted = new Set(s.manifests.map((m) => m.name));
  return [...needless, ...s.snapshots.filter((row) => !counted.has(row.name) && s.date - row.modified >= o.limits.collect_pass_ms).map((row) => row.name)];
}

/** All its events are in every snapshot by name, or gone and so in every snapshot. */
function needlessBundles(o: CollectOptions, s: Survey): string[] {
  return s.bundles.filter((b) => b.events.every((e) => snapshotted(o, s, eventId(e.ref.writer, e.ref.seq), e.ref.position))).map((b) => b.name);
}

/** No manifest names it; one that is being written may, so the day between the passes counts. */
function needlessParts(o: CollectOptions, s: Survey): string[] {
  const used = new Set(s.manifests.flatMap((m) => m.partIds.map((id) => partName(o.root, id))));
  return s.parts.filter((row) => !used.has(row.name)).map((row) => row.name);
}

/**
 * Snapshots that have all their parts. One that hasn't doesn't count if all that is in it is elsewhere too: see hollow.ts. Throws
 * Corrupt when it isn't, Unavailable when another replica collects at the same time.
 */
async function whole(o: CollectOptions, manifests: Manifest[], parts: readonly Listed[], inLog: ReadonlySet<string>): Promise<Manifest[]> {
  const there = new Set(parts.map((row) => row.name));
  const isWhole = (m: Manifest) => m.partIds.every((id) => there.has(partName(o.root, id)));
  const hollow = manifests.filter((m) => !isWhole(m));
  if (hollow.length === 0) return manifests;
  const again = new Set((await readManifests(o)).map((m) => m.name));
  const kept = manifests.filter(isWhole);
  for (const m of hollow) {
    if (!again.has(m.name)) throw new Unavailable('the snapshots changed while they were read');
    if (!isElsewhere(m, kept, (id) => inLog.has(id))) throw new Corrupt(`a part of a snapshot is gone, and what was in it is nowhere else: ${m.name}`);
    o.logger.warn('a snapshot without all its parts is left out', { name: m.name });
  }
  return kept;
}

async function needlessBlobs(o: CollectOptions, date: number): Promise<string[]> {
  if (!o.referenced) return [];
  const prefix = blobName(o.root, '');
  const { rows } = await listAll(o.store, prefix, o.limits.list_keys_max, { rowsMax: o.limits.list_blobs_max });
  const old = rows.filter((row) => date - row.modified >= o.limits.blob_kept_ms);
  if (old.length === 0) return [];
  const used = await o.referenced(old.map((row) => row.name.slice(prefix.length)));
  return old.filter((row) => !used.has(row.name.slice(prefix.length))).map((row) => row.name);
}

/** A manifest or bundle that only some reads show must not be what a deletion relies on. */
async function confirmAll(o: CollectOptions, s: Survey): Promise<void> {
  for (const m of s.manifests) await o.store.confirm(m.name, m.stored, m.modified);
  for (const b of s.bundles) await o.store.confirm(b.name, b.stored, b.modified);
}

// ——— candidates ———

interface Former {
  objects: string[];
  since: Map<string, number>;
}

function sameNames(since: ReadonlyMap<string, number>, former: Former): boolean {
  if (former.objects.length !== 1 || since.size !== former.since.size) return false;
  for (const [name, first] of since) if (former.since.get(name) !== first) return false;
  return true;
}

async function readCandidates(o: CollectOptions): Promise<Former> {
  const { rows } = await listAll(o.store, candidatesPrefix(o.root), o.limits.list_keys_max);
  const former: Former = { objects: [], since: new Map() };
  for (const row of rows) {
    try {
      const object = await o.store.get(row.name);
      if (!object) continue;
      // A newer release's is its own to remove.
      if (object.bytes[0] <= CANDIDATES_VERSION) former.objects.push(row.name);
      for (const [name, first] of decodeCandidates(o, row.name, object.bytes)) {
        // Never earlier than the object that says so was stored first.
        const known = former.since.get(name);
        if (known === undefined || first < known) former.since.set(name, first);
      }
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      // Worth nothing but the time it saves.
      o.logger.warn('a list of candidates is not what was written', { name: row.name, reason: reason(e) });
    }
  }
  return former;
}

/** Format 1: version 1 | count of (leaf below the root, first time) | MAC. */
export function encodeCandidates(o: Pick<CollectOptions, 'root' | 'random' | 'authenticator'>, since: ReadonlyMap<string, number>): [name: string, bytes: Buffer] {
  const name = candidatesName(o.root, randomId(o.random, 65));
  const w = new ByteWriter(64 * since.size + 64).u8(CANDIDATES_VERSION).varint(since.size);
  for (const [candidate, first] of since) w.string(candidate.slice(o.root.length)).varint(first);
  const body = w.done();
  return [name, Buffer.concat([body, o.authenticator.mac(name, [body])])];
}

/** Throws Corrupt. */
export function decodeCandidates(o: Pick<CollectOptions, 'root' | 'authenticator'>, name: string, bytes: Buffer): Map<string, number> {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== CANDIDATES_VERSION) throw new Corrupt(version > CANDIDATES_VERSION ? 'a list of candidates was written by a newer version' : 'a list of candidates has an unknown version');
  const since = new Map<string, number>();
  for (let n = r.count(2); n > 0; n--) since.set(o.root + r.string(), r.varint());
  o.authenticator.verify(name, [bytes.subarray(0, r.at)], r.raw(r.left));
  return since;
}
