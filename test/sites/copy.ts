// A mail app's own copy of one mailbox, made of nothing but what servers said.
import type { Person } from './cluster.ts';
import type { Ledger } from './ledger.ts';

interface Row {
  token: string | null;
  flags: string;
}

/** What is asked of a message that the copy has not got. */
export const ITEMS = 'UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)]';

/** Whether `1:3,7` has a number. */
function within(set: string): (n: number) => boolean {
  const ranges = set.split(',').map((part) => part.split(':').map(Number));
  return (n) => ranges.some(([a, b = a]) => n >= a && n <= b);
}

export class Copy {
  readonly mailbox: string;
  readonly rows = new Map<number, Row>();
  readonly #kind: 'qresync' | 'uidnext';
  readonly #person: Person;
  readonly #ledger: Ledger;
  #validity = 0;
  #modSeq = 0;
  #uidNext = 1;
  /** By sequence number, in the session: a UID, or 0 where it isn't known yet. */
  #order: number[] = [];
  /** How often what has no UID yet was asked for. */
  #asked = 0;
  /** MODSEQs told in a command that has not ended. */
  #modSeqTold = 0;
  /** Of commands that have ended, with messages told that the copy may lack. */
  #modSeqEnded = 0;
  readonly #recent: string[] = [];
  /** As SELECT told them; believed when all that the copy lacked has come. */
  #selected = { uidNext: 0, modSeq: 0 };
  /** The copy that was not what the server has; told when all is read anew. */
  #unequal: { what: string; rows: Map<number, Row> } | null = null;
  /** The SELECT under way asks for what changed only. */
  #resyncs = false;
  #flagsWanted = false;

  constructor(kind: 'qresync' | 'uidnext', person: Person, mailbox: string, ledger: Ledger) {
    this.#kind = kind;
    this.#person = person;
    this.mailbox = mailbox;
    this.#ledger = ledger;
  }

  /** The command that opens the mailbox. */
  select(): string {
    this.#resyncs = this.#kind === 'qresync' && this.#validity > 0;
    return this.#resyncs ? `SELECT ${this.mailbox} (QRESYNC (${this.#validity} ${Math.max(1, this.#modSeq)}))` : `SELECT ${this.mailbox}${this.#kind === 'qresync' ? ' (CONDSTORE)' : ''}`;
  }

