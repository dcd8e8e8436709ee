// What senders and mail clients do at one replica, through the same seams as SMTP and IMAP. The ledger is told before
// anything is tried and after it was answered.
import { undelete } from '../../src/account/index.ts';
import { Refused, limits } from '../../src/base/index.ts';
import type { Flag, Random, Uid } from '../../src/base/index.ts';
import type { Selected, Session } from '../../src/imap/session.ts';
import type { Player } from './cast.ts';
import { PREFIX } from './ledger.ts';
import type { Ledger, Mail } from './ledger.ts';
import type { Process } from './process.ts';

/** Mailboxes that come and go. */
export const MORTAL = ['Projekte', 'Projekte/Alt', 'Umzugskartons'];
const FLAGS: Flag[] = ['\\Seen', '\\Flagged', '\\Answered'];

export class Commands {
  readonly #ledger: Ledger;
  readonly #random: Random;
  #keywords = 0;
  constructor(ledger: Ledger, random: Random) {
    this.#ledger = ledger;
    this.#random = random;
  }
  #pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random.unit() * list.length)];
  }

  /** True when the sender is told 250. */
  async deliver(process: Process, mail: Mail): Promise<boolean> {
    mail.tries++;
    const now = process.o.clock.now();
    mail.firstTry ??= now;
    // An hour for clocks that are wrong.
    if (now - mail.firstTry > limits.delivery_key_ms - 3_600_000) {
      mail.apart = true;
      mail.keywords = null;
    }
    const recipient = await process.receiver.recipient(mail.player.address, null);
    const transaction = process.receiver.begin({ from: 'zugvogel@elsewhere.example', recipients: [recipient], declaredBytes: null });
    await transaction.write(mail.bytes);
    const [{ error }] = await transaction.commit(() => PREFIX);
    if (error) throw error;
    mail.acked = true;
    process.shown.add(mail.tag);
    this.#ledger.acks++;
    return true;
  }

  async append(process: Process, player: Player, name: string, count: number): Promise<void> {
    await this.#session(process, player, async (session) => {
      const appender = await session.append(name);
      const mails: Mail[] = [];
      for (let i = 0; i < count; i++) {
        const mail = this.#ledger.mail(player, 'appended', name);
        mail.tries = 1;
        mail.strayed ||= MORTAL.includes(name);
        mails.push(mail);
        appender.begin(this.#random.unit() < 0.3 ? ['\\Seen'] : [], null, mail.bytes.length);
        await appender.write(mail.bytes);
        await appender.end();
      }
      await appender.commit();
      for (const mail of mails) {
        mail.acked = true;
        process.shown.add(mail.tag);
      }
      this.#ledger.acks++;
    });
  }

  /** STORE: a keyword that nobody else sets, or common flags. */
  async store(process: Process, player: Player, name: string): Promise<void> {
    await this.#chosen(process, player, name, 3, async (selected, uids, mails) => {
      const x = this.#random.unit();
      if (x < 0.5) {
        const keyword = `Schlagwort${this.#keywords++ % 40}`;
        await selected.store(uids, 'add', [keyword], null);
        // Who was given another UID meanwhile is passed over, as one that is gone (RFC 9051 §6.4.8).
        const { index } = selected;
        for (let i = 0; i < index.count; i++) {
          const mail = mails.find((m) => m === this.#ledger.bySize(index.size(i)));
          if (mail && index.flagsOf(index.flagSet(i)).includes(keyword)) mail.keywords?.add(keyword);
        }
      } else if (x < 0.95) await selected.store(uids, this.#random.unit() < 0.6 ? 'add' : 'remove', [this.#pick(FLAGS)], null);
      else {
        for (const mail of mails) mail.keywords = null;
        await selected.store(uids, 'replace', [this.#pick(FLAGS)], null);
      }
      this.#ledger.acks++;
    });
  }

  async copy(process: Process, player: Player, name: string, to: string, move: boolean): Promise<void> {
    await this.#chosen(process, player, name, 3, async (selected, uids, mails) => {
      for (const mail of mails) {
        mail.doubled ||= !move || mail.moves > 0;
        mail.moves++;
        mail.moved = true;
        mail.strayed ||= MORTAL.includes(to);
      }
      if (move) await selected.move(uids, to);
      else await selected.copy(uids, to);
      this.#ledger.acks++;
    });
  }

  async expunge(process: Process, player: Player, name: string): Promise<void> {
    await this.#chosen(process, player, name, 2, async (selected, uids, mails) => {
      for (const mail of mails) mail.doomed = true;
      await selected.store(uids, 'add', ['\\Deleted'], null);
      await selected.expunge(uids);
      const { index } = selected;
      const left = new Set(Array.from({ length: index.count }, (_, i) => this.#ledger.bySize(index.size(i))));
      // What is withheld comes back under another UID.
      const withheld = process.open(player)?.state.mailbox(selected.id).withheld ?? 1;
      for (const mail of mails) if (withheld === 0 && !left.has(mail)) mail.removed = true;
      this.#ledger.acks++;
    });
  }

  async note(process: Process, player: Player, name: string): Promise<void> {
    await this.#session(process, player, async (session) => {
      const value = this.#random.unit() < 0.2 ? null : Buffer.from(`${this.#keywords++}`);
      await session.setMetadata(name, [{ entry: this.#pick(['/private/comment', '/shared/colour']), value }]);
      this.#ledger.acks++;
    });
  }

  async subscribe(process: Process, player: Player, name: string): Promise<void> {
    await this.#session(process, player, async (session) => {
      await session.subscribe(name, this.#random.unit() < 0.6);
      this.#ledger.acks++;
    });
  }
  /** Everything that was removed comes back, as copies. */
  async undelete(process: Process, player: Player): Promise<void> {
    await this.#session(process, player, async () => {
      this.#ledger.stray();
      await undelete(process.open(player)!, 'all');
      this.#ledger.acks++;
    });
  }

  async create(process: Process, player: Player, name: string): Promise<void> {
    await this.#session(process, player, async (session) => {
      const id = await session.create(name, null);
      this.#ledger.created.set(id, name);
      this.#ledger.acks++;
    });
  }
  async remove(process: Process, player: Player, name: string): Promise<void> {
    await this.#session(process, player, async (session) => {
      this.#ledger.deletes++;
      await session.delete(name);
      this.#ledger.acks++;
    });
  }
  async rename(process: Process, player: Player, from: string, to: string): Promise<void> {
    await this.#session(process, player, async (session) => {
      if (from === 'INBOX') this.#ledger.stray();
      await session.rename(from, to);
      this.#ledger.acks++;
    });
  }

  /** Reads a message whole and compares it with what was sent. */
  async read(process: Process, player: Player, name: string): Promise<string | null> {
    let wrong: string | null = null;
    await this.#chosen(process, player, name, 1, async (selected, uids, [mail]) => {
      const bytes = await selected.read(uids[0], 0, 1e6);
      if (bytes === null) return;
      const sent = mail.kind === 'delivered' ? Buffer.concat([PREFIX, mail.bytes]) : mail.bytes;
      if (!bytes.equals(sent)) wrong = `message ${mail.tag} is read as other bytes`;
    });
    return wrong;
  }

  async #session(process: Process, player: Player, run: (session: Session) => Promise<void>): Promise<void> {
    const session = await process.login(player);
    try {
      await run(session);
    } finally {
      session.close();
    }
  }
  /** A few messages of a mailbox. */
  async #chosen(process: Process, player: Player, name: string, most: number, run: (selected: Selected, uids: Uid[], mails: Mail[]) => Promise<void>): Promise<void> {
    await this.#session(process, player, async (session) => {
      const selected = await session.select(name, false);
      const { index } = selected;
      if (index.count === 0) return;
      const rows = new Set(Array.from({ length: 1 + Math.floor(this.#random.unit() * most) }, () => Math.floor(this.#random.unit() * index.count)));
      const mails = [...rows].map((i) => this.#ledger.bySize(index.size(i))).filter((m) => m !== undefined);
      await run(selected, [...rows].map((i) => index.uids[i]).sort((a, b) => a - b), mails);
    });
  }
}

/** What a command may be refused for when replicas disagree for a moment. */
export const expected = (e: unknown): boolean => e instanceof Refused;
