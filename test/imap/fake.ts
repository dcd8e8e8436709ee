// Backend, Session and Selected in memory: everything that imap/ asks of the mail, nothing of logs and keys.
import { createHmac, hash, pbkdf2Sync } from 'node:crypto';
import { Refused } from '../../src/base/index.ts';
import type { Flag, SpecialUse, Uid } from '../../src/base/index.ts';
import type { AccountNews, Appender, Backend, Change, MailboxEntry, MailboxStatus, MessageRecord, ScramProof, ScramSalt, Selected, Session } from '../../src/imap/index.ts';
import { FakeMailbox, FakeUser } from './fake-mail.ts';

export { FakeMailbox, FakeUser };

export class FakeBackend implements Backend {
  readonly users = new Map<string, FakeUser>();
  plaintext = true;
  scramAllowed = true;

  constructor(...users: FakeUser[]) {
    for (const user of users) this.users.set(user.address, user);
  }
  plaintextAllowed(): boolean {
    return this.plaintext;
  }
  async scramSalt(name: string): Promise<ScramSalt> {
    return { salt: Buffer.from(`salt of ${name}`), iterations: 4096, nonce: 'theServersNonce' };
  }
  async scramLogin(name: string, { iterations, authMessage, proof }: ScramProof): Promise<{ session: Session; serverSignature: Buffer }> {
    const salted = pbkdf2Sync(this.users.get(name)?.password ?? '', `salt of ${name}`, iterations, 32, 'sha256');
    const hmac = (key: Buffer, text: string | Buffer) => createHmac('sha256', key).update(text).digest();
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(hash('sha256', clientKey, 'buffer'), authMessage);
    if (!proof.equals(clientKey.map((byte, i) => byte ^ signature[i]))) throw new Refused('wrong name or password', 'AUTHENTICATIONFAILED');
    return { session: await this.login(name, this.users.get(name)!.password), serverSignature: hmac(hmac(salted, 'Server Key'), authMessage) };
  }
  async login(name: string, password: string): Promise<Session> {
    const user = this.users.get(name);
    await user?.operation('login');
    if (user === undefined || user.password !== password) throw new Refused('wrong name or password', 'AUTHENTICATIONFAILED');
    const session = new FakeSession(user);
    user.sessions.add(session);
    return session;
  }
}

export class FakeSession implements Session {
  readonly user: FakeUser;
  readonly address: string;
  onEnded: ((text: string) => void) | null = null;
  watcher: ((news: AccountNews) => void) | null = null;

  constructor(user: FakeUser) {
    this.user = user;
    this.address = user.address;
  }

