// Events that are known to be acknowledged and that no LIST has shown yet: what peers told before the log was read, and what
// this replica knew before it read the log anew. A whole LIST shows them or a snapshot covers them; a store that does neither
// answers out of the past, and nobody is shown that past as the present.
import type { EventRef } from '../base/index.ts';

export interface Withheld {
  ref: EventRef;
  /** Monotonic time of the first whole LIST that did not show it. */
  since: number;
}

export class Acknowledged {
  readonly #events = new Map<string, { ref: EventRef; since: number | null }>();

  add(id: string, ref: EventRef): void {
    if (!this.#events.has(id)) this.#events.set(id, { ref, since: null });
  }
  has(id: string): boolean {
    return this.#events.has(id);
  }
  /** After a whole LIST: what is `known` now need not be remembered here. */
  listed(known: (id: string, ref: EventRef) => boolean, now: number): void {
    for (const [id, event] of this.#events) {
      if (known(id, event.ref)) this.#events.delete(id);
      else event.since ??= now;
    }
  }
  /** What whole LISTs should have shown. */
  withheld(known: (id: string) => boolean): Withheld[] {
    const found: Withheld[] = [];
    for (const [id, { ref, since }] of this.#events) if (since !== null && !known(id)) found.push({ ref, since });
    return found;
  }
  clear(): void {
    this.#events.clear();
  }
}
