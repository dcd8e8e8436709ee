// What a client is told of its mailboxes without having asked: at the ends of commands, and at once while it idles or
// as it asked by NOTIFY (RFC 5465). Searches that are kept up to date follow what was told. What takes longer than a
// turn waits for the running command's end, and the next command waits for it.
import type { Logger } from '../base/index.ts';
import { Unavailable, reason } from '../base/index.ts';
import type { Uid } from '../base/index.ts';
import type { Context } from './command/command.ts';
import { FetchAnswers, unasked } from './fetch/answer.ts';
import { lowerBound } from './fetch/uidset.ts';
import { AccountWatch } from './notify/account.ts';
import type { OwnDoing } from './notify/account.ts';
import { NOTHING } from './notify/request.ts';
import type { NotifyRequest } from './notify/request.ts';
import type { Transport } from './transport.ts';
import type { View } from './view.ts';

/** The connection, as its teller sees it. */
export interface Told extends Context {
  readonly transport: Transport;
  readonly logger: Logger;
  readonly openView: View | null;
  /** Runs this when no command does, before the next one; false when a command is running. */
  between(run: () => Promise<void>): boolean;
}

export class Teller {
  #conn: Told;
  #idling = false;
  /** What NOTIFY asked for; null: there was none. */
  #request: NotifyRequest | null = null;
  #watch: AccountWatch | null = null;
  #due = false;
  /** The client was told to keep a lower HIGHESTMODSEQ than it has seen. */
  #withheld = false;
  #running: Promise<void> = Promise.resolve();
  /** New messages up to here need no items any more. */
  #itemsUpTo: Uid = 0;
  /** New messages that this client made itself: nothing of them is news to it. */
  #made = new Set<Uid>();

  constructor(conn: Told) {
    this.#conn = conn;
  }

