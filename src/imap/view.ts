// One session's picture of the selected mailbox: which sequence number names which UID, and what the client has been
// told. The mailbox itself is shared by all sessions of the user and runs ahead; poll() tells the client what happened
// since. Sequence numbers change only when an EXPUNGE or VANISHED is written, never during FETCH, STORE and SEARCH
// (RFC 9051 §7.5.1).
import { Malformed, limits } from '../base/index.ts';
import type { Flag, ModSeq, Uid } from '../base/index.ts';
import type { Change, MailboxIndex, Selected } from './session.ts';
import { formatSet } from './wire/index.ts';
import type { Output, SequenceSet } from './wire/index.ts';
import { Contexts } from './search/contexts.ts';
import { gallop, lowerBound, sortedUnique, without } from './fetch/uidset.ts';

/** What of a mailbox's changes a client wants to hear without asking (RFC 5465 §6.1). */
export interface Wishes {
  added: boolean;
  gone: boolean;
  flags: boolean;
}
const EVERYTHING: Wishes = { added: true, gone: true, flags: true };

/** Rendered flags by flag set number: shared by all sessions of a mailbox, since equal numbers are equal flags. */
const renderedFlags = new WeakMap<MailboxIndex, string[]>();
const NO_UIDS = new Uint32Array(0);

export class View {
  readonly selected: Selected;
  readonly index: MailboxIndex;
  /** The client uses CONDSTORE: every FETCH answer about flags bears MODSEQ and UID (RFC 7162 §3.1, §3.2.4). */
  condstore = false;
  /** The client enabled QRESYNC, and so CONDSTORE: VANISHED instead of EXPUNGE (RFC 7162 §3.2.10). */
  qresync = false;
  /** The client enabled UIDONLY (RFC 9586): it knows no sequence numbers. */
  uidonly = false;
  /** The client enabled IMAP4rev2: every FETCH answer unasked names the UID (RFC 9051 §7.5.2). */
  rev2 = false;
  /** What SEARCH RETURN (SAVE) kept, UIDs ascending (RFC 5182): `$` in a sequence set. */
  saved: Uint32Array = NO_UIDS;
  /** Searches whose results are kept up to date (RFC 5267). */
  readonly contexts = new Contexts();
  #wishes = EVERYTHING;
  /** By NOTIFY: every FETCH answer unasked names the UID (RFC 5465 §5.1). */
  #notified = false;
  /** Flags were changed above this MODSEQ that the client did not want to hear of; null: it knows all. */
  #untold: ModSeq | null = null;
  /** This client put messages into the mailbox: it hears of them whatever it wishes. */
  made = false;
  /** There may be something to tell though nothing has changed since the last poll. */
  #stale = false;
  #uids: Uint32Array;
  #count: number;
  #version: number;
  #modSeq: ModSeq;
  #sure: ModSeq;
  #held: Uid[] = [];
  #flagSets = new Set<number>();
  #announced: Set<Flag>;
  #rendered: string[];

  /** Make it in the same turn in which `Selected` came, and tell its `count` in EXISTS. */
  constructor(selected: Selected) {
    this.selected = selected;
    this.index = selected.index;
    this.#uids = this.index.uids;
    this.#count = this.index.count;
    this.#version = this.index.version;
    this.#modSeq = this.#sure = this.index.highestModSeq;
    this.#announced = new Set(this.index.flagsInUse());
    let rendered = renderedFlags.get(this.index);
    if (!rendered) renderedFlags.set(this.index, (rendered = []));
    this.#rendered = rendered;
  }

  /** Messages as the client counts them. */
  get count(): number {
    return this.#count;
  }

  /** UIDs by sequence number - 1; valid up to `count`, and until the next poll. */
  get uids(): Uint32Array {
    return this.#uids;
  }

  /** True when poll() with the same rights would write something or give up sequence numbers. */
  get behind(): boolean {
    return this.index.version !== this.#version || this.#held.length > 0 || this.#stale;
  }

  /** Expunges wait for a command that allows them. */
  get holds(): boolean {
    return this.#held.length > 0;
  }

  /** The client was told of all that happened up to here, expunges too: what it may keep as HIGHESTMODSEQ. */
  get sureModSeq(): ModSeq {
    return this.#sure;
  }

  /** True when the client knows of just the messages that are there. */
  get whole(): boolean {
    return this.index.version === this.#version && this.#held.length === 0 && this.#count === this.index.count;
  }

  /** From now on only this is told unasked; null: everything, as without NOTIFY. */
  wish(wishes: Wishes | null): void {
    this.#wishes = wishes ?? EVERYTHING;
    this.#notified = wishes !== null;
    this.#stale = true;
  }

  uidOf(seq: number): Uid {
    return this.#uids[seq - 1];
  }

