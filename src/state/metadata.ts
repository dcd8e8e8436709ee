// Annotations of mailboxes and of the user (RFC 5464): for each (mailbox, entry) the value of the greatest (position,
// writer). A removed entry stays as null, so that a late event can't bring an older value back.
import { ByteReader, ByteWriter, Corrupt, limits } from '../base/index.ts';
import type { MailboxId } from '../base/index.ts';
import { later } from './mailbox-names.ts';
import type { Stamp } from './mailbox-names.ts';

/** Stands for the user where a mailbox would stand. No mailbox has this id. */
export const NO_MAILBOX: MailboxId = '0000000000000000';

export interface Annotation extends Stamp {
  value: Uint8Array | null;
}

export class Metadata {
  /** Entry names by mailbox. */
  readonly #all = new Map<MailboxId, Map<string, Annotation>>();

  set(mailbox: MailboxId, entry: string, said: Annotation): void {
    let entries = this.#all.get(mailbox);
    if (!entries) this.#all.set(mailbox, (entries = new Map()));
    const known = entries.get(entry);
    if (!known || later(said, known)) entries.set(entry, said);
  }

  /** Entries that have a value, in order of their names. */
  of(mailbox: MailboxId): { entry: string; value: Uint8Array }[] {
    const out: { entry: string; value: Uint8Array }[] = [];
    for (const [entry, { value }] of this.#all.get(mailbox) ?? []) if (value !== null) out.push({ entry, value });
    return out.sort((a, b) => (a.entry < b.entry ? -1 : 1));
  }

  /** All that was ever said, in order of mailbox and name. */
  *all(): Iterable<[MailboxId, string, Annotation]> {
    for (const mailbox of [...this.#all.keys()].sort()) {
      const entries = this.#all.get(mailbox)!;
      for (const entry of [...entries.keys()].sort()) yield [mailbox, entry, entries.get(entry)!];
    }
  }

  /** Entries, removed ones too, and bytes of all values: what limits count. */
  size(): { entries: number; bytes: number } {
    const sum = { entries: 0, bytes: 0 };
    for (const [, , { value }] of this.all()) {
      sum.entries++;
      sum.bytes += value?.length ?? 0;
    }
    return sum;
  }

  join(other: Metadata): void {
    for (const [mailbox, entry, said] of other.all()) this.set(mailbox, entry, said);
  }
}

/** An entry's name and value as stored. */
export function writeEntry(w: ByteWriter, entry: string, value: Uint8Array | null): void {
  w.string(entry).u8(value === null ? 0 : 1);
  if (value !== null) w.varint(value.length).raw(value);
}

/** Throws Corrupt. */
export function readEntry(r: ByteReader): { entry: string; value: Uint8Array | null } {
  const entry = r.string();
  if (entry.length > limits.metadata_name_bytes_max) throw new Corrupt('stored annotation has too long a name');
  const there = r.u8();
  if (there > 1) throw new Corrupt('stored annotation is neither there nor removed');
  return { entry, value: there === 1 ? Buffer.from(r.raw(r.count(1))) : null };
}
