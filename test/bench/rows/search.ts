// SEARCH, SORT and THREAD without bodies, in 10,000 messages of 4 KB in threads: again, and first at a replica.
import { seededRandom } from '../../../src/base/index.ts';
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import type { Bench, Row } from './row.ts';
import { faster, timed, warm } from './row.ts';

const MESSAGES = 10_000;
const BYTES = 4096;
const BATCH = 100;
const WORDS = 'garden invoice meeting travel harvest winter school doctor bicycle library music kitchen holiday contract repair'.split(' ');

/** Half of the messages answer an earlier one. */
function* threads(): Generator<Buffer> {
  const random = seededRandom(9);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random.unit() * of.length)];
  const subjects: string[] = [];
  const references: string[] = [];
  for (let n = 0; n < MESSAGES; n++) {
    const answers = n > 10 && random.unit() < 0.5 ? n - 1 - Math.floor(random.unit() * 10) : -1;
    subjects[n] = answers < 0 ? `${pick(WORDS)} ${pick(WORDS)} ${n}` : subjects[answers];
    references[n] = `${answers < 0 ? '' : references[answers].split(' ').slice(-8).join(' ')} <t${n}@bench.example>`.trim();
    const who = Math.floor(random.unit() * 300);
    const head = [
      `From: Person ${who} <p${who}@bench.example>`,
      'To: someone@bench.example',
      `Subject: ${answers < 0 ? '' : 'Re: '}${subjects[n]}`,
      // Not in the order of arrival.
      `Date: ${new Date(1.7e12 + (n + Math.floor(random.unit() * 50)) * 60_000).toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <t${n}@bench.example>`,
      ...(answers < 0 ? [] : [`In-Reply-To: <t${answers}@bench.example>`, `References: ${references[answers]}`]),
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
    ].join('\r\n');
    yield Buffer.from(`${head}\r\n\r\n${`${pick(WORDS)} `.repeat(600).slice(0, BYTES - head.length - random.unit() * 500).replace(/(.{64})/g, '$1\r\n')}\r\n`);
  }
}

const clients = new Map<Host, ImapClient>();

async function opened(host: Host): Promise<ImapClient> {
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.big);
  await client.run('SELECT Threads');
  return client;
}

async function fill(host: Host, bench: Bench): Promise<void> {
  if (clients.has(host)) return;
  bench.note(`${host.name}: 10,000 messages in threads`);
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.big);
  await client.run('CREATE Threads');
  let batch: Buffer[] = [];
  for (const message of threads()) {
    batch.push(message);
    if (batch.length === BATCH) await client.multiAppend('Threads', batch.splice(0));
  }
  await client.run('SELECT Threads');
  await client.run('STORE 1:9500 +FLAGS.SILENT (\\Seen)');
  clients.set(host, client);
}

const commands = [
  ['subject', 'SEARCH SUBJECT', 'SEARCH SUBJECT harvest'],
  ['from', 'SEARCH FROM', 'SEARCH FROM "person 17"'],
  ['unseen', 'SEARCH UNSEEN', 'SEARCH UNSEEN'],
  ['since', 'SEARCH SINCE', 'SEARCH SINCE 1-Jan-2020'],
  ['larger', 'SEARCH LARGER', 'SEARCH LARGER 4000'],
  ['sort-subject', 'SORT (SUBJECT)', 'SORT (SUBJECT) UTF-8 ALL'],
  ['sort-date', 'SORT (REVERSE DATE)', 'SORT (REVERSE DATE) UTF-8 ALL'],
  ['thread', 'THREAD REFERENCES', 'THREAD REFERENCES UTF-8 ALL'],
] as const;

/** Whoever has the mailbox open asks again: what mail apps do. */
const again = commands.map(
  ([key, title, command]): Row => ({
    key: `search-${key}`,
    title: `${title}, 10,000 messages`,
    unit: 'ms',
    goal: 'faster',
    met: faster,
    rounds: 5,
    prepare: fill,
    async measure(host, _bench, round) {
      const client = clients.get(host)!;
      if (round === 0) await warm(() => client.run(command));
      return timed(() => client.run(command));
    },
  }),
);

/** In a process that has never seen the user. */
const first = commands.filter(([key]) => ['subject', 'sort-date', 'thread'].includes(key)).map(
  ([key, title, command]): Row => ({
    key: `search-${key}-first`,
    title: `${title}, first at this replica, 10,000 messages`,
    unit: 'ms',
    // Every record is read; Dovecot has what it needs in a file of its own.
    goal: '',
    met: () => null,
    rounds: 3,
    prepare: fill,
    async measure(host) {
      await host.restart();
      const client = await opened(host);
      clients.get(host)?.close();
      clients.set(host, client);
      return timed(() => client.run(command));
    },
  }),
);

export const search: Row[] = [...again, ...first];
