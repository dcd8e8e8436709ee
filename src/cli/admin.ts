// What the command line asks of the running system. `admin(…)` of src/server.ts gives one, through a
// running replica or by itself. Every method throws Refused for what the person can mend, Unavailable for the store.
import type { Logger } from '../base/index.ts';
import type { Config } from '../config.ts';

export interface DomainSummary {
  domain: string;
  users: number;
  addresses: number;
}

export interface UserSummary {
  /** Random id: what the store's object names show. */
  id: string;
  /** The address made with the user. */
  address: string;
  messages: number | null;
  bytes: number | null;
}

export interface UserDetails extends UserSummary {
  /** All addresses that lead here, catch-all as `@domain`. */
  addresses: string[];
  appPasswords: { id: string; name: string; createdMs: number }[];
  hasPassword: boolean;
  quotaBytes: number | null;
  quotaMessages: number | null;
  spamScores: SpamScores | null;
  keyFingerprint: string | null;
}

/** From which score of rspamd on a user's mail goes to Junk, or is refused, in tenths; null: as rspamd says. */
export interface SpamScores {
  junk: number | null;
  reject: number | null;
}

export interface NewUser {
  id: string;
  address: string;
  /** Shown once and stored nowhere. */
  recoveryCode: string;
}

export interface AddressSummary {
  /** An alias, or `@domain` for a catch-all. */
  address: string;
  /** The address of the user that it leads to. */
  user: string;
}

/** One thing that `check` found wrong, or mended. */
export interface Finding {
  /** The user's id, and their first address where there is one. */
  user: string;
  address?: string;
  /** Object name, or null where an object is missing. */
  object: string | null;
  problem: string;
  mended?: boolean;
}

export interface CheckSummary {
  users: number;
  objects: number;
  bytes: number;
  findings: number;
}

/** A replica, as its presence in the store tells. */
export interface ReplicaSummary {
  id: string;
  /** `host:port` of its peer channel; empty: takes no calls. */
  address: string;
  version: string;
  slot: number;
  /** By its own clock, ms since 1970. */
  sinceMs: number;
  /** How long ago it was seen, by the store's own time, ms. */
  lagMs: number;
  /** `here`: the one that answers; `silent`: not seen for so long that its slot is free; `left`: ended, with a write unanswered. */
  state: 'here' | 'alive' | 'late' | 'silent' | 'left';
}

/** Removed messages, the last removed first; `total` counts those too that are not listed. */
export interface RemovedSummary {
  total: number;
  messages: { id: string; mailbox: string; mailboxGone: boolean; from: string; subject: string; dateMs: number; removedMs: number; bytes: number }[];
}

/** What to bring back. */
export type Undelete = { id: string } | { mailbox: string } | 'all';

/** What `restored` did: logs that go on further, and users (ids) whose log could not be written. */
export interface RestoredSummary {
  /** Messages in the queue that are held now: some of them were sent since the backup. */
  held?: number;
  users: number;
  failed: { user: string; address?: string; problem: string }[];
}

/** What of one log is under former cluster secrets. */
export interface SecretLog {
  /** `directory`, `queue`, or a user's id. */
  log: string;
  /** Objects that bear a former one's MAC. */
  former: number;
  /** Of them those that no list under the new one names. */
  unlisted: number;
  /** Without the former secret it can not be read. */
  needed: boolean;
  problem: string | null;
}

export interface SecretSummary {
  /** Id of the secret that is written under, and those of the others that are accepted. */
  writing: string;
  former: string[];
  /** Replicas that write under a former one. */
  writers: { id: string; address: string }[];
  /** All logs, and those in which something is under a former one or wrong. */
  total: number;
  logs: SecretLog[];
}

/** Who asks may do so by the old password or by a recovery code. */
export type Proof = { password: string } | { recoveryCode: string };

/** A message that waits to be sent. Times in ms since 1970. */
export interface QueueSummary {
  id: string;
  from: string;
  /** Recipients that are not done with. */
  waiting: string[];
  bytes: number;
  at: number;
  nextAt: number | null;
  /** `telling`: all recipients are done with, the sender is still to be told. */
  state: 'waiting' | 'sending' | 'held' | 'telling';
  why: string;
}

export interface QueueDetails extends QueueSummary {
  recipients: { address: string; state: string; status: string; text: string; host: string; tries: number; nextAt: number | null }[];
}

