// What FETCH needs of messages beyond their flags, kept for a while: the decoded index, and what imap/ rendered from it.
// One cache for all users, oldest use out first.
import { ownCopy } from '../base/index.ts';
import type { MessageRecord } from '../imap/session.ts';
import { decodeIndex } from '../message/index.ts';
import type { Content } from '../state/index.ts';
import { Cache, MemoryBudget } from './memory.ts';

/** Memory that a record takes for each byte of its stored index, rendered text included; and besides. */
const COST_FACTOR = 4;
const COST_BYTES = 800;

interface Kept {
  record: MessageRecord;
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
    const kept = this.#kept.get(emailId);
    return kept?.root === root ? kept.record : null;
  }

  /** Forgets what is of one user: after the last session of that user has gone. */
  forget(root: string): void {
    this.#kept.forget((_, kept) => kept.root === root);
  }

  add(root: string, content: Content): MessageRecord {
    const { index, prefix } = content;
    const own = ownCopy(index, prefix);
    const record: MessageRecord = { index: decodeIndex(own.subarray(0, index.length)), prefix: own.subarray(index.length), rendered: null };
    this.#kept.set(content.emailId, { record, root }, COST_BYTES + COST_FACTOR * (content.index.length + content.prefix.length));
    return record;
  }
}
