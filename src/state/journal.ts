// What happened in a mailbox lately, in a ring: a session that asks often pays for what changed, not for the mailbox.
import type { Uid } from '../base/index.ts';
import type { MailboxChange } from './types.ts';

/** Changes kept; who is further behind compares everything. */
const CHANGES_MAX = 1 << 15;
const KINDS = ['added', 'expunged', 'flags'] as const;

export class Journal {
  /** Number of the last change. */
  version = 0;
  #first = 0;
  #kind = new Uint8Array(64);
  #uid = new Uint32Array(64);
  #lastFrom = -1;
  #lastTo = -1;
  #last: readonly MailboxChange[] = [];

  add(kind: MailboxChange['kind'], uid: Uid): void {
    const size = this.#kind.length;
    if (this.version - this.#first === size) {
      if (size < CHANGES_MAX) this.#grow(size * 2);
      else this.#first++;
    }
    const at = this.version++ & (this.#kind.length - 1);
    this.#kind[at] = KINDS.indexOf(kind);
    this.#uid[at] = uid;
  }
  #grow(size: number): void {
    const kind = new Uint8Array(size);
    const uid = new Uint32Array(size);
    const mask = this.#kind.length - 1;
    for (let v = this.#first; v < this.version; v++) {
      kind[v & (size - 1)] = this.#kind[v & mask];
      uid[v & (size - 1)] = this.#uid[v & mask];
    }
    this.#kind = kind;
    this.#uid = uid;
  }
  /** Everything may have changed. */
  restart(): void {
    this.#first = ++this.version;
  }
  /** Changes after a version, oldest first; null when that is too long ago. Sessions at one version share the answer. */
  since(version: number): readonly MailboxChange[] | null {
    if (version < this.#first || version > this.version) return null;
    if (version === this.#lastFrom && this.version === this.#lastTo) return this.#last;
    const out: MailboxChange[] = [];
    for (let v = version; v < this.version; v++) {
      const at = v & (this.#kind.length - 1);
      out.push({ kind: KINDS[this.#kind[at]], uid: this.#uid[at] });
    }
    this.#lastFrom = version;
    this.#lastTo = this.version;
    return (this.#last = out);
  }
}
