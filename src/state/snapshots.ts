// From snapshots and into them: which parts are needed for what, which are stored, which have to be written again.
import { Corrupt } from '../base/index.ts';
import type { MailboxId, Uid } from '../base/index.ts';
import { applyWaiting } from './apply.ts';
import { Box } from './box.ts';
import { Core } from './core.ts';
import { joinCores } from './join.ts';
import type { Covers } from './join.ts';
import { encodeRoot, encodeVanished } from './root-format.ts';
import type { RootMailbox } from './root-format.ts';
import { encodeRows, rowsThatFit } from './row-format.ts';
import { ROOT_KEY, Source, vanishedKey } from './source.ts';
import { removedSince } from './removed.ts';
import { DROPPED } from './rows.ts';
import type { EncodedState, Manifest, MissingPart, Part, StateMutations, StoredPart, Wanted } from './types.ts';

/** Where a part of the state is stored, and the tick up to which changes are in it. */
interface Origin extends MissingPart {
  tick: number;
}
interface Token {
  tick: number;
  contents: Map<string, { number: number; count: number }>;
}
/** The manifest of a part that this state wrote itself. */
const OWN = -1;

export class Snapshots {
  readonly core: Core;
  readonly #sources: Source[];
  readonly #covers: Covers[];
  /** By the key that a part has in this state. */
  readonly #origins = new Map<string, Origin>();
  #joined: boolean;
  /** Events of which messages were forgotten here, in mailboxes whose rows were let go since. */
  readonly #dropped = new Set<string>();

  constructor(user: string, mutations: StateMutations, manifests: readonly Manifest[]) {
    this.#sources = manifests.map((m) => new Source(new Core(user, mutations), m));
    this.#covers = manifests.map((m) => (writer, seq) => m.covers({ writer, seq }));
    this.core = this.#sources[0]?.core ?? new Core(user, mutations);
    this.core.covers = (writer, seq) => this.#covers.some((c) => c(writer, seq)) || this.#dropped.has(`${writer}#${seq}`);
    this.#joined = manifests.length < 2;
  }