  /** Sequence number of a UID, or 0. */
  seqOf(uid: Uid): number {
    const i = lowerBound(this.#uids, this.#count, uid);
    return i < this.#count && this.#uids[i] === uid ? i + 1 : 0;
  }

  /** Sequence numbers of UIDs (ascending) that are in the view. */
  numbers(uids: Uint32Array): Uint32Array {
    let from = 0;
    return uids.map((uid) => (from = this.#uids[from] === uid ? from + 1 : gallop(this.#uids, this.#count, uid, from) + 1));
  }

  /** `(\Seen $Forwarded)` of a flag set number. */
  flagsText(flagSet: number): string {
    return (this.#rendered[flagSet] ??= `(${this.index.flagsOf(flagSet).join(' ')})`);
  }

  /**
   * The UIDs that a set names in this view, ascending, each once. Sequence numbers beyond the last message are Malformed, as RFC 9051 §9 (seq-number) has it, unless `lenient`
   * (SEARCH: they match nothing); `100:*` always names the last message; UIDs that aren't there are passed over.
   */
  resolve(set: SequenceSet, byUid: boolean, lenient = false): Uint32Array {
    const uids = this.#uids;
    const count = this.#count;
    if (set.saved) return this.saved.filter((uid) => this.seqOf(uid) > 0);
    if (!byUid && !lenient && set.last > count) throw new Malformed('No such message');
    if (count === 0) return NO_UIDS;
    const ranges = set.resolved(byUid ? uids[count - 1] : count);
    if (ranges.length === 2) {
      const [low, high] = ranges;
      return byUid ? uids.slice(lowerBound(uids, count, low), lowerBound(uids, count, high + 1)) : uids.slice(low - 1, Math.min(high, count));
    }
    const found = new Uint32Array(count);
    let n = 0;
    let from = 0;
    for (let r = 0; r < ranges.length && from < count; r += 2) {
      const high = ranges[r + 1];
      from = byUid ? gallop(uids, count, ranges[r], from) : ranges[r] - 1;
      const to = byUid ? count : Math.min(high, count);
      while (from < to && (!byUid || uids[from] <= high)) found[n++] = uids[from++];
    }
    return found.subarray(0, n);
  }

  /**
   * As `resolve`, leniently, without naming each: lowest and highest UID of each range, ascending. Programs of thousands of
   * sets would hold the mailbox thousands of times.
   */
  ranges(set: SequenceSet, byUid: boolean): Uint32Array {
    const count = this.#count;
    if (count === 0) return NO_UIDS;
    const ranges = set.resolved(byUid ? this.#uids[count - 1] : count);
    if (byUid) return ranges;
    const last = lowerBound(ranges, ranges.length, count + 1) + 1;
    return ranges.subarray(0, last - (last % 2)).map((seq) => this.#uids[Math.min(seq, count) - 1]);
  }

  /**
   * Writes what changed since the last poll: VANISHED or EXPUNGE (held back unless `allowExpunge`), EXISTS, and FETCH
   * with the flags of changed messages. `told` (ascending): messages whose flags as they are now the caller tells the
   * client itself, or keeps from it (.SILENT). `own`: the client asked for what is gone.
   */
  poll(out: Output, { allowExpunge, told = NO_UIDS, own = false }: { allowExpunge: boolean; told?: Uint32Array; own?: boolean }): void {
    const index = this.index;
    const { gone: removals, flags } = this.#wishes;
    const added = this.#wishes.added || this.made;
    this.made = false;
    const mayRemove = allowExpunge && (removals || own);
    if (index.version === this.#version && !this.#stale && !(mayRemove && this.#held.length > 0)) return;
    const changes = index.version === this.#version ? [] : index.changesSince(this.#version);
    const { gone, flagged } = changes === null ? this.#compare() : this.#collect(changes);
    if (!flags && without(sortedUnique(flagged), told).length > 0) this.#untold ??= this.#modSeq;
    this.#version = index.version;
    this.#modSeq = index.highestModSeq;
    this.#stale = false;
    const before = this.#count;
    let removed = 0;
    if (gone.length > 0 && mayRemove) {
      this.#writeGone(out, gone);
      removed = gone.length;
      this.#held = [];
      if (!added) this.#keep(gone);
    } else this.#held = gone;
    if (added && this.#held.length > 0) this.#appendNew();
    else if (added) {
      this.#uids = index.uids;
      this.#count = index.count;
    }
    if (this.#held.length === 0 && added && removals && flags) this.#sure = this.#modSeq;
    if (this.#count !== before - removed) out.write(`* ${this.#count} EXISTS\r\n`);
    if (!flags) return;
    if (this.#untold !== null) flagged.push(...this.#flaggedSince(this.#untold));
    this.#untold = null;
    this.#writeFlags(out, flagged, told, before - removed);
  }

  /** `* n FETCH (…)` with flags of one message that is still there, as this client wants them. */
  flagsAnswer(seq: number, i: number, withUid: boolean, withFlags = true): string {
    // RFC 7162 §3.2.4: with CONDSTORE too, since QRESYNC is here.
    const uid = !this.uidonly && (withUid || this.condstore) ? `UID ${this.index.uids[i]} ` : '';
    const modSeq = this.condstore ? `MODSEQ (${this.index.modSeq(i)})` : '';
    const flags = withFlags ? `FLAGS ${this.flagsText(this.index.flagSet(i))}` : '';
    return `* ${this.uidonly ? `${this.index.uids[i]} UIDFETCH` : `${seq} FETCH`} (${uid}${flags}${flags && modSeq ? ' ' : ''}${modSeq})\r\n`;
  }

  /** FLAGS and PERMANENTFLAGS again when a message got a keyword that the client has not heard of (RFC 9051 §7.3.5). */
  announce(out: Output, flagSet: number): void {
    if (this.#flagSets.has(flagSet)) return;
    this.#flagSets.add(flagSet);
    const flags = this.index.flagsOf(flagSet);
    if (flags.every((flag) => this.#announced.has(flag) || flag.startsWith('\\'))) return;
    for (const flag of flags) this.#announced.add(flag);
    out.write(this.flagsInUse());
  }

  /** The FLAGS and PERMANENTFLAGS answers, for SELECT too. */
  flagsInUse(): string {
    const inUse = this.index.flagsInUse();
    const keywords = inUse.filter((flag) => !flag.startsWith('\\'));
    for (const flag of keywords) this.#announced.add(flag);
    const all = ['\\Answered', '\\Flagged', '\\Deleted', '\\Seen', '\\Draft', ...keywords].join(' ');
    if (this.selected.readOnly) return `* FLAGS (${all})\r\n* OK [PERMANENTFLAGS ()] No permanent flags permitted\r\n`;
    // RFC 9051 §7.1: `\*` says that more keywords can be made.
    const more = inUse.length < limits.keywords_max ? ' \\*' : '';
    return `* FLAGS (${all})\r\n* OK [PERMANENTFLAGS (${all}${more})] Flags permitted\r\n`;
  }

  #collect(changes: readonly Change[]): { gone: Uid[]; flagged: Uid[] } {
    const gone = this.#held.slice();
    const flagged: Uid[] = [];
    for (const change of changes) {
      if (change.kind === 'flags') flagged.push(change.uid);
      else if (change.kind === 'expunged' && this.seqOf(change.uid) > 0) gone.push(change.uid);
    }
    return { gone: gone.length > 1 ? Array.from(sortedUnique(gone)) : gone, flagged };
  }

  /** The journal is too short: both lists are ascending, so one walk finds what went; MODSEQs tell whose flags moved. */
  #compare(): { gone: Uid[]; flagged: Uid[] } {
    const index = this.index;
    const now = index.uids;
    const gone: Uid[] = [];
    const flagged: Uid[] = [];
    let j = 0;
    for (let i = 0; i < this.#count; i++) {
      const uid = this.#uids[i];
      while (j < index.count && now[j] < uid) j++;
      if (j === index.count || now[j] !== uid) gone.push(uid);
      else if (index.modSeq(j) > this.#modSeq) flagged.push(uid);
    }
    return { gone, flagged };
  }

  #flaggedSince(modSeq: ModSeq): Uid[] {
    const { index } = this;
    return Array.from(index.uids.subarray(0, index.count)).filter((_uid, i) => index.modSeq(i) > modSeq);
  }

  #writeGone(out: Output, gone: Uid[]): void {
    if (!this.contexts.empty) this.contexts.leave(this, out, Uint32Array.from(gone));
    if (this.qresync || this.uidonly) {
      // Exact UIDs: clients count them (RFC 7162 §3.2.10).
      out.write(`* VANISHED ${formatSet(gone)}\r\n`);
      return;
    }
    const lines: string[] = [];
    for (let i = 0; i < gone.length; i++) lines.push(`* ${this.seqOf(gone[i]) - i} EXPUNGE\r\n`);
    out.write(lines.join(''));
  }

  /** New messages are not wanted: the list without what is gone is our own. */
  #keep(gone: Uid[]): void {
    this.#uids = without(this.#uids.subarray(0, this.#count), Uint32Array.from(gone));
    this.#count = this.#uids.length;
  }

  /** While expunges are held back the shared array can't be used: a list of our own, new mail behind it. */
  #appendNew(): void {
    const last = this.#count > 0 ? this.#uids[this.#count - 1] : 0;
    const first = lowerBound(this.index.uids, this.index.count, last + 1);
    if (first === this.index.count) return;
    const own = new Uint32Array(this.#count + this.index.count - first);
    own.set(this.#uids.subarray(0, this.#count));
    own.set(this.index.uids.subarray(first, this.index.count), this.#count);
    this.#uids = own;
    this.#count = own.length;
  }

  #writeFlags(out: Output, flagged: Uid[], told: Uint32Array, known: number): void {
    if (flagged.length === 0) return;
    const lines: string[] = [];
    let t = 0;
    for (const uid of sortedUnique(flagged)) {
      while (t < told.length && told[t] < uid) t++;
      if (told[t] === uid) continue;
      const seq = this.seqOf(uid);
      // New messages are fetched by whoever wants them; gone ones are told as gone.
      const i = seq === 0 || seq > known ? -1 : this.index.find(uid);
      if (i < 0) continue;
      this.announce(out, this.index.flagSet(i));
      lines.push(this.flagsAnswer(seq, i, this.#notified || this.rev2));
    }
    if (lines.length > 0) out.write(lines.join(''));
  }
}
