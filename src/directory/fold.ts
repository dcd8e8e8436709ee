// The directory's state: a join of its events in any order. Small, so every replica keeps it in memory. The fold needs
// no clock: what depends on time is decided by whoever writes an event.
import { ByteReader, ByteWriter, Corrupt } from '../base/index.ts';
import type { EventRef } from '../base/index.ts';
import { decodeDomainKey, decodeScores, decodeWrap, elsewhere, encodeDomainKey, encodeScores, encodeWrap } from './ops.ts';
import type { DirectoryOp, DomainKey, SpamScores, StoredWrap } from './ops.ts';

export interface UserRecord {
  readonly id: string;
  readonly at: number;
  readonly publicKeys: Buffer;
  readonly ring: Buffer;
  /** Null: the only one (disk). */
  readonly bucket: string | null;
  /** 0: no limit. */
  quotaBytes: number;
  quotaStamp: string;
  readonly wraps: Map<string, StoredWrap>;
}

export interface Claim {
  readonly id: string;
  readonly address: string;
  readonly user: string;
  readonly primary: boolean;
  /** When it was made, by the store's own time, ms. */
  readonly at: number;
  /** Sorts claims of one address: position in fixed width, writer, index. */
  readonly order: string;
}

interface DirectoryEvent {
  ref: EventRef;
  /** The store's own time when its writer listed, ms; absent: what the claim says. */
  born?: number;
  ops: { first: number; op: DirectoryOp }[];
}

/** Version 1 knows no keys of domains, version 2 no addresses that lead elsewhere, version 3 no spam scores, version 4 no quota of messages; each is written where it is enough. */
const VERSION = 5;
const stampOf = (position: number, writer: string): string => `${position.toString(16).padStart(16, '0')}-${writer}`;

export class DirectoryState {
  /** Last change of each domain: the greater stamp wins. */
  readonly #domains = new Map<string, { stamp: string; on: boolean }>();
  readonly users = new Map<string, UserRecord>();
  readonly #removedUsers = new Set<string>();
  readonly #removedWraps = new Set<string>();
  readonly #earlyWraps = new Map<string, StoredWrap[]>();
  readonly #claims = new Map<string, Claim>();
  readonly #byAddress = new Map<string, Set<string>>();
  readonly #confirmed = new Set<string>();
  readonly #ended = new Set<string>();
  /** By `domain/selector`. A removal is final: selectors are never used again. */
  readonly #domainKeys = new Map<string, DomainKey>();
  readonly #removedKeys = new Set<string>();
  /** Last change for each user: the greater stamp wins. */
  readonly #scores = new Map<string, SpamScores & { stamp: string }>();
  readonly #messageQuotas = new Map<string, { messages: number; stamp: string }>();
  /** Grows with every event: a cache of anything read here is valid while it stays. */
  version = 0;

  apply(event: DirectoryEvent): void {
    this.version++;
    for (const [index, { first, op }] of event.ops.entries()) this.#applyOp(op, stampOf(first, event.ref.writer), `${event.ref.writer}-${event.ref.seq}-${index}`, event.born);
  }

