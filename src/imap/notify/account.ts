// What a client hears of mailboxes that it has not selected (RFC 5465 §5): STATUS, LIST and METADATA answers; without NOTIFY
// only of annotations, if it has enabled that (RFC 5464 §4.1). News is
// gathered while a command runs or the client does not read; of each mailbox only that something happened is kept.
import { limits } from '../../base/index.ts';
import type { MailboxId } from '../../base/index.ts';
import type { AccountNews, MailboxEntry, MailboxNews, Session } from '../session.ts';
import { quote, quoteMailbox } from '../wire/index.ts';
import type { Output } from '../wire/index.ts';
import { NO_NAMES, nameChanges, nameWriter } from './names.ts';
import type { NameChange, Names } from './names.ts';
import { eventsOf } from './request.ts';
import type { Event, NotifyRequest, Place } from './request.ts';

/** What a client did itself, and need not be told (RFC 5465 §5). */
export interface OwnDoing {
  names?: string[];
  /** Messages that it put into mailboxes of these names, or removed from them. */
  messages?: { mailbox: string; added: number; gone: number }[];
  /** Annotations of a mailbox (null: of the user), each set or removed once. */
  annotations?: { mailbox: MailboxId | null; changed: string[] };
}

/** How answers are written for this client. */
export interface Manner {
  /** Its events are told otherwise; null: none. */
  selected: MailboxId | null;
  condstore: boolean;
  utf8: boolean;
}

const NONE: ReadonlySet<Event> = new Set();
const ANNOTATIONS: NotifyRequest['groups'] = [{ has: () => true, events: new Set<Event>(['MailboxMetadataChange', 'ServerMetadataChange']) }];

export class AccountWatch {
  readonly #session: Session;
  readonly #groups: NotifyRequest['groups'];
  /** What is asked for of any mailbox: nothing else is kept. */
  readonly #hears: { messages: boolean; names: boolean; annotations: boolean };
  #known = new Map<MailboxId, MailboxEntry>();
  #names: Names = NO_NAMES;
  /** By place: each is asked for again and again. */
  #events = new Map<MailboxEntry, ReadonlySet<Event>>();
  #mailboxes = new Map<MailboxId, MailboxNews>();
  #ownMessages: NonNullable<OwnDoing['messages']> = [];
  /** By mailbox: entries, and how often each was set. */
  #annotations = new Map<MailboxId | null, Map<string, number>>();
  #entries = 0;
  #namesChanged = false;
  #ownNames = new Set<string>();
  /** There is more to tell than is kept: nothing more will be told (§5.8). */
  overflown = false;

