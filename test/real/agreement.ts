// What a mail program and the server must agree on at the end: every message of every mailbox, its text, and its flags.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Imap } from './imap.ts';

/** Mailbox → a line for each message: its Message-ID, a hash of its text, its system flags. Sorted. */
export type Shelf = Record<string, string[]>;

const MAILDIR_FLAGS: Record<string, string> = { D: '\\Draft', F: '\\Flagged', R: '\\Answered', S: '\\Seen', T: '\\Deleted' };

/**
 * One line of a shelf. Programs add header fields of their own and turn CRLF into LF, so of the header the Message-ID
 * counts alone. Keywords are left out: Maildir has no place for them that programs agree on.
 */
export function line(message: string, flags: readonly string[]): string {
  const text = message.replaceAll('\r\n', '\n');
  const end = text.indexOf('\n\n');
  const id = /^Message-ID:\s*(\S+)/im.exec(text.slice(0, end))?.[1] ?? '?';
  const body = createHash('sha256').update(text.slice(end).trimEnd(), 'latin1').digest('hex').slice(0, 12);
  return [id, body, ...flags.filter((flag) => Object.values(MAILDIR_FLAGS).includes(flag)).sort()].join(' ');
}

/** What the server has in these mailboxes, or in all that it lists; empty mailboxes are left out. */
export async function serverShelf(imap: Imap, mailboxes?: readonly string[]): Promise<Shelf> {
  const names = mailboxes ?? (await imap.ok('LIST "" *')).map((row) => /^LIST \([^)]*\) "\/" "?([^"]*)"?$/.exec(row)![1]);
  const shelf: Shelf = {};
  for (const name of names) {
    await imap.ok(`EXAMINE "${name}"`);
    const rows = await imap.ok('UID FETCH 1:* (FLAGS BODY.PEEK[])');
    await imap.ok('UNSELECT');
    // Others may be at work there: what is told of their changes has no body.
    const lines = rows.filter((row) => row.includes(' BODY[] ')).map((row) => {
      const m = /FLAGS \(([^)]*)\).* BODY\[\] \{(\d+)\}\r\n/.exec(row)!;
      return line(row.slice(m.index + m[0].length, m.index + m[0].length + Number(m[2])), m[1].split(' '));
    });
    if (lines.length > 0) shelf[name] = lines.sort();
  }
  return shelf;
}

/** What a Maildir has, as the same lines. */
export function maildir(folder: string): string[] {
  const files = ['new', 'cur'].flatMap((part) => (existsSync(join(folder, part)) ? readdirSync(join(folder, part)).map((name) => join(folder, part, name)) : []));
  return files.map((file) => line(readFileSync(file, 'latin1'), [...(/:2,([A-Z]*)/.exec(file)?.[1] ?? '')].map((letter) => MAILDIR_FLAGS[letter] ?? letter))).sort();
}

/** All Maildirs of a folder that have messages, by name. */
export function maildirs(folder: string): Shelf {
  const names = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'cur')));
  return Object.fromEntries(names.map((name) => [name, maildir(join(folder, name))] as const).filter(([, lines]) => lines.length > 0));
}

/** The messages of an mbox, with the status flags that mail programs write into it. */
export function mbox(file: string): string[] {
  if (!existsSync(file)) return [];
  const pieces = readFileSync(file, 'latin1').split(/^From .*\n/m).slice(1);
  return pieces.map((piece) => {
    const status = `${/^Status: (.*)$/m.exec(piece)?.[1] ?? ''}${/^X-Status: (.*)$/m.exec(piece)?.[1] ?? ''}`;
    const flags = Object.entries({ R: '\\Seen', A: '\\Answered', F: '\\Flagged' }).filter(([letter]) => status.includes(letter));
    return line(piece, flags.map(([, flag]) => flag));
  }).sort();
}
