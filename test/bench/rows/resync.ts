// A mail app comes back to 100,000 messages of which a hundred changed: QRESYNC (RFC 7162).
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fillCopies, opened } from './plain.ts';
import type { Row } from './row.ts';
import { faster, timed, under } from './row.ts';

const MAILBOX = 'Hundredthousand';
const FLAGS = 60;
const REMOVED = 20;
const ADDED = 20;

interface Known {
  validity: string;
  modseq: string;
}

async function known(client: ImapClient): Promise<Known> {
  const { text } = await client.run(`SELECT ${MAILBOX} (CONDSTORE)`, true);
  return { validity: /UIDVALIDITY (\d+)/.exec(text)![1], modseq: /HIGHESTMODSEQ (\d+)/.exec(text)![1] };
}

/** A hundred changes, each a command of its own, all over the mailbox, with a keyword that nothing has yet; gives what a mail app knew before them. */
async function change(host: Host, round: number): Promise<Known> {
  const client = await opened(host, MAILBOX, host.returning);
  const before = await known(client);
  for (let i = 0; i < FLAGS; i++) await client.run(`STORE ${1 + ((i * 1601 + round * 37) % 99_000)} +FLAGS.SILENT (round${round})`);
  for (let i = 0; i < REMOVED; i++) {
    await client.run(`STORE ${1000 + i * 4001} +FLAGS.SILENT (\\Deleted)`);
    await client.run('EXPUNGE');
  }
  for (let i = 0; i < ADDED; i++) await client.run(`COPY ${1 + i} ${MAILBOX}`);
  client.close();
  return before;
}

async function ready(host: Host): Promise<ImapClient> {
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.returning);
  await client.run('ENABLE QRESYNC');
  return client;
}

async function resync(client: ImapClient, { validity, modseq }: Known): Promise<void> {
  const { text } = await client.run(`SELECT ${MAILBOX} (QRESYNC (${validity} ${modseq}))`, true);
  const fetched = text.match(/^\* \d+ FETCH /gm)?.length ?? 0;
  if (fetched < FLAGS || !/VANISHED \(EARLIER\)/.test(text)) throw new Error(`resync told of ${fetched} messages only: ${text.slice(0, 300)}`);
}

const row = (key: string, title: string, more: Pick<Row, 'goal' | 'met' | 'measure' | 'goalS3'>): Row => ({ key, title, unit: 'ms', rounds: 3, long: true, prepare: (host, bench) => fillCopies(host, bench, MAILBOX, 10, host.returning), ...more });

export const resyncs: Row[] = [
  row('resync-warm', 'QRESYNC after 100 changes in 100,000, others have it open here', {
    goal: 'under 20 ms',
    met: under(20),
    async measure(host, _bench, round) {
      const holding = await opened(host, MAILBOX, host.returning);
      const before = await change(host, round);
      await holding.run('NOOP');
      const client = await ready(host);
      const took = await timed(() => resync(client, before));
      client.close();
      holding.close();
      return took;
    },
  }),
  row('resync-cold', 'the same with the log-in, first at this replica', {
    goal: 'faster',
    met: faster,
    goalS3: { goal: 'under 300 ms', met: under(300) },
    async measure(host, _bench, round) {
      const before = await change(host, round + 3);
      await host.restart();
      return timed(async () => {
        const client = await ready(host);
        await resync(client, before);
        client.close();
      });
    },
  }),
];
