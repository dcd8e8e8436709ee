// What administrators do with domains, users, addresses and secrets. Works at any replica, while others run.
import { ByteWriter, Malformed, Refused, randomId } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { normaliseAddress, normaliseDomain, writtenDomain, elsewhere, leadingTo } from '../directory/index.ts';
import type { Directory, DirectoryOp, DirectoryState, SpamScores, StoredWrap, UserRecord } from '../directory/index.ts';
import { createAppPassword, createRecoveryCode, createRootKey, createUserSecrets, decodeUserPublic, encodeUserPublic, exportSecretKey, openRing, sealRing, wrapInfo, wrapWithPassword, wrapWithToken } from '../seal/index.ts';
import type { Token } from '../seal/index.ts';
import { keyName, userRoot } from '../store/index.ts';
import type { Stores } from '../store/index.ts';
import type { Logins, Opened } from './login.ts';

export interface AdminOptions {
  directory: Directory;
  logins: Logins;
  stores: Stores;
  clock: Clock;
  random: Random;
}

/** An old password (chosen or app), or a recovery code. */
export type Proof = { password: string } | { recoveryCode: string };

const USER_ID_BITS = 80;
const PASSWORD_CHARS_MIN = 8;
const PASSWORD_BYTES_MAX = 1024;
const KEY_OBJECT_VERSION = 1;

/** The stored form of a wrapped root key outside the directory, with the ring that it opens. */
export const keyObject = (wrap: StoredWrap, ring: Buffer): Buffer => new ByteWriter().u8(KEY_OBJECT_VERSION).bytes(wrap.bytes).bytes(ring).done();
/** Of a newer release, which alone may change it. */
export const isNewerKeyObject = (bytes: Buffer): boolean => bytes[0] > KEY_OBJECT_VERSION;

const pretty = (address: string): string => address.replace(/^\*@/, '@');

/** Local parts that stand without quotes, or within (RFC 5321 §4.1.2). */
const LOCAL = /^([^\s"(),.:;<>@[\\\]]+(\.[^\s"(),.:;<>@[\\\]]+)*|"([^"\\]|\\.)+")$/;

/** What nobody sees, so that two addresses look like one, and what a terminal of another charset makes of a letter. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/u;

/** An address that is to be: what people mistype is nobody's name, though in quotes it could be one. Throws Malformed. */
function written(address: string): string {
  const local = address.slice(0, address.lastIndexOf('@'));
  if (!address.startsWith('@') && (!LOCAL.test(local) || UNSEEN.test(local))) throw new Malformed(`not an address: ${address.slice(0, 100)}`);
  writtenDomain(address.slice(address.lastIndexOf('@') + 1));
  return address;
}

/** `@domain` and `*@domain` name a catch-all. */
function normalised(address: string): string {
  const text = address.startsWith('@') ? `*${address}` : address;
  const { local, domain } = normaliseAddress(text);
  if (local.includes('+')) throw new Refused('An address can not have a + : that is for tags', 'CANNOT');
  return `${local}@${domain}`;
}

function checkPassword(password: string): void {
  if ([...password].length < PASSWORD_CHARS_MIN) throw new Refused(`A password needs ${PASSWORD_CHARS_MIN} characters at least`);
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) throw new Refused('The password is too long');
}

/** Asked right before the write: who was removed meanwhile, or whose proof was taken back, changes nothing. Refused. */
function stillProven(state: DirectoryState, { id }: UserRecord, { wrap }: Opened): UserRecord {
  const record = state.users.get(id);
  if (!record) throw new Refused('The user was removed meanwhile', 'NONEXISTENT');
  if (!record.wraps.has(wrap)) throw new Refused('That password or code is no longer valid', 'AUTHENTICATIONFAILED');
  return record;
}

export class Administration {
  readonly #o: AdminOptions;
  constructor(options: AdminOptions) {
    this.#o = options;
  }

