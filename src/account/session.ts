// One IMAP session of a logged-in user: imap/session.ts's Session over the folded state.
import { Refused, limits } from '../base/index.ts';
import type { MailboxId, SpecialUse } from '../base/index.ts';
import type { AccountNews, Appender, MailboxEntry, MailboxStatus, Selected, Session } from '../imap/session.ts';
import { mailboxId } from '../state/index.ts';
import type { MailboxInfo, Op } from '../state/index.ts';
import { MailAppender } from './appender.ts';
import { copyMessages } from './copies.ts';
import type { OpenUser } from './open-user.ts';
import { roomOf } from './room.ts';
import { SelectedMailbox } from './selected.ts';

const none = (): Refused => new Refused('No such mailbox', 'NONEXISTENT');
const children = (of: string, all: MailboxInfo[]): MailboxInfo[] => all.filter((m) => m.name.startsWith(`${of}/`));

/** `a/b/c` → `a`, `a/b`. */
function parents(name: string): string[] {
  const levels = name.split('/');
  return levels.slice(1).map((_, i) => levels.slice(0, i + 1).join('/'));
}

/** INBOX in any case is INBOX; the rest is Unicode NFC. Refused for names that no mailbox may have. */
function checked(name: string): string {
  const text = name.normalize('NFC');
  if (text.toUpperCase() === 'INBOX') return 'INBOX';
  const levels = text.split('/');
  if (levels[0].toUpperCase() === 'INBOX') levels[0] = 'INBOX';
  if (levels.some((l) => l === '') || /^\\|[\x00-\x1f\x7f*%]/.test(text)) throw new Refused('Not a name for a mailbox', 'CANNOT');
  if (Buffer.byteLength(text) > limits.mailbox_name_bytes_max || levels.length > limits.mailbox_depth_max) throw new Refused('Mailbox name too long', 'LIMIT');
  return levels.join('/');
}

export class UserSession implements Session {
  readonly address: string;
  onEnded: ((text: string) => void) | null = null;
  readonly #user: OpenUser;
  readonly #onClose: () => void;
  #selected: SelectedMailbox | null = null;
  #watcher: ((news: AccountNews) => void) | null = null;

  constructor(user: OpenUser, address: string, onClose: () => void) {
    this.#user = user;
    this.address = address;
    this.#onClose = onClose;
  }

  async mailboxes(): Promise<MailboxEntry[]> {
    await this.#user.need({ kind: 'names' });
    return this.#user.state.mailboxes();
  }
  async subscriptions(): Promise<string[]> {
    await this.#user.need({ kind: 'names' });
    return this.#user.state.subscriptions();
  }

