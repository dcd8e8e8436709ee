// A user's state as the account sees it: fold, reading, repairs, snapshots.
import { NO_MAILBOX } from './metadata.ts';
import type { Flag, MailboxId, MessageRef, Position, SpecialUse, Uid } from '../base/index.ts';
import { applyEvent, effectsOf, namesTouched } from './apply.ts';
import { decodeContent, decodeContentHead } from './content-format.ts';
import type { ContentHead } from './content-format.ts';
import type { Core } from './core.ts';
import { describe, fingerprint } from './fingerprint.ts';
import { isInbox } from './ids.ts';
import type { MailboxState } from './mailbox-state.ts';
import type { Shown } from './mailbox-names.ts';
import type { Content, Op } from './ops.ts';
import { removedSince } from './removed.ts';
import type { RemovedMessage } from './removed.ts';
import { ShownNames } from './shown-names.ts';
import { planRepair } from './repair.ts';
import { DROPPED, EXPUNGED, NO_CHUNK } from './rows.ts';
import { Snapshots } from './snapshots.ts';
import type { EncodedState, EventEffects, ExpungedMessage, FoldedEvent, LateEvent, MailboxCounters, MailboxInfo, Manifest, MissingPart, StateMutations, StoredPart, Wanted } from './types.ts';

export interface UserStateOptions {
  mutations?: StateMutations;
}

export class UserState {
  readonly #core: Core;
  readonly #snapshots: Snapshots;
  #shown: ShownNames | null = null;

  /** Empty: for a user without snapshots. */
  constructor(user: string, options: UserStateOptions = {}, manifests: readonly Manifest[] = []) {
    this.#snapshots = new Snapshots(user, options.mutations ?? {}, manifests);
    this.#core = this.#snapshots.core;
    // INBOX is there before any event (RFC 9051 §5.1).
    this.#core.box(this.#core.names.inbox);
  }
  /** From snapshots (none: empty). Provide the parts of `missing({ kind: 'root' })` before anything else. Throws Corrupt. */
  static load(user: string, manifests: readonly Manifest[], options: UserStateOptions = {}): UserState {
    return new UserState(user, options, manifests);
  }
  /** What must be provided first; ask again until it is empty. */
  missing(what: Wanted): MissingPart[] {
    return this.#snapshots.missing(what);
  }
  /** Throws Corrupt; then this state must not be used any more. */
  provide(part: MissingPart, bytes: Uint8Array): void {
    this.#shown = null;
    this.#snapshots.provide(part, bytes);
  }

  /** The UID that a message gets which is added at this position. */
  uidAt(position: Position): Uid {
    return position - this.#core.shared.epoch;
  }

  /** Live messages that an epoch left without a UID: they are withheld until they are renumbered. Rows must be loaded. */
  unnumbered(id: MailboxId): MessageRef[] {
    const { rows } = this.#core.box(id);
    const { epoch, writers } = this.#core.shared;
    const found: number[] = [];
    if (epoch > 0) for (let row = 0; row < rows.n; row++) if (rows.isLive(row) && rows.position[row] <= epoch) found.push(row);
    return found.sort((a, b) => rows.position[a] - rows.position[b]).map((row) => rows.ref(row, writers));
  }

