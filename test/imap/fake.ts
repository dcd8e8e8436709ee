// Backend, Session and Selected in memory: everything that imap/ asks of the mail, nothing of logs and keys. UIDs and
// MODSEQs go up in steps of 64, as positions do.
import { Refused } from '../../src/base/index.ts';
import type { Flag, SpecialUse, Uid } from '../../src/base/index.ts';
import type {
  Appender, Backend, Change, MailboxEntry, MailboxIndex, MailboxStatus, MessageRecord, Selected, Session,
} from '../../src/imap/index.ts';

const STEP = 64;
const ROLES: [string, SpecialUse][] = [
  ['Archive', '\\Archive'], ['Drafts', '\\Drafts'], ['Junk', '\\Junk'], ['Sent', '\\Sent'], ['Trash', '\\Trash'],
];
const JOURNAL_MAX = 1000;

export interface FakeMessage {
  uid: Uid;
  modSeq: number;
  flags: Flag[];
  bytes: Buffer;
  at: number;
  zone: number;
  saved: number;
  emailId: string;
  threadId: string;
}

/** One user: mailboxes, one counter for all positions, and numbers for sets of flags. */
export class FakeUser {
  readonly address: string;
  password: string;
  readonly mailboxes = new Map<string, FakeMailbox>();
  readonly subscriptions = new Set<string>();
  readonly sessions = new Set<FakeSession>();
  readonly sets: (readonly Flag[])[] = [];
  readonly setNumbers = new Map<string, number>();
  position = 0;
  made = 0;
  /** Thrown by the next operations: name of the method → error. */
  readonly failures = new Map<string, Error>();
  /** Called at the beginning of every operation. */
  before: ((operation: string) => Promise<void> | void) | null = null;

  constructor(address: string, password: string) {
    this.address = address;
    this.password = password;
    this.make('INBOX', null);
    for (const [name, use] of ROLES) this.make(name, use);
  }

  make(name: string, specialUse: SpecialUse | null): FakeMailbox {
    const mailbox = new FakeMailbox(this, name, specialUse, ++this.made);
    this.mailboxes.set(name, mailbox);
    return mailbox;
  }

  next(): number {
    return (this.position += STEP);
  }

  setOf(flags: Flag[]): number {
    const sorted = [...flags].sort();
    const key = sorted.join(' ');
    let n = this.setNumbers.get(key);
    if (n === undefined) {
      n = this.sets.push(sorted) - 1;
      this.setNumbers.set(key, n);
    }
    return n;
  }

  async operation(name: string): Promise<void> {
    await this.before?.(name);
    const failure = this.failures.get(name);
    if (failure !== undefined) throw failure;
  }

  mailbox(name: string, code = 'NONEXISTENT'): FakeMailbox {
    const mailbox = this.mailboxes.get(name);
    if (mailbox === undefined) throw new Refused('no such mailbox', code);
    return mailbox;
  }
}

/** A mailbox as folded, with what its sessions need to hear. */
export class FakeMailbox implements MailboxIndex {
  readonly user: FakeUser;
  name: string;
  readonly id: string;
  readonly specialUse: SpecialUse | null;
  readonly uidValidity: number;
  messages: FakeMessage[] = [];
  uids = new Uint32Array(16);
  uidNext = 1;
  highestModSeq = 1;
  version = 0;
  readonly vanished: { uid: Uid; modSeq: number }[] = [];
  readonly listeners = new Set<FakeSelected>();
  #journal: { version: number; change: Change }[] = [];

  constructor(user: FakeUser, name: string, specialUse: SpecialUse | null, made: number) {
    this.user = user;
    this.name = name;
    this.specialUse = specialUse;
    this.uidValidity = 1_048_576 + made;
    this.id = `m${String(made).padStart(15, '0')}`;
  }

