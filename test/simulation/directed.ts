// Histories told step by step, for rules that chance needs too long to show: a delivery of a process that died gets into the
// log after others have gone past its position.
import { Client } from './client.ts';
import { checkEnd } from './end.ts';
import { History, runWorld } from './history.ts';
import type { Tally } from './history.ts';
import type { Process, Switches } from './process.ts';
import { profiles } from './profiles.ts';

const SECOND = 1000;
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
  /** A process dies in a delivery: its PUT lands after `lateMs`, or at once and in part. */
  async diesDelivering(at: Process, fault: 'late' | 'partial', lateMs = 0): Promise<void> {
    const { h } = this;
    const { faults } = at.store;
    faults.script = (operation, name) => (operation === 'put' && name.includes('/log/') && !h.world.objects.has(name) ? fault : null);
    Object.assign(faults, { lateMs: [lateMs, lateMs], lateNever: 0, latePartial: 0 });
    const mail = h.ledger.mail(h.players[0], 'delivered', 'INBOX');
    h.run(`deliver ${mail.tag}, and die`, at, () => h.commands.deliver(at, mail));
    await h.clock.advance(200);
    at.crash();
    h.processes.splice(h.processes.indexOf(at), 1);
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
    b.crash();
    s.h.processes.splice(s.h.processes.indexOf(b), 1);
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
