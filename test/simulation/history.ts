// One history: a world made from a seed, in which replicas, senders and clients live for a while, things go wrong, and
// in the end all is well again and looked at. Throws at the first property that doesn't hold.
import { Corrupt, Refused, Unavailable, seededRandom } from '../../src/base/index.ts';
import type { Random } from '../../src/base/index.ts';
import { markRestored } from '../../src/account/index.ts';
import { players } from './cast.ts';
import type { Player } from './cast.ts';
import { Client } from './client.ts';
import { Commands, MORTAL } from './commands.ts';
import { checkEnd } from './end.ts';
import { faultsOf } from './faults.ts';
import { Ledger } from './ledger.ts';
import type { Mail } from './ledger.ts';
import { Observer, Violation } from './observer.ts';
import { Process } from './process.ts';
import type { Switches } from './process.ts';
import type { Profile, Rates } from './profiles.ts';
import { SimWorld } from './store.ts';
import { quiet, WorldClock } from './time.ts';

const SECOND = 1000;
const HOUR = 3_600_000;

export interface Tally {
  acks: number;
  events: number;
  repairs: number;
  crashes: number;
  requests: number;
}

export class History {
  readonly profile: Profile;
  readonly switches: Switches;
  readonly random: Random;
  readonly clock = new WorldClock();
  readonly world: SimWorld;
  readonly observer: Observer;
  readonly ledger = new Ledger();
  readonly commands: Commands;
  readonly players: readonly Player[];
  readonly processes: Process[] = [];
  readonly clients: Client[] = [];
  readonly tell: (text: string) => void;
  calm = false;
  crashes = 0;
  #peersComplete: boolean;
  /** In every other history events are sent as to the disk store, in the others as to S3. */
  readonly #preparesPuts: boolean;
  #failed: unknown = null;

