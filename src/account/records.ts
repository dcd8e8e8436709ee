// What FETCH needs of messages beyond their flags, kept for a while: the decoded index, what imap/ rendered from it, and
// which blob has the rest.
// One cache for all users, oldest use out first.
import { ownCopy } from '../base/index.ts';
import type { MessageRecord } from '../imap/session.ts';
import { decodeIndex } from '../message/index.ts';
import type { Content } from '../state/index.ts';
import type { BlobRef } from './blobs.ts';
import { Cache, MemoryBudget } from './memory.ts';

/** Memory that a record takes for each byte of its stored index, rendered text included; and besides. */
const COST_FACTOR = 4;
const COST_BYTES = 1100;

interface Kept {
  record: MessageRecord;
  ref: BlobRef;
  /** Whose it is. */
  root: string;
}

export class RecordCache {
  readonly #kept: Cache<Kept>;
  /** Within a budget that it shares, or of its own. */
  constructor(budget: MemoryBudget | number) {
    this.#kept = new Cache('records', typeof budget === 'number' ? new MemoryBudget(budget) : budget);
  }
  get bytes(): number {
    return this.#kept.bytes;
  }

  /** A user's, by EMAILID, which is the same for all copies of a message and for no other message. */
  find(root: string, emailId: string): MessageRecord | null {
    return this.kept(root, emailId)?.record ?? null;
  }

  /** The same, and its blob: an EMAILID is one blob for ever. */
  kept(root: string, emailId: string): Readonly<Kept> | null {
    const kept = this.#kept.get(emailId);
    return kept?.root === root ? kept : null;
  }

  /** Forgets what is of one user: after the last session of that user has gone. */
  forget(root: string): void {
    this.#kept.forget((_, kept) => kept.root === root);
  }

  add(root: string, content: Content): MessageRecord {
    const { index, prefix, contentKey, blob, plainBytes } = content;
    const own = ownCopy(index, prefix, contentKey);
    const end = index.length + prefix.length;
    const record: MessageRecord = { index: decodeIndex(own.subarray(0, index.length)), prefix: own.subarray(index.length, end), rendered: null };
    const ref = { blob, contentKey: own.subarray(end), plainBytes };
    this.#kept.set(content.emailId, { record, ref, root }, COST_BYTES + COST_FACTOR * (content.index.length + content.prefix.length));
    return record;
  }
}
