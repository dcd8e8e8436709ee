// What a client hears of mailboxes that it has not selected (RFC 5465 §5): STATUS, LIST and METADATA answers. News is
// gathered while a command runs or the client does not read; of each mailbox only that something happened is kept.
import { limits } from '../../base/index.ts';
import type { MailboxId } from '../../base/index.ts';
import type { AccountNews, MailboxNews, Session } from '../session.ts';
import { quote, quoteMailbox } from '../wire/index.ts';
import type { Output } from '../wire/index.ts';
import type { Event, NotifyRequest } from './request.ts';

interface Known {
  name: string;
  subscribed: boolean;
}

/** How answers are written for this client. */
export interface Manner {
  /** Its events are told otherwise; null: none. */
  selected: MailboxId | null;
  condstore: boolean;
  utf8: boolean;
}

const NONE: ReadonlySet<Event> = new Set();

export class AccountWatch {
  readonly #session: Session;
  readonly #groups: NotifyRequest['groups'];
  #known = new Map<MailboxId, Known>();
  #subscriptions = new Set<string>();
  #mailboxes = new Map<MailboxId, MailboxNews>();
  #annotations = new Map<MailboxId | null, Set<string>>();
  #entries = 0;
  #names = false;
  /** There is more to tell than is kept: nothing more will be told (§5.8). */
  overflown = false;

  private constructor(session: Session, groups: NotifyRequest['groups']) {
    this.#session = session;
    this.#groups = groups;
  }

  /** `heard` is called after something happened. Unavailable. */
  static async start(session: Session, groups: NotifyRequest['groups'], heard: () => void): Promise<AccountWatch> {
    const watch = new AccountWatch(session, groups);
    session.watch((news) => {
      watch.#take(news);
      heard();
    });
    await watch.#list();
    return watch;
  }

  stop(): void {
    this.#session.watch(null);
  }

  /** Whether `write` has anything to look at. */
  get pending(): boolean {
    return this.#names || this.overflown || this.#mailboxes.size > 0 || this.#annotations.size > 0;
  }

  #take({ mailboxes, names, metadata }: AccountNews): void {
    this.#names ||= names;
    for (const { id, news } of mailboxes) {
      const before = this.#mailboxes.get(id);
      this.#mailboxes.set(id, before ? { added: before.added || news.added, gone: before.gone || news.gone, flags: before.flags || news.flags } : news);
    }
    for (const { mailbox, entry } of metadata) {
      const of = this.#annotations.get(mailbox) ?? new Set();
      if (!of.has(entry)) this.#entries++;
      this.#annotations.set(mailbox, of.add(entry));
    }
    if (this.#entries > limits.imap_notify_entries_max) this.overflown = true;
  }

