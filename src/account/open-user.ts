// A user who is logged in here: the secret ring, the log folded into the state, and who listens to its mailboxes. One
// for all sessions of the user at this replica.
import { Corrupt, Unavailable, limits, reason } from '../base/index.ts';
import type { MailboxId } from '../base/index.ts';
import { PartGone } from '../log/index.ts';
import type { Estimate, Fold, FoldSource, Made, SnapshotView } from '../log/index.ts';
import type { AccountNews } from '../imap/session.ts';
import { openNamed, openRing, sealNamed } from '../seal/index.ts';
import { UserState } from '../state/index.ts';
import type { EncodedState, MissingPart, MailboxInfo, Op, Wanted } from '../state/index.ts';
import { partName } from '../store/index.ts';
import { pack, unpack } from './codec.ts';
import { newsOf } from './news.ts';
import { Pending } from './pending.ts';
import type { Replica } from './replica.ts';
import { Taken, roomOf } from './room.ts';
import { UserSearch } from './search.ts';
import { mayEvictRows } from './state-memory.ts';
import type { Usage } from './usage.ts';
import type { UserLog } from './user-log.ts';

/** Hears of changes of one mailbox. */
export interface Listener {
  readonly mailbox: MailboxId;
  changed(): void;
}

const NOTHING = Buffer.alloc(0);
const nothing = (): void => {};
/** Messages of one event that weigh as much as an event of its own when a snapshot is due. */
const MESSAGES_PER_EVENT = 16;
/** A snapshot names all events that are in the log still, so while events come and come it waits for one in so many of them. */
const SNAPSHOT_SHARE = 16;
/** When none came for so long it waits no more. */
const SNAPSHOT_QUIET_MS = 5000;

export class OpenUser {
  readonly at: UserLog;
  readonly replica: Replica;
  state: UserState;
  readonly listeners = new Set<Listener>();
  /** Sessions that hear of all mailboxes. */
  readonly watchers = new Set<(news: AccountNews) => void>();
  readonly pending = new Pending();
  readonly #taken = new Taken();
  /** Null where searches read every message. */
  search: UserSearch | null = null;
  /** Called when this user can't go on (forgotten, damaged): sessions say BYE. */
  onBroken: (text: string) => void = () => {};
  /** Called when more of the state came into memory. */
  onGrown: () => void = () => {};
  /** When the rows of a mailbox, or of all, were last asked for, ms of the monotonic clock. */
  readonly rowsUsed = new Map<MailboxId, number>();
  allRowsUsed = -Infinity;
  #fetch: (id: string, manifest: number) => Promise<Buffer> = () => Promise.reject(new Corrupt('no snapshot to read'));
  #loading: Promise<void> = Promise.resolve();
  #repairing: Promise<void> | null = null;
  #repairWaits: (() => void) | null = null;
  #lastRepair = -Infinity;
  #eventsSinceSnapshot = 0;
  #snapshotting: Promise<unknown> | null = null;
  #snapshotWaits: (() => void) | null = null;
  #closed = false;

  private constructor(replica: Replica, at: UserLog) {
    this.replica = replica;
    this.at = at;
    this.state = new UserState(at.record.id, { mutations: replica.stateMutations });
  }

  /** Reads snapshots and tail. Unavailable, Corrupt. */
  static async open(replica: Replica, at: UserLog, root: Buffer): Promise<OpenUser> {
    at.codec.ring = openRing(root, at.record.id, at.record.ring);
    const user = new OpenUser(replica, at);
    try {
      await at.log.attach(user.#source());
    } catch (e) {
      at.codec.ring = null;
      throw e;
    }
    if (replica.search) user.search = new UserSearch(user, { ...replica, memory: replica.search });
    user.#afterChange();
    return user;
  }

  #source(): FoldSource<Op> {
    const { codec, record, root } = this.at;
    const ring = codec.ring!;
    return {
      open: (kind, name, aad, sealed) => codec.open!(kind, name, aad, sealed),
      load: async (snapshots, fetch) => this.#load(snapshots, fetch),
      box: {
        // The state compresses its parts itself.
        seal: (name, plain) => sealNamed(ring.sessions[0], name, NOTHING, pack(plain, name.startsWith(partName(this.at.root, ''))), this.replica.random),
        open: (name, sealed) => unpack(openNamed(ring.sessions, name, NOTHING, sealed)),
      },
      onApplied: (event) => {
        // A few events can add or copy many messages, and reading those again costs as much as many events.
        this.#eventsSinceSnapshot += 1 + (event.ref.position - event.first) / limits.slots / MESSAGES_PER_EVENT;
        this.#afterChange();
        if (this.watchers.size === 0) return;
        const news = newsOf(event.ops.map(({ op }) => op));
        for (const watcher of this.watchers) watcher(news);
      },
      onForgotten: () => {
        this.replica.logger.warn('log not listed for too long, starting anew', { user: record.id, root });
        this.onBroken('State is read anew, please connect again');
      },
    };
  }

