// What FETCH needs of messages beyond their flags, kept for a while: the decoded index, and what imap/ rendered from it.
// One cache for all users, oldest use out first.
import type { MessageRecord } from '../imap/session.ts';
import { decodeIndex } from '../message/index.ts';
import type { Content } from '../state/index.ts';

/** Memory that a record takes for each byte of its stored index, rendered text included; and besides. */
const COST_FACTOR = 4;
const COST_BYTES = 600;

interface Kept {
  record: MessageRecord;
  cost: number;
}

export class RecordCache {
  readonly #kept = new Map<string, Kept>();
  readonly #bytesMax: number;
  #bytes = 0;
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /** By EMAILID, which is the same for all copies of a message and for no other message. */
  find(emailId: string): MessageRecord | null {
    return this.#kept.get(emailId)?.record ?? null;
  }

  add(content: Content): MessageRecord {
    const record: MessageRecord = { index: decodeIndex(Buffer.from(content.index)), prefix: Buffer.from(content.prefix), rendered: null };
    const cost = COST_BYTES + COST_FACTOR * (content.index.length + content.prefix.length);
    this.#kept.set(content.emailId, { record, cost });
    this.#bytes += cost;
    for (const [id, old] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) break;
      this.#kept.delete(id);
      this.#bytes -= old.cost;
    }
    return record;
  }
}
