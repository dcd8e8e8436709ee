// Passwords that opened a wrap a short while ago, so that the same log-in again costs no Argon2. In memory only: an HMAC
// of the password under a key of this process, beside the root key that the open user's secret is in memory for anyway.
import { timingSafeEqual } from 'node:crypto';
import { limits } from '../base/index.ts';
import type { Clock, Random } from '../base/index.ts';
import { hmacOnce } from './primitives.ts';
import { passwordBytes } from './wrap.ts';

interface Entry {
  wrapId: string;
  verifier: Buffer;
  root: Buffer;
}
interface User {
  entries: Entry[];
  /** When the last hold ended or the last log-in was (monotonic, milliseconds). */
  since: number;
}

/** Chosen passwords kept of one user. */
const ENTRIES_MAX = 4;

export class LoginCache {
  readonly #clock: Clock;
  readonly #key: Buffer;
  readonly #usersMax: number;
  readonly #lingerMs: number;
  // In order of last use, oldest first.
  readonly #users = new Map<string, User>();
  readonly #holds = new Map<string, number>();
  #cancelSweep: (() => void) | null = null;

  constructor(clock: Clock, random: Random, sizes: { login_cache_users_max: number; user_linger_ms: number } = limits) {
    this.#clock = clock;
    this.#key = random.bytes(32);
    this.#usersMax = sizes.login_cache_users_max;
    this.#lingerMs = sizes.user_linger_ms;
  }

  /** Users with a password kept. */
  get size(): number {
    return this.#users.size;
  }

  /**
   * The root key if this password opened the wrap `wrapId` before, else null: then ask Argon2. Pass the id of a wrap that
   * the directory has now, so a password that was changed stops working.
   */
  find(user: string, wrapId: string, password: string): Buffer | null {
    const found = this.#users.get(user);
    if (!found) return null;
    if (this.#expired(user, found)) {
      this.forget(user);
      return null;
    }
    const entry = found.entries.find((e) => e.wrapId === wrapId);
    if (!entry || !timingSafeEqual(entry.verifier, this.#verifier(password))) return null;
    this.#touch(user, found);
    return Buffer.from(entry.root);
  }

  /** After a password opened a wrap. */
  remember(user: string, wrapId: string, password: string, root: Buffer): void {
    const found = this.#users.get(user) ?? { entries: [], since: 0 };
    for (const e of found.entries) if (e.wrapId === wrapId) e.root.fill(0);
    found.entries = found.entries.filter((e) => e.wrapId !== wrapId);
    if (found.entries.length >= ENTRIES_MAX) found.entries.shift()!.root.fill(0);
    found.entries.push({ wrapId, verifier: this.#verifier(password), root: Buffer.from(root) });
    this.#touch(user, found);
    while (this.#users.size > this.#usersMax) this.forget(this.#users.keys().next().value!);
    this.#sweepLater();
  }

  /** Keeps what is remembered of a user while a session is open. Call the result once when it ends: then the linger time begins. */
  hold(user: string): () => void {
    this.#holds.set(user, (this.#holds.get(user) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = this.#holds.get(user)! - 1;
      if (left > 0) this.#holds.set(user, left);
      else this.#holds.delete(user);
      const found = this.#users.get(user);
      if (found) this.#touch(user, found);
    };
  }

  /** After a password change, or when the user's secret leaves memory. */
  forget(user: string): void {
    for (const e of this.#users.get(user)?.entries ?? []) e.root.fill(0);
    this.#users.delete(user);
  }

  /** Wipes everything. */
  close(): void {
    for (const user of [...this.#users.keys()]) this.forget(user);
    this.#cancelSweep?.();
    this.#cancelSweep = null;
  }

  #verifier(password: string): Buffer {
    return hmacOnce(this.#key, passwordBytes(password));
  }

  #expired(name: string, user: User): boolean {
    return !this.#holds.has(name) && this.#clock.monotonic() - user.since >= this.#lingerMs;
  }

  #touch(name: string, user: User): void {
    user.since = this.#clock.monotonic();
    this.#users.delete(name);
    this.#users.set(name, user);
  }

  #sweepLater(): void {
    this.#cancelSweep ??= this.#clock.after(this.#lingerMs, () => {
      this.#cancelSweep = null;
      for (const [name, user] of [...this.#users]) if (this.#expired(name, user)) this.forget(name);
      if (this.#users.size > 0) this.#sweepLater();
    });
  }
}