  private constructor(session: Session, groups: NotifyRequest['groups']) {
    this.#session = session;
    this.#groups = groups;
    const any = (...wanted: Event[]): boolean => groups.some(({ events }) => wanted.some((event) => events.has(event)));
    this.#hears = {
      messages: any('MessageNew', 'MessageExpunge', 'FlagChange'),
      names: any('MailboxName', 'SubscriptionChange'),
      annotations: any('MailboxMetadataChange', 'ServerMetadataChange'),
    };
  }

  /** What NOTIFY asks for. `heard` is called after something happened. Unavailable. */
  static async start(session: Session, groups: NotifyRequest['groups'], heard: () => void): Promise<AccountWatch> {
    const watch = new AccountWatch(session, groups);
    watch.#listen(heard);
    await watch.#list();
    return watch;
  }

  /** Annotations only, of all mailboxes. `heard` is called after something happened. */
  static ofAnnotations(session: Session, heard: () => void): AccountWatch {
    const watch = new AccountWatch(session, ANNOTATIONS);
    // The names are listed when one is needed.
    watch.#namesChanged = true;
    watch.#listen(heard);
    return watch;
  }

  #listen(heard: () => void): void {
    this.#session.watch((news) => {
      this.#take(news);
      heard();
    });
  }

  stop(): void {
    this.#session.watch(null);
  }

  /** Whether `write` has anything to look at. */
  get pending(): boolean {
    return (this.#namesChanged && this.#hears.names) || this.overflown || this.#mailboxes.size > 0 || this.#annotations.size > 0;
  }

  #take({ mailboxes, names, metadata }: AccountNews): void {
    if (this.overflown) return;
    this.#namesChanged ||= names;
    if (this.#hears.messages) for (const { id, news } of mailboxes) {
      const sum = this.#mailboxes.get(id) ?? { added: 0, gone: 0, flags: false };
      this.#mailboxes.set(id, { added: sum.added + news.added, gone: sum.gone + news.gone, flags: sum.flags || news.flags });
    }
    if (this.#hears.annotations) for (const { mailbox, entry } of metadata) {
      const of = this.#annotations.get(mailbox) ?? new Map<string, number>();
      if (!of.has(entry)) this.#entries++;
      this.#annotations.set(mailbox, of.set(entry, (of.get(entry) ?? 0) + 1));
    }
    if (this.#entries > limits.imap_notify_entries_max) this.overflown = true;
  }

  /** Called behind the client's own command, before `write`. */
  own({ names = [], messages = [], annotations }: OwnDoing): void {
    // What changed nothing must not hide what others do to that name later.
    if (this.#namesChanged && this.#hears.names) for (const name of names) this.#ownNames.add(name);
    if (this.#mailboxes.size > 0) this.#ownMessages.push(...messages);
    if (annotations === undefined) return;
    const of = this.#annotations.get(annotations.mailbox);
    if (of === undefined) return;
    // Set more than once: by others too.
    for (const entry of annotations.changed) if (of.get(entry) === 1 && of.delete(entry)) this.#entries--;
    if (of.size === 0) this.#annotations.delete(annotations.mailbox);
  }

  #idOf(wanted: string): MailboxId | undefined {
    return this.#names.mailboxes.find(({ name }) => name === wanted)?.id;
  }

  /** Gives the names as they were before. Unavailable: they are still to be listed. */
  async #list(): Promise<Names> {
    const before = this.#names;
    this.#namesChanged = false;
    const [mailboxes, subscriptions] = await Promise.all([this.#session.mailboxes(), this.#session.subscriptions()]).catch((e) => {
      this.#namesChanged = true;
      throw e;
    });
    this.#names = { mailboxes, subscriptions: new Set(subscriptions) };
    this.#known = new Map(mailboxes.map((mailbox) => [mailbox.id, mailbox]));
    this.#events.clear();
    return before;
  }

  #eventsOf(mailbox: MailboxEntry): ReadonlySet<Event> {
    let events = this.#events.get(mailbox);
    if (events === undefined) this.#events.set(mailbox, (events = eventsOf(this.#groups, mailbox)));
    return events;
  }

  /** Mailboxes of whose messages the client hears, and whether of their flags too: those that `NOTIFY SET STATUS` tells first. */
  watched(): { id: MailboxId; name: string; flags: boolean }[] {
    const found: { id: MailboxId; name: string; flags: boolean }[] = [];
    for (const mailbox of this.#names.mailboxes) {
      const events = this.#eventsOf(mailbox);
      if (events.has('MessageNew')) found.push({ id: mailbox.id, name: mailbox.name, flags: events.has('FlagChange') });
    }
    return found;
  }

  /** Writes what happened since the last call. Unavailable: annotations are told with the next one. */
  async write(out: Output, manner: Manner): Promise<void> {
    // First, because the names of all else are found by them.
    while (this.#namesChanged) {
      const own = this.#ownNames;
      this.#ownNames = new Set();
      this.#writeNames(out, await this.#list(), own, manner.utf8);
    }
    this.#passOverOwn();
    const mailboxes = this.#mailboxes;
    const annotations = this.#annotations;
    this.#mailboxes = new Map();
    this.#annotations = new Map();
    this.#entries = 0;
    for (const [id, news] of mailboxes) if (id !== manner.selected) await this.#writeStatus(out, id, news, manner);
    for (const [id, entries] of annotations) this.#writeEntries(out, id, [...entries.keys()], manner.utf8);
  }

  /** §5: of what happened to messages only what others did is told. */
  #passOverOwn(): void {
    for (const { mailbox, added, gone } of this.#ownMessages) {
      const news = this.#mailboxes.get(this.#idOf(mailbox) ?? '');
      if (news === undefined) continue;
      news.added = Math.max(0, news.added - added);
      news.gone = Math.max(0, news.gone - gone);
    }
    this.#ownMessages = [];
  }

  /** §5.4, §5.5. */
  #writeNames(out: Output, before: Names, own: ReadonlySet<string>, utf8: boolean): void {
    if (!this.#hears.names) return;
    const changes = nameChanges(before, this.#names).filter(({ name }) => !own.has(name));
    if (changes.length === 0) return;
    const roles = new Map([...before.mailboxes, ...this.#names.mailboxes].map(({ name, specialUse }) => [name, specialUse]));
    // Whoever asked for a name as it is, or as it was, hears of it.
    const wanted = ({ event, name, old }: NameChange): boolean =>
      [before, this.#names].some(({ subscriptions }) =>
        [name, ...(old === null ? [] : [old])].some((one) => {
          const place: Place = { name: one, subscribed: subscriptions.has(one), specialUse: roles.get(one) ?? null };
          return eventsOf(this.#groups, place).has(event);
        }),
      );
    const line = nameWriter(this.#names, utf8);
    for (const change of changes) if (wanted(change)) out.line(line(change));
  }

  /** §5.1 to §5.3. */
  async #writeStatus(out: Output, id: MailboxId, { added, gone, flags }: MailboxNews, { condstore, utf8 }: Manner): Promise<void> {
    const known = this.#known.get(id);
    const events = known === undefined ? NONE : this.#eventsOf(known);
    const messages = events.has('MessageNew') && (added > 0 || gone > 0);
    if (!messages && !(flags && events.has('FlagChange'))) return;
    const status = await this.#session.glance(id);
    if (status === null) return;
    const counts = messages ? `MESSAGES ${status.messages} UIDNEXT ${status.uidNext} ` : '';
    const modSeq = condstore ? ` HIGHESTMODSEQ ${status.highestModSeq}` : '';
    out.line(`* STATUS ${quoteMailbox(status.name, utf8)} (${counts}UIDVALIDITY ${status.uidValidity} UNSEEN ${status.unseen}${modSeq})`);
    if (out.full) await out.drain();
  }

  /** §5.6, §5.7: the names of what changed, without values. */
  #writeEntries(out: Output, id: MailboxId | null, entries: string[], utf8: boolean): void {
    const known = id === null ? null : this.#known.get(id);
    if (known === undefined) return;
    const wanted = known === null ? this.#groups.some(({ events }) => events.has('ServerMetadataChange')) : this.#eventsOf(known).has('MailboxMetadataChange');
    if (wanted) out.line(`* METADATA ${known ? quoteMailbox(known.name, utf8) : '""'} ${entries.map((entry) => (/^[!-~]+$/.test(entry) && !/[(){"\\%*]/.test(entry) ? entry : quote(entry))).join(' ')}`);
  }
}
