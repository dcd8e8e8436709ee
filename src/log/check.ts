// Reads every object of one log and says what is wrong with it: order, gaps, authenticity. Needs no secret; with one it
// opens all too.
import { Corrupt, reason } from '../base/index.ts';
import type { EventRef, Position } from '../base/index.ts';
import { eventName, logPrefix, parseEventLeaf, partName } from '../store/index.ts';
import { readBundles } from './bundle.ts';
import { eventId, leafHash, digestNumber, readEvent } from './event.ts';
import { authentic, guarded } from './guard.ts';
import { isElsewhere } from './hollow.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import { covers, readManifests } from './snapshot.ts';
import type { Manifest } from './snapshot.ts';
import { readPrivateHalf } from './snapshot-format.ts';
import type { EventHeader, FoldSource } from './types.ts';

export interface Finding {
  /** `error`: something is lost or altered. `note`: explained by how replicas fail, and harmless. */
  level: 'error' | 'note';
  name: string;
  text: string;
}

export interface CheckOptions<Op> extends Reading {
  /** Opens events and snapshots too. */
  source?: Pick<FoldSource<Op>, 'open' | 'box'>;
}

interface Seen {
  name: string;
  header: EventHeader;
  hash: bigint;
}

/** Ends with the last finding; none is a log in order. Throws Unavailable. */
export async function* check<Op>(options: CheckOptions<Op>): AsyncGenerator<Finding> {
  const o = { ...options, authenticator: guarded(options.authenticator) };
  const hollow = new Map<Manifest, string>();
  const bad = (name: string, text: string): Finding => ({ level: 'error', name, text });
  let manifests: Manifest[] = [];
  let bundles: Awaited<ReturnType<typeof readBundles>> = [];
  try {
    manifests = await readManifests(o);
    for (const m of manifests) {
      if (o.source?.box) readPrivateHalf(o.source.box.open(m.name, m.sealed), m);
      for (const id of m.partIds) {
        const part = await o.store.get(partName(o.root, id));
        if (!part) hollow.set(m, partName(o.root, id));
        else if (o.source?.box) o.source.box.open(partName(o.root, id), part.bytes);
      }
    }
  } catch (e) {
    if (!(e instanceof Corrupt)) throw e;
    yield bad(`${o.root}snapshots/`, reason(e));
  }
  try {
    bundles = await readBundles(o);
  } catch (e) {
    if (!(e instanceof Corrupt)) throw e;
    yield bad(`${o.root}bundles/`, reason(e));
  }
  const events = new Map<string, Seen>();
  const read = async (name: string, ref: EventRef, bytes: Buffer): Promise<Finding | null> => {
    try {
      const stored = await authentic(o, () => readEvent(o.authenticator, o.root, name, bytes));
      o.source?.open(stored.header.kind, name, stored.clear, stored.sealed);
      events.set(eventId(ref.writer, ref.seq), { name, header: stored.header, hash: leafHash(name.slice(logPrefix(o.root).length)) });
      return null;
    } catch (e) {
      return bad(name, reason(e));
    }
  };
  for (const b of bundles) {
    for (const e of b.events) {
      const found = await read(eventName(o.root, e.ref), e.ref, e.bytes);
      if (found) yield found;
    }
  }
  const { rows } = await listAll(o.store, logPrefix(o.root), o.limits.list_keys_max);
  for (const row of rows) {
    let ref: EventRef;
    try {
      ref = parseEventLeaf(row.name.slice(logPrefix(o.root).length));
    } catch (e) {
      yield bad(row.name, reason(e));
      continue;
    }
    try {
      const object = await o.store.get(row.name);
      const found = object ? await read(row.name, ref, object.bytes) : null;
      if (found) yield found;
    } catch (e) {
      // The store itself has noticed; the others are read all the same.
      if (!(e instanceof Corrupt)) throw e;
      yield bad(row.name, reason(e));
    }
  }
  const whole = manifests.filter((m) => !hollow.has(m));
  for (const [m, part] of hollow) {
    if (isElsewhere(m, whole, (id) => events.has(id))) yield { level: 'note', name: m.name, text: `is left out: its part ${part} is gone, and what it says is elsewhere too` };
    else yield bad(part, 'a part of a snapshot is gone');
  }
  yield* order(o, [...events.values()].sort((a, b) => a.header.ref.position - b.header.ref.position), events, whole);
}

function* order(o: Reading, sorted: Seen[], events: Map<string, Seen>, manifests: readonly Manifest[]): Generator<Finding> {
  const base = manifests.at(-1);
  const floor: Position = base?.floor ?? 0;
  const has = (ref: EventRef) => {
    const id = eventId(ref.writer, ref.seq);
    return events.has(id) || ref.position <= floor || manifests.some((m) => covers(m, id, false, ref.position));
  };
  // Positions overlap rightly between writers, each within its own slot, but one slot never takes one twice.
  const taken = new Map<Position, string>();
  let digest = base?.digestNumber ?? 0n;
  let next = 0;
  const byFloor = [...sorted].sort((a, b) => a.header.seen.floor - b.header.seen.floor);
  const above = sorted.filter((e) => !base || e.header.ref.position > floor || !base.named.has(eventId(e.header.ref.writer, e.header.ref.seq)));
  for (const e of sorted) {
    const { ref, first, seen } = e.header;
    for (let p = first; p <= ref.position; p += o.limits.slots) {
      const other = taken.get(p);
      if (other) yield { level: 'note', name: e.name, text: `position ${p} is also in ${other}` };
      taken.set(p, e.name);
    }
    if (ref.seq > 1 && !has({ writer: ref.writer, seq: ref.seq - 1, position: seen.above.get(ref.writer)?.position ?? seen.floor })) yield { level: 'error', name: e.name, text: `its writer's event before it is gone (seq ${ref.seq - 1})` };
    for (const [writer, { position, seq }] of seen.above) if (!has({ writer, seq, position })) yield { level: 'error', name: e.name, text: `it has seen ${eventId(writer, seq)} at ${position}, which is gone` };
  }
  for (const e of byFloor) {
    const { seen } = e.header;
    if (seen.floor < floor) continue;
    while (next < above.length && above[next].header.ref.position <= seen.floor) digest ^= above[next++].hash;
    const d = digest ^ digestNumber(seen.digest);
    if (d === 0n) continue;
    const one = above.find((x) => x.hash === d);
    yield { level: 'note', name: e.name, text: one ? `had not seen ${one.name} below its floor` : 'has seen something else below its floor' };
  }
}