  async mailboxes(): Promise<MailboxEntry[]> {
    await this.user.operation('mailboxes');
    return [...this.user.mailboxes.values()]
      .sort((a, b) => (a.name === 'INBOX' ? -1 : b.name === 'INBOX' ? 1 : Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))))
      .map(({ name, id, specialUse }) => ({ name, id, specialUse, subscribed: this.user.subscriptions.has(name) }));
  }
  async subscriptions(): Promise<string[]> {
    await this.user.operation('subscriptions');
    return [...this.user.subscriptions].sort();
  }
  async status(name: string): Promise<MailboxStatus> {
    await this.user.operation('status');
    const box = this.user.mailbox(name);
    return {
      id: box.id, messages: box.count, uidNext: box.uidNext, uidValidity: box.uidValidity, highestModSeq: box.highestModSeq,
      unseen: box.messages.filter((message) => !message.flags.includes('\\Seen')).length,
      deleted: box.messages.filter((message) => message.flags.includes('\\Deleted')).length,
      size: box.messages.reduce((sum, message) => sum + message.bytes.length, 0),
    };
  }
  statuses(names: string[]): Promise<(MailboxStatus | null)[]> {
    return Promise.all(names.map((name) => (this.user.mailboxes.has(name) ? this.status(name) : null)));
  }
  async glance(id: string): Promise<(MailboxStatus & { name: string }) | null> {
    const box = [...this.user.mailboxes.values()].find((mailbox) => mailbox.id === id);
    return box === undefined ? null : { ...(await this.status(box.name)), name: box.name };
  }
  watch(listener: ((news: AccountNews) => void) | null): void {
    this.watcher = listener;
  }
  async select(name: string, readOnly: boolean): Promise<Selected> {
    await this.user.operation('select');
    return new FakeSelected(this.user.mailbox(name), readOnly);
  }
  look(name: string): Promise<Selected> {
    return this.select(name, true);
  }
  async create(name: string, specialUse: SpecialUse | null): Promise<string> {
    await this.user.operation('create');
    if (this.user.mailboxes.has(name)) throw new Refused('there is such a mailbox', 'ALREADYEXISTS');
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
      if (!this.user.mailboxes.has(name.slice(0, at))) this.user.make(name.slice(0, at), null);
    }
    const made = this.user.make(name, specialUse);
    this.user.tell({ names: true });
    return made.id;
  }
  async delete(name: string): Promise<void> {
    await this.user.operation('delete');
    this.user.mailbox(name);
    this.user.mailboxes.delete(name);
    this.user.tell({ names: true });
  }
  async rename(from: string, to: string): Promise<number> {
    await this.user.operation('rename');
    const box = this.user.mailbox(from);
    if (this.user.mailboxes.has(to)) throw new Refused('there is such a mailbox', 'ALREADYEXISTS');
    if (from === 'INBOX') {
      const target = this.user.make(to, null);
      for (const message of box.messages) target.add(message.bytes, message.flags, message.at, message.zone, message);
      this.user.tell({ names: true });
      const uids = box.messages.map((message) => message.uid);
      box.remove(uids);
      return uids.length;
    }
    for (const [name, mailbox] of [...this.user.mailboxes]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      this.user.mailboxes.delete(name);
      mailbox.name = to + name.slice(from.length);
      this.user.mailboxes.set(mailbox.name, mailbox);
    }
    this.user.tell({ names: true });
    return 0;
  }
  async subscribe(name: string, on: boolean): Promise<void> {
    await this.user.operation('subscribe');
    if (on === this.user.subscriptions.has(name)) return;
    if (on) this.user.subscriptions.add(name);
    else this.user.subscriptions.delete(name);
    this.user.tell({ names: true });
  }
  async append(name: string, instead: { bytes: number } | null = null): Promise<Appender> {
    this.user.instead = instead;
    await this.user.operation('append');
    return new FakeAppender(this.user.mailbox(name, 'TRYCREATE'));
  }
  async quota() {
    return this.user.quota;
  }
  async metadata(name: string | null): Promise<{ entry: string; value: Uint8Array }[]> {
    await this.user.operation('metadata');
    if (name !== null) this.user.mailbox(name);
    return [...(this.user.annotations.get(name ?? '') ?? [])].map(([entry, value]) => ({ entry, value })).sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }
  async setMetadata(name: string | null, entries: { entry: string; value: Uint8Array | null }[]): Promise<{ mailbox: string | null; changed: string[] }> {
    await this.user.operation('setMetadata');
    if (name !== null) this.user.mailbox(name);
    const there = this.user.annotations.get(name ?? '') ?? new Map<string, Uint8Array>();
    this.user.annotations.set(name ?? '', there);
    const changed = entries.filter(({ entry, value }) => (value === null ? there.has(entry) : Buffer.compare(value, there.get(entry) ?? Buffer.of(0)) !== 0)).map(({ entry }) => entry);
    for (const { entry, value } of entries) {
      if (value === null) there.delete(entry);
      else there.set(entry, value);
    }
    const mailbox = name === null ? null : this.user.mailbox(name).id;
    this.user.tell({ metadata: changed.map((entry) => ({ mailbox, entry })) });
    return { mailbox, changed };
  }
  close(): void {
    this.user.sessions.delete(this);
  }
}

class FakeAppender implements Appender {
  readonly #mailbox: FakeMailbox;
  readonly #messages: { flags: Flag[]; date: { at: number; zone: number } | null; bytes: number; pieces: Buffer[] }[] = [];

