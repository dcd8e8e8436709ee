// The stored form of a snapshot's manifest: a clear half that any replica may read, a half that only the user's
// secret opens (names of parts, and which scopes and messages the covered events touched: scopes are hashes of
// mailbox names, which could be guessed), and a MAC over both.
//
// Format 1: version 1 | length, clear | length, MAC | sealed half.
// Clear: floor | position | digest | born | messages | bytes | ids of parts | writers | covered events (kind, writer, seq, last, span,
// born, modified, messages, bytes, seen). Sealed: version 1 | keys of parts | writers | scopes | per covered event effects, repaired, lost.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { EventRef, MessageRef, Position, Writer } from '../base/index.ts';
import { eventId, readSeen, skipSeen, writeSeen } from './event.ts';
import { MessageRuns } from './message-runs.ts';
import type { Run } from './message-runs.ts';
import type { Authenticator, Effect, EventKind, EventSummary } from './types.ts';

export const SNAPSHOT_VERSION = 1;
const KINDS: EventKind[] = ['delivered', 'session', 'directory'];

/** A covered event with the store's time of its own object. */
export interface CoveredEvent extends EventSummary {
  modified: number;
}

export interface ManifestBody {
  floor: Position;
  /** The greatest position that is covered. */
  position: Position;
  digest: Buffer;
  /** The store's own time when the writer began, ms. */
  born: number;
  messages: number;
  bytes: number;
  /** Ids of its parts; what each is stands in the sealed half. */
  partIds: string[];
  covers: CoveredEvent[];
}

class Table {
  readonly list: string[] = [];
  readonly #index = new Map<string, number>();
  at(text: string): number {
    let i = this.#index.get(text);
    if (i === undefined) this.#index.set(text, (i = this.list.push(text) - 1));
    return i;
  }
}

const writeTable = (table: Table): Buffer => {
  const w = new ByteWriter().varint(table.list.length);
  for (const text of table.list) w.string(text);
  return w.done();
};

const readTable = (r: ByteReader): string[] => Array.from({ length: r.count() }, () => r.string());

function entryOf(table: string[], i: number): string {
  if (i >= table.length) throw new Corrupt('a snapshot names what its table has not');
  return table[i];
}

export function writeClearHalf(body: ManifestBody): Buffer {
  const writers = new Table();
  const rows = new ByteWriter(64 * body.covers.length + 64).varint(body.covers.length);
  for (const e of body.covers) {
    rows.u8(KINDS.indexOf(e.kind)).varint(writers.at(e.ref.writer)).varint(e.ref.seq).varint(e.ref.position).varint(e.ref.position - e.first);
    rows.varint(e.born).varint(Math.max(0, e.modified)).varint(e.messages).varint(e.bytes);
    writeSeen(rows, e.ref.position, e.seen);
  }
  const w = new ByteWriter(rows.length + 128);
  w.varint(body.floor).varint(body.position).raw(body.digest).varint(body.born).varint(body.messages).varint(body.bytes);
  w.varint(body.partIds.length);
  for (const id of body.partIds) w.string(id);
  w.raw(writeTable(writers)).raw(rows.done());
  const clear = w.done();
  return new ByteWriter(clear.length + 8).u8(SNAPSHOT_VERSION).bytes(clear).done();
}

/** Consecutive indexes of one event take three numbers, however many. */
function writeMessages(w: ByteWriter, writers: Table, messages: Iterable<MessageRef>): void {
  const { runs } = MessageRuns.of(messages);
  w.varint(runs.length);
  for (const { writer, seq, index, n } of runs) w.varint(writers.at(writer)).varint(seq).varint(index).varint(n);
}

function readMessages(r: ByteReader, writers: string[], most: number): MessageRuns {
  const runs: Run[] = [];
  let count = 0;
  for (let left = r.count(4); left > 0; left--) {
    const run = { writer: entryOf(writers, r.varint()), seq: r.varint(), index: r.varint(), n: r.varint() };
    count += run.n;
    if (count > most) throw new Corrupt('a snapshot names too many messages');
    runs.push(run);
  }
  return new MessageRuns(runs);
}

const writeRef = (w: ByteWriter, writers: Table, ref: EventRef): void => void w.varint(writers.at(ref.writer)).varint(ref.seq).varint(ref.position);

function readRef(r: ByteReader, writers: string[]): EventRef {
  const writer: Writer = entryOf(writers, r.varint());
  const seq = r.varint();
  return { writer, seq, position: r.varint() };
}

export function writePrivateHalf(keys: readonly string[], covers: readonly CoveredEvent[]): Buffer {
  const writers = new Table();
  const scopes = new Table();
  const rows = new ByteWriter(1024).varint(covers.length);
  for (const e of covers) {
    rows.varint(e.effects.length);
    for (const x of e.effects) {
      rows.varint(scopes.at(x.scope)).varint(x.any).varint(x.assigned).varint(x.anyLeast ?? e.first).varint(x.assignedLeast ?? (x.assigned && e.first));
      writeMessages(rows, writers, x.messages);
    }
    rows.varint(e.repaired.length);
    for (const ref of e.repaired) writeRef(rows, writers, ref);
    rows.u8(e.lost ? 1 : 0);
    if (e.lost) writeRef(rows, writers, e.lost);
  }
  const w = new ByteWriter(rows.length + 1024).u8(SNAPSHOT_VERSION).varint(keys.length);
  for (const key of keys) w.string(key);
  return w.raw(writeTable(writers)).raw(writeTable(scopes)).raw(rows.done()).done();
}

