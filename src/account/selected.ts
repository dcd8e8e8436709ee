// A mailbox that a session has selected: imap/session.ts's Selected over the folded state.
import { Refused, limits } from '../base/index.ts';
import type { Flag, MailboxId, ModSeq, Uid } from '../base/index.ts';
import type { MessageRecord, Selected, Sifted, TextAsked } from '../imap/session.ts';
import { decodeIndex } from '../message/index.ts';
import type { MailboxState, Op } from '../state/index.ts';
import type { BlobRef } from './blobs.ts';
import { copyMessages, expungeMessages } from './copies.ts';
import { checkKeywords } from './keywords.ts';
import { teach } from './learning.ts';
import type { Listener, OpenUser } from './open-user.ts';

export class SelectedMailbox implements Selected, Listener {
  readonly id: MailboxId;
  readonly name: string;
  readonly readOnly: boolean;
  readonly index: MailboxState;
  onChange: (() => void) | null = null;
  readonly #user: OpenUser;

  /** Rows must be loaded. */
  constructor(user: OpenUser, id: MailboxId, name: string, readOnly: boolean) {
    this.#user = user;
    this.id = id;
    this.name = name;
    this.readOnly = readOnly;
    this.index = user.state.mailbox(id);
    user.listeners.add(this);
  }

  get mailbox(): MailboxId {
    return this.id;
  }
  changed(): void {
    this.onChange?.();
  }

  async refresh(): Promise<void> {
    await this.#user.fresh();
  }

  async records(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    const cache = this.#user.replica.records;
    const { root } = this.#user.at;
    const out = new Array<MessageRecord | null>(uids.length).fill(null);
    const absent: number[] = [];
    for (let k = 0; k < uids.length; k++) {
      const i = this.index.find(uids[k]);
      if (i < 0) continue;
      out[k] = cache.find(root, this.index.emailId(i));
      if (!out[k]) absent.push(k);
    }
    if (absent.length === 0) return out;
    const { state } = this.#user;
    await this.#user.need({ kind: 'contents', mailbox: this.id, uids: absent.map((k) => uids[k]) });
    for (const k of absent) {
      const content = state.content(this.id, uids[k]);
      out[k] = content ? (cache.find(root, content.emailId) ?? cache.add(root, content)) : null;
    }
    return out;
  }

  async gather(uids: Uint32Array): Promise<void> {
    const within = this.#user.state.contentsWithin(this.id, uids, limits.gather_bytes_max);
    await this.#user.need({ kind: 'contents', mailbox: this.id, uids: uids.subarray(0, within) });
  }

  async skim(uids: ArrayLike<Uid>): Promise<(MessageRecord | null)[]> {
    await this.#user.need({ kind: 'contents', mailbox: this.id, uids });
    return this.#user.state.contentHeads(this.id, uids).map((head) => head && { index: decodeIndex(head.index), prefix: asBuffer(head.prefix), rendered: null });
  }

  async read(uid: Uid, from: number, to: number): Promise<Buffer | null> {
    const { at, replica } = this.#user;
    const found = this.#kept(uid) ?? (await this.#content(uid));
    if (!found) return null;
    const { prefix, ref } = found;
    const body = to > prefix.length ? await replica.blobs.read(at.store, at.root, ref, Math.max(0, from - prefix.length), to - prefix.length) : null;
    if (from >= prefix.length) return body ?? Buffer.alloc(0);
    const head = prefix.subarray(from, to);
    if (!body) return head;
    return head.length === 0 ? body : Buffer.concat([head, body]);
  }

