// A mail client that roams between replicas and believes what it is told. Of two kinds: one resynchronises by QRESYNC
// (RFC 7162), one remembers UIDNEXT and the list of UIDs only.
import type { OpenUser } from '../../src/account/index.ts';
import { Refused } from '../../src/base/index.ts';
import type { Uid } from '../../src/base/index.ts';
import type { MailboxIndex, Selected, Session } from '../../src/imap/session.ts';
import type { Player } from './cast.ts';
import type { Ledger, Mail } from './ledger.ts';
import { Violation } from './observer.ts';
import type { Observer } from './observer.ts';
import type { Process } from './process.ts';

interface Kept {
  size: number;
  flags: string;
}

interface Idle {
  process: Process;
  session: Session;
  selected: Selected;
  version: number;
}

const flagsAt = (index: MailboxIndex, i: number): string => [...index.flagsOf(index.flagSet(i))].sort().join(' ');

export class Client {
  readonly kind: 'qresync' | 'uidnext';
  readonly player: Player;
  readonly mailbox: string;
  readonly #observer: Observer;
  readonly #ledger: Ledger;
  #cache = new Map<Uid, Kept>();
  #validity = 0;
  #modSeq = 0;
  /** Annotations, and the HIGHESTMODSEQ that they were read with. */
  #notes = { modSeq: 0, text: '' };
  #uidNext = 1;
  /** While it stays connected. */
  #idle: Idle | null = null;
  #busy: Process | null = null;

  constructor(kind: Client['kind'], player: Player, mailbox: string, observer: Observer, ledger: Ledger) {
    this.kind = kind;
    this.player = player;
    this.mailbox = mailbox;
    this.#observer = observer;
    this.#ledger = ledger;
  }

