// A mail app that roams between the sites and believes what it is told. It keeps a copy of each mailbox: one kind by
// QRESYNC (RFC 7162), the other remembers UIDNEXT, and which UIDs it has. What it has it never asks for again.
import { Closed, Imap } from '../real/imap.ts';
import { message } from '../real/mail.ts';
import type { Person, SiteReplica } from './cluster.ts';
import type { Ledger } from './ledger.ts';
import { Copy } from './copy.ts';
import type { Tools } from './tools.ts';

export const MAILBOXES = ['INBOX', 'Archive'] as const;
type MailboxName = (typeof MAILBOXES)[number];
const KEYWORDS = 24;
/** Who waits longer goes elsewhere: a phone does. */
const PATIENCE_MS = 30_000;

/** Not now: try again, or elsewhere. */
class Pause extends Error {}

export class Client {
  readonly kind: 'qresync' | 'uidnext';
  readonly person: Person;
  readonly copies: Record<MailboxName, Copy>;
  readonly #tools: Tools;
  readonly #ledger: Ledger;
  #imap: Imap | null = null;
  #at: SiteReplica | null = null;
  #selected: Copy | null = null;
  #n = 0;
  readonly #name: string;

  constructor(kind: Client['kind'], person: Person, tools: Tools) {
    this.kind = kind;
    this.person = person;
    this.#tools = tools;
    this.#ledger = tools.ledger;
    this.#name = `${person.name}-${kind}`;
    this.copies = Object.fromEntries(MAILBOXES.map((m) => [m, new Copy(kind, person, m, tools.ledger)])) as Record<MailboxName, Copy>;
  }

  /** Connects somewhere, does this and that, goes away; again until the storm is over. */
  async live(): Promise<void> {
    const tools = this.#tools;
    while (!tools.over()) {
      try {
        await this.visit(tools.anySite(), 2 + tools.upTo(8));
      } catch (e) {
        this.#excuse(e);
        await tools.sleep(100 + tools.upTo(500));
      } finally {
        this.#imap?.close();
        this.#imap = null;
      }
    }
  }

  #excuse(e: unknown): void {
    const text = String((e as Error).message ?? e);
    if (e instanceof Pause) return void this.#ledger.counts.pauses++;
    if (e instanceof Closed || ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT'].includes((e as NodeJS.ErrnoException).code ?? '')) {
      if (this.#imap?.heard.some((line) => line.startsWith('BYE'))) this.#ledger.counts.byes++;
      return void this.#ledger.counts.cut++;
    }
    // A replica that was stopped in the middle of it answers nobody.
    if (/^no [^]* within/.test(text)) {
      if (!this.#tools.troubled(this.#at)) this.#ledger.violation(`${this.#name}: no answer at site ${this.#at?.site}: ${text}`);
      return void this.#ledger.counts.cut++;
    }
    this.#ledger.violation(`${this.#name} at site ${this.#at?.site}: ${text}`);
  }

  async #connect(at: SiteReplica): Promise<Imap> {
    this.#at = at;
    this.#imap = this.#selected = null;
    const imap = (this.#imap = await Imap.connect(at.imap, false, undefined, at.host));
    await this.#ok(`LOGIN ${this.person.address} ${this.person.password}`);
    if (this.kind === 'qresync') await this.#ok('ENABLE QRESYNC');
    return imap;
  }

  /** Synchronises all mailboxes, then does `rounds` things in one of them. Throws what the connection met. */
  async visit(at: SiteReplica, rounds: number): Promise<void> {
    await this.#connect(at);
    for (const mailbox of MAILBOXES) await this.sync(mailbox);
    const mailbox = this.#tools.upTo(4) === 0 ? 'Archive' : 'INBOX';
    const copy = await this.sync(mailbox);
    for (let i = 0; i < rounds && !this.#tools.over(); i++) {
      await this.#something(copy, mailbox);
      await this.#tools.sleep(this.#tools.upTo(400));
    }
    await this.#ok('NOOP');
    await this.#ok('LOGOUT');
    this.#imap!.close();
  }

  /** At the end: only synchronises. */
  async rest(at: SiteReplica): Promise<void> {
    await this.#connect(at);
    for (const mailbox of MAILBOXES) await this.sync(mailbox);
    this.#imap!.close();
    this.#imap = null;
  }

  /** One command, and what it tells of the selected mailbox is taken in. Untagged responses. */
  async #ok(text: string, copy: Copy | null = null, select = false): Promise<string[]> {
    const began = performance.now();
    copy?.note(`> ${this.#at!.site} ${text}`);
    const answer = await this.#imap!.command(text, PATIENCE_MS);
    const ms = performance.now() - began;
    if (!this.#tools.troubled(this.#at)) this.#ledger.waited(ms, `${this.#name} at site ${this.#at!.site}: ${text.split(' ').slice(0, 3).join(' ')}: ${answer.status} ${answer.text.slice(0, 80)}`);
    if (!select) copy?.take(answer.untagged);
    copy?.ended(answer.text);
    copy?.note(`< ${answer.status} ${answer.text}`);
    if (answer.status === 'OK') return answer.untagged;
    if (answer.status === 'NO' && /^\[(UNAVAILABLE|INUSE)\]|Not now|shutting down/.test(answer.text)) throw new Pause(answer.text);
    throw new Error(`${text.slice(0, 60)}: ${answer.status} ${answer.text}`);
  }

  async sync(mailbox: MailboxName): Promise<Copy> {
    const copy = this.copies[mailbox];
    const told = await this.#ok(copy.select(), copy, true);
    // What stands before it is of the mailbox that was open (RFC 9051 §7.1).
    const closed = told.findIndex((line) => line.startsWith('OK [CLOSED]'));
    if (closed >= 0) this.#selected?.take(told.slice(0, closed));
    this.#selected = copy;
    copy.opened(told.slice(closed + 1));
    this.#ledger.counts.syncs++;
    await this.#fill(copy);
    return copy;
  }

  /** Fetches what the copy lacks. */
  async #fill(copy: Copy): Promise<void> {
    for (let wanted = copy.wanted(); wanted.length > 0; wanted = copy.wanted()) for (const fetch of wanted) copy.fetched(fetch, await this.#ok(fetch, copy));
    copy.filled();
  }

  async #something(copy: Copy, mailbox: MailboxName): Promise<void> {
    const { upTo } = this.#tools;
    const letter = copy.any(upTo);
    const what = upTo(20);
    if (what < 4 || !letter) {
      await this.#ok('NOOP', copy);
    } else if (what < 9) {
      await this.#flag(copy, letter.uid, letter.token);
    } else if (what < 11) {
      await this.#ok(`UID STORE ${letter.uid} ${upTo(2) === 0 ? '+' : '-'}FLAGS (\\Seen)`, copy);
    } else if (what < 12) {
      await this.#remove(copy, letter.uid, letter.token);
    } else if (what < 14 && mailbox === 'INBOX') {
      await this.#move(copy, letter.uid, letter.token);
    } else if (what < 15 && mailbox === 'INBOX') {
      const entry = this.#ledger.letters.get(letter.token);
      if (!entry || entry.doomed || entry.moved) return;
      entry.copies++;
      await this.#ok(`UID COPY ${letter.uid} Archive`, copy);
      this.#ledger.counts.copied++;
    } else if (what < 17) {
      await this.#append(copy);
    } else {
      await this.#idle(copy);
    }
    await this.#fill(copy);
  }

