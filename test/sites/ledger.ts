// What was promised in a storm, kept apart from the system: who was told OK for what, what was tried that may take a
// message away, and which message each UID named when anybody looked. A message is known by the token in its subject.
import type { Person } from './cluster.ts';

export interface Letter {
  readonly token: string;
  readonly person: Person;
  readonly bytes: Buffer;
  readonly kind: 'delivered' | 'appended';
  /** Told 250 or OK. */
  acked: boolean;
  tries: number;
  /** MOVE, COPY, removal: tried, whatever was answered. */
  moved: boolean;
  copies: number;
  doomed: boolean;
  /** The UID whose \Deleted was shown, and whose removal was answered OK; 0: none. */
  removed: number;
  /** Keywords whose STORE showed them and was answered OK. */
  readonly keywords: Set<string>;
}

export class Ledger {
  readonly letters = new Map<string, Letter>();
  /** What must not be, in the order in which it was seen. */
  readonly violations: string[] = [];
  readonly #named = new Map<string, string>();
  readonly #validity = new Map<string, number>();
  readonly counts = { delivered: 0, repeated: 0, appended: 0, flags: 0, removed: 0, moved: 0, copied: 0, syncs: 0, idles: 0, pauses: 0, byes: 0, cut: 0 };
  /** The longest that anybody waited for an answer, milliseconds, and who. */
  longest = { ms: 0, what: '' };

  letter(person: Person, kind: Letter['kind'], token: string, bytes: Buffer): Letter {
    const letter: Letter = { token, person, bytes, kind, acked: false, tries: 0, moved: false, copies: 0, doomed: false, removed: 0, keywords: new Set() };
    this.letters.set(token, letter);
    return letter;
  }

  violation(text: string): void {
    if (this.violations.length < 200) this.violations.push(text);
  }

  /** A UID was seen to name this message. */
  named(person: Person, mailbox: string, uid: number, token: string): void {
    const key = `${person.name} ${mailbox} ${uid}`;
    const before = this.#named.get(key);
    if (before === undefined) this.#named.set(key, token);
    else if (before !== token) this.violation(`a UID named two messages: ${key} was ${before} and is ${token}`);
  }

  validity(person: Person, mailbox: string, value: number): void {
    const key = `${person.name} ${mailbox}`;
    const before = this.#validity.get(key);
    if (before === undefined) this.#validity.set(key, value);
    else if (before !== value) this.violation(`UIDVALIDITY changed: ${key} had ${before} and has ${value}`);
  }

  waited(ms: number, what: string): void {
    if (ms > this.longest.ms) this.longest = { ms: Math.round(ms), what };
  }
}
