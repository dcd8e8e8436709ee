// Changes in large mailboxes: flags in one command and one by one, copies, moves, removals; what a flag costs the others who look.
import type { Host } from '../hosts/host.ts';
import type { ImapClient } from '../imap-client.ts';
import { PLAIN, fillCopies, fillPlain, opened } from './plain.ts';
import { median } from '../statistics.ts';
import type { Bench, Row, Shown } from './row.ts';
import { atLeast, faster, timed } from './row.ts';

const ONE_BY_ONE = 1000;
const OTHERS = 20;
const CHANGES = 60;
/** A flag change may cost others this much more in 10,000 messages than in 100: noise of so short times. */
const CONSTANT_TIMES = 1.5;

const row = (key: string, title: string, measure: Row['measure'], more: Partial<Row> = {}): Row => ({ key, title, unit: 'ms', goal: 'faster', met: faster, rounds: 3, prepare: fillPlain, measure, ...more });

async function within(host: Host, mailbox: string, work: (client: ImapClient) => Promise<number>, user = host.big): Promise<number> {
  const client = await opened(host, mailbox, user);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

let serial = 0;

/** A new mailbox with copies of the first `n`, selected; a MOVE or EXPUNGE empties it. */
async function copies(host: Host, n: number, work: (client: ImapClient, other: string) => Promise<number>): Promise<number> {
  return within(host, PLAIN, async (client) => {
    const [from, to] = [`From${++serial}`, `To${serial}`];
    for (const name of [from, to]) await client.run(`CREATE ${name}`);
    await client.run(`COPY 1:${n} ${from}`);
    await client.run(`SELECT ${from}`);
    const took = await work(client, to);
    await client.run('UNSELECT');
    for (const name of [from, to]) await client.run(`DELETE ${name}`);
    return took;
  });
}

const flags = (key: string, title: string, set: string, item: string): Row =>
  row(key, title, (host) =>
    within(host, PLAIN, async (client) => {
      const took = await timed(() => client.run(`STORE ${set} +${item} (\\Flagged)`));
      await client.run(`STORE ${set} -FLAGS.SILENT (\\Flagged)`);
      return took;
    }),
  );

async function oneByOne(client: ImapClient): Promise<number> {
  const took = await timed(async () => {
    for (let i = 1; i <= ONE_BY_ONE; i++) await client.run(`STORE ${i} +FLAGS (\\Draft)`);
  });
  await client.run('STORE 1:* -FLAGS.SILENT (\\Draft)');
  return (ONE_BY_ONE * 1000) / took;
}

const sized = [1000, 10_000] as const;
const counted = (n: number) => n.toLocaleString('en');

/** Milliseconds until all others who have the mailbox open have heard of a flag change. */
async function told(host: Host, mailbox: string): Promise<number> {
  const others = await Promise.all(Array.from({ length: OTHERS }, () => opened(host, mailbox)));
  try {
    return await within(host, mailbox, async (client) => {
      for (const other of others) await other.run('NOOP');
      const times: number[] = [];
      for (let i = 0; i < CHANGES; i++) {
        await client.run(`STORE 50 ${i % 2 === 0 ? '+' : '-'}FLAGS.SILENT (\\Answered)`);
        times.push(await timed(() => Promise.all(others.map((other) => other.run('NOOP')))));
      }
      return median(times);
    });
  } finally {
    for (const other of others) other.close();
  }
}

async function toldBoth(host: Host, bench: Bench): Promise<Shown> {
  const small = await told(host, 'Hundred');
  const large = await told(host, PLAIN);
  bench.note(`${host.name}: ${OTHERS} NOOPs after a flag change: ${small.toFixed(2)} ms in 100 messages, ${large.toFixed(2)} ms in 10,000`);
  return { value: large / small, text: `${(large / small).toFixed(2)} (${large.toFixed(1)} ms)` };
}

export const changing: Row[] = [
  flags('change-silent', 'STORE 1:* +FLAGS.SILENT, 10,000 messages', '1:*', 'FLAGS.SILENT'),
  flags('change-flags', 'STORE 1:* +FLAGS, 10,000 messages of 4 KB', '1:*', 'FLAGS'),
  flags('change-flags-1k', 'STORE of 1,000', '1:1000', 'FLAGS'),
  row('change-one', 'STORE one by one', (host) => within(host, PLAIN, oneByOne), { unit: 'stores/s', met: atLeast(1) }),
  row('change-one-durable', 'the same, durable before each answer (beside Dovecot with mail_fsync = always)', (host) => within(host, PLAIN, oneByOne, host.durable), {
    unit: 'stores/s',
    met: atLeast(1),
    prepare: (host, bench) => fillPlain(host, bench, host.durable),
  }),
  ...sized.map((n) => row(`change-copy-${n}`, `COPY of ${counted(n)}, 4 KB each`, (host) => copies(host, 1, (client, to) => client.run(`SELECT ${PLAIN}`).then(() => timed(() => client.run(`COPY 1:${n} ${to}`)))))),
  ...sized.map((n) => row(`change-move-${n}`, `MOVE of ${counted(n)}, 4 KB each`, (host) => copies(host, n, (client, to) => timed(() => client.run(`MOVE 1:* ${to}`))))),
  ...sized.map((n) =>
    row(`change-expunge-${n}`, `EXPUNGE of ${counted(n)}`, (host) =>
      copies(host, n, async (client) => {
        await client.run('STORE 1:* +FLAGS.SILENT (\\Deleted)');
        return timed(() => client.run('EXPUNGE'));
      }),
    ),
  ),
  row('change-told', `what a flag change costs ${OTHERS} others who look, 10,000 messages against 100`, toldBoth, {
    unit: 'times',
    goal: 'constant',
    met: (value) => value < CONSTANT_TIMES,
    rounds: 1,
    async prepare(host, bench) {
      await fillPlain(host, bench);
      await within(host, PLAIN, async (client) => {
        await client.run('CREATE Hundred');
        await client.run('COPY 1:100 Hundred');
        return 0;
      });
    },
  }),
];

/** A million messages, which no run does unasked. */
const MILLION = 'Million';
const RSS_MB_MAX = 400;
const million = (key: string, title: string, goal: string, met: Row['met'], measure: Row['measure'], unit = 'ms'): Row => ({ key, title, unit, goal, met, rounds: 1, named: true, prepare: (host, bench) => fillCopies(host, bench, MILLION, 100), measure });

export const millions: Row[] = [
  million('million-select', 'log in and SELECT of 1,000,000, first at this replica', 'under 5 s', (ms) => ms < 5000, async (host) => {
    await host.restart();
    return timed(async () => (await opened(host, MILLION)).close());
  }),
  million('million-flags', 'FETCH 1:* (FLAGS) of 1,000,000', `works in under ${RSS_MB_MAX} MB`, (_ms, _dovecot, mb) => mb !== null && mb < RSS_MB_MAX, async (host) => {
    await host.restart();
    return within(host, MILLION, (client) => timed(() => client.run('FETCH 1:* (FLAGS)')));
  }),
];
