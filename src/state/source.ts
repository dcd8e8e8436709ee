// One snapshot being read, part by part: what its root says, and which parts of it were provided.
import { Corrupt } from '../base/index.ts';
import type { MailboxId } from '../base/index.ts';
import { await_ } from './apply.ts';
import type { Box } from './box.ts';
import type { Core } from './core.ts';
import { GROUPED } from './rows.ts';
import { decodeRoot, decodeVanished } from './root-format.ts';
import type { RootMailbox } from './root-format.ts';
import { decodeRows } from './row-format.ts';
import type { Manifest } from './types.ts';

export const ROOT_KEY = 'root';
export const vanishedKey = (id: MailboxId): string => `vanished/${id}`;

export class Source {
  readonly core: Core;
  readonly ids: Map<string, string>;
  readonly mailboxes = new Map<MailboxId, RootMailbox>();
  /** Of rows parts: whose they are. */
  readonly mailboxOf = new Map<string, MailboxId>();
  rootLoaded = false;
  #given = new Map<string, Uint8Array>();

  constructor(core: Core, manifest: Manifest) {
    this.core = core;
    this.ids = new Map(manifest.parts.map((p) => [p.key, p.id]));
    if (!this.ids.has(ROOT_KEY)) throw new Corrupt('snapshot has no root part');
  }

  /** Of a state that was not read from any snapshot. */
  static none(core: Core): Source {
    const source = new Source(core, { parts: [{ key: ROOT_KEY, id: '' }], covers: () => false });
    source.rootLoaded = true;
    return source;
  }

  /** A mailbox is to be read from these parts from now on. */
  put(root: RootMailbox, idOf: (key: string) => string): void {
    const { id } = root.registration;
    for (const [key, of] of this.mailboxOf) if (of === id) this.mailboxOf.delete(key);
    this.mailboxes.set(id, root);
    for (const key of this.#partsOf(root)) {
      this.ids.set(key, idOf(key));
      this.mailboxOf.set(key, id);
    }
  }

  loadRoot(bytes: Uint8Array): void {
    const { core } = this;
    const root = decodeRoot(bytes);
    for (const e of root.epochs) core.beginEpoch(e);
    for (const l of root.lost) core.lost.add(l);
    for (const [mailbox, entry, said] of root.metadata) core.metadata.set(mailbox, entry, said);
    for (const [name, said] of root.subscriptions) core.names.subscriptions.set(name, said);
    for (const c of root.contents) core.contents.restore(c.number, c.count, c.bytes, c.used, c.key);
    core.contents.next = root.contentNext;
    for (const [key, copies] of root.keys) for (const c of copies) core.keys.add(key, c);
    core.keys.latest = root.latest;
    for (const m of root.mailboxes) {
      const box = core.box(m.registration.id);
      core.names.restore(m.registration);
      box.assigned = m.assigned;
      box.touched = m.touched;
      box.chunkNext = m.chunkNext;
      box.stored = { messages: m.messages, unseen: m.unseen, deleted: m.deleted, size: m.size, rows: m.chunks.reduce((n, c) => n + c.rows, 0) };
      box.loaded = m.chunks.length === 0 && m.vanished === 0;
      this.mailboxes.set(box.id, m);
      for (const key of this.#partsOf(m)) {
        if (!this.ids.has(key)) throw new Corrupt(`snapshot lacks its part ${key}`);
        this.mailboxOf.set(key, box.id);
      }
    }
    this.rootLoaded = true;
  }
  #partsOf(m: RootMailbox): string[] {
    const keys = m.chunks.map((c) => c.key);
    return m.vanished > 0 ? [...keys, vanishedKey(m.registration.id)] : keys;
  }
  /** Keys of the parts that a mailbox still needs. */
  missing(id: MailboxId): string[] {
    const m = this.mailboxes.get(id);
    return !m || this.core.box(id).loaded ? [] : this.#partsOf(m).filter((key) => !this.#given.has(key));
  }
  /** True when the mailbox is loaded with it. */
  give(key: string, bytes: Uint8Array): boolean {
    const id = this.mailboxOf.get(key);
    if (id === undefined || this.core.box(id).loaded) return false;
    this.#given.set(key, bytes);
    if (this.missing(id).length > 0) return false;
    this.#load(this.core.box(id), this.mailboxes.get(id)!);
    return true;
  }
  #load(box: Box, m: RootMailbox): void {
    const { core } = this;
    box.rows.reserve(box.stored!.rows);
    for (const c of m.chunks) {
      const from = box.rows.n;
      box.chunks.push({ key: c.key, from, changedAt: 0 });
      decodeRows(
        box,
        this.#take(c.key),
        (chunk) => {
          if (!core.contents.chunks.has(chunk)) throw new Corrupt('a message refers to contents that are not there');
          return chunk;
        },
        (row, source) => await_(core, box, row, source),
      );
      if (box.rows.n - from !== c.rows) throw new Corrupt('stored rows are not as many as said');
    }
    if (m.vanished > 0) decodeVanished(this.#take(vanishedKey(box.id)), m.vanished, box.vanished);
    for (const group of core.keys.groups()) {
      for (const c of group) {
        const row = c.mailbox === box.id ? box.rows.find(core.shared.writers.number(c.ref.writer), c.ref.seq, c.ref.index) : -1;
        if (row >= 0) box.rows.bits[row] |= GROUPED;
      }
    }
    box.loaded = true;
    box.stored = null;
  }
  #take(key: string): Uint8Array {
    const bytes = this.#given.get(key)!;
    this.#given.delete(key);
    return bytes;
  }
}
