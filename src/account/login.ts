// From an address and a password to the user's secrets. Reads the directory only.
import { Refused } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { normaliseAddress } from '../directory/index.ts';
import type { Directory, StoredWrap, UserRecord } from '../directory/index.ts';
import { LoginCache, PasswordPool, SCRAM_ITERATIONS, falseScramSalt, findToken, scramSalt, unwrapWithPassword, unwrapWithScram, unwrapWithToken } from '../seal/index.ts';
import type { ScramProof, Token } from '../seal/index.ts';
import { Throttle } from './throttle.ts';
import type { From } from './throttle.ts';

export interface LoggedIn {
  record: UserRecord;
  /** The root key: opens the ring. */
  root: Buffer;
  /** Id of the wrapped key that opened it: while it is in the directory, the log-in holds. */
  wrap: string;
}

/** By SCRAM. */
export interface ScramLoggedIn extends LoggedIn {
  serverSignature: Buffer;
}

/** The root key, and the id of the wrapped key that it came from. */
export interface Opened {
  root: Buffer;
  wrap: string;
}

/** Longest password that is looked at, in bytes. */
const PASSWORD_BYTES_MAX = 1024;
const wrong = (): Refused => new Refused('Wrong address or password', 'AUTHENTICATIONFAILED', '535 5.7.8');

/** Null for what is no address. */
function addressOf(text: string): string | null {
  try {
    const { local, domain } = normaliseAddress(text);
    return local === '*' ? null : `${local}@${domain}`;
  } catch {
    return null;
  }
}

export class Logins {
  readonly #directory: Directory;
  readonly #pool: PasswordPool;
  readonly #cache: LoginCache;
  readonly #throttle: Throttle;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #saltKey: Buffer;

  /** `saltKey`: of the cluster, so that all replicas tell one salt of a name that nobody has. */
  constructor(directory: Directory, clock: Clock, random: Random, saltKey: Buffer = random.bytes(32)) {
    this.#random = random;
    this.#saltKey = saltKey;
    this.#directory = directory;
    this.#clock = clock;
    this.#pool = new PasswordPool();
    this.#cache = new LoginCache(clock, random);
    this.#throttle = new Throttle(clock);
  }

  get pool(): PasswordPool {
    return this.#pool;
  }

  /** Refused(AUTHENTICATIONFAILED) after a delay, Unavailable when the store can't confirm a "no" or Argon2 is overrun. */
  async login(user: string, password: string, remote: string): Promise<LoggedIn> {
    const address = addressOf(user);
    const from = { remote, user: address ?? '' };
    this.#throttle.check(from);
    const begun = this.#clock.monotonic();
    const found = await this.#verify(address, password, from);
    if (!found) {
      await this.#throttle.failed(from, begun);
      throw wrong();
    }
    this.#throttle.succeeded(from);
    return found;
  }