  constructor(seed: number, profile: Profile, switches: Switches, tell: (text: string) => void = () => {}) {
    this.profile = profile;
    this.switches = switches;
    this.random = seededRandom(seed);
    for (let i = 0; i < 5; i++) this.random.unit();
    this.#preparesPuts = seed % 2 === 1;
    this.tell = (text) => tell(`${(this.clock.elapsed / SECOND).toFixed(3).padStart(12)}  ${text}`);
    this.world = new SimWorld(this.clock, this.random);
    this.world.sickness = profile.sick ?? null;
    this.observer = new Observer(this.world, switches.log.firstPositionInName ?? false);
    const checked = this.world.onLanding;
    this.world.onLanding = (name, bytes, full) => {
      this.tell(`        ${full ? 'landed' : 'landed in part'} ${name} ${bytes.length}`);
      checked(name, bytes, full);
    };
    this.commands = new Commands(this.ledger, this.random);
    this.players = profile.two ? players : players.slice(0, 1);
    this.#peersComplete = this.random.unit() < 0.7;
    for (let i = 0, n = this.between(profile.replicas); i < n; i++) this.processes.push(this.#process(`machine${i}`));
    for (let i = 0; i < 4; i++) this.clients.push(new Client(i % 2 ? 'uidnext' : 'qresync', this.pick(this.players), i < 3 ? 'INBOX' : 'Archive', this.observer, this.ledger));
  }

  between([min, max]: [number, number]): number {
    return min + Math.floor(this.random.unit() * (max - min + 1));
  }
  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random.unit() * list.length)];
  }
  chance(odds: number): boolean {
    return this.random.unit() < odds;
  }

  #process(address: string): Process {
    const process: Process = new Process({
      world: this.world,
      clock: this.clock,
      random: this.random,
      address,
      skew: Math.floor((this.random.unit() - 0.5) * 20 * SECOND),
      faults: faultsOf(this.profile, this.random, () => this.calm, () => this.crash(process)),
      switches: this.switches,
      peersComplete: this.#peersComplete,
      upkeep: this.profile.upkeep,
      preparesPuts: this.#preparesPuts,
      announce: (from, root, name, bytes) => this.#announce(from, root, name, bytes),
    });
    return process;
  }
  /** A process beside the others, for a last look. */
  newcomer(): Process {
    return this.#process('newcomer');
  }

  /** Hints get lost and overtake each other. */
  #announce(from: Process, root: string, name: string, bytes: Uint8Array): void {
    const copy = Buffer.from(bytes);
    for (const to of this.processes) {
      if (to === from || (!this.calm && this.chance(this.profile.hintsLost))) continue;
      const ms = this.chance(0.8) ? this.random.unit() * 50 : this.random.unit() * 60 * SECOND;
      this.clock.after(ms, () => to.hint(root, name, copy));
    }
  }

  fail(e: unknown): void {
    this.#failed ??= e;
  }
  /** Throws what went wrong so far. */
  check(): void {
    const failed = this.#failed ?? this.observer.failed;
    if (failed) throw failed;
  }

  /** Starts a command and doesn't wait for it. */
  run(what: string, process: Process, command: () => Promise<unknown>): void {
    const n = this.processes.indexOf(process);
    this.tell(`${n} ${what}`);
    command().then(
      (answer) => {
        this.tell(`${n} ${what}: done`);
        if (typeof answer === 'string') this.fail(new Violation('1 what is read is what was sent', answer));
        if (!this.calm && this.chance(this.profile.killedAfterAnswer)) this.crash(process);
      },
      (e) => {
        this.tell(`${n} ${what}: ${e}`);
        if (!(e instanceof Refused || e instanceof Unavailable || (this.profile.sick && e instanceof Corrupt))) this.fail(e);
      },
    );
  }

  crash(process: Process): void {
    const i = this.processes.indexOf(process);
    if (i < 0 || !process.alive) return;
    this.tell(`${i} is killed`);
    this.crashes++;
    process.crash();
    const restart = () => {
      this.tell(`${i} starts again`);
      this.processes[i] = this.#process(process.o.address);
    };
    this.clock.after(this.chance(0.6) ? 0 : this.random.unit() * 60 * SECOND, restart);
  }

  async live(): Promise<void> {
    await this.clock.advance(this.chance(0.5) ? 5 * SECOND : 0);
    const steps = this.between(this.profile.steps);
    for (let i = 0; i < steps; i++) {
      await this.step();
      const ms = this.chance(this.profile.bursts) ? this.random.unit() * 200 : this.chance(0.8) ? this.random.unit() * 8 * SECOND : this.random.unit() * 70 * SECOND;
      await this.clock.advance(ms);
      this.check();
    }
    await checkEnd(this);
  }

  tally(): Tally {
    const repairs = [...this.observer.events.values()].filter((e) => e.event.ops.some((p) => p.op.kind === 'Repaired')).length;
    const { counts } = this.world;
    return { acks: this.ledger.acks, events: this.observer.events.size, repairs, crashes: this.crashes, requests: counts.put + counts.get + counts.list + counts.delete };
  }

  #action(): keyof Rates {
    const rates = Object.entries(this.profile.rates) as [keyof Rates, number][];
    let x = this.random.unit() * rates.reduce((sum, [, rate]) => sum + rate, 0);
    for (const [action, rate] of rates) if ((x -= rate) < 0) return action;
    return 'sync';
  }

  /** One thing happens. */
  step(): void | Promise<void> {
    const action = this.#action();
    const delivery = action === 'deliver' || action === 'again';
    const mishap = ['crash', 'stop', 'cut', 'stuck', 'wall'].includes(action);
    const process = this.pick(delivery || mishap ? this.processes : this.processes.slice(this.profile.deliverers ?? 0));
    const player = this.pick(this.players);
    const c = this.commands;
    const box = () => (this.profile.mortal && this.chance(0.4) ? this.pick(MORTAL) : this.chance(0.75) ? 'INBOX' : 'Archive');
    const another = (than: string) => (than === 'INBOX' || this.chance(0.3) ? (this.profile.mortal && this.chance(0.5) ? this.pick(MORTAL) : 'Archive') : 'INBOX');
    if (action === 'hours') return this.clock.jump(this.between([1, 30]) * HOUR);
    if (action === 'absence') return this.#absence();
    if (!process.up && action !== 'crash' && action !== 'again' && action !== 'noop') return;
    switch (action) {
      case 'deliver': {
        const mail = this.ledger.mail(player, 'delivered', 'INBOX');
        return this.run(`deliver ${mail.tag}`, process, () => c.deliver(process, mail));
      }
      case 'again': {
        const mail = this.#unanswered();
        const to = this.pick(this.processes.filter((p) => p.up));
        if (mail && to) this.run(`deliver ${mail.tag} again`, to, () => c.deliver(to, mail));
        return;
      }
      case 'append': {
        const name = box();
        return this.run(`append ${name}`, process, () => c.append(process, player, name, this.chance(0.7) ? 1 : 3));
      }
      case 'store': {
        const name = box();
        return this.run(`store ${name}`, process, () => c.store(process, player, name));
      }
      case 'note':
        return this.run('note', process, () => c.note(process, player, 'INBOX'));
      case 'subscribe':
        return this.run('subscribe', process, () => c.subscribe(process, player, box()));
      case 'undelete':
        return this.run('undelete', process, () => c.undelete(process, player));
      case 'restored':
        return this.run('restored', process, () => markRestored(process.users.logs.of(player.record), process.clock));
      case 'copy':
      case 'move': {
        const from = box();
        const to = another(from);
        return this.run(`${action} ${from} ${to}`, process, () => c.copy(process, player, from, to, action === 'move'));
      }
      case 'expunge': {
        const name = box();
        return this.run(`expunge ${name}`, process, () => c.expunge(process, player, name));
      }
      case 'read':
        return this.run('read', process, () => c.read(process, player, 'INBOX'));
      case 'create': {
        const name = this.pick(MORTAL);
        return this.run(`create ${name}`, process, () => c.create(process, player, name));
      }
      case 'remove': {
        const name = this.pick(MORTAL);
        return this.run(`remove ${name}`, process, () => c.remove(process, player, name));
      }
      case 'rename': {
        const from = this.chance(0.1) ? 'INBOX' : this.pick(MORTAL);
        const to = this.pick(MORTAL);
        return this.run(`rename ${from} ${to}`, process, () => c.rename(process, player, from, to));
      }
      case 'sync': {
        const client = this.pick(this.clients);
        if (!client.free) return;
        const stay = this.chance(this.profile.stays ?? 0.3);
        return this.run(`sync ${this.clients.indexOf(client)}`, process, () => client.sync(process, stay));
      }
      case 'noop': {
        const client = this.clients.find((x) => x.idle?.up && x.free);
        if (client) this.run(`noop ${this.clients.indexOf(client)}`, client.idle!, () => client.noop());
        return;
      }
      default:
        return this.#mishap(action, process, player);
    }
  }

  #mishap(action: keyof Rates, process: Process, player: Player): void {
    const n = this.processes.indexOf(process);
    switch (action) {
      case 'crash':
        return this.crash(process);
      case 'stop': {
        const slept = this.chance(0.5);
        const ms = this.chance(0.5) ? this.random.unit() * 20 * SECOND : this.random.unit() * 400 * SECOND;
        this.tell(`${n} ${slept ? 'sleeps' : 'is stopped'} for ${ms.toFixed(0)} ms`);
        process.clock.stop();
        this.clock.after(ms, () => process.clock.resume(slept));
        return;
      }
      case 'cut': {
        this.tell(`${n} is cut off`);
        process.store.faults.cut = true;
        this.clock.after(this.random.unit() * (this.chance(0.3) ? 400 : 60) * SECOND, () => (process.store.faults.cut = false));
        return;
      }
      case 'stuck': {
        const { store } = process;
        this.tell(`${n} is shown the past`);
        store.stuckAt = this.clock.now();
        this.clock.after(this.random.unit() * (this.chance(0.3) ? 400 : 60) * SECOND, () => (store.stuckAt = null));
        return;
      }
      case 'wall':
        process.clock.skew += Math.floor((this.random.unit() - 0.5) * 600 * SECOND);
        return this.tell(`${n} has its clock set`);
      case 'snapshot': {
        const open = process.open(player);
        if (!open) return;
        return this.run('snapshot', process, async () => {
          if (this.profile.forgets) {
            await open.fresh();
            await open.need({ kind: 'everything' });
            open.forgetExpunged(this.clock.now() + HOUR);
          }
          return void (await open.snapshot());
        });
      }
      case 'bundle':
        return this.run('bundle', process, async () => void (await process.users.logs.of(player.record).log.writeBundle(1)));
      case 'collect':
        return this.run('collect', process, async () => process.upkeep?.collect(process.users.logs.of(player.record), process.open(player)));
      default:
        throw new TypeError(action);
    }
  }

  #unanswered(): Mail | null {
    const waiting = this.ledger.mails.filter((m) => m.kind === 'delivered' && (!m.acked || this.chance(0.05)));
    return waiting.length > 0 ? this.pick(waiting) : null;
  }

  /** A replica with a client on it stands still for days; meanwhile what it knows of is put away and what is new too. */
  async #absence(): Promise<void> {
    const [absent, present] = this.processes.filter((p) => p.up);
    const client = this.clients.find((c) => c.free);
    if (!absent || !present || !client) return;
    this.run(`sync ${this.clients.indexOf(client)}`, absent, () => client.sync(absent, true));
    await this.clock.advance(5 * SECOND);
    this.tell(`${this.processes.indexOf(absent)} is stopped for days`);
    absent.clock.stop();
    const { player } = client;
    const logs = () => present.users.logs.of(player.record);
    for (let day = 0; day < 3; day++) {
      const mail = this.ledger.mail(player, 'delivered', 'INBOX');
      this.run(`deliver ${mail.tag}`, present, () => this.commands.deliver(present, mail));
      await this.clock.advance(this.profile.slowest + 10 * SECOND);
      this.run('snapshot', present, async () => {
        const session = await present.login(player);
        await present.open(player)!.snapshot();
        session.close();
      });
      await this.clock.advance(3 * 60 * SECOND);
      for (const hours of [2, 25]) {
        this.clock.jump(hours * HOUR);
        await this.clock.advance(70 * SECOND);
        this.run('collect', present, async () => present.upkeep?.collect(logs(), present.open(player)));
        await this.clock.advance(60 * SECOND);
      }
    }
    this.tell(`${this.processes.indexOf(absent)} is back`);
    absent.clock.resume(this.chance(0.5));
    if (client.idle === absent && client.free) this.run(`noop ${this.clients.indexOf(client)}`, absent, () => client.noop());
  }
}

/** Lets a history happen, and ends its world. */
export async function runWorld(history: History, live: () => Promise<void>): Promise<Tally> {
  try {
    await live();
    history.check();
    return history.tally();
  } finally {
    for (const p of history.processes) p.crash();
    await quiet();
  }
}

export function runHistory(seed: number, profile: Profile, switches: Switches, tell?: (text: string) => void): Promise<Tally> {
  const history = new History(seed, profile, switches, tell);
  return runWorld(history, () => history.live());
}
