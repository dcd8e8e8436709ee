// What was promised to senders and clients, kept apart from the system: who was told OK for what, and what was tried
// that may take a message away. A message is known by its size, which clients see and no other message has.
import type { Player } from './cast.ts';

export const PREFIX = Buffer.from('Received: by simulation.example with SMTP\r\n');
const PLAIN_BYTES = 400;

/** In every message, address list and mailbox name: must never be found in the store. */
export const SECRETS = ['wilhelmina', 'zacharias', 'Geheimsache', 'Zugvogel', 'Projekte', 'Umzugskartons', 'Schlagwort'];

export interface Mail {
  tag: number;
  player: Player;
  bytes: Buffer;
  kind: 'delivered' | 'appended';
  /** Name of the mailbox that it was put into. */
  home: string;
  /** The answer was OK. */
  acked: boolean;
  tries: number;
  /** When the sender tried first, and whether it came back after more than seven days: that is another message. */
  firstTry: number | null;
  apart: boolean;
  /** COPY, MOVE or RENAME of it was tried: there may be others of it, elsewhere. */
  moved: boolean;
  /** COPY was tried, or MOVE more than once: there may be two. */
  doubled: boolean;
  moves: number;
  /** Its removal was tried. */
  doomed: boolean;
  /** It was put, or tried to be put, into a mailbox that may be deleted. */
  strayed: boolean;
  /** Removed, and the answer was OK. */
  removed: boolean;
  /** Keywords whose STORE was answered OK; null when a STORE that replaces flags was tried. */
  keywords: Set<string> | null;
}

export class Ledger {
  readonly mails: Mail[] = [];
  readonly created = new Map<string, string>();
  deletes = 0;
  /** What moves or copies whatever it finds was tried (RENAME INBOX, undelete): now or later, any message may be anywhere, and twice. */
  strays = false;
  acks = 0;

  mail(player: Player, kind: Mail['kind'], home: string): Mail {
    const tag = this.mails.length;
    const head = `From: <Zugvogel@elsewhere.example>\r\nTo: <${player.address}>\r\nSubject: Geheimsache ${tag}\r\nMessage-ID: <${tag}@elsewhere.example>\r\n\r\n`;
    const body = `Zugvogel ${tag} `.padEnd(PLAIN_BYTES + tag - head.length - 2, '.');
    const bytes = Buffer.from(`${head}${body}\r\n`);
    const mail: Mail = { tag, player, bytes, kind, home, acked: false, tries: 0, firstTry: null, apart: false, moved: this.strays, doubled: this.strays, moves: 0, doomed: false, strayed: this.strays, removed: false, keywords: new Set() };
    this.mails.push(mail);
    return mail;
  }

  stray(): void {
    this.strays = true;
    for (const mail of this.mails) mail.moved = mail.doubled = mail.strayed = true;
  }

  /** By RFC822.SIZE. A delivery has a prefix, an append has none. */
  bySize(size: number): Mail | undefined {
    const delivered = this.mails[size - PLAIN_BYTES - PREFIX.length];
    if (delivered?.kind === 'delivered') return delivered;
    const appended = this.mails[size - PLAIN_BYTES];
    return appended?.kind === 'appended' ? appended : undefined;
  }

  /** Must be somewhere, whatever happened. */
  sure(mail: Mail): boolean {
    return mail.acked && !mail.doomed && !(mail.strayed && this.deletes > 0);
  }
}