  /** In causal order; twice is as good as once. */
  apply(event: FoldedEvent): void {
    const touched = namesTouched(this.#core, event);
    applyEvent(this.#core, event);
    if (touched === 'any' || (this.#shown && !touched.every((id) => this.#shown!.refresh(id)))) this.#shown = null;
  }
  /** Call it after `apply`. Needs no rows. */
  effects(event: FoldedEvent): EventEffects {
    return effectsOf(this.#core, event);
  }
  /** Repair operations for late events, to be written as one event. Rows of all mailboxes in their effects must be loaded. */
  planRepair(late: readonly LateEvent[]): Op[] {
    return planRepair(this.#core, late);
  }

  #names(): ShownNames {
    return (this.#shown ??= new ShownNames(this.#core.names, (id) => this.#core.messages(id)));
  }
  #info(m: Shown | undefined): MailboxInfo | null {
    return m ? { ...m, subscribed: this.#core.names.subscriptions.get(m.name)?.on ?? false } : null;
  }
  /** Bytewise order of names, INBOX first. */
  mailboxes(): MailboxInfo[] {
    return this.#names().list.map((m) => this.#info(m)!);
  }
  get mailboxCount(): number {
    return this.#names().list.length;
  }
  /** Characters of all names, of removed mailboxes and subscriptions too. */
  nameChars(): number {
    return this.#core.names.chars();
  }
  /** How many flags anything in memory names, those that no message has any more too, with these; 0 when none of these is new. */
  flagsKnownWith(flags: readonly Flag[]): number {
    return this.#core.shared.flags.countWith(flags);
  }
  byName(name: string): MailboxInfo | null {
    return this.#info(this.#names().byName.get(isInbox(name) ? 'INBOX' : name));
  }
  byId(id: MailboxId): MailboxInfo | null {
    return this.#info(this.#names().byId.get(id));
  }
  /** Subscribed names, also of mailboxes that are not there, sorted. */
  subscriptions(): string[] {
    return [...this.#core.names.subscriptions].filter(([, s]) => s.on).map(([name]) => name).sort();
  }
  /** Annotations (RFC 5464) of a mailbox, or of the user (null). Their bytes are not to be changed. */
  metadata(id: MailboxId | null): { entry: string; value: Uint8Array }[] {
    return this.#core.metadata.of(id ?? NO_MAILBOX);
  }
  /** Annotations of all mailboxes, removed ones too, and bytes of their values. */
  metadataSize(): { entries: number; bytes: number } {
    return this.#core.metadata.size();
  }
  /** What the next MailboxCreated must say for `made`. Above limits.mailbox_made_max the caller refuses (LIMIT). */
  nextMade(name: string, specialUse: SpecialUse | null = null): number {
    return this.#core.names.nextMade(specialUse ?? name);
  }
  status(id: MailboxId): MailboxCounters {
    const box = this.#core.box(id);
    const { messages, unseen, deleted, size } = box.counters();
    return { id, messages, uidNext: Math.max(0, box.assigned - this.#core.shared.epoch) + 1, uidValidity: this.#core.uidValidity(id), unseen, deleted, size, highestModSeq: Math.max(1, box.touched) };
  }
  /** The live index, shared by all sessions. Also of a mailbox that no event ever named (empty). Rows must be loaded. */
  mailbox(id: MailboxId): MailboxState {
    if (!this.#core.box(id).loaded) throw new TypeError('rows are not loaded');
    return this.#core.live(id);
  }
  /** Mailboxes whose live index changed since the last call: whose listeners to call. */
  changed(): MailboxId[] {
    const out = [...this.#core.shared.changed];
    this.#core.shared.changed.clear();
    return out;
  }
  /** References in the order of `uids`; UIDs that are not there are passed over. `found` receives those that are. */
  messageRefs(id: MailboxId, uids: ArrayLike<Uid>, found?: Uid[]): MessageRef[] {
    const live = this.mailbox(id);
    const { rows } = this.#core.box(id);
    const out: MessageRef[] = [];
    for (let k = 0; k < uids.length; k++) {
      const i = live.find(uids[k]);
      if (i < 0) continue;
      found?.push(uids[k]);
      out.push(rows.ref(live.rowAt(i), this.#core.shared.writers));
    }
    return out;
  }
  /** Current UID, or 0 when it is not live. */
  uidOf(id: MailboxId, ref: MessageRef): Uid {
    const { rows } = this.#core.box(id);
    const row = rows.find(this.#core.shared.writers.number(ref.writer), ref.seq, ref.index);
    return row >= 0 && rows.isLive(row) ? Math.max(0, rows.position[row] - this.#core.shared.epoch) : 0;
  }
  /** Null when the message is gone. Its arrays are views: don't change them. Contents must be loaded (`missing`). Throws Corrupt. */
  content(id: MailboxId, uid: Uid): Content | null {
    const live = this.mailbox(id);
    const i = live.find(uid);
    if (i < 0) return null;
    const { rows } = this.#core.box(id);
    const row = live.rowAt(i);
    return decodeContent(this.#core.contents.get(rows.chunk[row], rows.entry[row]));
  }
  /** As `content`, of many, without what only readers of a message need. */
  contentHeads(id: MailboxId, uids: ArrayLike<Uid>): (ContentHead | null)[] {
    const { rows } = this.#core.box(id);
    return Array.from(this.mailbox(id).rowsOf(uids), (row) => (row < 0 ? null : decodeContentHead(this.#core.contents.get(rows.chunk[row], rows.entry[row]))));
  }
  /** How many of `uids`, from the first one on, have their contents in chunks of together that many bytes; what is in memory counts nothing. */
  contentsWithin(id: MailboxId, uids: ArrayLike<Uid>, bytes: number): number {
    const { contents } = this.#core;
    const { chunk, entry } = this.#core.box(id).rows;
    const chunks = new Set<number>();
    const rows = this.mailbox(id).rowsOf(uids);
    for (let k = 0, left = bytes; k < rows.length; k++) {
      const row = rows[k];
      if (row < 0 || chunks.has(chunk[row]) || contents.has(chunk[row], entry[row])) continue;
      left -= contents.chunks.get(chunk[row])!.bytes;
      if (left < 0) return k;
      chunks.add(chunk[row]);
    }
    return rows.length;
  }
  /** Live messages and their bytes, near enough: what waits for rows counts as if nothing was removed. */
  quota(): { messages: number; bytes: number } {
    const out = { messages: 0, bytes: 0 };
    for (const box of this.#core.boxes.values()) {
      const c = box.counters();
      out.messages += c.messages;
      out.bytes += c.size;
    }
    for (const { op } of this.#core.waiting) {
      if (op.kind !== 'MessageAdded') continue;
      out.messages += op.messages.length;
      for (const m of op.messages) out.bytes += m.content.plainBytes + m.content.prefix.length;
    }
    return out;
  }
  /** Everything must be loaded. Blobs of all messages whose records are kept, expunged ones too; copies repeat them. */
  *referencedBlobs(): Iterable<{ blob: string; words: string | null }> {
    for (const box of this.#core.boxes.values()) {
      if (!box.loaded) throw new TypeError('rows are not loaded');
      for (let row = 0; row < box.rows.n; row++) {
        if (box.rows.bits[row] & DROPPED || box.rows.chunk[row] === NO_CHUNK) continue;
        yield { blob: box.texts.text(box.rows.ids[row], 2), words: box.texts.text(box.rows.ids[row], 3) || null };
      }
    }
  }
  /** All mailboxes that any event ever named, shown or not. */
  get boxes(): MailboxId[] {
    return [...this.#core.boxes.keys()];
  }
  /** Blobs of one mailbox's messages whose records are kept, expunged ones too, once those expunged before `at` (ms since 1970) are forgotten. Rows must be loaded. */
  *keptBlobs(id: MailboxId, at: number): Iterable<string> {
    const box = this.#core.box(id);
    if (!box.loaded) throw new TypeError('rows are not loaded');
    const { rows } = box;
    for (let row = 0; row < rows.n; row++) {
      if ((rows.bits[row] & (EXPUNGED | DROPPED)) === EXPUNGED && rows.gone(row) < at) box.drop(row);
      if (rows.bits[row] & DROPPED || rows.chunk[row] === NO_CHUNK) continue;
      yield box.texts.text(rows.ids[row], 2);
    }
  }
  /** Messages expunged before `at` (ms since 1970) whose records are kept. Everything must be loaded. */
  expungedBefore(at: number): ExpungedMessage[] {
    const out: ExpungedMessage[] = [];
    this.#eachExpunged(at, (box, row) => {
      if (box.rows.chunk[row] === NO_CHUNK) return;
      const blob = box.texts.text(box.rows.ids[row], 2);
      out.push({ mailbox: box.id, ref: box.rows.ref(row, this.#core.shared.writers), blob, words: box.texts.text(box.rows.ids[row], 3) || null, at: box.rows.gone(row) });
    });
    return out;
  }
  /** What was removed since then (ms since 1970) and is in no mailbox any more. After `missing({ kind: 'removed', since })`. */
  removedSince(since: number): (RemovedMessage & { name: string })[] {
    return removedSince(this.#core, since).map((m) => ({ ...m, name: this.byId(m.mailbox)?.name ?? this.#core.names.calledLast(m.mailbox) }));
  }
  /** Its arrays are views: don't change them. Throws Corrupt. */
  removedContent(message: RemovedMessage): Content {
    return decodeContent(this.#core.contents.get(message.chunk, message.entry));
  }
  /** Forgets the records of messages expunged before `at`: their UIDs stay among the vanished, their blobs may go. */
  forgetExpunged(at: number): void {
    this.#eachExpunged(at, (box, row) => box.drop(row));
  }
  #eachExpunged(at: number, run: (box: ReturnType<Core['box']>, row: number) => void): void {
    for (const box of this.#core.boxes.values()) {
      if (!box.loaded) throw new TypeError('rows are not loaded');
      for (let row = 0; row < box.rows.n; row++) if ((box.rows.bits[row] & (EXPUNGED | DROPPED)) === EXPUNGED && box.rows.gone(row) < at) run(box, row);
    }
  }

  /** After `missing({ kind: 'encode', stored })`. `stored`: ids of the parts that current manifests name; null: trust all. */
  encode(stored: ReadonlySet<string> | null): EncodedState {
    return this.#snapshots.encode(stored);
  }
  /** After all parts of `encoded` were stored, under these ids. What changed meanwhile stays changed. */
  stored(encoded: EncodedState, ids: readonly StoredPart[]): void {
    this.#snapshots.stored(encoded, ids);
  }
  /** The time of all uses from now on, for `evictContents`. */
  usedAt(now: number): void {
    this.#core.contents.now = now;
  }
  /** Lets contents that are in stored parts and were not used since `before` go from memory; how many bytes. */
  evictContents(before: number, bytes = Infinity): number {
    return this.#core.contents.evict(before, bytes);
  }
  /** Lets the rows of a mailbox go, when all are in stored parts and nothing waits for them; how many bytes. Only while nobody has it open. */
  evictRows(id: MailboxId): number {
    return this.#snapshots.unload(id);
  }
  /** Mailboxes whose rows are in memory. */
  get loadedRows(): MailboxId[] {
    return [...this.#core.boxes.values()].filter((box) => box.loaded && box.rows.n > 0).map((box) => box.id);
  }
  /** What the state takes of memory, near enough. */
  get memory(): { rows: number; contents: number } {
    let rows = 0;
    for (const box of this.#core.boxes.values()) if (box.loaded) rows += box.rowBytes;
    return { rows, contents: this.#core.contents.loaded };
  }
  /** Hex; equal for equal states. Everything must be loaded. For tests. */
  fingerprint(): string {
    return fingerprint(this.#core);
  }
  /** What the fingerprint is made of, to be printed when two differ; with contents they are compared too. */
  describe(contents = false): unknown {
    return describe(this.#core, contents);
  }
}
