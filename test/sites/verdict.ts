// After a storm: what was promised is there, once; all sites show the same bytes; each client's copy is the mailbox.
import { isDeepStrictEqual } from 'node:util';
import { Imap, everything } from '../real/imap.ts';
import { MAILBOXES } from './client.ts';
import type { Client } from './client.ts';
import type { Person, SiteReplica } from './cluster.ts';
import type { Letter } from './ledger.ts';
import type { Tools } from './tools.ts';

type Seen = Record<string, string[]>;

/** All that a site shows of a person's mailboxes; rejects while it can't. */
async function seen(at: SiteReplica, person: Person): Promise<Seen> {
  const imap = await Imap.connect(at.imap, false, undefined, at.host);
  try {
    await imap.ok(`LOGIN ${person.address} ${person.password}`, 60_000);
    const all: Seen = {};
    for (const mailbox of MAILBOXES) all[mailbox] = await everything(imap, mailbox);
    return all;
  } finally {
    imap.close();
  }
}

/** Until two looks at all sites, some seconds apart, were the same: then nothing is repaired any more. */
async function settled(tools: Tools, person: Person): Promise<Seen | null> {
  const { replicas } = tools.cluster;
  let last: Seen | null = null;
  let why = '';
  for (const end = performance.now() + tools.rest_ms; performance.now() < end; await tools.sleep(2500)) {
    try {
      const all = await Promise.all(replicas.map((r) => seen(r, person)));
      const same = all.every((one) => isDeepStrictEqual(one, all[0]));
      if (same && isDeepStrictEqual(all[0], last)) return all[0];
      why = same ? 'it still changes' : `sites differ: ${difference(all)}`;
      last = same ? all[0] : null;
    } catch (e) {
      why = String(e);
      last = null;
    }
  }
  tools.ledger.violation(`${person.name}: the sites do not come to rest: ${why}`);
  return seen(replicas[0], person).catch(() => null);
}

function difference(all: Seen[]): string {
  for (const mailbox of MAILBOXES) {
    for (let i = 1; i < all.length; i++) {
      const [a, b] = [all[0][mailbox], all[i][mailbox]];
      const at = a.findIndex((line, n) => line !== b[n]);
      if (at >= 0 || a.length !== b.length) return `${mailbox}, sites 1 and ${i + 1}, row ${at} of ${a.length} and ${b.length}: ${a[at]?.slice(0, 300)} / ${b[at]?.slice(0, 300)}`;
    }
  }
  return 'nowhere';
}

interface Found {
  mailbox: string;
  uid: number;
  flags: string[];
  whole: boolean;
}

export async function verdict(tools: Tools, clients: readonly Client[]): Promise<void> {
  for (const person of tools.cluster.people) {
    const all = await settled(tools, person);
    if (all === null) continue; // it is told already
    promises(tools, person, all);
    for (const client of clients.filter((c) => c.person === person)) await compare(tools, client, all);
  }
}

function rowsOf(all: Seen): (Found & { token: string })[] {
  return MAILBOXES.flatMap((mailbox) => all[mailbox].filter((line) => / FETCH /.test(line)).map((line) => ({
    mailbox,
    uid: Number(/UID (\d+)/.exec(line)![1]),
    flags: /FLAGS \(([^)]*)\)/.exec(line)![1].split(' ').filter((f) => f !== '' && f !== '\\Recent').sort(),
    token: /Subject: about (\S+)/.exec(line)?.[1] ?? '?',
    whole: true,
    line,
  })));
}

function promises(tools: Tools, person: Person, all: Seen): void {
  const { ledger } = tools;
  const found = new Map<string, Found[]>();
  for (const row of rowsOf(all) as (Found & { token: string; line: string })[]) {
    const letter = ledger.letters.get(row.token);
    if (!letter || letter.person !== person) {
      ledger.violation(`${person.name} ${row.mailbox}: a message that nobody sent: ${row.line.slice(0, 300)}`);
      continue;
    }
    // What we add stands before what came.
    row.whole = row.line.includes(letter.bytes.toString('latin1'));
    ledger.named(person, row.mailbox, row.uid, row.token);
    found.set(row.token, [...(found.get(row.token) ?? []), row]);
  }
  for (const letter of ledger.letters.values()) if (letter.person === person) for (const text of wrong(letter, found.get(letter.token) ?? [])) ledger.violation(`${person.name}: ${text}`);
}

function* wrong(letter: Letter, there: readonly Found[]): Generator<string> {
  const what = `${letter.token} (${letter.kind}, ${letter.tries} tries${letter.doomed ? ', removed' : ''}${letter.moved ? ', moved' : ''}${letter.copies > 0 ? ', copied' : ''}) is there ${there.length} times`;
  if (letter.acked && !letter.doomed && there.length === 0) yield `an acknowledged message is missing: ${what}`;
  if (there.length > 1 + letter.copies) yield `a message is there twice: ${what} (${there.map((f) => `${f.mailbox} ${f.uid}`).join(', ')})`;
  // Who removed one of two that a sender had brought may have removed the one that counts as removed anyway.
  // One that a repair moved between the mark and the removal has the mark, under another UID.
  const escaped = there.length === 1 && there[0].uid !== letter.removed && there[0].flags.includes('\\Deleted');
  if (letter.removed > 0 && letter.tries === 1 && there.length > 0 && !escaped) yield `a removed message is there: ${what}; it was UID ${letter.removed}, and is ${there.map((f) => `${f.mailbox} ${f.uid} (${f.flags.join(' ')})`).join(', ')}`;
  if (there.some((f) => !f.whole)) yield `a message is not what was sent: ${what}`;
  if (letter.moved || letter.copies > 0 || there.length !== 1) return;
  for (const keyword of letter.keywords) if (!there[0].flags.includes(keyword)) yield `an acknowledged flag is missing: ${keyword} of ${what}, has ${there[0].flags.join(' ')}`;
}

/** The client synchronises once more, at any site: then its copy is the mailbox. */
async function compare(tools: Tools, client: Client, all: Seen): Promise<void> {
  const name = `${client.person.name}'s ${client.kind} client`;
  for (let tries = 0; ; tries++) {
    try {
      await client.rest(tools.anySite());
      break;
    } catch (e) {
      if (tries === 10) return tools.ledger.violation(`${name} cannot synchronise: ${String(e)}`);
      await tools.sleep(1000);
    }
  }
  const rows = rowsOf(all);
  for (const mailbox of MAILBOXES) {
    const wanted = rows.filter((r) => r.mailbox === mailbox).sort((a, b) => a.uid - b.uid).map((r) => `${r.uid} ${r.token} ${r.flags.join(' ')}`);
    const has = client.copies[mailbox].shown().split('\n').filter((line) => line !== '');
    const missing = wanted.filter((line) => !has.includes(line));
    const surplus = has.filter((line) => !wanted.includes(line));
    if (missing.length + surplus.length > 0) tools.ledger.violation(`${name} has another ${mailbox}: lacks ${missing.slice(0, 5).join(' | ')} (${missing.length}), has ${surplus.slice(0, 5).join(' | ')} (${surplus.length})`);
  }
}
