// What keeps a store small, in the background and never on anyone's way: bundles of deliveries that nobody has read,
// snapshots of users who are open here, and the collection of what nobody can need any more. Any replica may do any of
// it; two that do it at once harm nothing.
import { createHash } from 'node:crypto';
import { limits, reason } from '../base/index.ts';
import { collect } from '../log/index.ts';
import { Leavings } from './leavings.ts';
import type { OpenUser } from './open-user.ts';
import type { Replica } from './replica.ts';
import { readingOf } from './usage.ts';
import type { UserLog } from './user-log.ts';
import type { Users } from './users.ts';

/** One user's log is looked at each time. */
const STEP_MS = 30_000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Names of a log that is not open; beyond it the log is forgotten, and listed anew at the next delivery. */
const NAMES_MAX = 2000;
/** Between two looks at one log: candidates must lie a day, so more often is of no use. */
const COLLECT_EVERY_MS = 6 * 60 * 60 * 1000;
/** The same with the user's secret, which all blobs and all rows are looked at with. */
const COLLECT_OPEN_EVERY_MS = 24 * 60 * 60 * 1000;
/** Who opens a mailbox has other wishes at first. */
const OPEN_FOR_MS = 10_000;

export class Upkeep {
  readonly #replica: Replica;
  readonly #users: Users;
  /** When, ms of the monotonic clock. */
  readonly #collected = new Map<string, number>();
  readonly #collectedOpen = new Map<string, number>();
  readonly #leavings: Leavings;
  #cancel: () => void = () => {};
  #working: Promise<void> = Promise.resolve();
  #stopped = false;
  #from = 0;
  /** How many names a log had when a bundle was last written or found needless: a look costs a whole LIST. */
  readonly #bundledAt = new WeakMap<UserLog, number>();

  constructor(replica: Replica, users: Users) {
    this.#replica = replica;
    this.#users = users;
    this.#leavings = new Leavings(replica);
    this.#schedule();
  }

  #schedule(): void {
    const { clock, random, logger } = this.#replica;
    this.#cancel = clock.after(STEP_MS * (0.5 + random.unit()), () => {
      if (this.#stopped) return;
      this.#working = this.step().catch((e) => logger.info('upkeep put off', { why: reason(e) }));
      void this.#working.then(() => this.#schedule());
    });
  }

  /** Bundles where too many deliveries stand alone, then one collection pass of the user whose turn it is. Unavailable, Corrupt. */
  async step(): Promise<void> {
    for (const at of this.#users.logs.all()) {
      if (this.#stopped) return;
      if (at.log.attached) continue;
      if (at.log.known - (this.#bundledAt.get(at) ?? 0) > limits.bundle_events) {
        const name = await at.log.writeBundle();
        this.#bundledAt.set(at, at.log.known);
        if (name !== null && this.#replica.counts) this.#replica.counts.bundles++;
      }
      // Names of a log that nobody opens are only ever added to.
      if (at.log.known > NAMES_MAX && at.log.submitting === 0) this.#users.logs.forget(at.record.id);
    }
    const { state } = this.#replica.directory;
    for (const seen of [this.#collected, this.#collectedOpen]) for (const id of seen.keys()) if (!state.users.has(id)) seen.delete(id);
    if ((await this.#collectOpen()) || (await this.#collectByNames())) return;
    await this.#leavings.step((id) => this.#isMine(id));
  }

  /**
   * Whoever is open here: only the user's secret tells which blobs nobody references, and some users come for minutes. Both
   * passes may be anywhere and anytime: candidates are in the store.
   */
  async #collectOpen(): Promise<boolean> {
    const { clock } = this.#replica;
    const now = clock.monotonic();
    for (const open of this.#users.opened(OPEN_FOR_MS)) {
      const { id } = open.at.record;
      if (now - (this.#collectedOpen.get(id) ?? -Infinity) < COLLECT_OPEN_EVERY_MS) continue;
      this.#collectedOpen.set(id, now);
      this.#collected.set(id, now);
      await this.collect(open.at, open);
      return true;
    }
    return false;
  }

  async #collectByNames(): Promise<boolean> {
    const { clock, directory } = this.#replica;
    const now = clock.monotonic();
    // From another place each time, so that replicas that rarely live for long get to everybody too.
    const all = [...directory.state.users.values()];
    for (let i = 0; i < all.length; i++) {
      const record = all[(this.#from + i) % all.length];
      if (now - (this.#collected.get(record.id) ?? -Infinity) < COLLECT_EVERY_MS || !this.#isMine(record.id)) continue;
      this.#from = (this.#from + i + 1) % all.length;
      this.#collected.set(record.id, now);
      await this.collect(this.#users.logs.of(record), null);
      return true;
    }
    return false;
  }

  /** Each day another replica, of those that are there, does what needs no secret; if two do it at once, or none, no harm is done. */
  #isMine(id: string): boolean {
    const members = this.#replica.members?.();
    if (!members) return true;
    const day = Math.floor(this.#replica.clock.now() / DAY_MS);
    const rank = (member: string) => createHash('sha256').update(`${day}/${id}/${member}`).digest('hex');
    const own = rank(members.self);
    return members.others.every((other) => rank(other) > own);
  }

  /** One pass over one log; with the user open blobs too. Unavailable, Corrupt. */
  async collect(at: UserLog, open: OpenUser | null): Promise<void> {
    const { random, logMutations, logger, clock } = this.#replica;
    let kept: ReadonlySet<string> | null = null;
    const referenced = open ? async () => (kept = await open.keptBlobs(clock.now() - limits.blob_kept_ms)) : undefined;
    const done = await collect({ ...readingOf(this.#replica, at.record), random, referenced, mutations: logMutations });
    if (this.#replica.counts) this.#replica.counts.collected += done.deleted.length;
    if (done.deleted.length > 0) logger.info('collected', { user: at.record.id, objects: done.deleted.length });
    if (done.joinNeeded) open?.snapshotSoon();
    if (open) await this.#tidySearch(open, kept);
  }

  /** An EMAILID is the id of the blob. Entries of messages that are gone, and parts that nobody needs, go from the search index. */
  async #tidySearch(open: OpenUser, kept: ReadonlySet<string> | null): Promise<void> {
    const index = open.search?.index;
    if (!index || !(await index.opened()) || index.size.stored === 0) return;
    await index.tidy(kept ?? (await open.keptBlobs(-Infinity)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#working;
  }
}
