// The only place that knows the names of objects. Positions are 16 hex digits, so a LIST is in order.
import { Corrupt } from '../base/index.ts';
import type { EventRef, Position, Writer } from '../base/index.ts';

export const DIRECTORY_LOG = 'directory/';
export const REPLICAS = 'replicas/';
/** Where it is told that a cluster secret was replaced: lists below it name nothing, they are there. */
export const SECRETS = 'secrets/';

/** The root of a user's objects; a log's functions below take such a root (`directory/` is one too). */
export const userRoot = (user: string): string => `users/${user}/`;
/** The root of a part of the outgoing queue. */
export const queueRoot = (shard: number): string => `queue/${shard}/`;
/** Nothing is stored here: to list it is the least that a store can be asked, for its time or for a sign of life. */
export const nothingPrefix = (root: string): string => `${root}nothing`;
export const replicaName = (writer: Writer): string => `${REPLICAS}${writer}`;

export const keyName = (root: string, id: string): string => `${root}keys/${id}`;
export const blobName = (root: string, id: string): string => `${root}blobs/${id}`;
export const wordsName = (root: string, id: string): string => `${root}words/${id}`;
/** A part of the search index. */
export const searchName = (root: string, id: string): string => `${root}search/${id}`;
export const partName = (root: string, id: string): string => `${root}parts/${id}`;
export const logPrefix = (root: string): string => `${root}log/`;
export const bundlePrefix = (root: string): string => `${root}bundles/`;
export const snapshotPrefix = (root: string): string => `${root}snapshots/`;
/** Where an object of this root that is not what was written is kept when `check --repair` takes it out of the way. */
export const damagedPrefix = (root: string): string => `${root}damaged/`;
export const damagedName = (root: string, name: string): string => damagedPrefix(root) + name.slice(root.length).replaceAll('/', '~');
/** Lists of what is under a former cluster secret. */
export const rotatedPrefix = (root: string): string => `${root}rotated/`;
export const candidatesPrefix = (root: string): string => `${root}candidates/`;

/** 16 lower-case hex digits. */
export const hexPosition = (p: Position): string => p.toString(16).padStart(16, '0');

/** The leaf of an event's name, `<last>-<writer>-<seq>`: what digests hash and covers list. */
export const eventLeaf = (e: EventRef): string => `${hexPosition(e.position)}-${e.writer}-${e.seq}`;
export const eventName = (root: string, e: EventRef): string => logPrefix(root) + eventLeaf(e);

const LEAF = /^([0-9a-f]{16})-([0-9a-z]{1,40})-([1-9][0-9]{0,15})$/;

/** Reads the leaf of an event's name. Throws Corrupt. */
export function parseEventLeaf(leaf: string): EventRef {
  const m = LEAF.exec(leaf);
  const position = m ? Number.parseInt(m[1], 16) : NaN;
  const seq = m ? Number(m[3]) : NaN;
  if (!m || !Number.isSafeInteger(position) || position < 1 || !Number.isSafeInteger(seq)) throw new Corrupt(`not the name of an event: ${leaf.slice(0, 100)}`);
  return { position, writer: m[2], seq };
}

/** For a LIST that starts at (and includes) the first event above `position`. */
export const afterPosition = (root: string, position: Position): string => `${logPrefix(root)}${hexPosition(position)}~`;

/** `<floor>-<position>-<hash>`. */
export const snapshotName = (root: string, floor: Position, position: Position, hash: string): string => `${snapshotPrefix(root)}${hexPosition(floor)}-${hexPosition(position)}-${hash}`;

const SNAPSHOT_LEAF = /^([0-9a-f]{16})-([0-9a-f]{16})-([0-9a-f]{1,64})$/;

/** Reads the leaf of a snapshot's or bundle's name. Null when it is none. */
export function parseSnapshotLeaf(leaf: string): { floor: Position; position: Position; hash: string } | null {
  const m = SNAPSHOT_LEAF.exec(leaf);
  if (!m) return null;
  const floor = Number.parseInt(m[1], 16);
  const position = Number.parseInt(m[2], 16);
  return Number.isSafeInteger(floor) && Number.isSafeInteger(position) ? { floor, position, hash: m[3] } : null;
}

/** `<least>-<greatest>-<hash>`: positions of the events in a bundle. */
export const bundleName = (root: string, least: Position, greatest: Position, hash: string): string => `${bundlePrefix(root)}${hexPosition(least)}-${hexPosition(greatest)}-${hash}`;
export const candidatesName = (root: string, id: string): string => `${candidatesPrefix(root)}${id}`;

/** Policies of one domain, known by a keyed hash of its name; in order of `at` (ms since 1970). */
export const policyPrefix = (root: string, domain: string): string => `${root}policies/${domain}/`;
export const policyName = (root: string, domain: string, at: number, id: string): string => `${policyPrefix(root, domain)}${at.toString(16).padStart(12, '0')}-${id}`;

/** What one replica counted on a day (`2026-01-31`) for reports of one kind. */
export const reportPrefix = (root: string, day: string, kind: string): string => `${root}reports/${day}-${kind}/`;
export const reportName = (root: string, day: string, kind: string, id: string): string => `${reportPrefix(root, day, kind)}${id}`;
