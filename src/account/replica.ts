// What every part of the account room needs of this process; made once by server.ts.
import type { Clock, Logger, MailboxId, Random } from '../base/index.ts';
import type { Directory } from '../directory/index.ts';
import type { Authenticator, LogMutations, ReplicaIdentity } from '../log/index.ts';
import type { ClusterKeys } from '../seal/index.ts';
import type { Stores } from '../store/index.ts';
import type { StateMutations } from '../state/index.ts';
import type { BlobCache } from './blobs.ts';
import type { DeliveredWords } from './delivered-words.ts';
import type { MemoryBudget } from './memory.ts';
import type { RecordCache } from './records.ts';
import type { SearchMemory } from './search-memory.ts';
import type { SpoolBudget } from './spool.ts';

/** Rules of this room that a test switches off to see its check fail. Never set elsewhere. */
export interface AccountMutations {
  noRepairs?: boolean;
  /** The event is stored before the blob. */
  eventBeforeBlob?: boolean;
  /** OK before the PUT is answered. */
  answerBeforePut?: boolean;
}

/** What was done in the background, for numbers. */
export interface ReplicaCounts {
  repairs: number;
  /** Late events that they repaired. */
  lateEvents: number;
  snapshots: number;
  bundles: number;
  /** Objects that collection deleted. */
  collected: number;
}

/** `read` gives the message as it came, or null when it is gone; it may be called later, or not at all. */
export type Learn = (kind: 'spam' | 'ham', read: () => Promise<Buffer | null>) => void;

export interface Replica {
  readonly stores: Stores;
  readonly keys: ClusterKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly identity: ReplicaIdentity;
  readonly authenticator: Authenticator;
  readonly directory: Directory;
  readonly blobs: BlobCache;
  readonly records: RecordCache;
  /** Absent: searches read every message. */
  readonly search?: SearchMemory;
  /** Takes the words of mail for users who are not logged in here. Absent: they are taken when the users are. */
  readonly words?: DeliveredWords;
  readonly spoolBudget: SpoolBudget;
  /** What all that is kept in memory shares; without it nothing of states and logs is let go. */
  readonly memory?: MemoryBudget;
  /** Tells the peers of an event that is acknowledged. */
  readonly announce: (bucket: string | null, root: string, name: string, bytes: Uint8Array) => void;
  /** True when all known replicas are connected: polls may be slow. */
  readonly peersComplete: () => boolean;
  /** Who shares the work in the background: the own id, and those of the other replicas as far as they are known. */
  readonly members?: () => { self: string; others: readonly string[] };
  readonly counts?: ReplicaCounts;
  /** Hears what users call junk, and what they take out of it. Never throws. */
  readonly learn?: Learn;
  readonly logMutations?: LogMutations;
  readonly stateMutations?: StateMutations;
  readonly mutations: AccountMutations;
}

export type { MailboxId };
