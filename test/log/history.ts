// One random history: sessions, deliveries that see only names, partial PUTs, PUTs that land long after their writer
// gave up, restarts, clients that roam. Throws at the first broken invariant.
import { seededRandom } from '../../src/base/index.ts';
import { placeOps, readEvent } from '../../src/log/index.ts';
import type { Hint } from '../../src/log/index.ts';
import { ROOT, SimClient, SimReplica, STEP_MS, testLimits } from './replica.ts';
import type { Scene, Switches } from './replica.ts';
import { openOps, ToyState, toyAuthenticator, toyCodec } from './toy.ts';
import type { ToyOp } from './toy.ts';
import { quiet, World, WorldClock } from './world.ts';

export interface Tally {
  writes: number;
  repairs: number;
  zombies: number;
  rounds: number;
}

const HOUR_MS = 3_600_000;

/** With `snapshots`: snapshots, bundles, collection, and days that go by. */
export async function runHistory(seed: number, switches: Switches = {}, snapshots = false): Promise<Tally> {
  const random = seededRandom(seed);
  const rand = () => random.unit();
  const pick = <T>(a: T[]): T => a[Math.floor(rand() * a.length)];
  const world = new World(new WorldClock(), random);
  const flight: { hint: Hint; to: SimReplica }[] = [];
  const replicas: SimReplica[] = [];
  const scene: Scene = {
    n: 1,
    owner: new Map(),
    done: [],
    repairs: 0,
    failed: null,
    limits: snapshots ? { ...testLimits, full_list_ms: 30 * 60_000 } : testLimits,
    keepGone: !snapshots || rand() < 0.5,
    appended: (from, hint) => {
      for (const r of replicas) if (r !== from) flight.push({ hint, to: r });
    },
  };
  for (let i = 2 + Math.floor(rand() * 3); i > 0; i--) replicas.push(new SimReplica(world, scene, switches));
  await quiet();
  const deliver = (all = false) => {
    const some = all ? flight.splice(0) : flight.length > 0 ? flight.splice(Math.floor(rand() * flight.length), 1) : [];
    for (const { hint, to } of some) if (all || rand() < 0.9) to.log.hint(hint);
  };
  const check = () => {
    if (scene.failed) throw scene.failed;
  };
  const boxes = ['INBOX', 'Archive'];
  const clients = Array.from({ length: 4 }, (_, i) => new SimClient(i % 2 && scene.keepGone ? 'qresync' : 'uidnext', pick(boxes)));
  const acked = new Set<string>();
  const removed = new Set<string>();
  let ids = 0;
  const append = (r: SimReplica, box: string, n: number, kind: 'session' | 'delivered') => {
    const ops: ToyOp[] = Array.from({ length: n }, () => ({ t: 'append', id: `m${ids++}`, box }));
    r.write(() => ops, () => ops.forEach((o) => o.t === 'append' && acked.add(o.id)), kind);
  };
  const steps = 30 + Math.floor(rand() * 90);
  const calm = rand();
  for (let s = 0; s < steps; s++) {
    const r = pick(replicas);
    const x = rand();
    await world.clock.advance(STEP_MS);
    const busy = r.log.submitting > 0 && rand() < 0.7;
    if (x < 0.12) {
      if (!busy) append(r, pick(boxes), 1 + Math.floor(rand() * 3), 'session');
    } else if (x < 0.27) {
      if (!busy) append(r, 'INBOX', 1, 'delivered');
    } else if (x < 0.53) {
      const box = x < 0.48 ? pick(boxes) : 'INBOX';
      const live = r.log.attached ? r.state.live(box) : [];
      if (live.length > 0 && !busy) {
        const e = pick(live);
        const on = rand() < 0.5;
        const f = pick(['\\Seen', '\\Flagged']);
        if (x < 0.42) r.write(() => [{ t: 'flag', id: e.id, f, on }]);
        else if (x < 0.48) {
          removed.add(e.id);
          r.write(() => [{ t: 'expunge', id: e.id }]);
        } else {
          const id = `m${ids++}`;
          removed.add(e.id);
          r.write(() => [{ t: 'append', id, box: 'Archive' }, { t: 'expunge', id: e.id }], () => acked.add(id));
        }
      }
    } else if (x < 0.72) await pick(clients).sync(r);
    else if (x < 0.75) r.restart();
    else if (x < 0.78) await r.pull(true);
    else if (x < 0.84) {
      if (!switches.noRepairs) r.repair();
    } else if (rand() < calm) for (let i = 0; i < 4; i++) deliver();
    await quiet();
    if (rand() < 0.6) world.commit();
    await quiet();
    if (rand() < 0.1) await world.clock.advance(14 * STEP_MS);
    await quiet();
    if (snapshots) await background(pick(replicas), rand(), world);
    check();
  }
  let rounds = 0;
  for (;;) {
    while (world.parked.length > 0) {
      world.commit(true);
      await quiet();
    }
    deliver(true);
    world.heal();
    await quiet();
    for (const r of replicas) {
      await world.clock.advance(STEP_MS);
      for (let k = 0; k < 3; k++) {
        await r.open();
        await r.pull(true);
      }
    }
    await quiet();
    check();
    if (world.parked.length > 0) continue;
    if (switches.noRepairs) break;
    const need = replicas.filter((r) => r.log.attached && r.log.late().length > 0);
    if (need.length === 0) break;
    if (++rounds > 60) throw new Error('I5: repairs never end');
    for (const r of rand() < 0.3 ? need : [pick(need)]) r.repair();
    await quiet();
  }
  for (const r of replicas) if (!r.log.attached || r.log.pending > 0) throw new Error(`I6: ${r.log.attached ? r.log.pending : 'all'} events wait for ever`);
  if (snapshots) {
    const full = fullFold(world).fingerprint(boxes);
    if (replicas[0].state.fingerprint(boxes) !== full) throw new Error(`snapshot + tail is not the full fold\n full ${full}\n got  ${replicas[0].state.fingerprint(boxes)}`);
  }
  for (const r of replicas) if (r.state.fingerprint(boxes) !== replicas[0].state.fingerprint(boxes)) throw new Error('I4: replicas diverge');
  const all = boxes.flatMap((b) => replicas[0].state.live(b));
  const there = new Set(all.map((e) => e.id));
  for (const id of acked) if (!removed.has(id) && !there.has(id)) throw new Error(`I3: ${id} lost`);
  for (const b of boxes) {
    const live = replicas[0].state.live(b);
    if (new Set(live.map((e) => e.uid)).size !== live.length) throw new Error('I1: two messages with one UID');
  }
  for (const c of clients) {
    const r = pick(replicas);
    await c.sync(r);
    if (c.wanted(r) !== c.shown()) throw new Error(`I2: a ${c.mode} client is stale\n want ${c.wanted(r)}\n got  ${c.shown()}`);
  }
  check();
  return { writes: scene.done.length - scene.repairs, repairs: scene.repairs, zombies: world.zombies, rounds };
}

async function background(r: SimReplica, x: number, world: World): Promise<void> {
  if (x < 0.08) {
    if (!(await r.snapshot())) r.repair();
  } else if (x < 0.1) await r.bundle();
  else if (x < 0.15) await r.collect();
  else if (x < 0.17) await world.clock.advance(25 * HOUR_MS);
  else if (x < 0.19) await world.clock.advance(HOUR_MS);
  await quiet();
}

/** What all events that ever landed make, in the order of their positions, without any snapshot. */
function fullFold(world: World): ToyState {
  const state = new ToyState();
  const events = [...world.archive].map(([name, bytes]) => readEvent(toyAuthenticator, ROOT, name, bytes)).sort((a, b) => a.header.ref.position - b.header.ref.position);
  for (const e of events) {
    const event = placeOps(e.header, openOps(e.header.kind, e.name, e.clear, e.sealed), toyCodec.positions, 64);
    state.apply(event);
  }
  return state;
}
