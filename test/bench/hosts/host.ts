// A mail server under measurement: where it listens, who has a mailbox there, what it takes.

export interface User {
  address: string;
  password: string;
}

export interface Host {
  readonly name: string;
  readonly lmtp: number;
  readonly imap: number;
  readonly imaps: number;
  /** Users for everything; each has a password that was chosen. */
  readonly users: readonly User[];
  /** Has the large mailboxes; logs in by what costs no slow hash. */
  readonly big: User;
  /** Has one large mailbox and no history of other measurements; logs in in the same way. */
  readonly returning: User;
  /** Whatever changes in a mailbox of this one is on the disk before the answer, at each server. */
  readonly durable: User;
  /** Have chosen passwords, hashed with Argon2id, and never logged in. */
  readonly unseen: readonly User[];
  /** Ends the processes and starts them again, with all mail. */
  restart(): Promise<void>;
  /** The same, without what it only keeps to be quicker: as on a machine that never saw these users. */
  forget(): Promise<void>;
  /** Ids of all its processes. */
  processes(): number[];
  /** Another process on the same mail, or null where there is none. */
  readonly second: Host | null;
  stop(): Promise<void>;
}

export const USERS = 12;
export const UNSEEN = 10;
export const DOMAIN = 'bench.example';

/** Repeats until it works; rejects with the last error after `ms`, or at once when `alive` says no. */
export async function eventually<T>(attempt: () => Promise<T>, alive: () => boolean, ms = 20_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await attempt();
    } catch (e) {
      if (!alive() || Date.now() > end) throw e;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
  }
}
