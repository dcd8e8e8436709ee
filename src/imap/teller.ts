// What a client is told of its mailboxes without having asked: at the ends of commands, and at once while it idles or
// has asked to be notified (RFC 5465). Searches that are kept up to date follow what was told.
import type { Logger } from '../base/index.ts';
import { reason } from '../base/index.ts';
import type { Searching } from './search/run.ts';
import type { Transport } from './transport.ts';
import type { View } from './view.ts';

/** The connection, as its teller sees it. */
export interface Told extends Searching {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly openView: View | null;
}

export class Teller {
  #conn: Told;
  #on = false;
  #due = false;
  #updating: Promise<void> = Promise.resolve();

  constructor(conn: Told) {
    this.#conn = conn;
  }

  /** Untagged updates of the selected mailbox. */
  tell(allowExpunge: boolean): void {
    const view = this.#conn.openView;
    if (view?.behind) view.poll(this.#conn.out, { allowExpunge });
  }

  /** Tells what came into searches that are kept up to date, and what left them; one after the other. */
  updateSearches(): Promise<void> {
    const run = async () => {
      const view = this.#conn.openView;
      if (view !== null && !view.contexts.empty) await view.contexts.update(this.#conn);
    };
    return (this.#updating = this.#updating.catch(() => {}).then(run));
  }

  /** Whether updateSearches has anything to do. */
  get searches(): boolean {
    return this.#conn.openView?.contexts.empty === false;
  }

  /** While it is on, changes of the selected mailbox are told at once. */
  watch(on: boolean): void {
    this.#on = on;
    const view = this.#conn.openView;
    if (view === null) return;
    view.selected.onChange = on ? () => this.#changed() : null;
    if (on) this.#changed();
  }

  /** Several changes of one turn are told together, in that turn. */
  #changed(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      const { transport, out } = this.#conn;
      if (!this.#on || transport.closed || this.#conn.openView === null) return;
      // A client that does not read is told later, and then all at once.
      if (out.full) {
        out.drain().then(
          () => this.#changed(),
          () => {},
        );
        return;
      }
      this.tell(true);
      transport.out.flush();
      if (!this.searches) return;
      this.updateSearches().then(
        () => transport.out.flush(),
        (e: unknown) => this.#conn.logger.warn('a search was not brought up to date', { reason: reason(e) }),
      );
    });
  }
}
