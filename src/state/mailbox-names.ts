// Which mailboxes there are and what they are called: registers that join in any order, and the names that follow.
import { limits } from '../base/index.ts';
import type { MailboxId, Position, SpecialUse, Writer } from '../base/index.ts';
import { DEFAULT_NAMES, mailboxId } from './ids.ts';
import { compareNames } from './shown-names.ts';

/** When something was said, and by whom. */
export interface Stamp {
  position: Position;
  writer: Writer;
}
export const later = (a: Stamp, b: Stamp): boolean => a.position > b.position || (a.position === b.position && a.writer > b.writer);

/** A mailbox's registers, for ever. */
export interface Registration {
  id: MailboxId;
  /** The first MailboxCreated; null for one that mail came into before it was created. */
  created: (Stamp & { name: string; made: number; specialUse: SpecialUse | null }) | null;
  /** The last MailboxRenamed: it wins over any creation. */
  renamed: (Stamp & { name: string }) | null;
  deleted: boolean;
}

/** A mailbox that is there, as it is shown. */
export interface Shown {
  name: string;
  id: MailboxId;
  specialUse: SpecialUse | null;
}

export class MailboxNames {
  readonly registrations = new Map<MailboxId, Registration>();
  readonly subscriptions = new Map<string, Stamp & { on: boolean }>();
  readonly inbox: MailboxId;
  /** How often each name or role was made: the id says which, so nothing takes that back. */
  readonly #made = new Map<string, number>();
  /** Ids of the roles that can be delivered to before they are created. */
  readonly #roles = new Map<MailboxId, SpecialUse>();

  constructor(user: string) {
    this.inbox = mailboxId(user, 'INBOX', 1);
    for (const role of Object.keys(DEFAULT_NAMES) as SpecialUse[]) this.#roles.set(mailboxId(user, role, 1), role);
  }
  registration(id: MailboxId): Registration {
    let r = this.registrations.get(id);
    if (!r) this.registrations.set(id, (r = { id, created: null, renamed: null, deleted: false }));
    return r;
  }
  /** As a snapshot has it. */
  restore(r: Registration): void {
    this.registrations.set(r.id, r);
    if (r.created) this.#count(r.created);
  }
  #count({ name, specialUse, made }: NonNullable<Registration['created']>): void {
    const of = specialUse ?? name;
    if (made > (this.#made.get(of) ?? 0)) this.#made.set(of, made);
  }
  create(id: MailboxId, created: NonNullable<Registration['created']>): void {
    const r = this.registration(id);
    if (!r.created || later(r.created, created)) r.created = created;
    this.#count(created);
  }
  rename(id: MailboxId, renamed: NonNullable<Registration['renamed']>): void {
    const r = this.registration(id);
    if (!r.renamed || later(renamed, r.renamed)) r.renamed = renamed;
  }
  subscribe(name: string, said: Stamp & { on: boolean }): void {
    const s = this.subscriptions.get(name);
    if (!s || later(said, s)) this.subscriptions.set(name, said);
  }
  /** Characters of all names, for ever, and as many for each as what is stored beside it. */
  chars(): number {
    let sum = 0;
    for (const { created, renamed } of this.registrations.values()) sum += limits.mailbox_name_cost_chars + (created?.name.length ?? 0) + (renamed?.name.length ?? 0);
    for (const name of this.subscriptions.keys()) sum += limits.mailbox_name_cost_chars + name.length;
    return sum;
  }
  /** How often the name (or role) behind an id was made: what UIDVALIDITY counts. */
  made(id: MailboxId): number {
    return this.registrations.get(id)?.created?.made ?? 1;
  }
  /** 1 + how often a name or role was made. */
  nextMade(nameOrRole: string): number {
    return (this.#made.get(nameOrRole) ?? 0) + 1;
  }
  join(other: MailboxNames): void {
    for (const r of other.registrations.values()) {
      const mine = this.registration(r.id);
      if (r.created) this.create(r.id, r.created);
      if (r.renamed) this.rename(r.id, r.renamed);
      mine.deleted ||= r.deleted;
    }
    for (const [name, said] of other.subscriptions) this.subscribe(name, said);
  }

  #said(r: Registration): { role: SpecialUse | null; said: Stamp & { name: string } } {
    const role = r.created ? r.created.specialUse : (this.#roles.get(r.id) ?? null);
    return { role, said: r.renamed ?? r.created ?? { name: role ? DEFAULT_NAMES[role] : `Recovered ${r.id.slice(0, 4)}`, position: 0, writer: '' } };
  }
  /** What a mailbox is or was called, also when it was deleted. */
  calledLast(id: MailboxId): string {
    return id === this.inbox ? 'INBOX' : this.#said(this.registrations.get(id) ?? { id, created: null, renamed: null, deleted: false }).said.name;
  }

  /**
   * The mailboxes that are there: not deleted, or brought back by a message that the deleter had not seen. Of several
   * with one name the one named first keeps it; the others get a suffix from their ids, which stays the same whatever
   * else comes and goes. `plain`: that was nowhere needed.
   */
  shown(messages: (id: MailboxId) => number): { list: Shown[]; plain: boolean } {
    const out: Shown[] = [{ name: 'INBOX', id: this.inbox, specialUse: null }];
    const there: (Stamp & Shown)[] = [];
    for (const r of this.registrations.values()) {
      if (r.id === this.inbox) continue;
      if (!isThere(r, messages)) continue;
      const { role, said } = this.#said(r);
      there.push({ name: said.name, position: said.position, writer: said.writer, id: r.id, specialUse: role });
    }
    there.sort((a, b) => (later(a, b) ? 1 : later(b, a) ? -1 : a.id < b.id ? -1 : 1));
    const taken = new Set(['INBOX']);
    const second: Shown[] = [];
    for (const m of there) {
      if (taken.has(m.name)) second.push(m);
      else taken.add(m.name);
    }
    for (const m of second) {
      let n = 4;
      while (taken.has(`${m.name} ${m.id.slice(0, n)}`) && n < 16) n++;
      m.name = `${m.name} ${m.id.slice(0, n)}`;
      while (taken.has(m.name)) m.name += '+';
      taken.add(m.name);
    }
    // A role is shown at one mailbox only: at the one that has it first.
    const roles = new Set<SpecialUse>();
    let plain = second.length === 0;
    for (const m of there) {
      const role = m.specialUse !== null && !roles.has(m.specialUse) ? m.specialUse : null;
      if (role) roles.add(role);
      plain &&= role === m.specialUse;
      out.push({ name: m.name, id: m.id, specialUse: role });
    }
    return { list: out.sort((a, b) => (a.id === this.inbox ? -1 : b.id === this.inbox ? 1 : compareNames(a.name, b.name))), plain };
  }

  /** What one mailbox would be shown as if there were no others; null: it is not there. */
  alone(id: MailboxId, messages: (id: MailboxId) => number): Shown | null {
    const r = this.registrations.get(id);
    if (!r || !isThere(r, messages)) return null;
    const { role, said } = this.#said(r);
    return { name: said.name, id, specialUse: role };
  }
}

function isThere(r: Registration, messages: (id: MailboxId) => number): boolean {
  return ((r.created !== null || r.renamed !== null) && !r.deleted) || messages(r.id) > 0;
}