  /** Untagged updates of the selected mailbox. */
  tell(allowExpunge: boolean): void {
    const { openView: view, out } = this.#conn;
    if (view?.behind) view.poll(out, { allowExpunge: allowExpunge || this.#expungesAnytime });
    // RFC 7162 §3.2, §6: MODSEQs that the client has seen are above those of what it does not know to be gone.
    if (view === null || !view.qresync || (!view.holds && !this.#withheld)) return;
    this.#withheld = view.holds;
    out.line(`* OK [HIGHESTMODSEQ ${view.sureModSeq}] ${view.holds ? 'what vanished since is told later' : 'all is told'}`);
  }

  get #expungesAnytime(): boolean {
    const selected = this.#request?.selected;
    return selected !== null && selected !== undefined && !selected.delayed;
  }

  /** Whether `rest` has anything to tell. */
  get more(): boolean {
    const view = this.#conn.openView;
    return this.#watch?.pending === true || (view !== null && (!view.contexts.empty || this.#itemsDue(view)));
  }

  /** What takes more than a turn; one after the other. */
  rest(): Promise<void> {
    return (this.#running = this.#running.catch(() => {}).then(() => this.#rest()));
  }

  async #rest(): Promise<void> {
    const view = this.#conn.openView;
    if (view !== null && this.#itemsDue(view)) await this.#writeItems(view);
    if (this.#watch?.pending) await this.#writeAccount(this.#watch);
    if (view !== null && view === this.#conn.openView && !view.contexts.empty) await view.contexts.update(this.#conn, this.#made);
    this.#made.clear();
  }

  /** The client did it itself. */
  own(doing: OwnDoing): void {
    this.#watch?.own(doing);
  }

  /** Messages that the client put into the mailbox of this name; UIDs of one are never those of another. */
  made(mailbox: string, uids: readonly Uid[]): void {
    this.own({ messages: [{ mailbox, added: uids.length, gone: 0 }] });
    const view = this.#conn.openView;
    if (view === null || uids.length === 0 || view.index.find(uids[0]) < 0) return;
    view.made = true;
    // Only where something will be told of new messages, and then be forgotten here.
    if (this.#request?.selected?.items.length || !view.contexts.empty) for (const uid of uids) this.#made.add(uid);
  }

  /** A mailbox was selected: the view is new. */
  attach(view: View): void {
    this.#withheld = false;
    this.#itemsUpTo = lastUid(view);
    this.#adjust(view);
  }

  /** What the client wants to hear from now on; null: as without NOTIFY. Unavailable. */
  async notify(request: NotifyRequest | null): Promise<AccountWatch | null> {
    this.#watch?.stop();
    this.#watch = null;
    this.#request = request;
    const view = this.#conn.openView;
    if (view !== null) {
      // §3.1: what the client has not heard yet it hears before the new wishes count.
      if (request !== NOTHING) {
        view.wish(null);
        view.poll(this.#conn.out, { allowExpunge: true });
      }
      this.#itemsUpTo = lastUid(view);
      this.#adjust(view);
    }
    if (request === null || request.groups.length === 0) return null;
    return (this.#watch = await AccountWatch.start(this.#conn.session, request.groups, () => this.#changed()));
  }

  /**
   * ENABLE METADATA (RFC 5464 §4.1): others' changes of annotations are told with the next command, and in IDLE. Behind NOTIFY
   * the client hears what it asked for there, before or after (RFC 5465 §3.1).
   */
  enableMetadata(): void {
    if (this.#request !== null || this.#watch !== null) return;
    this.#watch = AccountWatch.ofAnnotations(this.#conn.session, () => {
      if (this.#idling) this.#changed();
    });
  }

  /** While the client idles it is told at once. Resolves when nothing is being told any more. */
  async idle(on: boolean): Promise<void> {
    this.#idling = on;
    const view = this.#conn.openView;
    if (view !== null) this.#adjust(view);
    if (on) this.#changed();
    else await this.#running.catch(() => {});
  }

  #adjust(view: View): void {
    const selected = this.#request?.selected;
    const events = selected?.events;
    view.wish(this.#request === null ? null : { added: events?.has('MessageNew') === true, gone: events?.has('MessageExpunge') === true, flags: events?.has('FlagChange') === true });
    view.selected.onChange = this.#idling || selected ? () => this.#changed() : null;
  }

  #itemsDue(view: View): boolean {
    return (this.#request?.selected?.items.length ?? 0) > 0 && lastUid(view) > this.#itemsUpTo;
  }

  /** RFC 5465 §5.2: of new messages what the client asked for, UIDs always. */
  async #writeItems(view: View): Promise<void> {
    const items = unasked(this.#request!.selected!.items, this.#conn.enabled);
    const uids = view.uids.slice(lowerBound(view.uids, view.count, this.#itemsUpTo + 1), view.count);
    this.#itemsUpTo = lastUid(view);
    await new FetchAnswers(this.#conn, items, this.#made.size === 0 ? uids : uids.filter((uid) => !this.#made.has(uid))).write();
  }

  async #writeAccount(watch: AccountWatch): Promise<void> {
    const { out, enabled, openView } = this.#conn;
    try {
      if (!watch.overflown) return await watch.write(out, { selected: openView?.selected.id ?? null, condstore: enabled.condstore, utf8: enabled.utf8 });
    } catch (e) {
      if (!(e instanceof Unavailable) || this.#conn.transport.closed) throw e;
      this.#conn.logger.warn('a client can not be notified', { reason: reason(e) });
      if (this.#request === null) return;
    }
    if (this.#request === null) {
      // Without NOTIFY there is no word for it: whoever connects again asks for all of them.
      out.line('* BYE more annotations were changed than can be told');
      return this.#conn.end();
    }
    // §5.8: rather nothing than half of it, as if the client had said NOTIFY NONE.
    watch.stop();
    if (this.#watch === watch) {
      this.#watch = null;
      this.#request = NOTHING;
      if (openView !== null) this.#adjust(openView);
    }
    out.line('* OK [NOTIFICATIONOVERFLOW] nothing more is told unasked');
  }

  /** Several changes of one turn are told together, in that turn. */
  #changed(): void {
    if (this.#due) return;
    this.#due = true;
    queueMicrotask(() => {
      this.#due = false;
      const { transport, out, openView } = this.#conn;
      if (transport.closed) return;
      if (this.#idling) {
        // A client that does not read is told later, and then all at once.
        if (!out.full && openView !== null) this.#tellNow();
        if (out.full || this.more) this.#later(() => this.#catchUp());
      } else this.#conn.between(() => this.#catchUp());
    });
  }

  #tellNow(): void {
    this.tell(this.#idling);
    this.#conn.transport.out.flush();
  }

  /** Behind what is being told already. */
  #later(run: () => Promise<void>): void {
    this.#running = this.#running
      .catch(() => {})
      .then(run)
      .catch((e: unknown) => {
        if (!this.#conn.transport.closed) this.#conn.logger.warn('a client was not told what happened', { reason: reason(e) });
      });
  }

  async #catchUp(): Promise<void> {
    if (this.#conn.out.full) await this.#conn.out.drain();
    if (this.#conn.openView !== null && (this.#idling || this.#request?.selected)) this.#tellNow();
    await this.#rest();
    this.#conn.transport.out.flush();
  }
}

function lastUid(view: View): Uid {
  return view.count === 0 ? 0 : view.uidOf(view.count);
}