  async #list(): Promise<{ known: Map<MailboxId, Known>; subscriptions: Set<string> }> {
    const [mailboxes, subscriptions] = await Promise.all([this.#session.mailboxes(), this.#session.subscriptions()]);
    const before = { known: this.#known, subscriptions: this.#subscriptions };
    this.#known = new Map(mailboxes.map(({ id, name, subscribed }) => [id, { name, subscribed }]));
    this.#subscriptions = new Set(subscriptions);
    return before;
  }

  /** The first group that a mailbox is in decides (§3.1). */
  #events(mailbox: Known): ReadonlySet<Event> {
    return this.#groups.find((group) => group.has(mailbox))?.events ?? NONE;
  }

  /** Mailboxes of whose messages the client hears: those that `NOTIFY SET STATUS` tells first. */
  watched(): { id: MailboxId; name: string }[] {
    return [...this.#known].filter(([, mailbox]) => this.#events(mailbox).has('MessageNew')).map(([id, { name }]) => ({ id, name }));
  }

  /** Writes what happened since the last call. Unavailable. */
  async write(out: Output, manner: Manner): Promise<void> {
    const mailboxes = this.#mailboxes;
    const annotations = this.#annotations;
    this.#mailboxes = new Map();
    this.#annotations = new Map();
    this.#entries = 0;
    if (this.#names) {
      this.#names = false;
      const before = await this.#list();
      this.#writeNames(out, before.known, before.subscriptions, manner.utf8);
    }
    for (const [id, news] of mailboxes) if (id !== manner.selected) await this.#writeStatus(out, id, news, manner);
    for (const [id, entries] of annotations) this.#writeEntries(out, id, entries, manner.utf8);
  }

  /** §5.4, §5.5. A name is told as it is now, with the one that it had before. */
  #writeNames(out: Output, before: Map<MailboxId, Known>, subscribedBefore: Set<string>, utf8: boolean): void {
    const there = new Set<string>();
    const tell = (event: Event, mailbox: Known, was: Known | null, exists: boolean, old: string | null): void => {
      if (!this.#events(mailbox).has(event) && !(was !== null && this.#events(was).has(event))) return;
      const attributes = [...(exists ? [] : ['\\NonExistent']), ...(mailbox.subscribed ? ['\\Subscribed'] : [])];
      const oldName = old === null ? '' : ` ("OLDNAME" (${quoteMailbox(old, utf8)}))`;
      out.line(`* LIST (${attributes.join(' ')}) "/" ${quoteMailbox(mailbox.name, utf8)}${oldName}`);
    };
    for (const [id, mailbox] of this.#known) {
      there.add(mailbox.name);
      const was = before.get(id) ?? null;
      if (was === null) tell('MailboxName', mailbox, null, true, null);
      else if (was.name !== mailbox.name) tell('MailboxName', mailbox, was, true, was.name);
      else if (was.subscribed !== mailbox.subscribed) tell('SubscriptionChange', mailbox, was, true, null);
    }
    for (const [id, was] of before) {
      const subscribed = this.#subscriptions.has(was.name);
      if (!this.#known.has(id) && !there.has(was.name)) tell('MailboxName', { name: was.name, subscribed }, was, false, null);
      if (!this.#known.has(id)) there.add(was.name);
    }
    for (const name of new Set([...subscribedBefore, ...this.#subscriptions])) {
      const subscribed = this.#subscriptions.has(name);
      if (subscribed !== subscribedBefore.has(name) && !there.has(name)) tell('SubscriptionChange', { name, subscribed }, { name, subscribed: !subscribed }, false, null);
    }
  }

  /** §5.1 to §5.3. */
  async #writeStatus(out: Output, id: MailboxId, { added, gone, flags }: MailboxNews, { condstore, utf8 }: Manner): Promise<void> {
    const known = this.#known.get(id);
    const events = known === undefined ? NONE : this.#events(known);
    const messages = events.has('MessageNew') && (added || gone);
    if (!messages && !(flags && events.has('FlagChange'))) return;
    const status = await this.#session.glance(id);
    if (status === null) return;
    const counts = messages ? `MESSAGES ${status.messages} UIDNEXT ${status.uidNext} ` : '';
    const modSeq = condstore ? ` HIGHESTMODSEQ ${status.highestModSeq}` : '';
    out.line(`* STATUS ${quoteMailbox(status.name, utf8)} (${counts}UIDVALIDITY ${status.uidValidity} UNSEEN ${status.unseen}${modSeq})`);
    if (out.full) await out.drain();
  }

  /** §5.6, §5.7: the names of what changed, without values. */
  #writeEntries(out: Output, id: MailboxId | null, entries: Set<string>, utf8: boolean): void {
    const known = id === null ? null : this.#known.get(id);
    const wanted = id === null ? this.#groups.some(({ events }) => events.has('ServerMetadataChange')) : known !== undefined && this.#events(known!).has('MailboxMetadataChange');
    if (wanted) out.line(`* METADATA ${known ? quoteMailbox(known.name, utf8) : '""'} ${[...entries].map((entry) => (/^[!-~]+$/.test(entry) && !/[(){"\\%*]/.test(entry) ? entry : quote(entry))).join(' ')}`);
  }
}
