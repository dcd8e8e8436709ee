// `npm run long-life` (an hour and more; `--daily 40` is quicker): two years of one busy account over the memory store, with
// a clock of its own: 274 messages a day in and out, flags, moves, removals, three replicas, a mail app that stays and one that comes and goes, upkeep as in a server.
// One line a month. What may not grow with the account's age: the log, the bytes that snapshots rewrite, requests, and
// what it takes to open INBOX at a replica that has nothing in memory.
import { parseArgs } from 'node:util';
import { BlobCache, MailReceiver, MemoryBudget, RecordCache, SpoolBudget, Upkeep, Users } from '../../src/account/index.ts';
import type { Replica } from '../../src/account/index.ts';
import { seededRandom, silent } from '../../src/base/index.ts';
import type { Logger, Random } from '../../src/base/index.ts';
import type { Session } from '../../src/imap/session.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import type { MemoryStore } from '../../src/store/index.ts';
import { authenticator, cluster, directory, logins, players } from '../simulation/cast.ts';
import { WorldClock, quiet } from '../simulation/time.ts';
import { append, mail } from '../account/world.ts';

const HOUR = 60 * 60_000;
const DAY = 24 * HOUR;
const KIB = 1024;

const { values } = parseArgs({ options: { months: { type: 'string', default: '24' }, daily: { type: 'string', default: '274' }, seed: { type: 'string', default: '1' }, verbose: { type: 'boolean', default: false }, help: { type: 'boolean' } } });
if (values.help) {
  console.log('npm run long-life -- [--months 24] [--daily 274] [--seed 1] [--verbose]');
  process.exit();
}
const MONTHS = Number(values.months);
/** Half of them arrive, half are sent. */
const DAILY = Number(values.daily);

/** One replica, wired as server.ts does; its slot is its own from the beginning. */
class Site {
  readonly store: MemoryStore;
  readonly replica: Replica;
  readonly users: Users;
  readonly receiver: MailReceiver;
  readonly upkeep: Upkeep;
  constructor(life: Life, slot: number) {
    this.store = life.world.client();
    const { clock, random } = life;
    const memory = new MemoryBudget(32 << 20, clock);
    this.replica = {
      stores: { bucket: () => this.store, home: this.store, names: [null], place: 'here', close: async () => {} },
      keys: cluster,
      clock,
      random,
      logger: life.logger,
      identity: { slot, mayWrite: () => true, spent: new Map() },
      authenticator,
      directory,
      blobs: new BlobCache(memory),
      records: new RecordCache(memory),
      spoolBudget: new SpoolBudget(1 << 24, memory),
      memory,
      announce: (_bucket, root, name, bytes) => {
        for (const other of life.sites) if (other !== this) other.users.hint(root, name, Buffer.from(bytes));
      },
      peersComplete: () => true,
      members: () => ({ self: `r${slot}`, others: [0, 1, 2].filter((s) => s !== slot).map((s) => `r${s}`) }),
      counts: { repairs: 0, lateEvents: 0, snapshots: 0, bundles: 0, collected: 0 },
      mutations: {},
    };
    this.users = new Users({ replica: this.replica, logins, plaintextFromLoopback: true });
    this.receiver = new MailReceiver({ replica: this.replica, logOf: (record) => this.users.logs.of(record), used: (user) => this.users.used(user) });
    this.upkeep = new Upkeep(this.replica, this.users);
  }
}

/** What one opening of INBOX took at a replica that knew nothing of the user. */
interface Opening {
  ms: number;
  gets: number;
  lists: number;
  bytes: number;
}

const [player] = players;
const root = `users/${player.record.id}/`;

class Life {
  readonly clock = new WorldClock();
  readonly random: Random = seededRandom(Number(values.seed));
  readonly world = new MemoryWorld(this.clock, this.random);
  readonly logger: Logger = silent;
  readonly sites: Site[] = [];
  /** Bytes written since the month began, by what they are. */
  written: Record<string, number> = {};
  openings: Opening[] = [];
  /** Bytes that GETs gave, of all. */
  read = 0;
  desktop: { site: Site; session: Session } | null = null;

