// FETCH answers. What the mailbox's index knows is written without waiting; records come some hundreds at a time, the
// next ones while these are written; bytes are read ahead for some messages, and large ones go through in pieces, never
// as a whole. A client that does not read stops all that.
import { Refused, Unavailable, limits, reason } from '../../base/index.ts';
import type { Uid } from '../../base/index.ts';
import type { Context, Enabled } from '../command/command.ts';
import type { MessageRecord } from '../session.ts';
import type { Item, SectionItem } from './items.ts';
import { PIECE_BYTES, begin, beginAhead, prepare } from './loading.ts';
import type { Prepared } from './loading.ts';
import { Pace } from './pace.ts';
import { needsRecord, renderer } from './plain.ts';
import type { Renderer } from './plain.ts';
import { Runs } from './runs.ts';
import { lowerBound } from './uidset.ts';

const RECORDS = 256;
/** What is written together. */
const AT_ONCE_BYTES = 64 * 1024;

/** A literal was announced and its bytes can't follow: only the end of the connection is honest now. */
export class CutOff extends Error {
  override name = 'CutOff';
}

/** Items of an answer that nobody asked for just now: with UID, and MODSEQ where CONDSTORE is on (RFC 7162 §3.2). */
export function unasked(items: readonly Item[], { uidonly, condstore }: Enabled): Item[] {
  const asked = (kind: string) => items.some((item) => item.kind === kind);
  const all = [...items];
  if (!uidonly && !asked('UID')) all.unshift({ kind: 'UID' });
  if (condstore && !asked('MODSEQ')) all.push({ kind: 'MODSEQ' });
  return all;
}

function cutOff(e: unknown): never {
  throw new CutOff(`a message could not be read on: ${reason(e)}`);
}

export class FetchAnswers {
  #context: Context;
  #items: readonly Item[];
  #uids: Uint32Array;
  #pace: Pace;
  #plain: (Renderer | null)[];
  /** Messages that this FETCH marks \Seen, and the store of that. */
  #marked = new Set<Uid>();
  #marking: Promise<void> | null = null;
  #flagsToo: Renderer[];
  #seq = 0;
  /** Messages that were gone when their turn came. */
  gone = 0;

  constructor(context: Context, items: readonly Item[], uids: Uint32Array) {
    this.#context = context;
    this.#items = items;
    this.#uids = uids;
    this.#pace = new Pace(context.clock);
    const { enabled } = context;
    this.#plain = items.map((item) => (item.kind === 'section' ? null : renderer(context, item.kind)));
    const asked = (kind: string) => items.some((item) => item.kind === kind);
    this.#flagsToo = [];
    // RFC 7162 §3.2.4.
    if (enabled.condstore && !enabled.uidonly && !asked('UID')) this.#flagsToo.push(renderer(context, 'UID'));
    if (!asked('FLAGS')) this.#flagsToo.push(renderer(context, 'FLAGS'));
    if (enabled.condstore && !asked('MODSEQ')) this.#flagsToo.push(renderer(context, 'MODSEQ'));
  }