  async #flag(copy: Copy, uid: number, token: string): Promise<void> {
    const keyword = `kw${this.#tools.upTo(KEYWORDS)}`;
    const told = await this.#ok(`UID STORE ${uid} +FLAGS (${keyword})`, copy);
    if (!told.some((line) => new RegExp(`^\\d+ FETCH .*UID ${uid}\\b`).test(line) && line.includes(keyword))) return;
    this.#ledger.letters.get(token)?.keywords.add(keyword);
    this.#ledger.counts.flags++;
  }

  async #remove(copy: Copy, uid: number, token: string): Promise<void> {
    const letter = this.#ledger.letters.get(token);
    if (!letter || letter.moved || letter.copies > 0 || letter.doomed || !letter.acked) return;
    letter.doomed = true;
    // Without it nothing was marked: a repair has just given the message another UID.
    const told = await this.#ok(`UID STORE ${uid} +FLAGS (\\Deleted)`, copy);
    const marked = told.some((line) => new RegExp(`^\\d+ FETCH .*UID ${uid}\\b`).test(line) && line.includes('\\Deleted'));
    await this.#ok(`UID EXPUNGE ${uid}`, copy);
    if (!marked) return;
    letter.removed = uid;
    this.#ledger.counts.removed++;
  }

  async #move(copy: Copy, uid: number, token: string): Promise<void> {
    const letter = this.#ledger.letters.get(token);
    if (!letter || letter.moved || letter.doomed || letter.copies > 0) return;
    letter.moved = true;
    await this.#ok(`UID MOVE ${uid} Archive`, copy);
    this.#ledger.counts.moved++;
  }

  async #append(copy: Copy): Promise<void> {
    const token = `append-${this.#name}-${++this.#n}`;
    const letter = this.#ledger.letter(this.person, 'appended', token, message(token, 300 + this.#tools.upTo(3000)));
    letter.tries++;
    const began = performance.now();
    const answer = await this.#imap!.command(Buffer.concat([Buffer.from(`APPEND Archive () {${letter.bytes.length}+}\r\n`), letter.bytes]), PATIENCE_MS);
    if (!this.#tools.troubled(this.#at)) this.#ledger.waited(performance.now() - began, `${this.#name}: APPEND`);
    copy.take(answer.untagged);
    if (answer.status === 'OK') {
      letter.acked = true;
      this.#ledger.counts.appended++;
      this.#ledger.named(this.person, 'Archive', Number(/APPENDUID \d+ (\d+)/.exec(answer.text)![1]), token);
    } else if (!/^\[UNAVAILABLE\]/.test(answer.text)) throw new Error(`APPEND: ${answer.status} ${answer.text}`);
    else throw new Pause(answer.text);
  }

  async #idle(copy: Copy): Promise<void> {
    const imap = this.#imap!;
    await imap.idle();
    this.#ledger.counts.idles++;
    await this.#tools.sleep(200 + this.#tools.upTo(2500));
    copy.note('> DONE');
    copy.take(await imap.done());
  }
}