  get count(): number {
    return this.messages.length;
  }
  find(uid: Uid): number {
    let from = 0;
    let to = this.messages.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.uids[middle] < uid) from = middle + 1;
      else to = middle;
    }
    return this.messages[from]?.uid === uid ? from : -1;
  }
  modSeq(i: number): number {
    return this.messages[i].modSeq;
  }
  size(i: number): number {
    return this.messages[i].bytes.length;
  }
  internalDate(i: number): number {
    return this.messages[i].at;
  }
  zone(i: number): number {
    return this.messages[i].zone;
  }
  saveDate(i: number): number {
    return this.messages[i].saved;
  }
  emailId(i: number): string {
    return this.messages[i].emailId;
  }
  threadId(i: number): string {
    return this.messages[i].threadId;
  }
  flagSet(i: number): number {
    return this.user.setOf(this.messages[i].flags);
  }
  flagsOf(set: number): readonly Flag[] {
    return this.user.sets[set];
  }
  flagsInUse(): Flag[] {
    return [...new Set(this.messages.flatMap((message) => message.flags))].sort();
  }
  changesSince(version: number): readonly Change[] | null {
    if (version >= this.version) return [];
    if (this.#journal.length === 0 || this.#journal[0].version > version + 1) return null;
    return this.#journal.filter((entry) => entry.version > version).map((entry) => entry.change);
  }
  vanishedSince(modSeq: number): Uint32Array {
    return Uint32Array.from(this.vanished.filter((gone) => gone.modSeq > modSeq).map((gone) => gone.uid)).sort();
  }

  /** Adds a message as a delivery would. */
  add(bytes: string | Buffer, flags: Flag[] = [], at = 0, zone = 0, ids?: { emailId: string; threadId: string }): Uid {
    const uid = this.user.next();
    const message: FakeMessage = {
      uid, modSeq: uid, flags, bytes: Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes, 'latin1'), at, zone, saved: 1_000_000_000_000,
      emailId: ids?.emailId ?? `e${uid}`, threadId: ids?.threadId ?? `t${uid}`,
    };
    if (this.uids.length === this.messages.length) {
      const bigger = new Uint32Array(this.uids.length * 2);
      bigger.set(this.uids);
      this.uids = bigger;
    }
    this.uids[this.messages.length] = uid;
    this.messages.push(message);
    this.uidNext = uid + 1;
    this.highestModSeq = uid;
    this.changed([{ kind: 'added', uid }]);
    return uid;
  }

  setFlags(uid: Uid, flags: Flag[]): void {
    const message = this.messages[this.find(uid)];
    message.flags = flags;
    message.modSeq = this.highestModSeq = this.user.next();
    this.changed([{ kind: 'flags', uid }]);
  }

  remove(uids: Uid[]): void {
    const gone = new Set(uids);
    const modSeq = this.user.next();
    const removed = this.messages.filter((message) => gone.has(message.uid));
    if (removed.length === 0) return;
    this.messages = this.messages.filter((message) => !gone.has(message.uid));
    this.uids = new Uint32Array(Math.max(16, this.messages.length));
    this.messages.forEach((message, i) => (this.uids[i] = message.uid));
    this.highestModSeq = modSeq;
    this.vanished.push(...removed.map((message) => ({ uid: message.uid, modSeq })));
    this.changed(removed.map((message) => ({ kind: 'expunged', uid: message.uid })));
  }

  changed(changes: Change[]): void {
    for (const change of changes) this.#journal.push({ version: ++this.version, change });
    if (this.#journal.length > JOURNAL_MAX) this.#journal = this.#journal.slice(-JOURNAL_MAX / 2);
    for (const selected of this.listeners) selected.onChange?.();
  }
}

export class FakeBackend implements Backend {
  readonly users = new Map<string, FakeUser>();
  plaintext = true;

  constructor(...users: FakeUser[]) {
    for (const user of users) this.users.set(user.address, user);
  }
  plaintextAllowed(): boolean {
    return this.plaintext;
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
  async select(name: string, readOnly: boolean): Promise<Selected> {
    await this.user.operation('select');
    return new FakeSelected(this.user.mailbox(name), readOnly);
  }
  async create(name: string, specialUse: SpecialUse | null): Promise<string> {
    await this.user.operation('create');
    if (this.user.mailboxes.has(name)) throw new Refused('there is such a mailbox', 'ALREADYEXISTS');
    for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
      if (!this.user.mailboxes.has(name.slice(0, at))) this.user.make(name.slice(0, at), null);
    }
    return this.user.make(name, specialUse).id;
  }
  async delete(name: string): Promise<void> {
    await this.user.operation('delete');
    this.user.mailbox(name);
    this.user.mailboxes.delete(name);
  }
  async rename(from: string, to: string): Promise<void> {
    await this.user.operation('rename');
    const box = this.user.mailbox(from);
    if (this.user.mailboxes.has(to)) throw new Refused('there is such a mailbox', 'ALREADYEXISTS');
    if (from === 'INBOX') {
      const target = this.user.make(to, null);
      for (const message of box.messages) target.add(message.bytes, message.flags, message.at, message.zone, message);
      return box.remove(box.messages.map((message) => message.uid));
    }
    for (const [name, mailbox] of [...this.user.mailboxes]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue;
      this.user.mailboxes.delete(name);
      mailbox.name = to + name.slice(from.length);
      this.user.mailboxes.set(mailbox.name, mailbox);
    }
  }
  async subscribe(name: string, on: boolean): Promise<void> {
    await this.user.operation('subscribe');
    if (on) this.user.subscriptions.add(name);
    else this.user.subscriptions.delete(name);
  }
  async append(name: string): Promise<Appender> {
    await this.user.operation('append');
    return new FakeAppender(this.user.mailbox(name, 'TRYCREATE'));
  }
  async quota() {
    return { bytes: 0, bytesMax: null, messages: 0, messagesMax: null };
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
    if (got !== bytes) throw new Error(`${bytes} bytes announced, ${got} written`);
  }
  async commit(): Promise<{ uidValidity: number; uids: Uid[] }> {
    await this.#mailbox.user.operation('commit');
    const uids = this.#messages.map(({ flags, date, pieces }) => this.#mailbox.add(Buffer.concat(pieces), flags, date?.at ?? 0, date?.zone ?? 0));
    return { uidValidity: this.#mailbox.uidValidity, uids };
  }
  abort(): void {
    this.#messages.length = 0;
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
  async expunge(uids: ArrayLike<Uid> | null): Promise<void> {
    await this.index.user.operation('expunge');
    const asked = uids === null ? null : new Set(Array.from(uids));
    this.index.remove(
      this.index.messages.filter((message) => message.flags.includes('\\Deleted') && (asked === null || asked.has(message.uid))).map((message) => message.uid),
    );
  }
  close(): void {
    this.onChange = null;
    this.index.listeners.delete(this);
  }
}
