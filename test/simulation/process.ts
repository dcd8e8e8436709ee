// One simulated process: the real presence, logs, users and receiver over a store and a clock that the world owns. A
// crash drops it between any two instructions that wait.
import { BlobCache, MailReceiver, RecordCache, SpoolBudget, Upkeep, Users } from '../../src/account/index.ts';
import type { AccountMutations, OpenUser, Replica } from '../../src/account/index.ts';
import { silent } from '../../src/base/index.ts';
import type { Logger, Random } from '../../src/base/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { Presence } from '../../src/log/index.ts';
import type { LogMutations } from '../../src/log/index.ts';
import type { StateMutations } from '../../src/state/index.ts';
import type { Faults } from '../../src/store/index.ts';
import { authenticator, cluster, directory, logins, presenceSeal } from './cast.ts';
import type { Player } from './cast.ts';
import { ProcessStore, oneBucket } from './store.ts';
import type { SimWorld } from './store.ts';
import { ProcessClock } from './time.ts';
import type { WorldClock } from './time.ts';

/** Rules that are switched off to see that the checks notice. */
export interface Switches {
  log: Partial<LogMutations>;
  state: StateMutations;
  account: AccountMutations;
}

export interface ProcessOptions {
  world: SimWorld;
  clock: WorldClock;
  random: Random;
  /** Stands for the machine: a restarted process has the same. */
  address: string;
  skew: number;
  faults: Faults;
  switches: Switches;
  peersComplete: boolean;
  upkeep: boolean;
  /** The store prepares an event's PUT while its blob's is under way. */
  preparesPuts: boolean;
  logger?: Logger;
  announce(from: Process, root: string, name: string, bytes: Uint8Array): void;
}

export class Process {
  readonly o: ProcessOptions;
  readonly clock: ProcessClock;
  readonly store: ProcessStore;
  readonly presence: Presence;
  readonly replica: Replica;
  readonly users: Users;
  readonly receiver: MailReceiver;
  readonly upkeep: Upkeep | null;
  ready = false;
  /** Messages that it has shown or stored. */
  readonly shown = new Set<number>();

  constructor(o: ProcessOptions) {
    this.o = o;
    const { world, random, switches } = o;
    this.clock = new ProcessClock(o.clock, o.skew);
    this.store = new ProcessStore(world, this.clock, o.faults, o.preparesPuts);
    const logger = o.logger ?? silent;
    this.presence = new Presence({ store: this.store, clock: this.clock, random, logger, address: o.address, version: '0', ...presenceSeal(random), mutations: switches.log });
    this.replica = {
      stores: oneBucket(this.store),
      keys: cluster,
      clock: this.clock,
      random,
      logger,
      identity: this.presence,
      authenticator,
      directory,
      blobs: new BlobCache(1 << 20),
      records: new RecordCache(1 << 20),
      spoolBudget: new SpoolBudget(1 << 24),
      announce: (_bucket, root, name, bytes) => o.announce(this, root, name, bytes),
      peersComplete: () => o.peersComplete,
      logMutations: switches.log as LogMutations,
      stateMutations: switches.state,
      mutations: switches.account,
    };
    this.users = new Users({ replica: this.replica, logins, plaintextFromLoopback: true });
    this.receiver = new MailReceiver({ replica: this.replica, logOf: (record) => this.users.logs.of(record), used: (user) => this.users.used(user) });
    this.upkeep = o.upkeep ? new Upkeep(this.replica, this.users) : null;
    void this.#start();
  }

  async #start(): Promise<void> {
    while (!this.ready) {
      try {
        await this.presence.join();
        this.ready = true;
      } catch {
        await this.clock.sleep(1000);
      }
    }
  }

  get alive(): boolean {
    return !this.clock.dead;
  }
  get up(): boolean {
    return this.ready && !this.clock.dead && !this.clock.stopped;
  }
  crash(): void {
    this.clock.dead = true;
  }
  login(player: Player): Promise<Session> {
    return this.users.login(player.address, 'any', '127.0.0.1');
  }
  open(player: Player): OpenUser | null {
    return this.users.find(player.record.id);
  }
  hint(root: string, name: string, bytes: Uint8Array): void {
    this.clock.do(() => this.users.hint(root, name, Buffer.from(bytes)));
  }
}