  constructor() {
    const land = this.world.land.bind(this.world);
    this.world.land = (name, bytes, full, first) => {
      const kind = name.slice(root.length).split('/')[0];
      this.written[kind] = (this.written[kind] ?? 0) + bytes.length;
      // Out of the pool: what is kept for long would hold all of it.
      const own = Buffer.allocUnsafeSlow(bytes.length);
      bytes.copy(own);
      land(name, own, full, first);
    };
    for (let slot = 0; slot < 3; slot++) this.sites.push(new Site(this, slot));
    for (const site of this.sites) {
      const get = site.store.get.bind(site.store);
      site.store.get = async (name, options) => {
        const object = await get(name, options);
        this.read += object?.bytes.length ?? 0;
        return object;
      };
    }
  }

  any(): Site {
    return this.sites[Math.floor(this.random.unit() * this.sites.length)];
  }
  chance(odds: number): boolean {
    return this.random.unit() < odds;
  }

  /** Waits for what may need the clock. */
  async done<T>(promise: Promise<T>): Promise<T> {
    let over = false;
    promise.then(() => (over = true), () => (over = true));
    for (let rounds = 0; !over; rounds++) {
      for (let i = 0; i < 4 && !over; i++) await quiet();
      if (!over) await this.clock.advance(50);
      if (rounds > 100_000) throw new Error('it never ends');
    }
    return promise;
  }

  async deliver(): Promise<void> {
    const { receiver } = this.any();
    const recipient = await receiver.recipient(player.address, null);
    const transaction = receiver.begin({ from: 'far@elsewhere.example', recipients: [recipient], declaredBytes: null });
    await transaction.write(Buffer.from(mail(`news ${this.clock.time}`)));
    for (const { error } of await this.done(transaction.commit(() => Buffer.from('Return-Path: <far@elsewhere.example>\r\n')))) if (error) throw error;
  }

  /** The app at the desk: open all day, does what the day asks for. */
  async work(): Promise<void> {
    const { session } = this.desktop!;
    const box = await this.done(session.select('INBOX', false));
    const { index } = box;
    // A fresh position is a second away for nobody: each change goes alone, as mail apps do.
    const unseen: number[] = [];
    for (let i = Math.max(0, index.count - 60); i < index.count; i++) if (!index.flagsOf(index.flagSet(i)).includes('\\Seen')) unseen.push(index.uids[i]);
    for (const uid of unseen) {
      await this.done(box.store([uid], 'add', ['\\Seen'], null));
      if (this.chance(0.1)) await this.done(box.store([uid], 'add', ['\\Answered'], null));
      if (this.chance(0.5)) await this.done(box.read(uid, 0, 1000));
    }
    for (let i = 0; i < DAILY / 2 / 9; i++) await this.done(append(session, 'Sent', [mail(`answer ${this.clock.time}`)], ['\\Seen']));
    if (index.count > 0 && this.chance(0.5)) {
      const uid = index.uids[Math.floor(this.random.unit() * index.count)];
      const flagged = index.flagsOf(index.flagSet(index.find(uid))).includes('\\Flagged');
      await this.done(box.store([uid], flagged ? 'remove' : 'add', ['\\Flagged'], null));
    }
    box.close();
  }

  /** In the evening: of what is a week old two fifths go to the archive, two fifths are removed; nothing stays for two months. */
  async tidy(): Promise<void> {
    const { session } = this.desktop!;
    const box = await this.done(session.select('INBOX', false));
    const { index } = box;
    const move: number[] = [];
    const remove: number[] = [];
    for (let i = 0; i < index.count; i++) {
      const age = this.clock.time - index.internalDate(i);
      if (age > 60 * DAY) remove.push(index.uids[i]);
      else if (age > 7 * DAY && age <= 8 * DAY) {
        const drawn = this.random.unit();
        if (drawn < 0.4) move.push(index.uids[i]);
        else if (drawn < 0.8) remove.push(index.uids[i]);
      }
    }
    if (move.length > 0) await this.done(box.move(move, 'Archive'));
    if (remove.length > 0) {
      await this.done(box.store(remove, 'add', ['\\Deleted'], null));
      await this.done(box.expunge(remove));
    }
    box.close();
  }

