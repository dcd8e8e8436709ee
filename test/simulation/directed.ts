// Histories told step by step, for rules that chance needs too long to show: a delivery of a process that died gets into the
// log after others have gone past its position; a process stands still for a day in the middle of a collection.
import { Upkeep } from '../../src/account/index.ts';
import { Client } from './client.ts';
import { checkEnd } from './end.ts';
import { History, runWorld } from './history.ts';
import type { Tally } from './history.ts';
import type { Process, Switches } from './process.ts';
import { profiles } from './profiles.ts';

const SECOND = 1000;
const HOUR = 3_600_000;
const nothingFails = { ...profiles.mail, replicas: [3, 3] as [number, number], rates: {}, slowPuts: 0, badPuts: 0, badOthers: 0, hintsLost: 1, killedAfterAnswer: 0 };

/** Three replicas without hints, one client that remembers UIDNEXT alone, and what it takes to go on. */
class Stage {
  readonly h: History;
  readonly client: Client;
  constructor(switches: Switches, tell?: (text: string) => void) {
    this.h = new History(1, nothingFails, switches, tell);
    this.client = new Client('uidnext', this.h.players[0], 'INBOX', this.h.observer, this.h.ledger);
    this.h.clients.splice(0, this.h.clients.length, this.client);
  }
  async does(what: string, at: Process, command: () => Promise<unknown>): Promise<void> {
    this.h.run(what, at, () => command().then(() => {}));
    await this.h.clock.advance(5 * SECOND);
    this.h.check();
  }
  append(at: Process, name: string): Promise<void> {
    return this.does(`append ${name}`, at, () => this.h.commands.append(at, this.h.players[0], name, 1));
  }
  sync(at: Process): Promise<void> {
    return this.does('sync', at, () => this.client.sync(at));
  }
  look(at: Process, whole = false): Promise<void> {
    const open = at.open(this.h.players[0])!;
    return this.does('look', at, () => (whole ? open.at.log.refresh(0, true) : open.fresh()));
  }
  /** It is killed for good. */
  dies(at: Process): void {
    at.crash();
    this.h.processes.splice(this.h.processes.indexOf(at), 1);
  }
  /** What goes wrong with PUTs at a process, by the object's name. */
  puts(at: Process, fault: (name: string) => 'late' | 'partial' | 'fails' | 'slow' | null, ms = 0): void {
    const { faults } = at.store;
    faults.script = (operation, name) => (operation === 'put' ? fault(name) : null);
    Object.assign(faults, { lateMs: [ms, ms], slowMs: [ms, ms], lateNever: 0, latePartial: 0 });
  }
  /** One collection pass over the log. */
  collect(at: Process): Promise<void> {
    return this.does('collect', at, async () => {
      const upkeep = new Upkeep(at.replica, at.users);
      await upkeep.stop();
      await upkeep.collect(at.users.logs.of(this.h.players[0].record), null);
    });
  }
  /** Hours go by; who is up renews its presence. */
  async hours(n: number): Promise<void> {
    this.h.clock.jump(n * HOUR);
    await this.h.clock.advance(70 * SECOND);
  }
  /** A process dies in a delivery: its PUT lands after `lateMs`, or at once and in part. */
  async diesDelivering(at: Process, fault: 'late' | 'partial', lateMs = 0): Promise<void> {
    const { h } = this;
    this.puts(at, (name) => (name.includes('/log/') && !h.world.objects.has(name) ? fault : null), lateMs);
    const mail = h.ledger.mail(h.players[0], 'delivered', 'INBOX');
    h.run(`deliver ${mail.tag}, and die`, at, () => h.commands.deliver(at, mail));
    await h.clock.advance(200);
    this.dies(at);
  }
  play(scene: (a: Process, b: Process, c: Process) => Promise<void>): Promise<Tally> {
    const { h } = this;
    return runWorld(h, async () => {
      const [a, b, c] = h.processes;
      await h.clock.advance(20 * SECOND);
      // B stays open all along, so that it reads the log by its tail.
      await this.does('log in', b, () => b.login(h.players[0]));
      await scene(a, b, c);
      await checkEnd(h);
    });
  }
}

/**
 * The delivery lands 200 s after its writer died: `closed` has passed it at B, while C reads all anew and shows it. What it
 * could conflict with lies in another mailbox, so only that it was passed over gives it a new UID.
 */
export function passedOver(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, b, c) => {
    await s.sync(b);
    await s.diesDelivering(a, 'late', 200 * SECOND);
    for (let i = 0; i < 3; i++) await s.append(b, 'Archive');
    for (let i = 0; i < 3; i++) {
      await s.h.clock.advance(60 * SECOND);
      await s.look(b);
    }
    await s.h.clock.advance(10 * SECOND);
    await s.sync(c);
    await s.sync(b);
    await s.look(b, true);
    await s.sync(b);
  });
}

/**
 * The delivery lands at once but in part, and nobody's read shows it until B's floor has passed it and B has written beyond it
 * in the same mailbox. Then C reads all anew: that B's event hadn't seen it, only the digest of B's floor tells.
 */