/** What concerns mail that goes out. */
export interface MailAdminMethods {
  /** The DNS records that a domain needs; keys are made where it has none. */
  domainDns(domain: string): Promise<{ name: string; type: string; value: string; why: string }[]>;
  /** Makes new keys, which sign after some days; `removed`: selectors of old ones that went. */
  domainDkimRotate(domain: string): Promise<{ selectors: string[]; signsAtMs: number; removed: string[] }>;
  /** What DNS has of them. */
  domainCheck(domain: string): Promise<{ name: string; type: string; state: 'ok' | 'missing' | 'wrong' | 'unknown'; text: string }[]>;
  queueList(): Promise<QueueSummary[]>;
  queueShow(id: string): Promise<QueueDetails>;
  /** An id (Refused while it is held), or `all` that is not held; gives how many. */
  queueRetry(id: string): Promise<number>;
  /** An id, or `all`. */
  queueHold(id: string, on: boolean): Promise<void>;
  /** Sent no more. Its sender gets the notice of a failure, unless `silent`. Refused (INUSE) while it is being sent. */
  queueDrop(id: string, silent: boolean): Promise<void>;
}

export interface Admin extends MailAdminMethods {
  domainAdd(domain: string): Promise<void>;
  domains(): Promise<DomainSummary[]>;
  /** Refused while users or addresses remain. */
  domainRemove(domain: string): Promise<void>;

  userAdd(address: string, password: string): Promise<NewUser>;
  /** `domain` null: all. */
  users(domain: string | null): Promise<UserSummary[]>;
  user(address: string): Promise<UserDetails>;
  userRemove(address: string): Promise<void>;
  /** `bytes` null: no limit. */
  /** 0: no limit; null: stays as it is. */
  quota(address: string, bytes: number | null, messages: number | null): Promise<void>;
  spamScores(address: string, scores: SpamScores): Promise<void>;
  /** A new password; mail stays readable because the proof opens the keys. */
  password(address: string, proof: Proof, password: string): Promise<void>;
  /** Makes an app password, shown once. */
  appPassword(address: string, proof: Proof, name: string): Promise<{ id: string; password: string }>;
  appPasswordRemove(address: string, id: string): Promise<void>;
  /** A new password by a recovery code, which is spent: gives the next one. */
  recover(address: string, recoveryCode: string, password: string): Promise<{ recoveryCode: string }>;
  /** The user's secret OpenPGP key, ASCII-armoured. */
  exportKey(address: string, proof: Proof): Promise<string>;

  addressAdd(address: string, user: string): Promise<void>;
  addressRemove(address: string): Promise<void>;
  addresses(domain: string | null): Promise<AddressSummary[]>;

  /**
   * Reads every object of one user or (null) of all; tells each finding as it comes. With the user's password or recovery
   * code every event and message is opened too. `repair`: mends what can be mended first, and tells what it did (`mended`).
   */
  check(user: string | null, found: (finding: Finding) => void, proof?: Proof, repair?: boolean): Promise<CheckSummary>;

  /** All that the store knows, the last seen first. */
  replicas(): Promise<ReplicaSummary[]>;

  /** Messages that the user removed and that can be brought back. */
  removed(user: string, proof: Proof): Promise<RemovedSummary>;
  /** Brings them back; how many. */
  undelete(user: string, proof: Proof, what: Undelete): Promise<number>;
  /** After the buckets came back from a backup: no position that was given out since is given out again. */
  restored(): Promise<RestoredSummary>;

  /** What needs a former cluster secret. */
  secretStatus(): Promise<SecretSummary>;
  /** Lists and writes anew what needs it. Refused while a replica writes under a former one. */
  secretRenew(): Promise<SecretSummary>;

  close(): Promise<void>;
}

/** A replica at work. */
export interface Service {
  /** Drains and leaves. */
  stop(): Promise<void>;
  /** Ports that are open; absent: off. */
  readonly ports: { smtp?: number; lmtp?: number; imap?: number; imaps?: number; submission?: number; submissions?: number; http?: number; peer?: number };
  readonly admin: Admin;
  /** Lines that a person should see at the start: a certificate or secret was made, … */
  readonly notices: string[];
}

/** What src/server.ts exports. */
export interface ServerModule {
  serve(config: Config, logger: Logger): Promise<Service>;
  /** `begins` (the default): the store may be empty still, and its cluster secret is made then; false: Refused. */
  admin(config: Config, logger: Logger, begins?: boolean): Promise<Admin>;
}
