// Who is logged in here. Opens a user once for all sessions, keeps it a short time after the last one, and asks the
// store for what hints did not tell.
import { Refused, limits, reason } from '../base/index.ts';
import type { SpecialUse } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import type { Backend, ScramProof, ScramSalt, Session } from '../imap/session.ts';
import { DEFAULT_NAMES } from '../state/index.ts';
import { keepEpoch } from './epoch.ts';
import type { LoggedIn, Logins } from './login.ts';
import { OpenUser } from './open-user.ts';
import type { Replica } from './replica.ts';
import { UserSession } from './session.ts';
import { StateMemory } from './state-memory.ts';
import { totalsOf } from './usage.ts';
import type { Usage } from './usage.ts';
import { UserLogs } from './user-log.ts';
import type { UserLog } from './user-log.ts';

interface Entry {
  opening: Promise<OpenUser>;
  open: OpenUser | null;
  /** Each with the id of the wrapped key that opened it. */
  sessions: Map<UserSession, string>;
  /** The user's first address, until the directory changes. */
  address: string | null;
  /** Log-ins that wait for the opening. */
  arriving: number;
  release: () => void;
  cancelLinger: () => void;
  polled: number;
  /** When it was opened, ms of the monotonic clock. */
  since: number;
}

export interface UsersOptions {
  replica: Replica;
  logins: Logins;
  /** False: log-in without TLS is refused from everywhere. True: allowed from loopback. */
  plaintextFromLoopback: boolean;
  /** Offer SCRAM. */
  scram?: boolean;
}

const DEFAULTS = (Object.entries(DEFAULT_NAMES) as [SpecialUse, string][]).map(([specialUse, name]) => ({ specialUse, name }));
/** A quota is believed so long before the store is asked again. */
const USED_MS_MAX = 60_000;
const USED_USERS_MAX = 10_000;
/** How often it is looked whose turn it is to be asked for; more often while peers don't answer. */
const LOOK_MS = limits.poll_without_peers_ms;
const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

export class Users implements Backend {
  readonly logs: UserLogs;
  readonly #o: UsersOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #memory = new StateMemory();
  readonly #used = new Map<string, { at: number; used: Usage; told: Usage }>();
  /** Users whose state is being put away: who logs in meanwhile waits. */
  readonly #closing = new Map<string, Promise<void>>();
  #stopped = false;
  #cancelPoll: () => void = () => {};

