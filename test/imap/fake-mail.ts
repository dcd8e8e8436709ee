// A user's mailboxes in memory, as sessions would find them folded. UIDs and MODSEQs go up in steps of 64, as positions
// do.
import { Refused } from '../../src/base/index.ts';
import type { Flag, SpecialUse, Uid } from '../../src/base/index.ts';
import type { AccountNews, Change, MailboxIndex } from '../../src/imap/index.ts';
import type { FakeSelected, FakeSession } from './fake.ts';

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
  readonly annotations = new Map<string, Map<string, Uint8Array>>();
  readonly subscriptions = new Set<string>();
  readonly sessions = new Set<FakeSession>();
  readonly sets: (readonly Flag[])[] = [];
  readonly setNumbers = new Map<string, number>();
  position = 0;
  quota: { bytes: number; bytesMax: number | null; messages: number; messagesMax: number | null } = { bytes: 0, bytesMax: null, messages: 0, messagesMax: null };
  /** What the last append was told to take the place of. */
  instead: { bytes: number } | null = null;
  made = 0;
  /** APPENDs that were begun and neither committed nor aborted. */
  appending = 0;
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

  /** What sessions that watch all mailboxes hear. */
  tell(news: Partial<AccountNews>): void {
    for (const session of this.sessions) session.watcher?.({ mailboxes: [], names: false, metadata: [], ...news });
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
  flagSets(from: number, to: number): Uint32Array {
    return Uint32Array.from({ length: to - from }, (_, k) => this.flagSet(from + k));
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
    const count = (kind: Change['kind']) => changes.filter((change) => change.kind === kind).length;
    this.user.tell({ mailboxes: [{ id: this.id, news: { added: count('added'), gone: count('expunged'), flags: count('flags') > 0 } }] });
  }
}
