// What keeps a store small, in the background and never on anyone's way: bundles of deliveries that nobody has read,
// snapshots of users who are open here, and the collection of what nobody can need any more. Any replica may do any of
// it; two that do it at once harm nothing.
import { limits, reason } from '../base/index.ts';
import { collect } from '../log/index.ts';
import type { OpenUser } from './open-user.ts';
import type { Replica } from './replica.ts';
import { readingOf } from './usage.ts';
import type { UserLog } from './user-log.ts';
import type { Users } from './users.ts';

/** One user's log is looked at each time. */
const STEP_MS = 30_000;
/** Names of a log that is not open; beyond it the log is forgotten, and listed anew at the next delivery. */
const NAMES_MAX = 2000;
/** Between two looks at one log: candidates must lie a day, so more often is of no use. */
const COLLECT_EVERY_MS = 6 * 60 * 60 * 1000;

export class Upkeep {
  readonly #replica: Replica;
  readonly #users: Users;
  readonly #collected = new Map<string, number>();
  #cancel: () => void = () => {};
  #working: Promise<void> = Promise.resolve();
  #stopped = false;
  /** How many names a log had when a bundle was last written or found needless: a look costs a whole LIST. */
  readonly #bundledAt = new WeakMap<UserLog, number>();

  constructor(replica: Replica, users: Users) {
    this.#replica = replica;
    this.#users = users;
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
    const { clock, directory } = this.#replica;
    for (const id of this.#collected.keys()) if (!directory.state.users.has(id)) this.#collected.delete(id);
    const due = [...directory.state.users.values()].find((u) => clock.monotonic() - (this.#collected.get(u.id) ?? -Infinity) >= COLLECT_EVERY_MS);
    if (!due) return;
    this.#collected.set(due.id, clock.monotonic());
    await this.collect(this.#users.logs.of(due), this.#users.find(due.id));
  }

  /** One pass over one log; with the user open blobs too. */
  async collect(at: UserLog, open: OpenUser | null): Promise<void> {
    const { random, logMutations, logger, clock } = this.#replica;
    let referenced: ((ids: string[]) => Promise<ReadonlySet<string>>) | undefined;
    if (open) {
      referenced = async () => {
        await open.fresh();
        await open.need({ kind: 'everything' });
        open.forgetExpunged(clock.now() - limits.blob_kept_ms);
        const kept = new Set<string>();
        for (const { blob } of open.state.referencedBlobs()) kept.add(blob);
        return kept;
      };
    }
    const done = await collect({ ...readingOf(this.#replica, at.record), random, referenced, mutations: logMutations });
    if (this.#replica.counts) this.#replica.counts.collected += done.deleted.length;
    if (done.deleted.length > 0) logger.info('collected', { user: at.record.id, objects: done.deleted.length });
    if (done.joinNeeded) open?.snapshotSoon();
    if (open) await this.#tidySearch(open);
  }

  /** An EMAILID is the id of the blob. Entries of messages that are gone, and parts that nobody needs, go from the search index. */
  async #tidySearch(open: OpenUser): Promise<void> {
    const index = open.search?.index;
    if (!index || !(await index.opened()) || index.size.stored === 0) return;
    await open.fresh();
    await open.need({ kind: 'everything' });
    const kept = new Set<string>();
    for (const { blob } of open.state.referencedBlobs()) kept.add(blob);
    await index.tidy(kept);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#working;
  }
}
