// Which messages came with which delivery key: a sender that lost our 250 sends again, and the second copy counts as
// expunged. Decided for each pair by itself, so that the order in which copies become known doesn't matter.
import { limits } from '../base/index.ts';
import type { MailboxId, MessageRef, Position } from '../base/index.ts';

export interface KeyedCopy {
  ref: MessageRef;
  mailbox: MailboxId;
  position: Position;
  /** When it was delivered, ms since 1970, as its event says. */
  at: number;
}

/**
 * How much longer than the rule needs a key is kept: an event that is on its way when a snapshot is written still
 * finds it.
 */
const KEPT_LONGER_MS = 24 * 3600 * 1000;

export const refKey = (m: MessageRef): string => `${m.writer}#${m.seq}.${m.index}`;

/** Smaller first: the smallest stays. */
export function compareCopies(a: KeyedCopy, b: KeyedCopy): number {
  return a.position - b.position || (a.ref.writer < b.ref.writer ? -1 : a.ref.writer > b.ref.writer ? 1 : a.ref.seq - b.ref.seq || a.ref.index - b.ref.index);
}
/** Two copies of one key are one delivery when both came within seven days. */
export const sameDelivery = (a: KeyedCopy, b: KeyedCopy): boolean => Math.abs(a.at - b.at) <= limits.delivery_key_ms;

export class DeliveryKeys {
  /** Copies of each key, smallest first. */
  readonly keys = new Map<string, KeyedCopy[]>();
  /** For messages that share their key with others. */
  readonly #grouped = new Map<string, string>();
  /** The latest time that any delivery told. */
  latest = 0;

  /** False when this copy is known. */
  add(key: string, copy: KeyedCopy): boolean {
    this.latest = Math.max(this.latest, copy.at);
    const copies = this.keys.get(key);
    if (!copies) {
      this.keys.set(key, [copy]);
      return true;
    }
    let i = copies.length;
    while (i > 0 && compareCopies(copies[i - 1], copy) > 0) i--;
    if (i > 0 && compareCopies(copies[i - 1], copy) === 0) return false;
    copies.splice(i, 0, copy);
    this.#group(key, copies);
    return true;
  }
  #group(key: string, copies: KeyedCopy[]): void {
    for (const c of copies) this.#grouped.set(refKey(c.ref), key);
  }
  get hasGroups(): boolean {
    return this.#grouped.size > 0;
  }
  /** All copies that share a key with this message, itself among them; null for nearly every message. */
  groupOf(ref: MessageRef): KeyedCopy[] | null {
    const key = this.#grouped.size > 0 ? this.#grouped.get(refKey(ref)) : undefined;
    return key === undefined ? null : this.keys.get(key)!;
  }
  /** Every group of two or more. */
  *groups(): Iterable<KeyedCopy[]> {
    if (this.#grouped.size > 0) for (const key of new Set(this.#grouped.values())) yield this.keys.get(key)!;
  }
  /** Forgets what is too old to matter, by the times in the events. True when anything went. */
  expire(): boolean {
    const from = this.latest - limits.delivery_key_ms - KEPT_LONGER_MS;
    let went = false;
    for (const [key, copies] of this.keys) {
      const left = copies.filter((c) => c.at >= from);
      if (left.length === copies.length) continue;
      went = true;
      for (const c of copies) this.#grouped.delete(refKey(c.ref));
      if (left.length === 0) this.keys.delete(key);
      else this.keys.set(key, left);
      if (left.length > 1) this.#group(key, left);
    }
    return went;
  }
}
