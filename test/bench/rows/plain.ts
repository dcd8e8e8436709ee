// A mailbox of 10,000 messages of 4 KB, none like another, and what others are made of it by COPY.
import type { Host, User } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fresh, mailsOf } from '../mail.ts';
import type { Bench } from './row.ts';

export const MESSAGES = 10_000;
export const PLAIN = 'Plain';
const BYTES = 4096;
const BATCH = 100;
const DISTINCT = 500;

const filled = new Map<User, Set<string>>();

/** Logged in as the user with the large mailboxes, or another one, with this one selected. */
export async function opened(host: Host, mailbox: string, user = host.big): Promise<ImapClient> {
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(user);
  await client.run(`SELECT ${mailbox}`);
  return client;
}

/** Makes the mailbox, once for each host and user. */
export async function fillPlain(host: Host, bench: Bench, user = host.big): Promise<void> {
  const done = filled.get(user) ?? new Set<string>();
  filled.set(user, done);
  if (done.has(PLAIN)) return;
  bench.note(`${host.name}: 10,000 messages of 4 KB`);
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(user);
  await client.run(`CREATE ${PLAIN}`);
  const mails = mailsOf(Array.from({ length: DISTINCT }, () => BYTES), 11);
  for (let i = 0; i < MESSAGES; i += BATCH) await client.multiAppend(PLAIN, Array.from({ length: BATCH }, (_, k) => fresh(mails[(i + k) % mails.length])));
  client.close();
  done.add(PLAIN);
}

/** Makes a mailbox of so many copies of it, once for each host and user. */
export async function fillCopies(host: Host, bench: Bench, name: string, times: number, user = host.big): Promise<void> {
  await fillPlain(host, bench, user);
  const done = filled.get(user)!;
  if (done.has(name)) return;
  bench.note(`${host.name}: ${(times * MESSAGES).toLocaleString('en')} messages`);
  const client = await opened(host, PLAIN, user);
  await client.run(`CREATE ${name}`);
  for (let i = 0; i < times; i++) await client.run(`COPY 1:* ${name}`);
  client.close();
  done.add(name);
}
