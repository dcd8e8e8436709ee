// Snapshots as objects: reading all manifests of a log, which of them count, which make others needless, what each
// covers. Writing one needs the applied log: see snapshot-writer.ts.
import { Corrupt, reason } from '../base/index.ts';
import type { Position } from '../base/index.ts';
import { parseSnapshotLeaf, snapshotPrefix } from '../store/index.ts';
import { digestNumber, eventId } from './event.ts';
import { NotListed, authentic } from './guard.ts';
import { listAll, readAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { coveredIds, coversOnly, openManifest, readCovers } from './snapshot-format.ts';
import type { ManifestBody, OpenedManifest } from './snapshot-format.ts';

export interface Manifest extends ManifestBody {
  name: string;
  modified: number;
  digestNumber: bigint;
  /** Ids of the events that it lists by name. */
  named: ReadonlySet<string>;
  sealed: Buffer;
  stored: Buffer;
}

/**
 * All manifests that count, by ascending floor. One that landed later than its window is left out: parts that it names
 * may be gone, and the log may have been collected without asking it. Throws Unavailable, Corrupt.
 */
export async function readManifests(reading: Reading): Promise<Manifest[]> {
  return inOrder(await opened(reading, await snapshotNames(reading), whole));
}

/**
 * The same without those of which the newest lists every event by name. On a busy day there are a hundred, each of them lists the
 * events of that day, and a reader that knows the newest needs none of them.
 */
export async function readStanding(reading: Reading): Promise<Manifest[]> {
  const names = await snapshotNames(reading);
  let newest: Manifest | null = null;
  while (newest === null && names.length > 0) [newest = null] = await opened(reading, [names.pop()!], whole);
  if (newest === null) return [];
  const { floor, named } = newest;
  const others = await opened(reading, names, (m, ...at) => (m.head.floor <= floor && coversOnly(m.rest, named) ? null : whole(m, ...at)));
  return inOrder([...others, newest]);
}

/** The parts that a manifest names; `lasting`: that it counts need not be asked again while it is there. */
export interface NamedParts {
  name: string;
  ids: readonly string[];
  lasting: boolean;
}

/**
 * Ids of the parts that manifests which count name. Of the covered events, which are many, nothing is read, and what was read is
 * `known` the next time: a busy log has a day's manifests, and large ones. Throws as `readManifests`.
 */
export async function readPartIds(reading: Reading, known: Map<string, NamedParts>): Promise<string[]> {
  const { keys } = reading.authenticator;
  // Under a former key it counts only while it is listed.
  const found = await opened(reading, await snapshotNames(reading), ({ head, mac }, name): NamedParts => ({ name, ids: head.partIds, lasting: !keys || keys.of(mac) === keys.writing }), known);
  known.clear();
  for (const manifest of found) if (manifest.lasting) known.set(manifest.name, manifest);
  return found.flatMap(({ ids }) => ids);
}

type Take<T> = (manifest: OpenedManifest, name: string, modified: number, stored: Buffer) => T | null;

function whole({ head, sealed, rest }: OpenedManifest, name: string, modified: number, stored: Buffer): Manifest {
  const covers = readCovers(rest);
  return { ...head, covers, name, modified, digestNumber: digestNumber(head.digest), named: coveredIds(covers), sealed, stored };
}

const inOrder = (read: Manifest[]): Manifest[] => read.sort((a, b) => a.floor - b.floor || (a.name < b.name ? -1 : 1));

interface SnapshotName {
  name: string;
  floor: Position;
  position: Position;
  /** Of the object. */
  bytes: number;
}

/** By ascending floor and position. */
async function snapshotNames({ store, root, limits, logger }: Reading): Promise<SnapshotName[]> {
  const prefix = snapshotPrefix(root);
  const { rows } = await listAll(store, prefix, limits.list_keys_max);
  return rows.flatMap(({ name, bytes }) => {
    const parsed = parseSnapshotLeaf(name.slice(prefix.length));
    if (parsed) return { name, bytes, ...parsed };
    logger.error('not the name of a snapshot', { name });
    return [];
  });
}

async function opened<T>(reading: Reading, names: readonly SnapshotName[], take: Take<T>, known?: ReadonlyMap<string, T>): Promise<T[]> {
  const bytesOf = (named: SnapshotName) => (known?.has(named.name) ? 0 : named.bytes);
  const read = await readAll(names, bytesOf, reading.limits.log_read_bytes_max, (named) => known?.get(named.name) ?? open(reading, named.name, named, take));
  return read.filter((m) => m !== null);
}

async function open<T>(reading: Reading, name: string, named: { floor: Position; position: Position }, take: Take<T>): Promise<T | null> {
  const object = await reading.store.get(name);
  // Seen by some reads only, or collected meanwhile: nothing depends on it.
  if (!object) return null;
  let manifest: OpenedManifest;
  try {
    manifest = await authentic(reading, () => openManifest(reading.authenticator, name, object.bytes));
  } catch (e) {
    if (!(e instanceof NotListed)) throw e;
    reading.logger.error('a snapshot counts for nothing', { name, reason: reason(e) });
    return null;
  }
  const { head } = manifest;
  if (head.floor !== named.floor || head.position !== named.position) throw new Corrupt(`a snapshot is not what its name says: ${name}`);
  const modified = object.firstModified ?? object.modified;
  if (modified - head.born > reading.limits.snapshot_window_ms) {
    reading.logger.warn('a snapshot landed too late to count', { name });
    return null;
  }
  return take(manifest, name, modified, object.bytes);
}

/**
 * Whether a snapshot has an event in it. `inLog`: the event is in the log (or in a bundle) now, as a LIST begun after the
 * manifests were read shows. An event that is neither listed by name nor in the log was collected, and only what
 * every snapshot lists by name is collected: see collect.ts.
 */
export function covers(manifest: Manifest, id: string, inLog: boolean, position: Position | null): boolean {
  if (manifest.named.has(id)) return true;
  return !inLog && (position === null || position <= manifest.floor);
}

/** Whether everything that `old` has in it is in `by` too, so that `old` is needless. Of two equal ones the greater name stays. */
export function supersedes(by: Manifest, old: Manifest, inLog: (id: string) => boolean): boolean {
  if (by === old || by.floor < old.floor) return false;
  for (const e of old.covers) {
    const id = eventId(e.ref.writer, e.ref.seq);
    if (!covers(by, id, inLog(id), e.ref.position)) return false;
  }
  return by.name > old.name || !supersedesStrictly(old, by, inLog);
}

function supersedesStrictly(a: Manifest, b: Manifest, inLog: (id: string) => boolean): boolean {
  return a.floor >= b.floor && b.covers.every((e) => covers(a, eventId(e.ref.writer, e.ref.seq), inLog(eventId(e.ref.writer, e.ref.seq)), e.ref.position));
}

/** The snapshots that a reader has to join: those that no other makes needless. */
export function needed(manifests: readonly Manifest[], inLog: (id: string) => boolean): Manifest[] {
  // The newest most often has all that others have.
  const newest = [...manifests].reverse();
  return manifests.filter((old) => !newest.some((by) => supersedes(by, old, inLog)));
}

/** Whether one of the snapshots has the event in it. `inLog` as for `covers`. */
export function isCovered(manifests: readonly Manifest[], id: string, inLog: boolean, position: Position | null): boolean {
  return manifests.some((m) => covers(m, id, inLog, position));
}