export function trustedFloor(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, b, c) => {
    const shown = (odds: number) => [b, c].forEach((p) => (p.store.faults.partialShown = odds));
    await s.append(b, 'INBOX');
    shown(0);
    await s.diesDelivering(a, 'partial');
    for (let i = 0; i < 3; i++) await s.append(b, 'Archive');
    for (let i = 0; i < 3; i++) {
      await s.h.clock.advance(60 * SECOND);
      await s.look(b);
    }
    await s.append(b, 'INBOX');
    await s.sync(b);
    // B is gone for good: it would have found by itself that it had passed over something.
    s.dies(b);
    shown(1);
    await s.sync(c);
  });
}

/**
 * The delivery lands in part, and no read of B shows it until its floor has passed it. C comes anew, finds it and shows it; B
 * writes beyond it, so C repairs: a new UID. Only the digest of C's floor tells B that this repair has seen something else, and
 * a client that was shown the mailbox at B without the message would never ask for that UID again.
 */
export function unknownBelow(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, b, c) => {
    const wait = async (at: Process) => {
      for (let i = 0; i < 3; i++) {
        await s.h.clock.advance(60 * SECOND);
        await s.look(at);
      }
    };
    b.store.faults.partialShown = 0;
    c.store.faults.partialShown = 1;
    await s.append(b, 'INBOX');
    await s.diesDelivering(a, 'partial');
    await s.append(b, 'Archive');
    await wait(b);
    await s.does('log in', c, () => c.login(s.h.players[0]));
    await s.sync(c);
    await wait(c);
    await s.append(b, 'INBOX');
    await s.sync(c);
    await s.sync(b);
  });
}

/**
 * B writes the user's first snapshot: its parts are there, its manifest is on its way. A collects, sees the parts and no manifest, and
 * stands still for a day (a machine that sleeps). C meanwhile collects what that snapshot has, as it may. What A goes on to
 * delete must not be the parts.
 */
export function collectedUnderWriter(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, b, c) => {
    await s.append(b, 'INBOX');
    // The newest event is never collected.
    await s.append(b, 'Archive');
    // Nobody collects in a log that is younger.
    await s.h.clock.advance(3700 * SECOND);
    await s.look(b);
    s.puts(b, (name) => (name.includes('/snapshots/') ? 'slow' : null), 20 * SECOND);
    s.h.run('snapshot', b, async () => void (await b.open(s.h.players[0])!.snapshot()));
    await s.h.clock.advance(2 * SECOND);
    // The answer to the last LIST of a pass is heard when A goes on.
    a.store.faults.script = (operation, name) => (operation === 'list' && name.endsWith('/parts/') && a.clock.stop(), null);
    await s.collect(a);
    await s.h.clock.advance(30 * SECOND);
    // Who has all in memory could write it anew.
    s.dies(b);
    for (const n of [2, 26]) {
      await s.hours(n);
      await s.collect(c);
    }
    if (s.h.world.names.filter((name) => name.includes('/log/')).length !== 1) throw new Error('the scene needs a log that was collected');
    a.store.faults.script = () => null;
    a.clock.resume(true);
    await s.h.clock.advance(30 * SECOND);
    s.h.check();
  });
}

/**
 * An append of A lands a second after A gave it up, and C shows it. A had listed before that, and its next append is still on its
 * way: with the same position, a client that waits at A would be told another message under the UID that C has shown.
 */
export function triedPosition(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, _b, c) => {
    const { h } = s;
    await s.append(a, 'INBOX');
    await s.sync(c);
    let first = '';
    s.puts(a, (name) => (!name.includes('/log/') ? null : first === '' ? ((first = name), 'late') : name === first ? 'fails' : 'slow'), 62 * SECOND);
    h.run('append, and give up', a, () => h.commands.append(a, h.players[0], 'INBOX', 1));
    await h.clock.advance(60.6 * SECOND);
    a.store.faults.slowMs = [6 * SECOND, 6 * SECOND];
    h.run('append again', a, () => h.commands.append(a, h.players[0], 'INBOX', 1));
    await h.clock.advance(2 * SECOND);
    await s.sync(c);
    await h.clock.advance(1.5 * SECOND);
    // What a client hears that waits in IDLE: nobody asks the store for it.
    const open = a.open(h.players[0])!;
    const inbox = open.state.byName('INBOX')!.id;
    h.observer.shown(h.players[0], open, inbox, open.state.mailbox(inbox));
    a.store.faults.script = () => null;
  });
}

/**
 * A delivery lands in part and its sender dies. B's reads show it, so B shows it and writes after it. Then the one node that had
 * it is lost, and B with it: what B's event has seen must be there all the same, or nobody can show that user's mail.
 */
export function shownInPart(switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const s = new Stage(switches, tell);
  return s.play(async (a, b) => {
    const { world } = s.h;
    b.store.faults.partialShown = 1;
    await s.diesDelivering(a, 'partial');
    await s.sync(b);
    await s.append(b, 'INBOX');
    s.dies(b);
    for (const name of [...world.names]) if (!world.objects.get(name)!.full) world.remove(name);
  });
}