  /** The phone: comes to any replica, looks at INBOX, goes. */
  async glance(): Promise<void> {
    const site = this.any();
    const cold = site.users.find(player.record.id) === null;
    const before = { ...site.store.counts };
    const read = this.read;
    const began = process.cpuUsage();
    const session = await this.done(site.users.login(player.address, 'any', '127.0.0.1'));
    const box = await this.done(session.select('INBOX', true));
    const { user, system } = process.cpuUsage(began);
    if (cold) this.openings.push({ ms: (user + system) / 1000, gets: site.store.counts.get - before.get, lists: site.store.counts.list - before.list, bytes: this.read - read });
    const newest = box.index.uids.slice(Math.max(0, box.index.count - 20), box.index.count);
    await this.done(box.records(newest));
    box.close();
    session.close();
  }

  async day(): Promise<void> {
    for (let hour = 0; hour < 24; hour++) {
      if (hour === 9) {
        const site = this.any();
        this.desktop = { site, session: await this.done(site.users.login(player.address, 'any', '127.0.0.1')) };
      }
      for (let n = 0; n < DAILY / 2 / 24; n++) if (this.chance(DAILY / 2 / 24 - n)) await this.deliver();
      if (hour >= 9 && hour < 18) await this.work();
      if (hour === 18) {
        await this.tidy();
        this.desktop!.session.close();
        this.desktop = null;
      }
      if (hour >= 7 && hour < 23) await this.glance();
      await this.clock.advance(HOUR);
    }
  }

  live(kind: string): { n: number; bytes: number } {
    let [n, bytes] = [0, 0];
    const prefix = `${root}${kind}/`;
    for (let i = this.world.at(prefix); i < this.world.names.length && this.world.names[i].startsWith(prefix); i++) {
      n++;
      bytes += this.world.objects.get(this.world.names[i])!.bytes.length;
    }
    return { n, bytes };
  }
}

/** What is really held: the store itself is in it. */
function memory(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return Math.round((heapUsed + external) / KIB / KIB);
}

const median = (list: number[]): number => [...list].sort((a, b) => a - b)[list.length >> 1] ?? NaN;
const life = new Life();
const columns = ['month', 'messages', 'log', 'snapshots', 'parts', 'parts KB', 'blobs', 'rewritten KB/day', 'requests/day', 'SELECT ms', 'GETs', 'LISTs', 'KB read', 'snapshots/day', 'collected', 'memory MB'];
process.stdout.write(`${columns.join('\t')}\n`);
const began = performance.now();
for (let month = 1; month <= MONTHS; month++) {
  const total = () => life.sites.reduce((sum, s) => ({ put: sum.put + s.store.counts.put, get: sum.get + s.store.counts.get, list: sum.list + s.store.counts.list, delete: sum.delete + s.store.counts.delete, snapshots: sum.snapshots + s.replica.counts!.snapshots, collected: sum.collected + s.replica.counts!.collected }), { put: 0, get: 0, list: 0, delete: 0, snapshots: 0, collected: 0 });
  const before = total();
  life.written = {};
  life.openings = [];
  const days = 30;
  for (let day = 0; day < days; day++) await life.day();
  const after = total();
  const of = (kind: 'put' | 'get' | 'list' | 'delete' | 'snapshots' | 'collected') => (after[kind] - before[kind]) / days;
  const { written, openings } = life;
  const parts = life.live('parts');
  process.stdout.write(
    `${[
      month,
      month * days * DAILY,
      life.live('log').n,
      life.live('snapshots').n,
      parts.n,
      Math.round(parts.bytes / KIB),
      life.live('blobs').n,
      Math.round(((written.parts ?? 0) + (written.snapshots ?? 0)) / KIB / days),
      Math.round(of('put') + of('get') + of('list') + of('delete')),
      median(openings.map((o) => o.ms)).toFixed(1),
      median(openings.map((o) => o.gets)),
      median(openings.map((o) => o.lists)),
      Math.round(median(openings.map((o) => o.bytes)) / KIB),
      of('snapshots').toFixed(1),
      Math.round(of('collected')),
      memory(),
    ].join('\t')}\n`,
  );
  if (values.verbose) process.stderr.write(`${Math.round((performance.now() - began) / 1000)} s ${JSON.stringify(written)} put ${of('put').toFixed(0)} get ${of('get').toFixed(0)} list ${of('list').toFixed(0)} delete ${of('delete').toFixed(0)}\n`);
}
process.exit(0);