  /** Null also where it is only not kept. */
  #kept(uid: Uid): { prefix: Buffer; ref: BlobRef } | null {
    const i = this.index.find(uid);
    const kept = i < 0 ? null : this.#user.replica.records.kept(this.#user.at.root, this.index.emailId(i));
    return kept && { prefix: kept.record.prefix, ref: kept.ref };
  }
  async #content(uid: Uid): Promise<{ prefix: Buffer; ref: BlobRef } | null> {
    await this.#user.need({ kind: 'contents', mailbox: this.id, uids: [uid] });
    const content = this.#user.state.content(this.id, uid);
    return content && { prefix: asBuffer(content.prefix), ref: content };
  }

  async sift(uids: ArrayLike<Uid>, texts: readonly TextAsked[]): Promise<Sifted | null> {
    // What vanishes meanwhile is nobody's: the search finds that out by itself.
    const emailId = (k: number) => {
      const i = this.index.find(uids[k]);
      return i < 0 ? '' : this.index.emailId(i);
    };
    return (await this.#user.search?.index.sift(uids.length, emailId, texts)) ?? null;
  }

  async learn(uid: Uid, header: string, texts: readonly string[]): Promise<void> {
    const i = this.index.find(uid);
    if (i >= 0) await this.#user.search?.index.learn(this.index.emailId(i), header, texts);
  }

  async store(uids: ArrayLike<Uid>, mode: 'add' | 'remove' | 'replace', flags: Flag[], unchangedSince: ModSeq | null): Promise<{ failed: Uid[] }> {
    const failed: Uid[] = [];
    const { state, pending } = this.#user;
    const build = (): Op[] | null => {
      failed.length = 0;
      if (mode !== 'remove') checkKeywords(state, this.index.flagsInUse(), new Set(flags));
      const { chosen, clear } = this.#choose(uids, mode, flags, unchangedSince, failed);
      if (chosen.length === 0) return null;
      const set = mode === 'remove' ? [] : flags;
      const op: Op = { kind: 'FlagsChanged', mailbox: this.id, messages: state.messageRefs(this.id, chosen), set, clear };
      pending.put(build, { mailbox: this.id, uids: chosen, flags: set, gone: false });
      return [op];
    };
    await this.#user.write(build, { positions: 1, bytes: uids.length * 4 });
    return { failed };
  }

  /** The messages that really change (a STORE that changes nothing is no event), and which flags go from any of them. */
  #choose(uids: ArrayLike<Uid>, mode: 'add' | 'remove' | 'replace', flags: Flag[], unchangedSince: ModSeq | null, failed: Uid[]): { chosen: Uid[]; clear: Flag[] } {
    const index = this.index;
    const { pending } = this.#user;
    const chosen: Uid[] = [];
    // What no message has need not go: a client may name any number of others.
    const named = new Set(flags);
    const goes = (flag: Flag) => named.has(flag) === (mode === 'remove');
    const clear = new Set<Flag>();
    if (mode !== 'add' && pending.any) for (const f of pending.flags(this.id)) if (goes(f)) clear.add(f);
    const changes = new Map<number, boolean>();
    for (let k = 0; k < uids.length; k++) {
      const i = index.find(uids[k]);
      if (i < 0) continue;
      const touched = pending.touches(this.id, uids[k]);
      if (unchangedSince !== null && (touched || index.modSeq(i) > unchangedSince)) {
        failed.push(uids[k]);
        continue;
      }
      const set = index.flagSet(i);
      let change = changes.get(set);
      if (change === undefined) {
        const has = index.flagsOf(set);
        if (mode === 'remove') change = has.some((f) => named.has(f));
        else change = flags.some((f) => !has.includes(f)) || (mode === 'replace' && has.length !== flags.length);
        if (mode !== 'add') for (const f of has) if (goes(f)) clear.add(f);
        changes.set(set, change);
      }
      // What is about to change may get another value than `change` was found from.
      if (change || touched) chosen.push(uids[k]);
    }
    return { chosen, clear: [...clear] };
  }

  async #copy(uids: ArrayLike<Uid>, name: string, move: boolean): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    const target = await this.#user.mailboxNamed(name);
    if (!target) throw new Refused('No such mailbox', 'TRYCREATE');
    await this.#user.need({ kind: 'rows', mailbox: target.id });
    const { from, to } = await copyMessages(this.#user, this.id, target.id, uids, move);
    teach(this.#user, this.id, target.id, to);
    return { uidValidity: this.#user.state.mailbox(target.id).uidValidity, from, to };
  }
  copy(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    return this.#copy(uids, name, false);
  }
  move(uids: ArrayLike<Uid>, name: string): Promise<{ uidValidity: number; from: Uid[]; to: Uid[] }> {
    return this.#copy(uids, name, true);
  }

  async expunge(uids: ArrayLike<Uid> | null): Promise<number> {
    const index = this.index;
    const deleted: Uid[] = [];
    const isDeleted = new Map<number, boolean>();
    const look = (i: number): void => {
      const set = index.flagSet(i);
      if (!isDeleted.has(set)) isDeleted.set(set, index.flagsOf(set).includes('\\Deleted'));
      if (isDeleted.get(set)) deleted.push(index.uids[i]);
    };
    if (uids === null) for (let i = 0; i < index.count; i++) look(i);
    else for (let k = 0; k < uids.length; k++) if (index.find(uids[k]) >= 0) look(index.find(uids[k]));
    return deleted.length > 0 ? expungeMessages(this.#user, this.id, deleted) : 0;
  }

  close(): void {
    this.onChange = null;
    this.#user.listeners.delete(this);
  }
}

const asBuffer = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