  #applyOp(op: DirectoryOp, stamp: string, place: string, born?: number): void {
    switch (op.kind) {
      case 'DomainAdded':
      case 'DomainRemoved': {
        const was = this.#domains.get(op.domain);
        if (!was || was.stamp < stamp) this.#domains.set(op.domain, { stamp, on: op.kind === 'DomainAdded' });
        break;
      }
      case 'UserAdded':
        if (this.#removedUsers.has(op.user) || this.users.has(op.user)) break;
        this.users.set(op.user, { id: op.user, at: op.at, publicKeys: op.publicKeys, ring: op.ring, bucket: op.bucket || null, quotaBytes: op.quotaBytes, quotaStamp: stamp, wraps: new Map() });
        for (const wrap of this.#earlyWraps.get(op.user) ?? []) this.#addWrap(op.user, wrap);
        this.#earlyWraps.delete(op.user);
        break;
      case 'UserRemoved':
        this.#removedUsers.add(op.user);
        this.users.delete(op.user);
        this.#earlyWraps.delete(op.user);
        this.#scores.delete(op.user);
        this.#messageQuotas.delete(op.user);
        break;
      case 'QuotaChanged': {
        const user = this.users.get(op.user);
        if (user && user.quotaStamp < stamp) Object.assign(user, { quotaBytes: op.quotaBytes, quotaStamp: stamp });
        break;
      }
      case 'WrapAdded':
        this.#addWrap(op.user, op.wrap);
        break;
      case 'WrapRemoved':
        this.#removedWraps.add(`${op.user}/${op.id}`);
        this.users.get(op.user)?.wraps.delete(op.id);
        break;
      case 'AddressClaimed':
        this.#addClaim({ id: place, address: op.address, user: op.user, primary: op.primary, at: born ?? op.at, order: `${stamp}-${place}` });
        break;
      case 'AddressConfirmed':
        this.#confirmed.add(op.claim);
        break;
      case 'ClaimEnded':
      case 'AddressRemoved':
        this.#ended.add(op.claim);
        this.#dropClaim(op.claim);
        break;
      case 'Restored':
        break;
      case 'DomainKeyAdded':
        this.#addKey(`${op.domain}/${op.key.selector}`, op.key);
        break;
      case 'DomainKeyRemoved':
        this.#removedKeys.add(`${op.domain}/${op.selector}`);
        this.#domainKeys.delete(`${op.domain}/${op.selector}`);
        break;
      case 'SpamScoresChanged':
        this.#setLater(this.#scores, op.user, { junk: op.junk, reject: op.reject, stamp });
        break;
      case 'MessageQuotaChanged':
        this.#setLater(this.#messageQuotas, op.user, { messages: op.messages, stamp });
    }
  }

  #setLater<T extends { stamp: string }>(of: Map<string, T>, user: string, said: T): void {
    const was = of.get(user);
    if (!this.#removedUsers.has(user) && (!was || was.stamp < said.stamp)) of.set(user, said);
  }
  /** How many messages a user may have; 0: no limit. */
  messageQuotaOf(user: string): number {
    return this.#messageQuotas.get(user)?.messages ?? 0;
  }
  /** Of a user's own; null: none. */
  scoresOf(user: string): SpamScores | null {
    const { junk = null, reject = null } = this.#scores.get(user) ?? {};
    return junk === null && reject === null ? null : { junk, reject };
  }

  #addKey(place: string, key: DomainKey): void {
    const was = this.#domainKeys.get(place);
    // Of two under one selector, made at one moment by two replicas, all agree on one.
    if (!this.#removedKeys.has(place) && (!was || Buffer.compare(key.secret, was.secret) < 0)) this.#domainKeys.set(place, key);
  }

  /** The keys that a domain's mail is signed with, the newest first. */
  keysOf(domain: string): DomainKey[] {
    if (!this.hasDomain(domain)) return [];
    const all = [...this.#domainKeys].filter(([place]) => place.startsWith(`${domain}/`)).map(([, key]) => key);
    return all.sort((a, b) => b.at - a.at || (a.selector < b.selector ? -1 : 1));
  }

  #addWrap(user: string, wrap: StoredWrap): void {
    if (this.#removedWraps.has(`${user}/${wrap.id}`) || this.#removedUsers.has(user)) return;
    const record = this.users.get(user);
    if (record) record.wraps.set(wrap.id, wrap);
    else this.#earlyWraps.set(user, [...(this.#earlyWraps.get(user) ?? []), wrap]);
  }

  #addClaim(claim: Claim): void {
    if (this.#ended.has(claim.id)) return;
    this.#claims.set(claim.id, claim);
    let ids = this.#byAddress.get(claim.address);
    if (!ids) this.#byAddress.set(claim.address, (ids = new Set()));
    ids.add(claim.id);
  }

  #dropClaim(id: string): void {
    const claim = this.#claims.get(id);
    if (!claim) return;
    this.#claims.delete(id);
    const ids = this.#byAddress.get(claim.address)!;
    ids.delete(id);
    if (ids.size === 0) this.#byAddress.delete(claim.address);
  }

  get domains(): string[] {
    return [...this.#domains].filter(([, d]) => d.on).map(([name]) => name).sort();
  }
  hasDomain(domain: string): boolean {
    return this.#domains.get(domain)?.on ?? false;
  }

  /** Ids of users who were removed; for ever. */
  get removedUsers(): ReadonlySet<string> {
    return this.#removedUsers;
  }

  /** Whether a wrapped key was taken back; for ever. */
  isTakenBack(user: string, wrap: string): boolean {
    return this.#removedWraps.has(`${user}/${wrap}`);
  }

  /** Claims of an address that are not ended and whose user was not removed, first one first. */
  claimsOf(address: string): Claim[] {
    const claims = [...(this.#byAddress.get(address) ?? [])].map((id) => this.#claims.get(id)!).filter((c) => !this.#removedUsers.has(c.user));
    return claims.sort((a, b) => (a.order < b.order ? -1 : 1));
  }
  /** The claim that was made at a position by a writer, if any. */
  claimAt(first: number, writer: string): string | null {
    const stamp = stampOf(first, writer);
    for (const claim of this.#claims.values()) if (claim.order.startsWith(`${stamp}-`)) return claim.id;
    return null;
  }
  isConfirmed(claim: Claim): boolean {
    return this.#confirmed.has(claim.id);
  }
  isLive(id: string): boolean {
    return this.#claims.has(id);
  }

  /** The user that an address belongs to: of confirmed claims (more than one can't be, but after a fault) the first. */
  owner(address: string): UserRecord | null {
    if (!this.hasDomain(address.slice(address.lastIndexOf('@') + 1))) return null;
    const claim = this.claimsOf(address).find((c) => this.#confirmed.has(c.id));
    return claim ? (this.users.get(claim.user) ?? null) : null;
  }

  /** The address elsewhere that an address here leads to, or null. */
  elsewhereOf(address: string): string | null {
    if (!this.hasDomain(address.slice(address.lastIndexOf('@') + 1))) return null;
    const claim = this.claimsOf(address).find((c) => this.#confirmed.has(c.id));
    return claim ? elsewhere(claim.user) : null;
  }

  /** Confirmed addresses of a user, the primary one first. */
  addressesOf(user: string): Claim[] {
    const mine = [...this.#claims.values()].filter((c) => c.user === user && this.#confirmed.has(c.id));
    return mine.sort((a, b) => Number(b.primary) - Number(a.primary) || (a.address < b.address ? -1 : 1));
  }
  /** Claims by which users are to begin who have no address yet. */
  begun(): Claim[] {
    return [...this.#claims.values()].filter((c) => c.primary && !this.#confirmed.has(c.id) && this.users.has(c.user) && this.addressesOf(c.user).length === 0);
  }
  /** All confirmed addresses in order. */
  addresses(): Claim[] {
    const all = [...this.#claims.values()].filter((c) => this.#confirmed.has(c.id) && (this.users.has(c.user) || elsewhere(c.user) !== null));
    return all.sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  /** The whole state in its stored form, the same bytes for the same events. */
  encode(): Buffer {
    const keys = this.#domainKeys.size + this.#removedKeys.size > 0;
    const away = [...this.#claims.values()].some((c) => elsewhere(c.user) !== null);
    const counted = this.#messageQuotas.size > 0;
    const scores = counted || this.#scores.size > 0;
    const w = new ByteWriter(4096).u8(counted ? VERSION : scores ? 4 : away ? 3 : keys ? 2 : 1);
    const sorted = <T>(items: Iterable<T>, key: (t: T) => string): T[] => [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1));
    w.varint(this.#domains.size);
    for (const [name, d] of sorted(this.#domains, ([n]) => n)) w.string(name).string(d.stamp).u8(d.on ? 1 : 0);
    w.varint(this.users.size);
    for (const u of sorted(this.users.values(), (x) => x.id)) {
      w.string(u.id).varint(u.at).bytes(u.publicKeys).bytes(u.ring).string(u.bucket ?? '').varint(u.quotaBytes).string(u.quotaStamp).varint(u.wraps.size);
      for (const wrap of sorted(u.wraps.values(), (x) => x.id)) encodeWrap(w, wrap);
    }
    for (const set of [this.#removedUsers, this.#removedWraps, this.#confirmed, this.#ended]) {
      w.varint(set.size);
      for (const id of sorted(set, (x) => x)) w.string(id);
    }
    w.varint(this.#claims.size);
    for (const c of sorted(this.#claims.values(), (x) => x.order)) w.string(c.id).string(c.address).string(c.user).u8(c.primary ? 1 : 0).varint(c.at).string(c.order);
    if (keys || away || scores) {
      w.varint(this.#domainKeys.size);
      for (const [place, key] of sorted(this.#domainKeys, ([p]) => p)) encodeDomainKey(w.string(place), key);
      w.varint(this.#removedKeys.size);
      for (const place of sorted(this.#removedKeys, (x) => x)) w.string(place);
    }
    if (scores) {
      w.varint(this.#scores.size);
      for (const [user, s] of sorted(this.#scores, ([u]) => u)) encodeScores(w.string(user).string(s.stamp), s);
    }
    if (counted) {
      w.varint(this.#messageQuotas.size);
      for (const [user, q] of sorted(this.#messageQuotas, ([u]) => u)) w.string(user).string(q.stamp).varint(q.messages);
    }
    return w.done();
  }

  /** Joins a stored state into this one: what is known stays, what is new comes in. Throws Corrupt. */
  join(bytes: Uint8Array): void {
    const r = new ByteReader(bytes);
    const version = r.u8();
    if (version < 1 || version > VERSION) throw new Corrupt('directory: a state written by a newer version');
    this.version++;
    for (let n = r.count(3); n > 0; n--) {
      const [name, stamp, on] = [r.string(), r.string(), r.u8() === 1];
      const was = this.#domains.get(name);
      if (!was || was.stamp < stamp) this.#domains.set(name, { stamp, on });
    }
    const wraps: [string, StoredWrap][] = [];
    for (let n = r.count(8); n > 0; n--) {
      const user: UserRecord = { id: r.string(), at: r.varint(), publicKeys: Buffer.from(r.bytes()), ring: Buffer.from(r.bytes()), bucket: r.string() || null, quotaBytes: r.varint(), quotaStamp: r.string(), wraps: new Map() };
      const was = this.users.get(user.id);
      if (!was && !this.#removedUsers.has(user.id)) this.users.set(user.id, user);
      else if (was && was.quotaStamp < user.quotaStamp) Object.assign(was, { quotaBytes: user.quotaBytes, quotaStamp: user.quotaStamp });
      for (let k = r.count(4); k > 0; k--) wraps.push([user.id, decodeWrap(r)]);
    }
    for (let n = r.count(); n > 0; n--) this.#applyOp({ kind: 'UserRemoved', user: r.string() }, '', '');
    for (let n = r.count(); n > 0; n--) {
      const key = r.string();
      this.#removedWraps.add(key);
      const slash = key.indexOf('/');
      this.users.get(key.slice(0, slash))?.wraps.delete(key.slice(slash + 1));
    }
    for (const [user, wrap] of wraps) this.#addWrap(user, wrap);
    for (let n = r.count(); n > 0; n--) this.#confirmed.add(r.string());
    for (let n = r.count(); n > 0; n--) this.#applyOp({ kind: 'ClaimEnded', claim: r.string() }, '', '');
    for (let n = r.count(6); n > 0; n--) this.#addClaim({ id: r.string(), address: r.string(), user: r.string(), primary: r.u8() === 1, at: r.varint(), order: r.string() });
    if (version >= 2) {
      for (let n = r.count(4); n > 0; n--) this.#addKey(r.string(), decodeDomainKey(r));
      for (let n = r.count(); n > 0; n--) {
        const place = r.string();
        this.#removedKeys.add(place);
        this.#domainKeys.delete(place);
      }
    }
    if (version >= 4) for (let n = r.count(4); n > 0; n--) this.#setLater(this.#scores, r.string(), { stamp: r.string(), ...decodeScores(r) });
    if (version >= 5) for (let n = r.count(3); n > 0; n--) this.#setLater(this.#messageQuotas, r.string(), { stamp: r.string(), messages: r.varint() });
    r.finish();
  }
}