  get #state(): DirectoryState {
    return this.#o.directory.state;
  }
  /** Everything is decided on the newest directory. */
  async #fresh(): Promise<void> {
    await this.#o.directory.caughtUp();
  }

  async #user(address: string): Promise<UserRecord> {
    await this.#fresh();
    const record = address.includes('@') ? this.#state.owner(normalised(address)) : this.#state.users.get(address);
    if (!record) throw new Refused(`No such user: ${address}`, 'NONEXISTENT');
    return record;
  }

  // ---- domains ----

  async domainAdd(domain: string): Promise<void> {
    const name = writtenDomain(domain);
    await this.#fresh(); // a write's own LIST may be a second old
    await this.#o.directory.write((state) => {
      if (state.hasDomain(name)) throw new Refused(`${name} is there already`, 'ALREADYEXISTS');
      return [{ kind: 'DomainAdded', domain: name }];
    });
  }
  async domains(): Promise<{ domain: string; users: number; addresses: number }[]> {
    await this.#fresh();
    const all = this.#state.addresses();
    return this.#state.domains.map((domain) => {
      const here = all.filter((c) => c.address.endsWith(`@${domain}`));
      return { domain, users: here.filter((c) => c.primary).length, addresses: here.length };
    });
  }
  async domainRemove(domain: string): Promise<void> {
    const name = normaliseDomain(domain);
    const inUse = (state: DirectoryState): Refused | null => {
      const n = state.addresses().filter((c) => c.address.endsWith(`@${name}`)).length;
      return n > 0 ? new Refused(`${name} has ${n} address${n === 1 ? '' : 'es'} still`, 'INUSE') : null;
    };
    await this.#fresh();
    await this.#o.directory.write((state) => {
      if (!state.hasDomain(name)) throw new Refused(`No such domain: ${name}`, 'NONEXISTENT');
      const refused = inUse(state);
      if (refused) throw refused;
      return [{ kind: 'DomainRemoved', domain: name }];
    });
    // An address that came beside it was told to be there: its claimer looks again too, so at most one of both holds.
    await this.#fresh();
    const refused = inUse(this.#state);
    if (!refused) return;
    await this.#o.directory.write((state) => (state.hasDomain(name) ? [] : [{ kind: 'DomainAdded', domain: name }]));
    throw refused;
  }

  // ---- users ----

  async userAdd(address: string, password: string): Promise<{ id: string; address: string; recoveryCode: string }> {
    const name = normalised(written(address));
    if (name.startsWith('*@')) throw new Refused('A user needs an address of its own', 'CANNOT');
    checkPassword(password);
    await this.#fresh();
    // One that is not confirmed may be of a command that was killed: `claim` says how long it counts.
    if (this.#state.claimsOf(name).some((c) => this.#state.isConfirmed(c))) throw new Refused(`${name} is there already`, 'ALREADYEXISTS');
    const { random, clock, stores, logins, directory } = this.#o;
    const id = randomId(random, USER_ID_BITS);
    const secrets = await createUserSecrets(random, clock.now());
    const root = createRootKey(random);
    const ring = sealRing(root, id, secrets.ring, random);
    const recovery = createRecoveryCode(id, random);
    const wraps = [this.#wrap(await wrapWithPassword(root, id, password, logins.pool, random), ''), this.#wrap(wrapWithToken(root, id, recovery, random), '')];
    // Users are spread over the buckets; the record says which, so a new bucket changes nothing for those who exist.
    const bucket = stores.names[Math.floor(random.unit() * stores.names.length)];
    await this.#keep(id, bucket, wraps[1], ring);
    try {
      await directory.claim(name, id, true, () => [
        { kind: 'UserAdded', user: id, at: clock.now(), publicKeys: encodeUserPublic(secrets.public), ring, bucket: bucket ?? '', quotaBytes: 0 },
        ...wraps.map((wrap) => ({ kind: 'WrapAdded' as const, user: id, wrap })),
      ]);
    } catch (e) {
      // The address went to someone else: the user that was to have it must not stay behind.
      await directory.write((state) => (state.users.has(id) ? [{ kind: 'UserRemoved', user: id }] : [])).catch(() => {});
      throw e;
    }
    return { id, address: name, recoveryCode: recovery.text() };
  }

  #wrap(bytes: Buffer, label: string): StoredWrap {
    return { ...wrapInfo(bytes), label, bytes };
  }

  /** What a user with a code can open alone: the wrap and the ring that its root key opens, outside the directory. */
  async #keep(user: string, bucket: string | null, wrap: StoredWrap, ring: Buffer): Promise<void> {
    await this.#o.stores.bucket(bucket).put(keyName(userRoot(user), wrap.id), keyObject(wrap, ring));
  }

  /** A wrap that is kept there before the directory knows it, and not when that refuses it. */
  async #kept<T>({ id, bucket, ring }: UserRecord, wrap: StoredWrap, write: () => Promise<T>): Promise<T> {
    await this.#keep(id, bucket, wrap, ring);
    try {
      return await write();
    } catch (e) {
      if (e instanceof Refused) await this.#o.stores.bucket(bucket).delete(keyName(userRoot(id), wrap.id));
      throw e;
    }
  }

  /** The domain whose users or addresses are asked for; a name that is mistyped has not simply none. Refused. */
  #wanted(domain: string | null): string | null {
    if (domain === null) return null;
    const name = normaliseDomain(domain);
    if (!this.#state.hasDomain(name)) throw new Refused(`No such domain: ${name}`, 'NONEXISTENT');
    return name;
  }

  async users(domain: string | null): Promise<{ id: string; address: string }[]> {
    await this.#fresh();
    const rows = [...this.#state.users.keys()].map((id) => ({ id, address: this.#state.addressesOf(id)[0]?.address ?? '' })).filter((u) => u.address !== '');
    const wanted = this.#wanted(domain);
    return rows.filter((u) => wanted === null || u.address.endsWith(`@${wanted}`)).sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  async user(address: string): Promise<{ id: string; address: string; addresses: string[]; appPasswords: { id: string; name: string; createdMs: number }[]; hasPassword: boolean; quotaBytes: number | null; quotaMessages: number | null; spamScores: SpamScores | null; keyFingerprint: string }> {
    const record = await this.#user(address);
    const addresses = this.#state.addressesOf(record.id).map((c) => pretty(c.address));
    const wraps = [...record.wraps.values()];
    return {
      id: record.id,
      address: addresses[0] ?? '',
      addresses,
      appPasswords: wraps.filter((w) => w.kind === 'app').map((w) => ({ id: w.id, name: w.label.replace(/^\d+ /, ''), createdMs: Number(/^\d+/.exec(w.label)?.[0] ?? 0) })),
      hasPassword: wraps.some((w) => w.kind === 'password'),
      quotaBytes: record.quotaBytes || null,
      quotaMessages: this.#state.messageQuotaOf(record.id) || null,
      spamScores: this.#state.scoresOf(record.id),
      keyFingerprint: decodeUserPublic(record.publicKeys).blob.fingerprint.toString('hex').toUpperCase(),
    };
  }

  /** The user's record with what only replicas need. */
  record(address: string): Promise<UserRecord> {
    return this.#user(address);
  }
  async records(): Promise<UserRecord[]> {
    await this.#fresh();
    return [...this.#state.users.values()];
  }

  /** By the user's own address, or id: another address, mistaken for what is to go, must not take all mail with it. */
  async userRemove(address: string): Promise<void> {
    const record = await this.#user(address);
    const own = this.#state.addressesOf(record.id)[0]?.address;
    if (address.includes('@') && own !== normalised(address)) throw new Refused(`${address} is only an address of ${own}: address remove takes it away, user remove ${own} all mail`, 'CANNOT');
    await this.#o.directory.write((state) => {
      if (!state.users.has(record.id)) throw new Refused(`No such user: ${address}`, 'NONEXISTENT');
      return [...state.addressesOf(record.id).map((c) => ({ kind: 'AddressRemoved' as const, claim: c.id })), { kind: 'UserRemoved', user: record.id }];
    });
    this.#o.logins.forget(record.id);
  }

  /** 0: no limit; null: stays as it is. What is there already stays, whatever the limit. */
  async quota(address: string, bytes: number | null, messages: number | null): Promise<void> {
    const record = await this.#user(address);
    await this.#o.directory.write((state) => {
      const ops: DirectoryOp[] = [];
      if (!state.users.has(record.id)) return ops;
      if (bytes !== null) ops.push({ kind: 'QuotaChanged', user: record.id, quotaBytes: bytes });
      if (messages !== null && messages !== state.messageQuotaOf(record.id)) ops.push({ kind: 'MessageQuotaChanged', user: record.id, messages });
      return ops;
    });
  }

  async spamScores(address: string, scores: SpamScores): Promise<void> {
    const record = await this.#user(address);
    await this.#o.directory.write((state) => (state.users.has(record.id) ? [{ kind: 'SpamScoresChanged', user: record.id, ...scores }] : []));
  }

  /** The root key, by an old password or a recovery code. Refused. */
  async rootKey(record: UserRecord, proof: Proof): Promise<Buffer> {
    return (await this.#proven(record, proof)).root;
  }
  async #proven(record: UserRecord, proof: Proof): Promise<Opened> {
    const opened = await this.#o.logins.opened(record, 'password' in proof ? proof.password : proof.recoveryCode);
    if (!opened) throw new Refused('password' in proof ? 'Wrong password' : 'Wrong recovery code', 'AUTHENTICATIONFAILED');
    return opened;
  }

  /** Replaces the chosen password; touches no mail. */
  async password(address: string, proof: Proof, password: string): Promise<void> {
    checkPassword(password);
    const record = await this.#user(address);
    await this.#setPassword(record, await this.#proven(record, proof), password);
  }

  /** In place of all that are there; `code`: a recovery code, in place of those. Gives the ids of what went. */
  async #setPassword(record: UserRecord, proven: Opened, password: string, code?: StoredWrap): Promise<StoredWrap[]> {
    const { random, logins, directory } = this.#o;
    const wraps = [this.#wrap(await wrapWithPassword(proven.root, record.id, password, logins.pool, random), ''), ...(code ? [code] : [])];
    let old: StoredWrap[] = [];
    await directory.write((state) => {
      old = [...stillProven(state, record, proven).wraps.values()].filter((w) => wraps.some((wrap) => wrap.kind === w.kind));
      return [...wraps.map((wrap) => ({ kind: 'WrapAdded' as const, user: record.id, wrap })), ...old.map(({ id }) => ({ kind: 'WrapRemoved' as const, user: record.id, id }))];
    });
    logins.forget(record.id);
    return old;
  }

  async appPassword(address: string, proof: Proof, name: string): Promise<{ id: string; password: string }> {
    const record = await this.#user(address);
    const proven = await this.#proven(record, proof);
    const token: Token = createAppPassword(this.#o.random);
    const wrap = this.#wrap(wrapWithToken(proven.root, record.id, token, this.#o.random), `${this.#o.clock.now()} ${name.slice(0, 100)}`);
    await this.#kept(record, wrap, () =>
      this.#o.directory.write((state) => {
        stillProven(state, record, proven);
        return [{ kind: 'WrapAdded', user: record.id, wrap }];
      }),
    );
    return { id: wrap.id, password: token.text() };
  }

  async appPasswordRemove(address: string, id: string): Promise<void> {
    const record = await this.#user(address);
    if (record.wraps.get(id)?.kind !== 'app') throw new Refused(`No such app password: ${id}`, 'NONEXISTENT');
    await this.#o.directory.write(() => [{ kind: 'WrapRemoved', user: record.id, id }]);
    await this.#o.stores.bucket(record.bucket).delete(keyName(userRoot(record.id), id));
    this.#o.logins.forget(record.id);
  }

  /** A new password by a recovery code, which is spent by it. */
  async recover(address: string, recoveryCode: string, password: string): Promise<{ recoveryCode: string }> {
    checkPassword(password);
    const record = await this.#user(address);
    const proven = await this.#proven(record, { recoveryCode });
    const next = createRecoveryCode(record.id, this.#o.random);
    const wrap = this.#wrap(wrapWithToken(proven.root, record.id, next, this.#o.random), '');
    const old = await this.#kept(record, wrap, () => this.#setPassword(record, proven, password, wrap));
    for (const w of old) if (w.kind === 'recovery') await this.#o.stores.bucket(record.bucket).delete(keyName(userRoot(record.id), w.id));
    return { recoveryCode: next.text() };
  }

  async exportKey(address: string, proof: Proof): Promise<string> {
    const record = await this.#user(address);
    return exportSecretKey(openRing(await this.rootKey(record, proof), record.id, record.ring));
  }

  // ---- addresses ----

  async addressAdd(address: string, user: string): Promise<void> {
    await this.#fresh();
    const name = normalised(written(address));
    const away = user.includes('@') ? normaliseAddress(user).domain : null;
    // An address elsewhere: what comes is handed on, the local part as it was written.
    if (away !== null && !this.#state.hasDomain(away)) return this.#o.directory.claim(name, leadingTo(`${written(user).slice(0, user.lastIndexOf('@'))}@${away}`), false);
    const record = await this.#user(user);
    await this.#o.directory.claim(name, record.id, false);
  }
  async addressRemove(address: string): Promise<void> {
    const name = normalised(address);
    await this.#fresh();
    await this.#o.directory.write((state) => {
      const claim = state.claimsOf(name).find((c) => state.isConfirmed(c));
      if (!claim) throw new Refused(`No such address: ${address}`, 'NONEXISTENT');
      if (claim.primary) throw new Refused(`${name} is the user's own address: remove the user instead`, 'CANNOT');
      return [{ kind: 'AddressRemoved', claim: claim.id }];
    });
  }
  async addresses(domain: string | null): Promise<{ address: string; user: string }[]> {
    await this.#fresh();
    const wanted = this.#wanted(domain);
    return this.#state
      .addresses()
      .filter((c) => wanted === null || c.address.endsWith(`@${wanted}`))
      .map((c) => ({ address: pretty(c.address), user: elsewhere(c.user) ?? this.#state.addressesOf(c.user)[0].address }));
  }
}