/** The parts; fills in effects, repaired and lost of the covered events. Throws Corrupt. */
export function readPrivateHalf(bytes: Buffer, { covers, partIds }: Pick<ManifestBody, 'covers' | 'partIds'>, messagesMax = 2 ** 24): { key: string; id: string }[] {
  const r = new ByteReader(bytes);
  checkVersion(r.u8());
  if (r.count() !== partIds.length) throw new Corrupt('the halves of a snapshot are not of one piece');
  const parts = partIds.map((id) => ({ key: r.string(), id }));
  const writers = readTable(r);
  const scopes = readTable(r);
  if (r.varint() !== covers.length) throw new Corrupt('the halves of a snapshot are not of one piece');
  for (const e of covers) {
    e.effects = Array.from({ length: r.count(6) }, (): Effect => {
      const scope = entryOf(scopes, r.varint());
      const [any, assigned, anyLeast, assignedLeast] = [r.varint(), r.varint(), r.varint(), r.varint()];
      return { scope, any, assigned, anyLeast, assignedLeast, messages: readMessages(r, writers, messagesMax) };
    });
    e.repaired = Array.from({ length: r.count(3) }, () => readRef(r, writers));
    e.lost = r.u8() ? readRef(r, writers) : null;
  }
  r.finish();
  return parts;
}

function checkVersion(version: number): void {
  if (version !== SNAPSHOT_VERSION) throw new Corrupt(version > SNAPSHOT_VERSION ? 'a snapshot was written by a newer version' : 'a snapshot has an unknown version');
}

/** The whole object. */
export function encodeManifest(authenticator: Authenticator, name: string, clear: Buffer, sealed: Buffer): Buffer {
  const mac = authenticator.mac(name, [clear, sealed]);
  return Buffer.concat([clear, Buffer.from([mac.length]), mac, sealed]);
}

/** A manifest that is authentic, and what stands before the events that it covers. */
export interface OpenedManifest {
  head: Omit<ManifestBody, 'covers'>;
  mac: Buffer;
  sealed: Buffer;
  /** Of the covered events. */
  rest: ByteReader;
}

/** Verifies all, and reads no further than the parts' ids: the covered events are many. Throws Corrupt. */
export function openManifest(authenticator: Authenticator, name: string, bytes: Buffer): OpenedManifest {
  const outer = new ByteReader(bytes);
  checkVersion(outer.u8());
  const half = outer.bytes();
  const clear = bytes.subarray(0, outer.at);
  const mac = outer.raw(outer.u8());
  const sealed = outer.raw(outer.left);
  authenticator.verify(name, [clear, sealed], mac);
  const r = new ByteReader(half);
  const [floor, position, digest, born, messages, size] = [r.varint(), r.varint(), Buffer.from(r.raw(16)), r.varint(), r.varint(), r.varint()];
  return { head: { floor, position, digest, born, messages, bytes: size, partIds: readTable(r) }, mac, sealed, rest: r };
}

/** The covered events of an opened manifest. Their effects are empty until the private half is read. Throws Corrupt. */
export function readCovers(r: ByteReader): CoveredEvent[] {
  const writers = readTable(r);
  const covers = Array.from({ length: r.count(28) }, (): CoveredEvent => {
    const kind = KINDS[r.u8()];
    if (!kind) throw new Corrupt('a snapshot covers an event of an unknown kind');
    const writer = entryOf(writers, r.varint());
    const [seq, last, span] = [r.varint(), r.varint(), r.varint()];
    if (last < 1 || span >= last) throw new Corrupt('a snapshot covers an event before the log');
    const [eventBorn, modified, added, addedBytes] = [r.varint(), r.varint(), r.varint(), r.varint()];
    const seen = readSeen(r, last);
    return { ref: { position: last, writer, seq }, first: last - span, kind, seen, born: eventBorn, modified, messages: added, bytes: addedBytes, effects: [], repaired: [], lost: null };
  });
  r.finish();
  return covers;
}

/** Whether all covered events of an opened manifest are among these; of each, no more is read than its id. Throws Corrupt. */
export function coversOnly(rest: ByteReader, ids: ReadonlySet<string>): boolean {
  const r = new ByteReader(rest.buffer, rest.at, rest.end);
  const writers = readTable(r);
  for (let n = r.count(28); n > 0; n--) {
    r.skip(1);
    const writer = entryOf(writers, r.varint());
    if (!ids.has(eventId(writer, r.varint()))) return false;
    for (let i = 0; i < 6; i++) r.varint();
    skipSeen(r);
  }
  return true;
}

/** The ids of covered events. */
export const coveredIds = (covers: readonly CoveredEvent[]): Set<string> => new Set(covers.map((e) => eventId(e.ref.writer, e.ref.seq)));
