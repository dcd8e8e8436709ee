// A mailbox in memory and a client without a socket: commands are parsed and run as the connection does it, and what
// they write is text. Several sessions share one mailbox.
import { Malformed, Refused, limits, silent, systemClock } from '../../src/base/index.ts';
import type { Flag, Uid } from '../../src/base/index.ts';
import { copy } from '../../src/imap/command/copy.ts';
import type { Command, Context } from '../../src/imap/command/command.ts';
import { expunge } from '../../src/imap/command/expunge.ts';
import { fetch } from '../../src/imap/command/fetch.ts';
import { move } from '../../src/imap/command/move.ts';
import { search } from '../../src/imap/command/search.ts';
import { sort } from '../../src/imap/command/sort.ts';
import { store } from '../../src/imap/command/store.ts';
import { thread } from '../../src/imap/command/thread.ts';
import type { Change, MailboxIndex, MessageRecord, Selected } from '../../src/imap/session.ts';
import { View } from '../../src/imap/view.ts';
import { Args } from '../../src/imap/wire/index.ts';
import { scanMessage } from '../../src/message/index.ts';

export interface Mail {
  uid: Uid;
  bytes: Buffer;
  prefix: Buffer;
  flags: Flag[];
  modSeq: number;
  internalDate: number;
  zone: number;
  saveDate: number;
  threadId: string;
  record: MessageRecord | null;
}

export class Mailbox implements MailboxIndex {
  readonly uidValidity = 77;
  mails: Mail[] = [];
  uids: Uint32Array = new Uint32Array(16);
  version = 1;
  highestModSeq = 1;
  uidNext = 1;
  /** Changes kept in the journal. */
  journalMax = 1000;
  #journal: { version: number; change: Change }[] = [];
  #vanished: { uid: Uid; modSeq: number }[] = [];
  #flagSets: string[] = [];
  sessions: MemorySelected[] = [];

