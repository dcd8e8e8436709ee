// Large mailboxes: opening, listing, flags, copies.
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fresh } from '../mail.ts';
import type { Bench, Row } from './row.ts';
import { faster, notSlower, timed, under, warm } from './row.ts';

const DISTINCT = 2000;
const BATCH = 100;
const MESSAGES = 10_000;

/** One open session for each host, made again when the host was restarted. */
const sessions = new Map<Host, { client: ImapClient; mailbox: string }>();
const filled = new Map<Host, Set<string>>();

async function session(host: Host, mailbox: string): Promise<ImapClient> {
  let known = sessions.get(host);
  if (!known || known.client.socket.destroyed) {
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(host.big);
    known = { client, mailbox: '' };
    sessions.set(host, known);
  }
  if (known.mailbox !== mailbox) {
    await known.client.run(`SELECT ${mailbox}`);
    known.mailbox = mailbox;
  }
  return known.client;
}

/** 2,000 messages come in by MULTIAPPEND; the others are their copies, which is quick at all servers. */
export async function fill(host: Host, bench: Bench): Promise<void> {
  const done = filled.get(host) ?? new Set();
  filled.set(host, done);
  if (done.has('Ten')) return;
  bench.note(`${host.name}: 10,000 messages`);
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.big);
  for (const name of ['Seed', 'Ten', 'Copies', 'Source', 'Moved']) await client.run(`CREATE ${name}`);
  for (let i = 0; i < DISTINCT; i += BATCH) await client.multiAppend('Seed', Array.from({ length: BATCH }, (_, k) => fresh(bench.mails[(i + k) % bench.mails.length])));
  await client.run('SELECT Seed');
  for (let i = 0; i < MESSAGES; i += DISTINCT) await client.run('COPY 1:* Ten');
  client.close();
  done.add('Ten');
}

async function fillHuge(host: Host, bench: Bench): Promise<void> {
  await fill(host, bench);
  if (filled.get(host)!.has('Huge')) return;
  bench.note(`${host.name}: 100,000 messages`);
  const client = await session(host, 'Ten');
  await client.run('CREATE Huge');
  for (let i = 0; i < 10; i++) await client.run('COPY 1:* Huge');
  filled.get(host)!.add('Huge');
}

/** Log-in and SELECT in a process that has never seen the user. */
async function firstSelect(host: Host, mailbox: string): Promise<number> {
  await host.restart();
  const client = await ImapClient.connect({ port: host.imap });
  const took = await timed(async () => {
    await client.login(host.big);
    await client.run(`SELECT ${mailbox}`);
  });
  client.close();
  return took;
}

const timedRow = (key: string, title: string, goal: string, met: Row['met'], work: (host: Host, bench: Bench, round: number) => Promise<number>): Row => ({
  key,
  title,
  unit: 'ms',
  goal,
  met,
  rounds: 3,
  prepare: fill,
  measure: work,
});

export const mailbox: Row[] = [
  { ...timedRow('select-10k', 'log in and SELECT of 10,000, first at this replica', 'not slower', notSlower, (host) => firstSelect(host, 'Ten')), rounds: 5 },
  { ...timedRow('select-100k', 'log in and SELECT of 100,000, first at this replica', 'under 1 s', under(1000), (host) => firstSelect(host, 'Huge')), prepare: fillHuge, long: true },
  timedRow('select-warm', 'SELECT of 10,000, known at this replica', 'not slower', notSlower, async (host) => {
    await session(host, 'Ten');
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(host.big);
    const took = await timed(() => client.run('SELECT Ten'));
    client.close();
    return took;
  }),
  ...(
    [
      ['fetch-flags', 'FETCH 1:* (FLAGS), 10,000 messages', 'FETCH 1:* (FLAGS)'],
      ['fetch-envelope', 'UID FETCH 1:* (ENVELOPE BODYSTRUCTURE), 10,000 messages', 'UID FETCH 1:* (ENVELOPE BODYSTRUCTURE)'],
    ] as const
  ).map(([key, title, command]) =>
    timedRow(key, title, 'not slower', notSlower, async (host, _bench, round) => {
      const client = await session(host, 'Ten');
      if (round === 0) await warm(() => client.run(command));
      return timed(() => client.run(command));
    }),
  ),
  timedRow('store', 'STORE 1:* +FLAGS (\\Flagged), 10,000 messages', 'faster', faster, async (host) => {
    const client = await session(host, 'Ten');
    const took = await timed(() => client.run('STORE 1:* +FLAGS (\\Flagged)'));
    await client.run('STORE 1:* -FLAGS.SILENT (\\Flagged)');
    return took;
  }),
  timedRow('copy', 'COPY of 1,000', 'faster', faster, async (host) => {
    const client = await session(host, 'Ten');
    return timed(() => client.run('COPY 1001:2000 Copies'));
  }),
  timedRow('move', 'MOVE of 1,000', 'faster', faster, async (host) => {
    await (await session(host, 'Ten')).run('COPY 2001:3000 Source');
    const client = await session(host, 'Source');
    return timed(() => client.run('MOVE 1:* Moved'));
  }),
];

/** For rows of others that need none of this any more. */
export function closeSessions(): void {
  for (const { client } of sessions.values()) client.close();
  sessions.clear();
}