  /**
   * SCRAM's salt: one of each user, whatever app passwords there are, and a false one of a name that nobody has. Both
   * cost one LIST, so that the time tells nothing. Unavailable.
   */
  async scramSalt(user: string, remote: string): Promise<{ salt: Buffer; iterations: number; nonce: string }> {
    const address = addressOf(user);
    this.#throttle.check({ remote, user: address ?? '' });
    const asked = this.#directory.ask();
    await (address && this.#directory.state.owner(address) ? asked.catch(() => {}) : asked);
    const record = address ? this.#directory.state.owner(address) : null;
    const salt = record ? scramSalt(record.id) : falseScramSalt(this.#saltKey, address ?? user.slice(0, PASSWORD_BYTES_MAX));
    return { salt, iterations: SCRAM_ITERATIONS, nonce: this.#random.bytes(18).toString('base64') };
  }

  /** By a proof of SCRAM, tried against each app password. Throws as `login` does. */
  async scramLogin(user: string, proof: ScramProof, remote: string): Promise<ScramLoggedIn> {
    const address = addressOf(user);
    const from = { remote, user: address ?? '' };
    this.#throttle.check(from);
    const begun = this.#clock.monotonic();
    let found = this.#tryScram(address, proof);
    if (!found) {
      await this.#directory.ask();
      found = this.#tryScram(address, proof);
    }
    if (!found) {
      await this.#throttle.failed(from, begun);
      throw new Refused('Wrong address or password; SCRAM takes app passwords only', 'AUTHENTICATIONFAILED', '535 5.7.8');
    }
    this.#throttle.succeeded(from);
    return found;
  }

  #tryScram(address: string | null, proof: ScramProof): ScramLoggedIn | null {
    const record = address === null ? null : this.#directory.state.owner(address);
    if (!record) return null;
    for (const wrap of record.wraps.values()) {
      if (wrap.kind !== 'app') continue;
      const opened = unwrapWithScram(wrap.bytes, record.id, proof);
      if (opened) return { record, root: opened.root, wrap: wrap.id, serverSignature: opened.serverSignature };
    }
    return null;
  }

  async #verify(address: string | null, password: string, from: From): Promise<LoggedIn | null> {
    if (!address || password === '' || Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return null;
    const tried = new Set<string>();
    let found = await this.#try(address, password, from, tried);
    if (!found) {
      await this.#directory.ask(); // a "no" is never given from memory
      found = await this.#try(address, password, from, tried);
    }
    return found;
  }

  async #try(address: string, password: string, from: From, tried: Set<string>): Promise<LoggedIn | null> {
    const record = this.#directory.state.owner(address);
    if (!record) return null;
    const opened = await this.#root(record, password, (kind) => kind === 'app', tried, from);
    return opened && { record, ...opened };
  }

  #withToken(wrap: StoredWrap, record: UserRecord, token: Token): Buffer | null {
    if (wrap.id !== token.id) return null;
    try {
      return unwrapWithToken(wrap.bytes, record.id, token);
    } catch (e) {
      if (e instanceof Refused) return null;
      throw e;
    }
  }

  #withPassword(wrap: StoredWrap, record: UserRecord, password: string, tried: Set<string>, from: From | null): Promise<Buffer | null> {
    const known = this.#cache.find(record.id, wrap.id, password);
    if (known) return Promise.resolve(known);
    if (from === null) return this.#derived(wrap, record, password, tried);
    // The connections that a client opens together bring one password: the first in line pays for all.
    return this.#throttle.turn(from, async () => this.#cache.find(record.id, wrap.id, password) ?? this.#derived(wrap, record, password, tried));
  }

  async #derived(wrap: StoredWrap, record: UserRecord, password: string, tried: Set<string>): Promise<Buffer | null> {
    try {
      const root = await unwrapWithPassword(wrap.bytes, record.id, password, this.#pool);
      this.#cache.remember(record.id, wrap.id, password, root);
      return root;
    } catch (e) {
      if (!(e instanceof Refused)) throw e;
      tried.add(wrap.id);
      return null;
    }
  }

  /** The root key by any secret of the user, recovery codes included: for changing passwords. Null: wrong. */
  opened(record: UserRecord, secret: string): Promise<Opened | null> {
    return this.#root(record, secret, () => true, new Set(), null);
  }

  /** By a code if the text is one that `allowed` kinds of wraps know, else by a chosen password. */
  async #root(record: UserRecord, secret: string, allowed: (kind: StoredWrap['kind']) => boolean, tried: Set<string>, from: From | null): Promise<Opened | null> {
    const token = findToken(secret);
    const wrap = token && record.wraps.get(token.id);
    if (wrap && wrap.kind !== 'password') {
      const root = allowed(wrap.kind) ? this.#withToken(wrap, record, token) : null;
      return root && { root, wrap: wrap.id };
    }
    for (const chosen of record.wraps.values()) {
      if (chosen.kind !== 'password' || tried.has(chosen.id)) continue;
      const root = await this.#withPassword(chosen, record, secret, tried, from);
      if (root) return { root, wrap: chosen.id };
    }
    return null;
  }

  /** While a user has sessions, the same password costs no Argon2 again. Call what it returns when they have gone. */
  hold(user: string): () => void {
    return this.#cache.hold(user);
  }
  forget(user: string): void {
    this.#cache.forget(user);
  }

  async close(): Promise<void> {
    this.#throttle.close();
    this.#cache.close();
    await this.#pool.close();
  }
}