  /** One command at a time: what an older one would answer later, the client has outgrown. */
  get free(): boolean {
    return !this.#busy?.alive;
  }
  #during<T>(process: Process, run: () => Promise<T>): Promise<T> {
    this.#busy = process;
    return run().finally(() => (this.#busy = null));
  }

  get idle(): Process | null {
    if (this.#idle && !this.#idle.process.alive) this.#idle = null;
    return this.#idle?.process ?? null;
  }
  leave(): void {
    const idle = this.#idle;
    this.#idle = null;
    if (idle?.process.alive) idle.session.close();
  }

  /** Connects, synchronises, and goes away again unless it is to `stay`. Unavailable. */
  sync(process: Process, stay = false): Promise<void> {
    return this.#during(process, () => this.#sync(process, stay));
  }
  async #sync(process: Process, stay: boolean): Promise<void> {
    this.leave();
    const due = this.#due();
    const session = await process.login(this.player);
    try {
      const selected = await session.select(this.mailbox, false);
      const { index } = selected;
      this.#look(process, selected, due);
      this.#readNotes(process, selected);
      if (index.uidValidity !== this.#validity) {
        this.#cache.clear();
        this.#modSeq = 0;
        this.#uidNext = 1;
        this.#validity = index.uidValidity;
      }
      if (this.kind === 'qresync') this.#resync(index);
      else this.#listUids(index);
      if (!stay) return;
      const idle = { process, session, selected, version: index.version };
      this.#idle = idle;
      session.onEnded = () => {
        if (this.#idle === idle) this.#idle = null;
        session.close();
      };
    } catch (e) {
      if (!(e instanceof Refused && e.code === 'NONEXISTENT')) throw e;
      this.#cache.clear();
    } finally {
      if (this.#idle?.session !== session) session.close();
    }
  }

  /** NOOP while connected: takes in what changed. */
  async noop(): Promise<void> {
    const idle = this.#idle;
    if (idle) await this.#during(idle.process, () => this.#noop(idle));
  }
  async #noop(idle: Idle): Promise<void> {
    const due = this.#due();
    await idle.selected.refresh();
    if (this.#idle !== idle) return;
    const { index } = idle.selected;
    this.#look(idle.process, idle.selected, due);
    const changes = index.changesSince(idle.version);
    idle.version = index.version;
    if (changes === null) return this.kind === 'qresync' ? this.#resync(index) : this.#listUids(index);
    for (const { kind, uid } of changes) {
      const i = index.find(uid);
      if (kind === 'expunged' || i < 0) {
        this.#cache.delete(uid);
        continue;
      }
      this.#keep(index, i);
      this.#modSeq = Math.max(this.#modSeq, index.modSeq(i));
      this.#uidNext = Math.max(this.#uidNext, uid + 1);
    }
    // It may have come from where more was known.
    if (!idle.process.o.world.sickness && this.shown() !== this.wanted(index)) throw new Violation('3 a connected client has the mailbox', `${this.kind} ${this.mailbox}\n want ${this.wanted(index)}\n has  ${this.shown()}`);
  }

  #keep(index: MailboxIndex, i: number): void {
    this.#cache.set(index.uids[i], { size: index.size(i), flags: flagsAt(index, i) });
  }
  #resync(index: MailboxIndex): void {
    for (const uid of index.vanishedSince(this.#modSeq)) this.#cache.delete(uid);
    for (let i = 0; i < index.count; i++) if (index.modSeq(i) > this.#modSeq) this.#keep(index, i);
    this.#modSeq = Math.max(this.#modSeq, index.highestModSeq);
    this.#uidNext = Math.max(this.#uidNext, index.uidNext);
  }
  /** UID FETCH 1:* (FLAGS): what is gone goes, what is old gets its flags, what is new is fetched. */
  #listUids(index: MailboxIndex): void {
    for (const uid of [...this.#cache.keys()]) if (index.find(uid) < 0) this.#cache.delete(uid);
    for (let i = 0; i < index.count; i++) if (index.uids[i] >= this.#uidNext || this.#cache.has(index.uids[i])) this.#keep(index, i);
    this.#uidNext = Math.max(this.#uidNext, index.uidNext);
    this.#modSeq = Math.max(this.#modSeq, index.highestModSeq);
  }

  /** What was acknowledged before a command must be there after it. */
  #due(): Mail[] {
    return this.#ledger.mails.filter((m) => m.player === this.player && m.home === this.mailbox && !m.strayed && !m.moved && this.#ledger.sure(m));
  }
  #look(process: Process, selected: Selected, due: readonly Mail[]): void {
    const open: OpenUser = process.open(this.player)!;
    const { index } = selected;
    this.#observer.shown(this.player, open, selected.id, index);
    const there = new Set<number>();
    for (let i = 0; i < index.count; i++) {
      const mail = this.#ledger.bySize(index.size(i));
      if (!mail) throw new Violation('1 what is shown was sent', `a message of ${index.size(i)} bytes in ${this.mailbox}`);
      there.add(mail.tag);
      process.shown.add(mail.tag);
    }
    if (open.state.mailbox(selected.id).withheld > 0) return;
    for (const mail of due) {
      // What a store withholds from who has never heard of it, nobody can notice.
      if (process.o.world.sickness && !process.shown.has(mail.tag)) continue;
      if (!there.has(mail.tag) && !mail.moved && this.#ledger.sure(mail)) throw new Violation('1 what was acknowledged is shown', `message ${mail.tag} is not in ${this.mailbox} at ${process.o.address}`);
    }
  }

  /** Who keeps annotations asks for them again when HIGHESTMODSEQ has grown, and only then (RFC 7162 §3.2). */
  #readNotes(process: Process, { id, index }: Selected): void {
    const { highestModSeq: modSeq } = index;
    const text = process.open(this.player)!.state.metadata(id).map(({ entry, value }) => `${entry}=${Buffer.from(value)}`).join(' ');
    if (modSeq === this.#notes.modSeq && text !== this.#notes.text) throw new Violation('3 who keeps annotations has them', `${this.mailbox} at ${process.o.address}, MODSEQ ${modSeq}: ${this.#notes.text} | ${text}`);
    this.#notes = { modSeq, text };
  }

  shown(): string {
    return [...this.#cache].sort((a, b) => a[0] - b[0]).map(([uid, k]) => `${uid}:${k.size}:${k.flags}`).join('|');
  }
  wanted(index: MailboxIndex): string {
    return Array.from({ length: index.count }, (_, i) => `${index.uids[i]}:${index.size(i)}:${flagsAt(index, i)}`).join('|');
  }
}
