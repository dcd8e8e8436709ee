// Many of everything: mailboxes of one account, and sessions that have one mailbox open.
import { readFileSync } from 'node:fs';
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fill } from './mailbox.ts';
import type { Bench, Row } from './row.ts';
import { faster, timed, under } from './row.ts';

const MAILBOXES = 10_000;
const SESSIONS = 50;
const CHANGES = 200;
/** A tick of the processor's time in /proc. */
const TICK_US = 10_000;

const clients = new Map<Host, ImapClient>();

const delimiter = (host: Host) => (host.name === 'Dovecot' ? '.' : '/');

async function fillMailboxes(host: Host, bench: Bench): Promise<void> {
  if (clients.has(host)) return;
  bench.note(`${host.name}: 10,000 mailboxes`);
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.users[10]);
  for (let n = 0; n < MAILBOXES; n++) await client.run(`CREATE f${n % 100}${delimiter(host)}m${n}`);
  clients.set(host, client);
}

/** Processor time that the host's processes took so far, microseconds. */
function processorTime(host: Host): number {
  return host.processes().reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_US;
  }, 0);
}

/** What flag changes in a mailbox cost, with so many other sessions that have it open in IDLE; microseconds each. */
async function changes(host: Host, mailbox: string, sessions: number): Promise<number> {
  const open = async () => {
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(host.big);
    await client.run(`SELECT ${mailbox}`);
    return client;
  };
  const writer = await open();
  const others: ImapClient[] = [];
  let heard = 0;
  for (let n = 0; n < sessions; n++) {
    const other = await open();
    other.onPush = (chunk) => (heard += chunk.toString('latin1').split(' FETCH ').length - 1);
    await other.idle();
    others.push(other);
  }
  const change = async (n: number) => void (await writer.run(`STORE ${(n % 50) + 1} ${n % 100 < 50 ? '+' : '-'}FLAGS.SILENT (\\Answered)`));
  for (let n = 0; n < 100; n++) await change(n);
  heard = 0;
  const before = processorTime(host);
  for (let n = 0; n < CHANGES; n++) await change(n);
  for (let waited = 0; heard < CHANGES * sessions && waited < 5000; waited += 20) await new Promise((resolve) => setTimeout(resolve, 20));
  const took = processorTime(host) - before;
  for (const client of [writer, ...others]) client.close();
  if (heard < CHANGES * sessions) throw new Error(`${host.name}: ${heard} of ${CHANGES * sessions} changes were told`);
  return took / CHANGES;
}

/** What one more session costs, beyond what the change itself does. */
async function perSession(host: Host, mailbox: string): Promise<number> {
  const alone = await changes(host, mailbox, 0);
  return Math.max(0, (await changes(host, mailbox, SESSIONS)) - alone) / SESSIONS;
}

export const many: Row[] = [
  {
    key: 'list-status',
    title: 'LIST with STATUS of 10,000 mailboxes',
    unit: 'ms',
    goal: 'under 1 s',
    met: under(1000),
    rounds: 3,
    prepare: fillMailboxes,
    measure: (host) => timed(() => clients.get(host)!.run('LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY))')),
  },
  {
    key: 'create-many',
    title: 'CREATE, with 10,000 mailboxes there',
    unit: 'ms',
    goal: 'faster',
    met: faster,
    rounds: 3,
    prepare: fillMailboxes,
    async measure(host, _bench, round) {
      const client = clients.get(host)!;
      const took = await timed(async () => {
        for (let n = 0; n < 20; n++) await client.run(`CREATE round${round}${delimiter(host)}${n}`);
      });
      return took / 20;
    },
  },
  {
    key: 'flag-listeners',
    title: 'processor time of a flag change for each other open session, mailbox of 10,000',
    unit: 'µs',
    goal: 'as with 100',
    met: () => null,
    rounds: 1,
    own: true,
    async prepare(host, bench) {
      await fill(host, bench);
      const client = await ImapClient.connect({ port: host.imap });
      await client.login(host.big);
      await client.run('CREATE HundredSeen');
      await client.run('SELECT Ten');
      await client.run('COPY 1:100 HundredSeen');
      client.close();
    },
    async measure(host) {
      const small = await perSession(host, 'HundredSeen');
      const large = await perSession(host, 'Ten');
      return { value: large, text: `${large.toFixed(0)} (with 100: ${small.toFixed(0)})` };
    },
  },
];