  async #load(snapshots: SnapshotView[], fetch: (id: string) => Promise<Buffer>): Promise<Fold<Op>> {
    this.#fetch = (id) => fetch(id);
    this.state = UserState.load(this.at.record.id, snapshots, { mutations: this.replica.stateMutations });
    await this.#provide({ kind: 'root' });
    const state = this.state;
    return { apply: (event) => state.apply(event), effects: (event) => state.effects(event) };
  }

  async #provide(wanted: Wanted): Promise<void> {
    for (let missing = this.state.missing(wanted); missing.length > 0; missing = this.state.missing(wanted)) {
      const parts = await Promise.all(missing.map((part) => this.#part(part)));
      missing.forEach((part, i) => this.state.provide(part, parts[i]));
    }
  }

  async #part(part: MissingPart): Promise<Buffer> {
    try {
      return await this.#fetch(part.id, part.manifest);
    } catch (e) {
      // Collected, because newer snapshots say the same: opening the user again finds those.
      if (e instanceof PartGone) this.onBroken('State is read anew, please connect again');
      throw e;
    }
  }

  /** Makes sure that the parts for `wanted` are in memory. Unavailable, Corrupt. */
  need(wanted: Wanted): Promise<void> {
    const now = this.replica.clock.monotonic();
    this.state.usedAt(now);
    if ('mailbox' in wanted) this.rowsUsed.set(wanted.mailbox, now);
    else if (wanted.kind === 'everything' || wanted.kind === 'removed') this.allRowsUsed = now;
    return this.#want(wanted);
  }

  async #want(wanted: Wanted): Promise<void> {
    if (this.state.missing(wanted).length === 0) return;
    // One after the other: what one loads, the next doesn't.
    const turn = this.#loading.then(() => this.#provide(wanted));
    this.#loading = turn.catch(() => {});
    await turn;
    this.onGrown();
    this.#notify();
  }

  /** Refused(OVERQUOTA), or a function to call when what comes is there, or will not come. `more` is asked only where there is a limit. */
  takeRoom(more: () => Usage): () => void {
    const room = roomOf(this.replica, this.at.record);
    return room === null ? nothing : this.#taken.take(room, this.state.quota(), more());
  }

  /** Asks the store: all that was acknowledged before the call is in the state afterwards. Unavailable. */
  async fresh(): Promise<void> {
    try {
      await this.at.log.caughtUp();
    } catch (e) {
      if (!(e instanceof Unavailable) || !(await this.#endWaiting())) throw e;
      await this.at.log.caughtUp();
    }
  }

  /** Events that others have seen and that nobody found for an hour are given up, in the log and loudly (DESIGN: EventLost). */
  async #endWaiting(): Promise<boolean> {
    const lost = this.at.log.attached ? this.at.log.lost() : [];
    if (lost.length === 0) return false;
    for (const { position, writer, seq } of lost) this.replica.logger.error('an event is lost', { user: this.at.record.id, position, writer, seq });
    return (await this.write(() => lost.map((ref) => ({ kind: 'EventLost', lost: ref })), { positions: lost.length, must: true })) !== null;
  }

  /** Null when there is none; but that is not said from memory. Unavailable. */
  async mailboxNamed(name: string): Promise<MailboxInfo | null> {
    await this.need({ kind: 'names' });
    const known = this.state.byName(name);
    if (known) return known;
    await this.fresh();
    await this.need({ kind: 'names' });
    return this.state.byName(name);
  }

  /**
   * Appends what `build` returns; it runs synchronously on the newest state, to which `pending` comes. What it puts there
   * under its own name ends with it. The event appears only when what must be stored `before` is. Null when it had nothing to write.
   */
  async write(build: () => Op[] | null, estimate?: Estimate, before?: Pick<Made<Op>, 'after' | 'behind'>): Promise<number | null> {
    const answer = this.at.log.submit('session', () => {
      const ops = build();
      return ops && ops.length > 0 ? { ops, ...before } : null;
    }, estimate);
    if (this.replica.mutations.answerBeforePut) {
      answer.catch(() => {}).finally(() => this.pending.end(build));
      return null;
    }
    try {
      const submitted = await answer;
      return submitted ? submitted.first : null;
    } finally {
      this.pending.end(build);
    }
  }

  #notify(): void {
    this.search?.stir();
    if (this.listeners.size === 0) return void this.state.changed();
    const changed = new Set(this.state.changed());
    if (changed.size > 0) for (const listener of this.listeners) if (changed.has(listener.mailbox)) listener.changed();
  }

  #afterChange(): void {
    this.#notify();
    // What is shown may wait for rows of another mailbox: a copy made elsewhere, from a mailbox that isn't loaded here.
    for (const { mailbox } of this.listeners) {
      if (this.state.missing({ kind: 'rows', mailbox }).length === 0) continue;
      this.need({ kind: 'rows', mailbox }).catch((e) => this.replica.logger.warn('a change waits for its source', { user: this.at.record.id, why: reason(e) }));
    }
    this.#scheduleRepair();
    if (this.#eventsSinceSnapshot >= limits.snapshot_events) this.#snapshotDue();
  }

  // ---- repairs (DESIGN: late events) ----

  /** Without a slot nothing is written: whoever checks reads only. */
  get #reads(): boolean {
    return this.replica.identity.slot === null;
  }

  #late() {
    return this.replica.mutations.noRepairs ? [] : this.at.log.late();
  }

  #scheduleRepair(): void {
    if (this.#closed || this.#reads || this.#repairWaits || this.#repairing || this.#late().length === 0) return;
    const { clock, random } = this.replica;
    const since = clock.monotonic() - this.#lastRepair;
    const wait = Math.max(0, limits.repair_interval_ms - since) + random.unit() * limits.repair_interval_ms;
    this.#repairWaits = clock.after(wait, () => {
      this.#repairWaits = null;
      this.repair().catch((e) => this.replica.logger.warn('repair not written, trying again', { user: this.at.record.id, why: reason(e) }));
    });
  }

  /** Writes a repair if one is needed still. */
  repair(): Promise<void> {
    this.#repairing ??= this.#repair().finally(() => {
      this.#repairing = null;
      this.#lastRepair = this.replica.clock.monotonic();
      this.#scheduleRepair();
    });
    return this.#repairing;
  }

  async #repair(): Promise<void> {
    const scopes = new Set(this.#late().flatMap((l) => l.event.effects.map((e) => e.scope)));
    if (scopes.size === 0) return;
    for (const mailbox of scopes) await this.need({ kind: 'rows', mailbox });
    let planned = 0;
    const written = await this.write(() => {
      const late = this.#late();
      // What became late meanwhile may lie in mailboxes that aren't loaded; the next repair takes it.
      const loaded = late.filter((l) => l.event.effects.every((e) => this.state.missing({ kind: 'rows', mailbox: e.scope }).length === 0));
      // One event has room for so many new UIDs; the next repair takes the rest.
      let positions = 0;
      const ready = loaded.filter(({ uid, event }, i) => (positions += uid ? event.ref.position - event.first + limits.slots : limits.slots) <= limits.event_positions_span_max / 2 || i === 0);
      if (ready.length === 0) return null;
      planned = ready.length;
      return this.state.planRepair(ready.map((l) => ({ ref: l.event.ref, first: l.event.first, uid: l.uid, effects: l.event.effects })));
    }, { must: true });
    const { counts } = this.replica;
    if (written !== null && counts) {
      counts.repairs++;
      counts.lateEvents += planned;
    }
  }

  /**
   * Before a mailbox is shown: what is late there is repaired first. A client that synchronised past a late removal and is
   * shown the mailbox without the message would not hear of it again while it stays connected: the repair gives a MODSEQ
   * to what is there no more, and whatever else it hears meanwhile takes it past that MODSEQ. So is what became late during
   * the repair: an own event that was under way may conflict with what this client was shown elsewhere. When others write on
   * and on it ends with what happens before the client's eyes, but what was late at first or passed over is waited for.
   * Unavailable when that can't be written.
   */
  async showable(mailbox: MailboxId): Promise<void> {
    const lateHere = () => this.#late().filter((l) => l.event.effects.some((e) => e.scope === mailbox));
    const first = new Set(lateHere().map((l) => l.event));
    // A repair that is under way may not know of all of it.
    for (let round = 0; round < 3; round++) {
      if (lateHere().length === 0) return;
      await this.repair();
    }
    if (!lateHere().some((l) => l.passedOver || first.has(l.event))) return;
    throw new Unavailable('The mailbox is being put in order, try again');
  }

  /**
   * Forgets the records of messages expunged before `at`. Not while anything is late: a repair must be able to tell
   * clients of what a late event removed.
   */
  forgetExpunged(at: number): void {
    if (this.#late().length === 0) this.state.forgetExpunged(at);
  }

  /**
   * Ids of the blobs of all messages whose records are kept, and so of all that may not be collected. Records of messages
   * expunged before `at` are forgotten first, as `forgetExpunged` does. One mailbox after the other: what was not in memory
   * goes again. Unavailable, Corrupt.
   */
  async keptBlobs(at: number): Promise<Set<string>> {
    await this.fresh();
    const blobs = new Set<string>();
    const loaded = new Set(this.state.loadedRows);
    for (const mailbox of this.state.boxes) {
      await this.#want({ kind: 'rows', mailbox });
      for (const blob of this.state.keptBlobs(mailbox, this.#late().length === 0 ? at : -Infinity)) blobs.add(blob);
      if (!loaded.has(mailbox) && mayEvictRows(this, mailbox)) this.state.evictRows(mailbox);
    }
    return blobs;
  }

  // ---- snapshots ----

  #snapshotDue(): void {
    const events = this.#eventsSinceSnapshot;
    if (events >= this.at.log.known / SNAPSHOT_SHARE) return this.snapshotSoon();
    this.#snapshotWaits ??= this.replica.clock.after(SNAPSHOT_QUIET_MS, () => {
      this.#snapshotWaits = null;
      if (events === this.#eventsSinceSnapshot) this.snapshotSoon();
      else if (this.#eventsSinceSnapshot >= limits.snapshot_events) this.#snapshotDue();
    });
  }

  /** Writes a snapshot in the background unless one is under way. */
  snapshotSoon(): void {
    if (this.#snapshotting || this.#closed || this.#reads) return;
    this.#eventsSinceSnapshot = 0;
    this.#snapshotting = this.snapshot()
      .catch((e) => this.replica.logger.warn('snapshot not written', { user: this.at.record.id, why: reason(e) }))
      .finally(() => (this.#snapshotting = null));
  }

  /** Ends the user's time at this replica: the secret and the state go from memory. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#repairWaits?.();
    this.#repairWaits = null;
    this.#snapshotWaits?.();
    await this.#repairing?.catch(() => {});
    await this.#snapshotting;
    this.search?.close();
    this.at.log.detach();
    this.at.codec.ring = null;
    this.replica.blobs.forget(this.at.root);
    this.replica.records.forget(this.at.root);
  }

  /** Something is under way that may use any mailbox's rows. */
  get busy(): boolean {
    return this.at.log.submitting > 0 || this.#repairing !== null || this.#snapshotting !== null;
  }

  get eventsSinceSnapshot(): number {
    return this.#eventsSinceSnapshot;
  }

  /** False when something late keeps it from being written; Unavailable. */
  async snapshot(): Promise<boolean> {
    const encodings = new Map<unknown, EncodedState>();
    return this.at.log.writeSnapshot({
      prepare: (present) => this.need({ kind: 'encode', stored: present }),
      encode: (present) => {
        if (this.state.missing({ kind: 'encode', stored: present }).length > 0) return null;
        const encoded = this.state.encode(present);
        encodings.set(encoded, encoded);
        return encoded;
      },
      stored: (encoded, ids) => {
        if (this.replica.counts) this.replica.counts.snapshots++;
        this.state.stored(encodings.get(encoded)!, encoded.parts.map((part, i) => ({ key: part.key, id: ids[i] })));
      },
    });
  }
}