  async write(): Promise<void> {
    if (this.#items.some((item) => item.kind === 'section' && item.marks)) this.#mark();
    try {
      if (!needsRecord(this.#items)) await this.#fromIndex();
      else if (!this.#items.some((item) => item.kind === 'section')) await this.#fromRecords();
      else await this.#fromBlobs();
    } finally {
      await this.#marking;
    }
  }

  /**
   * \Seen for all messages in one store (RFC 9051 §6.4.5), while their bytes are read. When it can't be stored the
   * client gets its mail all the same, unmarked.
   */
  #mark(): void {
    const { selected, view } = this.#context;
    if (selected.readOnly) return;
    const { index } = view;
    const seen = new Map<number, boolean>();
    const unseen = this.#uids.filter((uid) => {
      const i = index.find(uid);
      if (i < 0) return false;
      const set = index.flagSet(i);
      let has = seen.get(set);
      if (has === undefined) seen.set(set, (has = index.flagsOf(set).includes('\\Seen')));
      return !has;
    });
    if (unseen.length === 0) return;
    this.#marking = selected.store(unseen, 'add', ['\\Seen'], null).then(
      () => {
        for (const uid of unseen) this.#marked.add(uid);
        // Our answers tell these flags.
        view.poll(this.#context.out, { allowExpunge: false, told: unseen });
      },
      (e: unknown) => {
        if (!(e instanceof Refused || e instanceof Unavailable)) throw e;
        this.#context.logger.warn('could not mark messages as seen', { reason: e.message });
      },
    );
    this.#marking.catch(() => {});
  }

  async #fromIndex(): Promise<void> {
    const { out, view } = this.#context;
    const runs = Runs.of(view, this.#items);
    for (let at = 0; at < this.#uids.length; at += RECORDS) {
      const end = Math.min(at + RECORDS, this.#uids.length);
      out.write(runs?.text(out, this.#uids.subarray(at, end)) ?? this.#each(at, end));
      await this.#breathe();
    }
  }

  #each(from: number, to: number): string {
    let text = '';
    let i = -1;
    for (let k = from; k < to; k++) {
      i = this.#place(this.#uids[k], i);
      if (i >= 0) text += `${this.#head(this.#uids[k], i, null)})\r\n`;
    }
    return text;
  }

  async #fromRecords(): Promise<void> {
    const { out } = this.#context;
    for await (const { uids, records } of this.#records()) {
      let text = '';
      let i = -1;
      for (let k = 0; k < uids.length; k++) {
        const record = records[k];
        i = this.#place(uids[k], i, record !== null);
        if (i >= 0) text += `${this.#head(uids[k], i, record)})\r\n`;
        if (text.length > AT_ONCE_BYTES) {
          out.write(text);
          text = '';
          if (this.#pace.due || out.full) await this.#breathe();
        }
      }
      out.write(text);
      await this.#breathe();
    }
  }

  /** Blocks of records, one block ahead. */
  async *#records(): AsyncGenerator<{ uids: Uint32Array; records: (MessageRecord | null)[] }> {
    const { selected } = this.#context;
    const ask = (at: number) => {
      const uids = this.#uids.subarray(at, at + RECORDS);
      const records = selected.records(uids);
      records.catch(() => {});
      return { uids, records };
    };
    let next = this.#uids.length > 0 ? ask(0) : null;
    for (let at = RECORDS; next !== null; at += RECORDS) {
      const { uids, records } = next;
      next = at < this.#uids.length ? ask(at) : null;
      yield { uids, records: await records };
    }
  }

  async #fromBlobs(): Promise<void> {
    const { out, selected } = this.#context;
    const window: Prepared[] = [];
    let bytes = 0;
    let text = '';
    const flush = () => {
      if (text !== '') out.write(text);
      text = '';
    };
    const emit = async () => {
      const first = window.shift()!;
      await this.#writeMessage(first);
      bytes -= first.bytes;
    };
    for await (const { uids, records } of this.#records()) {
      for (let k = 0; k < uids.length; k++) {
        const record = records[k];
        if (record === null) {
          this.gone++;
          continue;
        }
        const prepared = prepare(this.#items, uids[k], record);
        if (prepared.bytes === 0 && window.length === 0 && this.#marking === null) {
          text += this.#atHand(prepared);
          if (text.length <= AT_ONCE_BYTES) continue;
          flush();
          if (this.#pace.due || out.full) await this.#breathe();
          continue;
        }
        flush();
        while (window.length > 0 && (window.length >= limits.fetch_ahead_messages_max || bytes + prepared.bytes > limits.fetch_ahead_bytes_max)) await emit();
        beginAhead(selected, prepared);
        window.push(prepared);
        bytes += prepared.bytes;
        // Nothing to wait for: records alone answer, so don't hold them.
        while (window.length > 0 && window[0].bytes === 0) await emit();
      }
      flush();
    }
    while (window.length > 0) await emit();
  }

  /** A message of which the record has every section: header fields that are kept, and empty parts. */
  #atHand({ uid, record, loading }: Prepared): string {
    const i = this.#place(uid, -1);
    if (i < 0) return '';
    let text = this.#opening(uid, i);
    let s = 0;
    for (let k = 0; k < this.#items.length; k++) {
      const item = this.#items[k];
      if (k > 0) text += ' ';
      if (item.kind !== 'section') text += this.#plain[k]!(i, record);
      else text += whole(item, loading[s++].first as string | null);
    }
    return `${text}${this.#closing(uid, i)})\r\n`;
  }

  async #writeMessage(prepared: Prepared): Promise<void> {
    const { out, selected } = this.#context;
    const { uid, record, loading } = prepared;
    const firsts = loading.length === 1 ? [await loading[0].first] : await Promise.all(loading.map((one) => one.first));
    if (this.#marking !== null) await this.#marking;
    const gone = loading.some((one, k) => one.first !== null && firsts[k] === null);
    const i = this.#place(uid, -1, !gone);
    if (i < 0) return;
    let text = this.#opening(uid, i);
    let s = 0;
    for (let k = 0; k < this.#items.length; k++) {
      const item = this.#items[k];
      if (text.charCodeAt(text.length - 1) !== 0x28) text += ' ';
      if (item.kind !== 'section') {
        text += this.#plain[k]!(i, record);
        continue;
      }
      const one = loading[s];
      let first = firsts[s++];
      if (one.first === null && !one.missing) {
        first = await begin(selected, prepared, one).catch(cutOff);
        if (first === null) throw new CutOff('a message vanished while it was sent');
      }
      const here = one.missing ? null : first;
      if (here === null || typeof here === 'string') text += whole(item, here);
      else if (item.binary === 'decoded') {
        text += `${item.label} ${here.includes(0) ? '~' : ''}{${here.length}}\r\n`;
        text = await this.#bytes(text, here, uid, 0, 0, true);
      } else {
        text += `${item.label} {${one.to - one.from}}\r\n`;
        text = await this.#bytes(text, here, uid, one.from, one.to);
      }
    }
    out.write(`${text}${this.#closing(uid, i)})\r\n`);
    if (out.full || this.#pace.due) await this.#breathe();
  }

  /** Writes what stands before a literal, and its bytes: the first piece is here, the next is read while one leaves. */
  async #bytes(text: string, first: Buffer, uid: Uid, from: number, to: number, binary = false): Promise<string> {
    const { out, selected } = this.#context;
    if (first.length < 4096 && from + first.length >= to) return text + (binary ? first : withoutNul(first)).toString('latin1');
    out.write(text);
    let piece: Buffer | null = first;
    let at = from;
    for (;;) {
      if (piece === null || (piece.length === 0 && at < to)) throw new CutOff('a message ended before its announced size');
      at += piece.length;
      const next = at < to ? selected.read(uid, at, Math.min(to, at + PIECE_BYTES)) : null;
      next?.catch(() => {});
      out.raw(binary ? piece : withoutNul(piece));
      if (out.full) await out.drain();
      if (next === null) return '';
      piece = await next.catch(cutOff);
    }
  }

  /** Index of a message that is still there, or -1 (counted); `before` is the place of the one before it. */
  #place(uid: Uid, before: number, there = true): number {
    const { index } = this.#context.view;
    let i = before + 1;
    if (i >= index.count || index.uids[i] !== uid) i = there ? index.find(uid) : -1;
    if (i < 0 || !there) {
      this.gone++;
      return -1;
    }
    return i;
  }

  /** All of an answer that needs no bytes, without the parenthesis at its end. */
  #head(uid: Uid, i: number, record: MessageRecord | null): string {
    let text = this.#opening(uid, i);
    for (let k = 0; k < this.#plain.length; k++) text += k === 0 ? this.#plain[k]!(i, record) : ` ${this.#plain[k]!(i, record)}`;
    return text;
  }

  #opening(uid: Uid, i: number): string {
    const { view, out } = this.#context;
    const { uids } = view;
    // Messages are asked in order: the next one is nearly always just behind.
    let seq = this.#seq;
    if (uids[seq] !== uid) seq = lowerBound(uids, view.count, uid);
    this.#seq = seq + 1;
    view.announce(out, view.index.flagSet(i));
    return view.uidonly ? `* ${uid} UIDFETCH (` : `* ${seq + 1} FETCH (`;
  }

  #closing(uid: Uid, i: number): string {
    if (!this.#marked.has(uid)) return '';
    let text = '';
    for (const render of this.#flagsToo) text += ` ${render(i, null)}`;
    return text;
  }

  async #breathe(): Promise<void> {
    const { out } = this.#context;
    if (out.full) await out.drain();
    if (this.#pace.due) await this.#pace.rest();
  }
}

/** A section whose text is here; null: there is no such part. */
function whole(item: SectionItem, text: string | null): string {
  if (text === null) return `${item.label} ${item.binary === 'size' ? '0' : 'NIL'}`;
  if (item.binary === 'size') return `${item.label} ${text === '' ? '0' : text}`;
  return `${item.label} {${text.length}}\r\n${text.includes('\0') ? text.replaceAll('\0', '\x80') : text}`;
}

/** A literal holds no NUL (RFC 9051 §9 CHAR8); the size must stay, so another byte stands for it. */
function withoutNul(bytes: Buffer): Buffer {
  if (!bytes.includes(0)) return bytes;
  return Buffer.from(bytes.map((byte) => (byte === 0 ? 0x80 : byte)));
}