  get count(): number {
    return this.mails.length;
  }
  find(uid: Uid): number {
    let lo = 0;
    let hi = this.mails.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (this.mails[mid].uid < uid) lo = mid + 1;
      else hi = mid;
    }
    return this.mails[lo]?.uid === uid ? lo : -1;
  }
  modSeq = (i: number) => this.mails[i].modSeq;
  size = (i: number) => this.mails[i].bytes.length + this.mails[i].prefix.length;
  internalDate = (i: number) => this.mails[i].internalDate;
  zone = (i: number) => this.mails[i].zone;
  saveDate = (i: number) => this.mails[i].saveDate;
  emailId = (i: number) => `e${this.mails[i].uid}`;
  threadId = (i: number) => this.mails[i].threadId;
  flagSets(from: number, to: number): Uint32Array {
    return Uint32Array.from({ length: to - from }, (_, k) => this.flagSet(from + k));
  }
  flagSet(i: number): number {
    const key = this.mails[i].flags.join(' ');
    const known = this.#flagSets.indexOf(key);
    return known >= 0 ? known : this.#flagSets.push(key) - 1;
  }
  flagsOf = (set: number) => (this.#flagSets[set] === '' ? [] : this.#flagSets[set].split(' '));
  flagsInUse = () => [...new Set(this.mails.flatMap((mail) => mail.flags))];
  changesSince(version: number): Change[] | null {
    const kept = this.#journal[0]?.version ?? this.version + 1;
    if (version + 1 < kept && version < this.version) return null;
    return this.#journal.filter((entry) => entry.version > version).map((entry) => entry.change);
  }
  vanishedSince(modSeq: number): Uint32Array {
    return Uint32Array.from(this.#vanished.filter((one) => one.modSeq > modSeq).map((one) => one.uid)).sort();
  }

  #changed(change: Change): void {
    this.version++;
    this.#journal.push({ version: this.version, change });
    if (this.#journal.length > this.journalMax) this.#journal.splice(0, this.#journal.length - this.journalMax);
    for (const session of this.sessions) session.onChange?.();
  }

  /** The next position, with the gaps that positions have. */
  position(): number {
    return (this.highestModSeq = Math.max(this.highestModSeq, this.uidNext - 1) + 1 + (this.version % 3) * 31);
  }

  add(bytes: Buffer | string, given: Partial<Mail> = {}): Uid {
    const uid = this.position();
    this.uidNext = uid + 1;
    const at = Date.UTC(2024, 1, 3, 4, 5, 6);
    this.mails.push({
      uid, bytes: Buffer.from(bytes as string, 'latin1'), prefix: Buffer.alloc(0), flags: [], modSeq: uid, internalDate: at, zone: 0, saveDate: at,
      threadId: '', record: null, ...given,
    });
    if (this.uids.length < this.mails.length) {
      const bigger = new Uint32Array(this.uids.length * 2);
      bigger.set(this.uids);
      this.uids = bigger;
    }
    this.uids[this.mails.length - 1] = uid;
    this.#changed({ kind: 'added', uid });
    return uid;
  }
  setFlags(uid: Uid, flags: Flag[], modSeq = this.position()): void {
    const mail = this.mails[this.find(uid)];
    mail.flags = flags;
    mail.modSeq = modSeq;
    this.#changed({ kind: 'flags', uid });
  }
  remove(uid: Uid, modSeq = this.position()): void {
    this.mails = this.mails.filter((mail) => mail.uid !== uid);
    this.uids = Uint32Array.from([...this.mails.map((mail) => mail.uid), 0, 0]);
    this.#vanished.push({ uid, modSeq });
    this.#changed({ kind: 'expunged', uid });
  }
  open(readOnly = false): MemorySelected {
    const session = new MemorySelected(this, readOnly);
    this.sessions.push(session);
    return session;
  }
}

export class MemorySelected implements Selected {
  readonly id = '0123456789abcdef';
  readonly name = 'INBOX';
  readonly readOnly: boolean;
  readonly index: Mailbox;
  onChange: (() => void) | null = null;
  /** What was asked of it: `read uid from to`, `store …`, `records n`. */
  asked: string[] = [];
  /** Runs before each answer: others' changes at inconvenient moments. */
  meanwhile: () => void = () => {};

  constructor(index: Mailbox, readOnly: boolean) {
    this.index = index;
    this.readOnly = readOnly;
  }
  async refresh(): Promise<void> {}
  async records(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    this.asked.push(`records ${uids.length}`);
    await null;
    return Array.from(uids, (uid) => {
      const mail = this.index.mails[this.index.find(uid)];
      if (mail === undefined) return null;
      return (mail.record ??= { index: scanMessage(mail.bytes), prefix: mail.prefix, rendered: null });
    });
  }
  async gather(): Promise<void> {}
  skim(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    return this.records(uids);
  }
  async read(uid: Uid, from: number, to: number): Promise<Buffer | null> {
    this.asked.push(`read ${uid} ${from} ${to}`);
    await null;
    this.meanwhile();
    const mail = this.index.mails[this.index.find(uid)];
    return mail === undefined ? null : Buffer.concat([mail.prefix, mail.bytes]).subarray(from, to);
  }
  async store(uids: ArrayLike<Uid>, mode: 'add' | 'remove' | 'replace', flags: Flag[], unchangedSince: number | null): Promise<{ failed: Uid[] }> {
    this.asked.push(`store ${uids.length} ${mode} ${flags.join(' ')}`);
    await null;
    this.meanwhile();
    const failed: Uid[] = [];
    const modSeq = this.index.position();
    for (const uid of Array.from(uids)) {
      const mail = this.index.mails[this.index.find(uid)];
      if (mail === undefined) continue;
      if (unchangedSince !== null && mail.modSeq > unchangedSince) failed.push(uid);
      else {
        const rest = mail.flags.filter((flag) => !flags.includes(flag));
        this.index.setFlags(uid, mode === 'replace' ? flags : mode === 'add' ? [...rest, ...flags] : rest, modSeq);
      }
    }
    return { failed };
  }
  async copy(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    if (name !== 'Archive') throw new Refused('There is no such mailbox', 'TRYCREATE');
    const from = Array.from(uids).filter((uid) => this.index.find(uid) >= 0);
    return { uidValidity: 88, from, to: from.map((_uid, k) => 1001 + k * 64) };
  }
  async move(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    const done = await this.copy(uids, name);
    for (const uid of done.from) this.index.remove(uid);
    return done;
  }
  async expunge(uids: ArrayLike<Uid> | null): Promise<number> {
    const wanted = uids === null ? null : new Set(Array.from(uids));
    const gone = this.index.mails.filter((mail) => mail.flags.includes('\\Deleted') && (wanted === null || wanted.has(mail.uid)));
    for (const { uid } of gone) this.index.remove(uid);
    return gone.length;
  }
  close(): void {}
}

const commands: Record<string, unknown> = { FETCH: fetch, STORE: store, SEARCH: search, COPY: copy, MOVE: move, EXPUNGE: expunge, SORT: sort, THREAD: thread };

/** One session's commands. `send` gives all answers and the tagged line, as the connection would write them. */
export class Client {
  readonly selected: MemorySelected;
  readonly view: View;
  readonly enabled = { condstore: false, qresync: false, utf8: false, rev2: false, uidonly: false };
  written: Buffer[] = [];

  constructor(mailbox: Mailbox, readOnly = false) {
    this.selected = mailbox.open(readOnly);
    this.view = new View(this.selected);
  }

  enable(qresync = false): void {
    this.enabled.condstore = this.view.condstore = true;
    this.enabled.qresync = this.view.qresync = this.enabled.qresync || qresync;
  }

  get context(): Context {
    const out = {
      line: (text: string) => void this.written.push(Buffer.from(`${text}\r\n`, 'latin1')),
      write: (text: string) => void this.written.push(Buffer.from(text, 'latin1')),
      raw: (bytes: Uint8Array) => void this.written.push(Buffer.from(bytes)),
      full: false,
      drain: async () => {},
    };
    const { selected, view, enabled } = this;
    const context: Partial<Context> = { out, enabled, selected, view, tag: 'A1', clock: systemClock, limits, logger: silent, isOpen: true, teller: { own: () => {}, made: () => {}, enableMetadata: () => {} }, enableCondstore: () => this.enable() };
    return context as Context;
  }

  poll(allowExpunge = true): string {
    this.view.poll(this.context.out, { allowExpunge });
    return this.taken();
  }

  taken(): string {
    const text = Buffer.concat(this.written).toString('latin1');
    this.written = [];
    return text;
  }

  async send(text: string, literals: string[] = []): Promise<string> {
    const byUid = /^UID /i.test(text);
    const name = text.replace(/^UID /i, '').split(' ')[0].toUpperCase();
    const command = commands[name] as Command;
    const line = `A1 ${text}`;
    const places = [...line.matchAll(/\{\d+\}/g)].map((found, k) => ({ at: found.index, bytes: Buffer.from(literals[k]), eight: false }));
    const args = new Args(line, places, 3 + (byUid ? 4 : 0) + name.length);
    let tagged: string;
    try {
      const parsed = command.parse(args, byUid, this.context);
      args.end();
      const done = await command.run(this.context, parsed, byUid);
      this.view.poll(this.context.out, { allowExpunge: byUid || command.keepsNumbers !== true });
      tagged = `A1 OK ${done === '' ? `${byUid ? 'UID ' : ''}${name} completed` : done}`;
    } catch (e) {
      if (e instanceof Malformed) tagged = 'A1 BAD';
      else if (e instanceof Refused) tagged = `A1 NO [${e.code}]`;
      else throw e;
    }
    return `${this.taken()}${tagged}\r\n`;
  }
}

/** A message of some header fields and a body. */
export function mail(fields: Record<string, string>, body = 'Hello\r\n'): string {
  return `${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