  constructor(mailbox: FakeMailbox) {
    this.#mailbox = mailbox;
    mailbox.user.appending++;
  }
  begin(flags: Flag[], date: { at: number; zone: number } | null, bytes: number): void {
    this.#messages.push({ flags, date, bytes, pieces: [] });
  }
  async write(piece: Buffer): Promise<void> {
    await this.#mailbox.user.operation('write');
    this.#messages.at(-1)!.pieces.push(Buffer.from(piece));
  }
  async end(): Promise<void> {
    const { pieces, bytes } = this.#messages.at(-1)!;
    const got = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (bytes !== 0 && got !== bytes) throw new Error(`${bytes} bytes announced, ${got} written`);
  }
  async commit(): Promise<{ uidValidity: number; uids: Uid[] }> {
    await this.#mailbox.user.operation('commit');
    this.#mailbox.user.appending--;
    const uids = this.#messages.map(({ flags, date, pieces }) => this.#mailbox.add(Buffer.concat(pieces), flags, date?.at ?? 0, date?.zone ?? 0));
    return { uidValidity: this.#mailbox.uidValidity, uids };
  }
  abort(): void {
    this.#messages.length = 0;
    this.#mailbox.user.appending--;
  }
}

export class FakeSelected implements Selected {
  readonly index: FakeMailbox;
  readonly id: string;
  readonly name: string;
  readonly readOnly: boolean;
  onChange: (() => void) | null = null;
  /** Greatest count of bytes that one `read` was asked for. */
  readMost = 0;

  constructor(index: FakeMailbox, readOnly: boolean) {
    this.index = index;
    this.id = index.id;
    this.name = index.name;
    this.readOnly = readOnly;
    index.listeners.add(this);
  }

  async refresh(): Promise<void> {
    await this.index.user.operation('refresh');
  }
  async records(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    await this.index.user.operation('records');
    const { scanMessage } = await import('../../src/message/index.ts');
    return Array.from(uids, (uid) => {
      const message = this.index.messages[this.index.find(uid)];
      return message === undefined ? null : { index: scanMessage(message.bytes), prefix: Buffer.alloc(0), rendered: null };
    });
  }
  async gather(): Promise<void> {}
  skim(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    return this.records(uids);
  }
  async read(uid: Uid, from: number, to: number): Promise<Buffer | null> {
    await this.index.user.operation('read');
    this.readMost = Math.max(this.readMost, to - from);
    return this.index.messages[this.index.find(uid)]?.bytes.subarray(from, to) ?? null;
  }
  async store(uids: ArrayLike<Uid>, mode: 'add' | 'remove' | 'replace', flags: Flag[], unchangedSince: number | null): Promise<{ failed: Uid[] }> {
    await this.index.user.operation('store');
    const failed: Uid[] = [];
    const modSeq = this.index.user.next();
    const changes: Change[] = [];
    for (const uid of Array.from(uids)) {
      const message = this.index.messages[this.index.find(uid)];
      if (message === undefined) continue;
      if (unchangedSince !== null && message.modSeq > unchangedSince) {
        failed.push(uid);
        continue;
      }
      if (mode === 'replace') message.flags = [...flags];
      else if (mode === 'add') message.flags = [...new Set([...message.flags, ...flags])];
      else message.flags = message.flags.filter((flag) => !flags.includes(flag));
      message.modSeq = this.index.highestModSeq = modSeq;
      changes.push({ kind: 'flags', uid });
    }
    if (changes.length > 0) this.index.changed(changes);
    return { failed };
  }
  async copy(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    await this.index.user.operation('copy');
    const target = this.index.user.mailbox(name, 'TRYCREATE');
    const messages = Array.from(uids, (uid) => this.index.messages[this.index.find(uid)]).filter((message) => message !== undefined);
    return {
      uidValidity: target.uidValidity,
      from: messages.map((message) => message.uid),
      to: messages.map((message) => target.add(message.bytes, [...message.flags], message.at, message.zone, message)),
    };
  }
  async move(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    const done = await this.copy(uids, name);
    this.index.remove(done.from);
    return done;
  }
  async expunge(uids: ArrayLike<Uid> | null): Promise<number> {
    await this.index.user.operation('expunge');
    const asked = uids === null ? null : new Set(Array.from(uids));
    const gone = this.index.messages.filter((message) => message.flags.includes('\\Deleted') && (asked === null || asked.has(message.uid))).map((message) => message.uid);
    this.index.remove(gone);
    return gone.length;
  }
  close(): void {
    this.onChange = null;
    this.index.listeners.delete(this);
  }
}
