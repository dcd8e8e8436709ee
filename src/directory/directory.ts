// The directory at one replica: its log, folded, kept fresh by hints and a poll, and changed through claims.
import { Refused, Unavailable, limits, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { Log } from '../log/index.ts';
import type { Authenticator, Fold, LogMutations, OpenedEvent, ReplicaIdentity, SnapshotView } from '../log/index.ts';
import { openNamed, sealNamed } from '../seal/index.ts';
import type { ClusterKeys } from '../seal/index.ts';
import { DIRECTORY_LOG } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { directoryCodec } from './codec.ts';
import { DirectoryState } from './fold.ts';
import type { Claim } from './fold.ts';
import { encodeDirectoryOps } from './ops.ts';
import type { DirectoryOp } from './ops.ts';

export interface DirectoryOptions {
  store: ObjectStore;
  keys: ClusterKeys;
  identity: ReplicaIdentity;
  authenticator: Authenticator;
  clock: Clock;
  random: Random;
  logger: Logger;
  mutations?: LogMutations;
  onAppended?: (name: string, bytes: Uint8Array) => void;
}

const NOTHING = Buffer.alloc(0);
/** LISTs that answer questions which memory would say "no" to: at most one a second (a flood of unknown names). */
const ASK_INTERVAL_MS = 1000;
const WITHDRAW_EVERY_MS = 30_000;
const WITHDRAW_TRIES = 120;

/** A claim without confirmation ends, and with it the user who was to begin by it. */
function ending(state: DirectoryState, { id, user, primary }: Claim): DirectoryOp[] {
  const begun = primary && state.users.has(user) && state.addressesOf(user).length === 0;
  return [{ kind: 'ClaimEnded', claim: id }, ...(begun ? [{ kind: 'UserRemoved' as const, user }] : [])];
}

/** Without which an address leads nowhere. */
function missing(state: DirectoryState, address: string, user: string): Refused | null {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  if (!state.hasDomain(domain)) return new Refused(`No such domain here: ${domain}`, 'NONEXISTENT');
  return state.removedUsers.has(user) ? new Refused('The user was removed meanwhile', 'NONEXISTENT') : null;
}

/** What makes the directory larger for good; the rest may be written when it is full. */
const ADDS: readonly DirectoryOp['kind'][] = ['DomainAdded', 'UserAdded', 'WrapAdded', 'AddressClaimed', 'DomainKeyAdded'];
/** What an operation takes of the stored state beside its own bytes, at most. */
const PLACE_BYTES = 100;

export class Directory {
  state = new DirectoryState();
  readonly log: Log<DirectoryOp>;
  readonly #o: DirectoryOptions;
  #asking: { begun: boolean; answer: Promise<void> } | null = null;
  #askedAt = -Infinity;
  #events = 0;
  #cancelPoll: () => void = () => {};
  #stopped = false;
  #attaching: Promise<void> | null = null;
  /** The state that events are applied to; while all is read anew, `state` is still the former one. */
  #folded = this.state;
  /** Of its stored form, which every replica reads as a whole; about. */
  #bytes = 0;
  readonly #listeners: (() => void)[] = [];

  constructor(options: DirectoryOptions) {
    this.#o = options;
    this.log = new Log<DirectoryOp>({
      store: options.store,
      root: DIRECTORY_LOG,
      identity: options.identity,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
      authenticator: options.authenticator,
      codec: directoryCodec(options.keys, options.random),
      mutations: options.mutations,
      onAppended: (hint) => options.onAppended?.(hint.name, hint.bytes),
    });
  }

  /**
   * Reads all of it. Corrupt (also: the cluster secret isn't the one that wrote it), Unavailable; also while an event is
   * missing: what it took back must not be given from what is left.
   */
  async open(): Promise<void> {
    await this.#attach();
    if (this.log.pending > 0) await this.caughtUp();
    this.#poll();
  }

  /** Calls back after each change, with the change in `state`. */
  onChanged(run: () => void): void {
    this.#listeners.push(run);
  }
  #changed(): void {
    for (const run of this.#listeners) run();
  }

  /** Reads all of it, at the start and after it was forgotten. */
  #attach(): Promise<void> {
    this.#attaching ??= this.#read().finally(() => (this.#attaching = null));
    return this.#attaching;
  }

  async #read(): Promise<void> {
    const { keys, random } = this.#o;
    const codec = directoryCodec(keys, random);
    await this.log.attach({
      open: (kind, name, aad, sealed) => codec.open!(kind, name, aad, sealed),
      load: (snapshots, fetch) => this.#load(snapshots, fetch),
      box: {
        seal: (name, plain) => sealNamed(keys.directory[0], name, NOTHING, plain, random),
        open: (name, sealed) => openNamed(keys.directory, name, NOTHING, sealed),
      },
      onApplied: () => {
        if (++this.#events >= limits.snapshot_events) this.#snapshot();
        if (this.state === this.#folded) this.#changed();
      },
      onForgotten: () => {
        // What fails here the next question or poll tries again.
        this.#attach().catch((e) => this.#o.logger.warn('the directory could not be read anew', { why: reason(e) }));
      },
    });
    this.state = this.#folded;
    this.#changed();
  }

  async #load(snapshots: SnapshotView[], fetch: (id: string) => Promise<Buffer>): Promise<Fold<DirectoryOp>> {
    const state = new DirectoryState();
    let bytes = 0;
    for (const snapshot of snapshots) {
      for (const part of snapshot.parts) {
        const stored = await fetch(part.id);
        state.join(stored);
        bytes = Math.max(bytes, stored.length);
      }
    }
    this.#folded = state;
    this.#bytes = bytes;
    return {
      apply: (event: OpenedEvent<DirectoryOp>) => {
        state.apply(event);
        const ops = event.ops.map(({ op }) => op);
        this.#bytes += encodeDirectoryOps(ops).length + PLACE_BYTES * ops.length;
      },
      effects: (event) => ({ effects: [], repaired: [], lost: null, restored: event.ops.some((p) => p.op.kind === 'Restored') }),
    };
  }

  /** All that was acknowledged before the call is in `state` afterwards. Unavailable, Corrupt. */
  async caughtUp(): Promise<void> {
    if (!this.log.attached || this.#attaching) await this.#attach();
    await this.log.caughtUp();
    if (this.#attaching) await this.#attaching; // the LIST found that all had to be forgotten
  }

  /** Writes all that the directory says anew, under the cluster secret in use; false: not now. Unavailable. */
  async snapshot(): Promise<boolean> {
    await this.caughtUp();
    return this.#write();
  }

  #write(): Promise<boolean> {
    this.#events = 0;
    return this.log.writeSnapshot({
      encode: () => {
        const bytes = this.#folded.encode();
        this.#bytes = bytes.length;
        return { parts: [{ key: 'directory', bytes }], kept: [], messages: 0, bytes: 0 };
      },
    });
  }

  #snapshot(): void {
    this.#write().catch((e) => this.#o.logger.warn('directory snapshot not written', { why: reason(e) }));
  }

  #poll(): void {
    const wait = limits.directory_poll_ms * (0.9 + 0.2 * this.#o.random.unit());
    this.#cancelPoll = this.#o.clock.after(wait, () => {
      if (this.#stopped) return;
      this.caughtUp().catch((e) => this.#o.logger.debug('directory poll failed', { why: reason(e) }));
      this.#poll();
    });
  }

  /**
   * Resolves after one LIST that began after the call: then a "no" is true. Shared by all who wait, at most one a
   * second. Unavailable when the store gives no answer.
   */
  ask(): Promise<void> {
    if (this.#asking && !this.#asking.begun) return this.#asking.answer;
    const before = this.#asking?.answer.catch(() => {});
    const asking = { begun: false, answer: Promise.resolve() };
    asking.answer = (async () => {
      await before;
      const wait = ASK_INTERVAL_MS - (this.#o.clock.monotonic() - this.#askedAt);
      if (wait > 0) await this.#o.clock.sleep(wait);
      asking.begun = true;
      this.#askedAt = this.#o.clock.monotonic();
      await this.caughtUp();
    })().finally(() => {
      if (this.#asking === asking) this.#asking = null;
    });
    this.#asking = asking;
    return asking.answer;
  }

  /** A peer says that this event of the directory is stored. */
  hint(name: string, bytes: Buffer): void {
    this.log.hint({ name, bytes });
  }

  /** Appends what `build` returns, decided on the newest state. Its first operation's place, for claims. */
  async write(build: (state: DirectoryState) => DirectoryOp[], jump = 0): Promise<string | null> {
    if (!this.log.attached || this.#attaching) await this.#attach();
    const submitted = await this.log.submit('directory', () => {
      const ops = build(this.#folded);
      if (this.#bytes > limits.packed_bytes_max && ops.some((op) => ADDS.includes(op.kind))) throw new Refused('The directory is full: it holds as many users, addresses and passwords as a replica can read', 'LIMIT');
      return ops.length > 0 ? { ops } : null;
    }, { jump });
    if (!submitted) return null;
    return this.#folded.claimAt(submitted.first, submitted.ref.writer);
  }

  /** The store came back from a backup: takes a position far beyond all that was given out since. Unavailable. */
  async restored(): Promise<void> {
    await this.write(() => [{ kind: 'Restored', at: this.#o.clock.now() }], limits.restored_jump);
  }

  /**
   * Gives an address to a user: a claim, a LIST, a confirmation, a LIST (DESIGN: an address is unique though nothing is
   * conditional). Refused when it is another's.
   */
  async claim(address: string, user: string, primary: boolean, together: () => DirectoryOp[] = () => []): Promise<void> {
    await this.#endStale(address);
    const place = await this.write((state) => {
      this.#checkFree(state, address, user);
      return [{ kind: 'AddressClaimed', address, user, primary, at: this.#o.clock.now() }, ...together()];
    });
    const claim = place ? this.state.claimsOf(address).find((c) => c.id === place) : null;
    if (!claim) throw missing(this.state, address, user) ?? new Unavailable('The address could not be claimed, try again');
    try {
      await this.#confirm(claim);
    } catch (e) {
      if (e instanceof Unavailable) this.#withdrawLater(claim);
      throw e;
    }
  }

  async #confirm(claim: Claim): Promise<void> {
    const { address } = claim;
    const begun = this.#o.clock.monotonic();
    await this.caughtUp();
    await this.#withdrawIf(this.state.claimsOf(address).some((c) => c.id !== claim.id), claim);
    await this.#withdrawIf(this.#o.clock.monotonic() - begun > limits.claim_withdraw_ms, claim);
    await this.write((state) => {
      if (state.claimsOf(address).some((c) => c.id !== claim.id)) return [];
      return [{ kind: 'AddressConfirmed', claim: claim.id }];
    });
    await this.caughtUp();
    if (!this.state.isConfirmed(claim)) await this.#withdrawIf(true, claim);
    // Its domain or its user may have gone beside it, by who could not see the confirmation yet.
    const gone = missing(this.state, address, claim.user);
    if (gone) await this.write((state) => (state.isLive(claim.id) ? [{ kind: 'AddressRemoved', claim: claim.id }] : []));
    if (gone) throw gone;
    if (!this.state.isLive(claim.id)) throw this.#taken(address);
  }

  /** The store was away between claim and confirmation: whoever asked was told so, and the address must not stay taken. */
  #withdrawLater(claim: Claim, tries = 0): void {
    if (tries >= WITHDRAW_TRIES) return; // an hour later whoever needs the address ends the claim
    this.#o.clock.after(WITHDRAW_EVERY_MS, () => {
      if (this.#stopped) return;
      this.write((state) => (state.isLive(claim.id) && !state.isConfirmed(claim) ? ending(state, claim) : [])).catch((e) => {
        this.#o.logger.info('a claim could not be withdrawn yet', { why: reason(e) });
        this.#withdrawLater(claim, tries + 1);
      });
    });
  }

  #taken(address: string): Refused {
    return new Refused(`${address} is somebody's already`, 'ALREADYEXISTS');
  }

  async #withdrawIf(other: boolean, claim: Claim): Promise<void> {
    if (!other) return;
    await this.write((state) => (state.isConfirmed(claim) ? [] : [{ kind: 'ClaimEnded', claim: claim.id }]));
    if (!this.state.isConfirmed(claim)) throw this.#taken(claim.address);
  }

  #checkFree(state: DirectoryState, address: string, user: string): void {
    const none = missing(state, address, user);
    if (none) throw none;
    const other = state.claimsOf(address)[0];
    if (other?.user === user && state.isConfirmed(other)) throw new Refused(`${address} is there already`, 'ALREADYEXISTS');
    if (other && !state.isConfirmed(other)) throw new Refused(`${address} is being given to somebody; if that was broken off, it is free an hour later`, 'ALREADYEXISTS');
    if (other) throw this.#taken(address);
  }

  /** A claim that was left without confirmation for an hour is ended by whoever needs the address. */
  async #endStale(address: string): Promise<void> {
    await this.caughtUp();
    if (this.state.claimsOf(address).every((c) => this.state.isConfirmed(c))) return;
    // The store's own time: a claim bears it too.
    const { date } = await this.#o.store.list({ prefix: DIRECTORY_LOG, maxKeys: 1 });
    const stale = (state: DirectoryState) => state.claimsOf(address).filter((c) => !state.isConfirmed(c) && date - c.at > limits.claim_end_ms);
    await this.write((state) => stale(state).flatMap((c) => ending(state, c)));
  }

  /** Users whose `user add` was broken off more than an hour ago go; gives their ids. Unavailable. */
  async endBegun(): Promise<string[]> {
    await this.caughtUp();
    const { date } = await this.#o.store.list({ prefix: DIRECTORY_LOG, maxKeys: 1 });
    let ended: string[] = [];
    await this.write((state) => {
      const stale = state.begun().filter((c) => date - c.at > limits.claim_end_ms);
      ended = stale.map((c) => c.user);
      return stale.flatMap((c) => ending(state, c));
    });
    return ended;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelPoll();
  }
}