  /** The newest state, then the mailbox of that name. */
  async #find(name: string): Promise<MailboxInfo> {
    await this.#user.fresh();
    await this.#user.need({ kind: 'names' });
    const found = this.#user.state.byName(name);
    if (!found) throw none();
    return found;
  }

  async status(name: string): Promise<MailboxStatus> {
    const { id } = await this.#find(name);
    await this.#user.showable(id);
    await this.#user.need({ kind: 'status', mailbox: id });
    return this.#user.state.status(id);
  }

  async statuses(names: string[]): Promise<(MailboxStatus | null)[]> {
    const user = this.#user;
    await user.fresh();
    await user.need({ kind: 'names' });
    const out: (MailboxStatus | null)[] = [];
    for (const name of names) {
      const found = user.state.byName(name);
      if (found) await user.showable(found.id);
      if (found) await user.need({ kind: 'status', mailbox: found.id });
      out.push(found ? user.state.status(found.id) : null);
    }
    return out;
  }

  async select(name: string, readOnly: boolean): Promise<Selected> {
    this.#selected?.close();
    this.#selected = null;
    return (this.#selected = await this.#open(name, readOnly));
  }

  look(name: string): Promise<Selected> {
    return this.#open(name, true);
  }

  async #open(name: string, readOnly: boolean): Promise<SelectedMailbox> {
    const found = await this.#find(name);
    await this.#user.need({ kind: 'rows', mailbox: found.id });
    await this.#user.showable(found.id);
    const index = this.#user.state.mailbox(found.id);
    if (![...this.#user.listeners].some((l) => l.mailbox === found.id)) index.showWithheld();
    return new SelectedMailbox(this.#user, found.id, found.name, readOnly);
  }

  async create(name: string, specialUse: SpecialUse | null): Promise<MailboxId> {
    const wanted = checked(name);
    await this.#user.need({ kind: 'names' });
    let id: MailboxId = '';
    await this.#user.write(() => {
      const { state } = this.#user;
      if (state.byName(wanted)) throw new Refused('Mailbox exists already', 'ALREADYEXISTS');
      if (specialUse && state.mailboxes().some((m) => m.specialUse === specialUse)) throw new Refused(`There is a mailbox for ${specialUse} already`, 'USEATTR');
      const missing = parents(wanted).filter((p) => !state.byName(p));
      this.#checkNames([...missing, wanted]);
      const ops = missing.map((p) => this.#created(p, null));
      const last = this.#created(wanted, specialUse);
      id = last.mailbox;
      return [...ops, last];
    });
    return id;
  }

  /** Refused(LIMIT) when there is no room for these mailboxes more, or for the names of others. */
  #checkNames(mailboxes: string[], others: string[] = []): void {
    const { state } = this.#user;
    if (mailboxes.length > 0 && state.mailboxCount + mailboxes.length > limits.mailboxes_max) throw new Refused('Too many mailboxes', 'LIMIT');
    const more = [...mailboxes, ...others].reduce((sum, name) => sum + limits.mailbox_name_cost_chars + name.length, 0);
    if (state.nameChars() + more > limits.mailbox_names_chars_max) throw new Refused('Too many names of mailboxes', 'LIMIT');
  }

  #created(name: string, specialUse: SpecialUse | null): Op & { kind: 'MailboxCreated' } {
    const made = this.#user.state.nextMade(name, specialUse);
    if (made > limits.mailbox_made_max) throw new Refused('A mailbox of this name was made too often', 'LIMIT');
    return { kind: 'MailboxCreated', mailbox: mailboxId(this.#user.at.record.id, specialUse ?? name, made), name, made, specialUse };
  }

  /** At the first log-in. Two replicas that do it at once make the same mailboxes. */
  async makeDefaults(defaults: readonly { name: string; specialUse: SpecialUse }[]): Promise<void> {
    await this.#user.need({ kind: 'names' });
    // Mail may be in one already (Junk) that nobody has made yet: it is made all the same, and subscribed.
    const free = (d: { name: string; specialUse: SpecialUse }) => (this.#user.state.byName(d.name)?.id ?? mailboxId(this.#user.at.record.id, d.specialUse, 1)) === mailboxId(this.#user.at.record.id, d.specialUse, 1);
    const missing = () => defaults.filter((d) => this.#user.state.nextMade(d.name, d.specialUse) === 1 && free(d));
    if (missing().length === 0) return;
    await this.#user.write(() => missing().flatMap((d): Op[] => [this.#created(d.name, d.specialUse), { kind: 'SubscriptionChanged', name: d.name, on: true }]));
  }

  async delete(name: string): Promise<void> {
    const { id, name: full } = await this.#find(name);
    if (full === 'INBOX') throw new Refused('INBOX can not be deleted', 'CANNOT');
    await this.#user.need({ kind: 'rows', mailbox: id });
    await this.#user.write(
      () => {
        const { state } = this.#user;
        if (!state.byId(id)) throw none();
        const messages = state.messageRefs(id, state.mailbox(id).uids.subarray(0, state.mailbox(id).count));
        const ops: Op[] = messages.length > 0 ? [{ kind: 'MessagesExpunged', mailbox: id, at: this.#user.replica.clock.now(), messages }] : [];
        return [...ops, { kind: 'MailboxDeleted', mailbox: id }];
      },
      { positions: 2 },
    );
  }

  async rename(from: string, to: string): Promise<number> {
    const wanted = checked(to);
    const source = await this.#find(from);
    if (source.name === 'INBOX') return this.#renameInbox(source.id, wanted);
    if (wanted === source.name || wanted.startsWith(`${source.name}/`)) throw new Refused('Mailbox can not be moved into itself', 'CANNOT');
    await this.#user.write(() => {
      const { state } = this.#user;
      if (state.byName(source.name)?.id !== source.id) throw none();
      const moved = [source, ...children(source.name, state.mailboxes())];
      const names = moved.map((m) => wanted + m.name.slice(source.name.length));
      for (const name of names) {
        checked(name);
        if (state.byName(name)) throw new Refused('Mailbox exists already', 'ALREADYEXISTS');
      }
      const missing = parents(wanted).filter((p) => !state.byName(p));
      this.#checkNames(missing, names);
      const made = missing.map((p) => this.#created(p, null));
      return [...made, ...moved.map((m, i): Op => ({ kind: 'MailboxRenamed', mailbox: m.id, name: names[i] }))];
    });
    return 0;
  }

  /** RFC 9051 §6.3.6: INBOX stays, its messages go into a new mailbox. */
  async #renameInbox(inbox: MailboxId, to: string): Promise<number> {
    await this.#user.need({ kind: 'rows', mailbox: inbox });
    const target = await this.create(to, null);
    await this.#user.need({ kind: 'rows', mailbox: target });
    // RFC 5464 §4.1: both have them then. Where there is no room for them the messages go all the same.
    const annotations = this.#user.state.metadata(inbox);
    if (annotations.length > 0) {
      await this.setMetadata(to, annotations).catch((e: unknown) => {
        if (!(e instanceof Refused)) throw e;
      });
    }
    const index = this.#user.state.mailbox(inbox);
    if (index.count === 0) return 0;
    return (await copyMessages(this.#user, inbox, target, index.uids.slice(0, index.count), true)).to.length;
  }

  async subscribe(name: string, on: boolean): Promise<void> {
    const wanted = on ? checked(name) : name;
    await this.#user.need({ kind: 'names' });
    await this.#user.write(() => {
      if (this.#user.state.subscriptions().includes(wanted) === on) return null;
      if (on) this.#checkNames([], [wanted]);
      return [{ kind: 'SubscriptionChanged', name: wanted, on }];
    });
  }

  async append(name: string, instead: { bytes: number } | null = null): Promise<Appender> {
    const target = await this.#user.mailboxNamed(name);
    if (!target) throw new Refused('No such mailbox', 'TRYCREATE');
    const freed = instead === null ? { bytes: 0, messages: 0 } : { bytes: instead.bytes, messages: 1 };
    this.#user.takeRoom(() => ({ bytes: 1 - freed.bytes, messages: 1 - freed.messages }))();
    await this.#user.need({ kind: 'rows', mailbox: target.id });
    return new MailAppender(this.#user, target.id, freed);
  }

  async quota(): Promise<{ bytes: number; bytesMax: number | null; messages: number; messagesMax: number | null }> {
    const used = this.#user.state.quota();
    const room = roomOf(this.#user.replica, this.#user.at.record);
    return { bytes: used.bytes, bytesMax: room?.bytes ?? null, messages: used.messages, messagesMax: room?.messages ?? null };
  }

  async metadata(name: string | null): Promise<{ entry: string; value: Uint8Array }[]> {
    const id = name === null ? null : (await this.#find(name)).id;
    if (id === null) await this.#user.fresh();
    return this.#user.state.metadata(id);
  }

  async setMetadata(name: string | null, entries: { entry: string; value: Uint8Array | null }[]): Promise<{ mailbox: MailboxId | null; changed: string[] }> {
    const mailbox = name === null ? null : (await this.#find(name)).id;
    let changed: string[] = [];
    await this.#user.write(() => {
      const { state } = this.#user;
      const there = new Map(state.metadata(mailbox).map(({ entry, value }) => [entry, value]));
      const size = state.metadataSize();
      const changes = entries.filter(({ entry, value }) => {
        const now = there.get(entry);
        return value === null ? now !== undefined : now === undefined || Buffer.compare(now, value) !== 0;
      });
      for (const { entry, value } of changes) {
        size.bytes += (value?.length ?? 0) - (there.get(entry)?.length ?? 0);
        if (value !== null && !there.has(entry)) size.entries++;
      }
      if (size.entries > limits.metadata_entries_max || size.bytes > limits.metadata_bytes_max) throw new Refused('Too many annotations', 'METADATA TOOMANY');
      changed = changes.map(({ entry }) => entry);
      return changes.map(({ entry, value }): Op => ({ kind: 'MetadataChanged', mailbox, entry, value }));
    }, { positions: entries.length, bytes: entries.reduce((sum, { entry, value }) => sum + entry.length + (value?.length ?? 0) + 20, 0) });
    return { mailbox, changed };
  }

  watch(listener: ((news: AccountNews) => void) | null): void {
    if (this.#watcher) this.#user.watchers.delete(this.#watcher);
    this.#watcher = listener;
    if (listener) this.#user.watchers.add(listener);
  }

  async glance(id: MailboxId): Promise<(MailboxStatus & { name: string }) | null> {
    await this.#user.need({ kind: 'names' });
    if (!this.#user.state.byId(id)) return null;
    await this.#user.need({ kind: 'status', mailbox: id });
    const name = this.#user.state.byId(id)?.name;
    return name === undefined ? null : { ...this.#user.state.status(id), name };
  }

  /** The server ends the session: the client is told why. */
  end(text: string): void {
    const told = this.onEnded;
    this.close();
    told?.(text);
  }

  close(): void {
    this.onEnded = null;
    this.watch(null);
    this.#selected?.close();
    this.#selected = null;
    this.#onClose();
  }
}