  /** The untagged responses of that command. */
  opened(told: readonly string[]): void {
    const value = (name: string) => Number(new RegExp(`\\[${name} (\\d+)`).exec(told.join('\n'))?.[1] ?? 0);
    const exists = Number(told.find((line) => / EXISTS$/.test(line))!.split(' ')[0]);
    const validity = value('UIDVALIDITY');
    this.#ledger.validity(this.#person, this.mailbox, validity);
    if (validity !== this.#validity) {
      this.rows.clear();
      this.#uidNext = 1;
      this.#modSeq = 0;
    }
    this.#validity = validity;
    this.#order = new Array<number>(exists).fill(0);
    this.#modSeqEnded = 0;
    for (const line of told) if (/EXISTS|UIDNEXT|HIGHEST/.test(line)) this.note(line);
    this.#selected = { uidNext: value('UIDNEXT'), modSeq: value('HIGHESTMODSEQ') };
    if (this.#kind === 'uidnext') {
      this.#flagsWanted = true;
      return;
    }
    if (!this.#resyncs) return;
    this.take(told.filter((line) => / FETCH |^VANISHED/.test(line)));
    // What was there and did not vanish is there still: the sequence numbers follow from the UIDs.
    const uids = [...this.rows.keys()].sort((a, b) => a - b);
    if (uids.length !== exists) {
      this.#unequal = { what: `after QRESYNC for ${this.#modSeq} the copy has ${uids.length} messages, the server ${exists}`, rows: new Map(this.rows) };
      // As an app that sees this would do.
      this.rows.clear();
      this.#uidNext = 1;
      this.#order = new Array<number>(exists).fill(0);
      return;
    }
    this.#order = uids;
  }

  /** What went on lately, for who reads of a violation. */
  note(line: string): void {
    this.#recent.push(line.slice(0, 160));
    if (this.#recent.length > 40) this.#recent.shift();
  }
  #wrong(text: string): void {
    this.#ledger.violation(`${this.#person.name}'s ${this.#kind} ${this.mailbox}: ${text}\n    ${this.#recent.join('\n    ')}`);
  }

  /** Untagged responses while the mailbox is open. */
  take(told: readonly string[]): void {
    for (const line of told) {
      this.note(line);
      const vanished = /^VANISHED (\(EARLIER\) )?([\d:,]+)/.exec(line);
      if (vanished) {
        const gone = within(vanished[2]);
        if (!vanished[1]) {
          this.#order = this.#order.filter((uid) => !gone(uid));
          // Those that were told of and never seen.
          const newest = Math.max(0, ...this.rows.keys());
          for (const text of vanished[2].split(',')) if (!text.includes(':') && Number(text) > newest && this.#order.includes(0)) this.#order.splice(this.#order.indexOf(0), 1);
        }
        for (const uid of [...this.rows.keys()]) if (gone(uid)) this.rows.delete(uid);
        continue;
      }
      const numbered = /^(\d+) (EXISTS|EXPUNGE|FETCH)/.exec(line);
      if (!numbered) continue;
      const n = Number(numbered[1]);
      if (numbered[2] === 'EXISTS') {
        if (n < this.#order.length) this.#wrong(`EXISTS went from ${this.#order.length} to ${n}`);
        while (this.#order.length < n) this.#order.push(0);
      } else if (numbered[2] === 'EXPUNGE') {
        const [uid] = this.#order.splice(n - 1, 1);
        if (uid === undefined) this.#wrong(`EXPUNGE ${n} of ${this.#order.length}`);
        else if (uid > 0) this.rows.delete(uid);
      } else this.#fetch(n, line);
    }
  }

  #fetch(n: number, line: string): void {
    const flags = /FLAGS \(([^)]*)\)/.exec(line)?.[1].split(' ').filter((f) => f !== '' && f !== '\\Recent').sort().join(' ');
    const uid = Number(/UID (\d+)/.exec(line)?.[1] ?? this.#order[n - 1] ?? 0);
    const modSeq = Number(/MODSEQ \((\d+)\)/.exec(line)?.[1] ?? 0);
    this.#modSeqTold = Math.max(this.#modSeqTold, modSeq);
    if (uid === 0) return; // of a message that is asked for next
    if (this.#order.length >= n) {
      const known = this.#order[n - 1];
      if (known > 0 && known !== uid) this.#wrong(`message ${n} was UID ${known} and is ${uid}`);
      this.#order[n - 1] = uid;
    }
    const token = /Subject: about (\S+)/.exec(line)?.[1] ?? null;
    if (token !== null) this.#ledger.named(this.#person, this.mailbox, uid, token);
    const row = this.rows.get(uid);
    if (row) {
      if (flags !== undefined) row.flags = flags;
      row.token ??= token;
    } else if (this.#kind === 'qresync' || token !== null) this.rows.set(uid, { token, flags: flags ?? '' });
  }

  /** A command has ended: what it told of MODSEQs is all there was (RFC 7162 §3.1.2.2). */
  ended(text: string): void {
    this.#modSeqEnded = Math.max(this.#modSeqEnded, this.#modSeqTold, Number(/\[HIGHESTMODSEQ (\d+)\]/.exec(text)?.[1] ?? 0));
    this.#modSeqTold = 0;
  }

  /** FETCH commands for what the copy lacks. */
  wanted(): string[] {
    const commands: string[] = [];
    if (this.#flagsWanted) {
      // What is known gets its flags, what does not come is gone; what is new has a UID from UIDNEXT on.
      if (this.#uidNext > 1) commands.push(`UID FETCH 1:${this.#uidNext - 1} (FLAGS)`);
      else this.#flagsWanted = false;
    }
    // From the first one that it does not know; of later ones it may have heard of a flag already.
    const unknown = this.#order.indexOf(0);
    if (commands.length === 0 && unknown >= 0) commands.push(`UID FETCH ${Math.max(this.#uidNext, (this.#order[unknown - 1] ?? 0) + 1)}:* (${ITEMS})`);
    const bare = [...this.rows].filter(([, row]) => row.token === null).map(([uid]) => uid);
    if (bare.length > 0) commands.push(`UID FETCH ${bare.join(',')} (${ITEMS})`);
    return commands;
  }

  /** The answer to one of them, which `take` has read already. */
  fetched(command: string, told: readonly string[]): void {
    const uids = new Set(told.filter((line) => / FETCH /.test(line)).map((line) => Number(/UID (\d+)/.exec(line)?.[1] ?? 0)));
    if (command.endsWith('(FLAGS)')) {
      for (const uid of [...this.rows.keys()]) if (uid < this.#uidNext && !uids.has(uid)) this.rows.delete(uid);
      this.#flagsWanted = false;
      // Below UIDNEXT it asks for nothing that is new, as it was promised that nothing new comes there.
      for (const uid of uids) if (uid < this.#uidNext && uid > 0 && !this.rows.has(uid)) this.#wrong(`UID ${uid} came below UIDNEXT ${this.#uidNext}`);
    } else if (command.includes(':*')) {
      // What has no UID yet was told behind the answer and is asked for again, or went before it was asked for.
      if (!this.#order.includes(0)) this.#asked = 0;
      else if (++this.#asked >= 3) {
        this.#asked = 0;
        this.#order = this.#order.filter((uid) => uid > 0);
      }
    } else for (const [uid, row] of this.rows) if (row.token === null && !uids.has(uid)) row.token = '?';
  }

  /** Nothing is lacking. */
  filled(): void {
    if (this.#unequal) {
      const { what, rows } = this.#unequal;
      this.#unequal = null;
      const only = (a: Map<number, Row>, b: Map<number, Row>) => [...a].filter(([uid]) => !b.has(uid)).map(([uid, row]) => `${uid} ${row.token}`).slice(0, 5).join(', ');
      this.#wrong(`${what}; lacked ${only(this.rows, rows)}; had ${only(rows, this.rows)}`);
    }
    this.#uidNext = Math.max(this.#uidNext, this.#selected.uidNext, Math.max(0, ...this.rows.keys()) + 1);
    this.#modSeq = Math.max(this.#modSeq, this.#selected.modSeq, this.#modSeqEnded);
  }

  any(upTo: (n: number) => number): { uid: number; token: string } | null {
    const all = [...this.rows].filter(([, row]) => row.token !== null && row.token !== '?');
    if (all.length === 0) return null;
    // Mostly new ones: that is where the others are busy too.
    const [uid, row] = all[Math.max(0, all.length - 1 - upTo(Math.min(all.length, upTo(3) === 0 ? all.length : 8)))];
    return { uid, token: row.token! };
  }

  /** UIDs, flags and messages, as text. */
  shown(): string {
    return [...this.rows].sort((a, b) => a[0] - b[0]).map(([uid, row]) => `${uid} ${row.token} ${row.flags}`).join('\n');
  }
}