  missing(what: Wanted): MissingPart[] {
    const out: MissingPart[] = [];
    const need = (i: number, keys: string[]) => {
      for (const key of keys) out.push({ manifest: i, key, id: this.#sources[i].ids.get(key)! });
    };
    this.#sources.forEach((s, i) => s.rootLoaded || need(i, [ROOT_KEY]));
    if (out.length > 0) return out;
    if (!this.#joined) this.#sources.forEach((s, i) => [...s.mailboxes.keys()].forEach((id) => need(i, s.missing(id))));
    else if (this.#sources.length > 0) for (const id of this.#boxes(what)) need(0, this.#sources[0].missing(id));
    if (out.length > 0) return out;
    const chunks = what.kind === 'contents' ? this.#contentsOf(what.mailbox, what.uids) : what.kind === 'removed' ? this.#contentsRemoved(what.since) : what.kind === 'encode' ? this.#contentsToEncode(what.stored) : [];
    for (const key of chunks) {
      const { manifest, key: name, id } = this.#origins.get(key)!;
      out.push({ manifest, key: name, id });
    }
    return out;
  }
  /** Mailboxes whose rows are needed. */
  #boxes(what: Wanted): Iterable<MailboxId> {
    const { core } = this;
    const touched = (id: MailboxId) => core.waiting.some((w) => w.boxes.includes(id));
    switch (what.kind) {
      case 'root':
        return [];
      case 'names': {
        const out = new Set<MailboxId>();
        for (const id of new Set(core.waiting.flatMap((w) => w.boxes))) {
          const { created, renamed, deleted } = core.names.registration(id);
          // There only as long as it has messages.
          if (deleted || (!created && !renamed && id !== core.names.inbox)) for (const x of core.waitsFor(id)) out.add(x);
        }
        return out;
      }
      case 'status':
        return touched(what.mailbox) ? core.waitsFor(what.mailbox) : [];
      case 'rows':
      case 'contents':
        return core.waitsFor(what.mailbox);
      case 'encode': {
        const out = new Set<MailboxId>();
        for (const w of core.waiting) for (const id of w.boxes) out.add(id);
        if (what.stored) for (const [key, id] of this.#sources[0].mailboxOf) if (!what.stored.has(this.#sources[0].ids.get(key)!)) out.add(id);
        return out;
      }
      case 'removed':
      case 'everything':
        return core.boxes.keys();
    }
  }
  #contentsRemoved(since: number): Set<string> {
    const { contents } = this.core;
    return new Set(removedSince(this.core, since).filter((m) => !contents.has(m.chunk, m.entry)).map((m) => contents.chunks.get(m.chunk)!.key));
  }
  #contentsOf(id: MailboxId, uids: ArrayLike<Uid>): Set<string> {
    const { core } = this;
    const { rows } = core.box(id);
    const keys = new Set<string>();
    for (const row of core.live(id).rowsOf(uids)) {
      if (row >= 0 && !core.contents.has(rows.chunk[row], rows.entry[row])) keys.add(core.contents.chunks.get(rows.chunk[row])!.key);
    }
    return keys;
  }
  #contentsToEncode(stored: ReadonlySet<string> | null): string[] {
    const keys: string[] = [];
    for (const c of this.core.contents.chunks.values()) if (c.used > 0 && c.baseCount > 0 && c.base === null && !this.#isStored(c.key, c.changedAt, stored)) keys.push(c.key);
    return keys;
  }

  /** Throws Corrupt. */
  provide(part: MissingPart, bytes: Uint8Array): void {
    const { core } = this;
    const source = this.#sources[part.manifest];
    if (part.key.startsWith('content/')) {
      for (const c of core.contents.chunks.values()) {
        const o = this.#origins.get(c.key);
        if (o && o.id === part.id && o.manifest === part.manifest) core.contents.provide(c, bytes);
      }
      return;
    }
    if (!source) throw new TypeError('no such manifest');
    if (part.key === ROOT_KEY) {
      if (source.rootLoaded) return;
      source.loadRoot(bytes);
      if (source.core === core) this.#note(source);
    } else if (source.give(part.key, bytes) && this.#joined) applyWaiting(core);
    if (!this.#joined && this.#sources.every((s) => s.rootLoaded && [...s.mailboxes.keys()].every((id) => s.missing(id).length === 0))) this.#join();
  }
  /** Remembers where the parts of the first snapshot are. */
  #note(source: Source): void {
    const note = (key: string) => {
      const id = source.ids.get(key);
      if (id === undefined) throw new Corrupt(`snapshot lacks its part ${key}`);
      this.#origins.set(key, { manifest: 0, key, id, tick: this.core.shared.tick });
    };
    for (const key of source.mailboxOf.keys()) note(key);
    for (const c of this.core.contents.chunks.values()) if (c.used > 0) note(c.key);
  }
  #join(): void {
    this.#joined = true;
    const { core } = this;
    for (let i = 1; i < this.#sources.length; i++) {
      const other = this.#sources[i];
      const numbers = new Map<number, number>();
      const contentNumber = (n: number): number => {
        let mine = numbers.get(n);
        if (mine === undefined) numbers.set(n, (mine = this.#adopt(other, i, n)));
        return mine;
      };
      const before = this.#covers.slice(0, i);
      joinCores(core, (w, s) => before.some((c) => c(w, s)), other.core, this.#covers[i], contentNumber);
    }
    // The others' rows are in the first one now; let their memory go.
    this.#sources.length = 1;
  }
  /** A content chunk of another snapshot becomes one of this state, where it is stored already. */
  #adopt(other: Source, manifest: number, number: number): number {
    const { contents } = this.core;
    const theirs = other.core.contents.chunks.get(number)!;
    const id = other.ids.get(theirs.key);
    if (id === undefined) throw new Corrupt(`snapshot lacks its part ${theirs.key}`);
    for (const [key, o] of this.#origins) {
      if (o.id !== id || !key.startsWith('content/')) continue;
      for (const c of contents.chunks.values()) if (c.key === key) return c.number;
    }
    const mine = contents.restore(contents.next, theirs.count, theirs.bytes, 0, `content/${contents.next}`);
    this.#origins.set(mine.key, { manifest, key: theirs.key, id, tick: this.core.shared.tick });
    return mine.number;
  }

  #isStored(key: string, changedAt: number, stored: ReadonlySet<string> | null): boolean {
    const o = this.#origins.get(key);
    return o !== undefined && changedAt <= o.tick && (stored === null || stored.has(o.id));
  }

  encode(stored: ReadonlySet<string> | null): EncodedState {
    const { core } = this;
    if (!this.#joined || core.waiting.length > 0 || this.missing({ kind: 'encode', stored }).length > 0) throw new TypeError('parts are missing');
    if (core.keys.expire()) core.rootChanged();
    for (const box of core.boxes.values()) if (box.loaded) this.#cut(box, stored);
    const token: Token = { tick: core.shared.tick, contents: new Map() };
    const parts: Part[] = [];
    const kept: StoredPart[] = [];
    const keep = (key: string) => kept.push({ key, id: this.#origins.get(key)!.id });
    const mailboxes = [...core.boxes.values()].map((box) => this.#encodeBox(box, stored, parts, keep));
    for (const c of core.contents.chunks.values()) {
      if (c.used <= 0) continue;
      if (this.#isStored(c.key, c.changedAt, stored)) keep(c.key);
      else {
        parts.push({ key: c.key, bytes: core.contents.encode(c) });
        token.contents.set(c.key, { number: c.number, count: c.count });
      }
    }
    const contents = [...core.contents.chunks.values()].filter((c) => c.used > 0).map(({ number, key, count, bytes, used }) => ({ number, key, count, bytes, used }));
    const root = encodeRoot({
      epochs: core.epochs,
      lost: [...core.lost].sort(),
      subscriptions: [...core.names.subscriptions],
      mailboxes,
      keys: [...core.keys.keys],
      latest: core.keys.latest,
      contents,
      contentNext: core.contents.next,
      metadata: [...core.metadata.all()],
    });
    parts.unshift({ key: ROOT_KEY, bytes: root });
    let messages = 0;
    let bytes = 0;
    for (const m of mailboxes) {
      messages += m.messages;
      bytes += m.size;
    }
    return { parts, kept, messages, bytes, token };
  }
  /** Chunks that are to be written and would be too large to be read again become several. */
  #cut(box: Box, stored: ReadonlySet<string> | null): void {
    for (let i = 0; i < box.chunks.length; i++) {
      const { key, from, changedAt } = box.chunks[i];
      if (this.#isStored(key, changedAt, stored)) continue;
      const to = box.chunks[i + 1]?.from ?? box.rows.n;
      const fits = rowsThatFit(box, from, to);
      if (fits < to) box.cut(i, fits);
    }
  }
  #encodeBox(box: Box, stored: ReadonlySet<string> | null, parts: Part[], keep: (key: string) => void): RootMailbox {
    const registration = this.core.names.registration(box.id);
    const common = { registration, assigned: box.assigned, touched: box.touched, chunkNext: box.chunkNext, ...box.counters() };
    if (!box.loaded) {
      const { chunks, vanished } = this.#sources[0].mailboxes.get(box.id)!;
      for (const c of chunks) keep(c.key);
      if (vanished > 0) keep(vanishedKey(box.id));
      return { ...common, deleted: box.stored!.deleted, chunks, vanished };
    }
    const chunks: RootMailbox['chunks'] = [];
    box.chunks.forEach((c, i) => {
      const to = box.chunks[i + 1]?.from ?? box.rows.n;
      let rows = 0;
      if (this.#isStored(c.key, c.changedAt, stored)) {
        for (let row = c.from; row < to; row++) if (!(box.rows.bits[row] & DROPPED)) rows++;
        keep(c.key);
      } else {
        const encoded = encodeRows(box, c.from, to);
        if (!encoded) return;
        rows = encoded.rows;
        parts.push({ key: c.key, bytes: encoded.bytes });
      }
      chunks.push({ key: c.key, rows });
    });
    const key = vanishedKey(box.id);
    if (box.vanished.n > 0) {
      if (this.#isStored(key, box.vanished.changedAt, stored)) keep(key);
      else parts.push({ key, bytes: encodeVanished(box.vanished) });
    }
    return { ...common, chunks, vanished: box.vanished.n };
  }
  /** Lets the rows of a mailbox go, to be provided again when they are needed; how many bytes of memory that frees. */
  unload(id: MailboxId): number {
    const { core } = this;
    const box = core.boxes.get(id);
    if (!this.#joined || !box?.loaded || box.rows.n === 0 || box.awaiting.size > 0) return 0;
    if (core.waiting.some((w) => w.boxes.includes(id))) return 0;
    for (const copies of core.orphans.values()) if (copies.some((copy) => copy.box === box)) return 0;
    const chunks: RootMailbox['chunks'] = [];
    for (let i = 0; i < box.chunks.length; i++) {
      const { key, from, changedAt } = box.chunks[i];
      const to = box.chunks[i + 1]?.from ?? box.rows.n;
      let rows = 0;
      for (let row = from; row < to; row++) if (!(box.rows.bits[row] & DROPPED)) rows++;
      if (rows === 0) continue;
      if (!this.#isStored(key, changedAt, null)) return 0;
      chunks.push({ key, rows });
    }
    const vanished = vanishedKey(id);
    if (box.vanished.n > 0 && !this.#isStored(vanished, box.vanished.changedAt, null)) return 0;
    const root: RootMailbox = { registration: core.names.registration(id), assigned: box.assigned, touched: box.touched, chunkNext: box.chunkNext, ...box.counters(), chunks, vanished: box.vanished.n };
    const { rows } = box;
    for (let row = 0; row < rows.n; row++) if (rows.bits[row] & DROPPED) this.#dropped.add(`${core.shared.writers.writers[rows.writer[row]]}#${rows.seq[row]}`);
    const source = (this.#sources[0] ??= Source.none(core));
    source.put(root, (key) => this.#origins.get(key)!.id);
    const empty = new Box(id, core.shared);
    Object.assign(empty, { assigned: box.assigned, touched: box.touched, chunkNext: box.chunkNext, changedAt: box.changedAt });
    empty.stored = { ...box.counters(), rows: chunks.reduce((n, c) => n + c.rows, 0) };
    empty.loaded = chunks.length === 0 && box.vanished.n === 0;
    core.boxes.set(id, empty);
    return box.rowBytes;
  }
  stored(encoded: EncodedState, ids: readonly StoredPart[]): void {
    const token = encoded.token as Token;
    for (const { key, id } of ids) {
      if (key === ROOT_KEY) continue;
      this.#origins.set(key, { manifest: OWN, key, id, tick: token.tick });
      const content = token.contents.get(key);
      const chunk = content && this.core.contents.chunks.get(content.number);
      if (chunk) this.core.contents.stored(chunk, content.count);
    }
  }
}