  constructor(options: UsersOptions) {
    this.#o = options;
    this.logs = new UserLogs(options.replica, (user) => this.#entries.has(user));
    options.replica.directory.onChanged(() => this.#revise());
    options.replica.memory?.join(this.#memory);
    options.replica.memory?.join(this.logs);
    this.#poll();
  }

  get scramAllowed(): boolean {
    return this.#o.scram !== false;
  }

  plaintextAllowed(remote: string): boolean {
    return this.#o.plaintextFromLoopback && LOOPBACK.test(remote);
  }

  /** Users who are open here, and sessions. */
  get counts(): { users: number; sessions: number } {
    let sessions = 0;
    for (const entry of this.#entries.values()) sessions += entry.sessions.size;
    return { users: this.#entries.size, sessions };
  }

  async login(user: string, password: string, remote: string): Promise<Session> {
    return this.#enter(user, await this.#o.logins.login(user, password, remote));
  }

  scramSalt(user: string, remote: string): Promise<ScramSalt> {
    return this.#o.logins.scramSalt(user, remote);
  }

  async scramLogin(user: string, proof: ScramProof, remote: string): Promise<{ session: Session; serverSignature: Buffer }> {
    const found = await this.#o.logins.scramLogin(user, proof, remote);
    return { session: await this.#enter(user, found), serverSignature: found.serverSignature };
  }

  async #enter(user: string, { record, root, wrap }: LoggedIn): Promise<Session> {
    if (this.#stopped) throw new Refused('Server is shutting down', 'UNAVAILABLE');
    const entry = this.#entry(record, root);
    if (entry.sessions.size + entry.arriving >= limits.connections_per_user_max) throw new Refused('Too many connections of this user', 'LIMIT');
    entry.arriving++;
    let open: OpenUser;
    try {
      open = await this.#opened(record, entry);
    } finally {
      entry.arriving--;
    }
    const { state } = this.#o.replica.directory;
    if (this.#entries.get(record.id) !== entry || !state.users.get(record.id)?.wraps.has(wrap)) {
      // Opened for nobody: what was opened goes as after a last session.
      this.#unused(record.id, entry);
      throw new Refused('Not now, please connect again', 'UNAVAILABLE');
    }
    const session = new UserSession(open, (entry.address ??= state.addressesOf(record.id)[0]?.address ?? user), () => this.#ended(record.id, entry, session));
    entry.cancelLinger();
    entry.sessions.set(session, wrap);
    return session;
  }

  async #opened(record: UserRecord, entry: Entry): Promise<OpenUser> {
    try {
      return await entry.opening;
    } catch (e) {
      if (this.#entries.get(record.id) === entry) this.#entries.delete(record.id);
      throw e;
    }
  }

  #entry(record: UserRecord, root: Buffer): Entry {
    const known = this.#entries.get(record.id);
    if (known) return known;
    const { replica, logins } = this.#o;
    const entry: Entry = { opening: this.#open(record, root), open: null, sessions: new Map(), address: null, arriving: 0, release: logins.hold(record.id), cancelLinger: () => {}, polled: replica.clock.monotonic(), since: replica.clock.monotonic() };
    entry.opening.then(
      (open) => {
        entry.open = open;
        open.onBroken = (text) => this.#break(record.id, entry, text);
        if (!replica.memory || this.#entries.get(record.id) !== entry) return;
        this.#memory.look(open);
        open.onGrown = () => {
          this.#memory.look(open);
          replica.memory!.grew();
        };
      },
      () => entry.release(),
    );
    this.#entries.set(record.id, entry);
    return entry;
  }

  async #open(record: UserRecord, root: Buffer): Promise<OpenUser> {
    await this.#closing.get(record.id);
    const user = await OpenUser.open(this.#o.replica, this.logs.of(record), root);
    try {
      await keepEpoch(user);
      await new UserSession(user, '', () => {}).makeDefaults(DEFAULTS);
    } catch (e) {
      await user.close();
      throw e;
    }
    return user;
  }

  /** The user, open here for as long as `run` takes: what is asked on the command line, with a password. */
  async borrow<T>(record: UserRecord, root: Buffer, run: (open: OpenUser) => Promise<T>): Promise<T> {
    if (this.#stopped) throw new Refused('Server is shutting down', 'UNAVAILABLE');
    const entry = this.#entry(record, root);
    entry.arriving++;
    try {
      return await run(await this.#opened(record, entry));
    } finally {
      entry.arriving--;
      this.#unused(record.id, entry);
    }
  }

  #ended(id: string, entry: Entry, session: UserSession): void {
    entry.sessions.delete(session);
    if (entry.sessions.size === 0 && entry.open && entry.open.eventsSinceSnapshot >= limits.snapshot_events_at_leave) entry.open.snapshotSoon();
    this.#unused(id, entry);
  }

  #unused(id: string, entry: Entry): void {
    if (entry.sessions.size + entry.arriving > 0 || this.#entries.get(id) !== entry) return;
    entry.cancelLinger();
    entry.cancelLinger = this.#o.replica.clock.after(limits.user_linger_ms, () => {
      if (entry.sessions.size + entry.arriving === 0 && this.#entries.get(id) === entry) void this.#close(id, entry);
    });
  }

  #close(id: string, entry: Entry): Promise<void> {
    if (this.#entries.get(id) === entry) this.#entries.delete(id);
    entry.cancelLinger();
    entry.release();
    if (entry.open) {
      entry.open.onGrown = () => {};
      this.#memory.forget(entry.open);
    }
    const closing = Promise.all([this.#closing.get(id), entry.opening.then((open) => open.close(), () => {})]).then(() => {
      if (this.#closing.get(id) === closing) this.#closing.delete(id);
    });
    this.#closing.set(id, closing);
    return closing;
  }

  #break(id: string, entry: Entry, text: string): void {
    for (const session of [...entry.sessions.keys()]) session.end(text);
    void this.#close(id, entry);
  }

  /** The directory has changed: who was removed, or whose password is no longer valid, is logged in no longer. */
  #revise(): void {
    for (const [id, entry] of this.#entries) {
      entry.address = null;
      const record = this.#o.replica.directory.state.users.get(id);
      if (!record) {
        this.#o.logins.forget(id);
        this.#break(id, entry, 'This account was removed');
        continue;
      }
      for (const [session, wrap] of entry.sessions) if (!record.wraps.has(wrap)) session.end('The password was changed, please log in again');
    }
  }

  /** What a user's mail takes, near enough: of the open state, or asked of the store at most once a minute. */
  async used(user: UserLog): Promise<Usage> {
    const open = this.find(user.record.id);
    if (open) return open.state.quota();
    const now = this.#o.replica.clock.monotonic();
    const known = this.#used.get(user.record.id);
    // What came since then, here or by hints, the log has counted.
    if (known && now - known.at < USED_MS_MAX) {
      const { bytes, messages } = user.log.totals();
      return { bytes: known.used.bytes + Math.max(0, bytes - known.told.bytes), messages: known.used.messages + Math.max(0, messages - known.told.messages) };
    }
    const told = { ...user.log.totals() };
    const used = await totalsOf(this.#o.replica, user.record);
    if (this.#used.size >= USED_USERS_MAX) this.#used.delete(this.#used.keys().next().value!);
    this.#used.set(user.record.id, { at: now, used, told });
    return used;
  }

  /** True while a PUT has no answer: the slot must stay ours for a while. */
  get unanswered(): boolean {
    for (const { log } of this.logs.all()) if (log.submitting > 0) return true;
    return false;
  }

  /** Users who have been open here for so long. */
  *opened(ms: number): Iterable<OpenUser> {
    const now = this.#o.replica.clock.monotonic();
    for (const entry of this.#entries.values()) if (entry.open && now - entry.since >= ms) yield entry.open;
  }

  /** The open user, if sessions are here. */
  find(id: string): OpenUser | null {
    return this.#entries.get(id)?.open ?? null;
  }

  // One timer for all: open users are asked for every minute while peers answer, every five seconds when they don't.
  #poll(): void {
    const { replica } = this.#o;
    const { clock } = replica;
    this.#cancelPoll = clock.after(this.#entries.size === 0 || replica.peersComplete() ? LOOK_MS : LOOK_MS / 5, () => {
      if (this.#stopped) return;
      const interval = replica.peersComplete() ? limits.poll_with_peers_ms : limits.poll_without_peers_ms;
      const now = clock.monotonic();
      this.#measure();
      for (const [id, entry] of this.#entries) {
        if (!entry.open || entry.sessions.size === 0 || now - entry.polled < interval) continue;
        entry.polled = now;
        entry.open.fresh().catch((e) => replica.logger.debug('poll failed', { user: id, why: reason(e) }));
      }
      this.#poll();
    });
  }

  #measure(): void {
    const { memory } = this.#o.replica;
    if (!memory) return;
    for (const { open } of this.#entries.values()) if (open) this.#memory.look(open);
    this.logs.measure();
    memory.sweep();
  }

  /** A peer says that this event of a user's log is stored. */
  hint(root: string, name: string, bytes: Buffer): void {
    const user = root.slice('users/'.length, -1);
    this.logs.known(user)?.log.hint({ name, bytes });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
    await Promise.all([...this.#entries].map(([id, entry]) => this.#close(id, entry)));
  }
}
