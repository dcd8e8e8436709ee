// SEARCH BODY and TEXT in 10,000 messages of 4 KB, none like another, with words as often as in a language.
import { seededRandom } from '../../../src/base/index.ts';
import type { Random } from '../../../src/base/index.ts';
import type { Host } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import type { Bench, Row } from './row.ts';
import { timed } from './row.ts';

const MESSAGES = 10_000;
const BYTES = 4096;
const BATCH = 100;
const VOCABULARY = 30_000;
/** In three messages, and in none. Made of syllables that other words have too. */
const RARE = 'tomerikalo';
const ABSENT = 'ridonateks';

const pick = <T>(random: Random, of: readonly T[]): T => of[Math.floor(random.unit() * of.length)];

function vocabulary(random: Random): string[] {
  const onsets = 'b d f g h k l m n p r s t v br ch cl cr dr fl gr pl pr qu sc sh sp st str th tr w'.split(' ');
  const vowels = 'a e i o u ai ea ee ie ou'.split(' ');
  const codas = ['', '', '', 'n', 'r', 's', 't', 'l', 'nd', 'nt', 'ng', 'st', 'ck', 'ks'];
  const words = new Set<string>();
  while (words.size < VOCABULARY) {
    let word = '';
    for (let n = 1 + Math.floor(random.unit() * 3.4); n > 0; n--) word += pick(random, onsets) + pick(random, vowels) + pick(random, codas);
    if (!word.includes(RARE) && !word.includes(ABSENT)) words.add(word);
  }
  return [...words];
}

/** As in a language, the n-th word is the n-th part as frequent as the first. */
function* letters(): Generator<Buffer> {
  const random = seededRandom(5);
  const words = vocabulary(random).sort((a, b) => a.length - b.length);
  const word = () => words[Math.floor(VOCABULARY ** random.unit()) - 1];
  for (let n = 0; n < MESSAGES; n++) {
    const head = [
      `From: ${word()} ${word()} <${word()}@${word()}.example>`,
      'To: someone@bench.example',
      `Subject: ${word()} ${word()} ${word()}`,
      `Date: ${new Date(1.7e12 + n * 60_000).toUTCString().replace('GMT', '+0000')}`,
      `Message-ID: <s${n}@bench.example>`,
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
    ].join('\r\n');
    let body = '';
    while (head.length + body.length < BYTES - 80) {
      let line = '';
      while (line.length < 64) line += `${word()} `;
      body += `${line.trimEnd()}.\r\n`;
    }
    if (n % 3333 === 100) body += `The ${RARE} of the year.\r\n`;
    yield Buffer.from(`${head}\r\n\r\n${body}`);
  }
}

const clients = new Map<Host, ImapClient>();

async function fill(host: Host, bench: Bench): Promise<void> {
  if (clients.has(host)) return;
  bench.note(`${host.name}: 10,000 messages of 4 KB`);
  const client = await ImapClient.connect({ port: host.imap });
  await client.login(host.big);
  await client.run('CREATE Letters');
  let batch: Buffer[] = [];
  for (const letter of letters()) {
    batch.push(letter);
    if (batch.length === BATCH) await client.multiAppend('Letters', batch.splice(0));
  }
  await client.run('SELECT Letters');
  clients.set(host, client);
}

const fiveTimes = (colombier: number, dovecot: number | null) => (dovecot === null ? null : colombier * 5 <= dovecot);

const row = (key: string, title: string, command: string, rounds = 3): Row => ({
  key,
  title: `${title}, 10,000 messages of 4 KB`,
  unit: 'ms',
  goal: '5 times faster',
  met: fiveTimes,
  rounds,
  prepare: fill,
  measure: (host) => timed(() => clients.get(host)!.run(command)),
});

export const searchBody: Row[] = [
  // While Dovecot is filled Colombier makes its index in the background; where it had no time for it, this reads all messages.
  { ...row('search-body-first', 'SEARCH BODY of a rare word, the first one some time after the mail came', `SEARCH BODY ${RARE}`, 1), goal: '', met: () => null },
  row('search-body-rare', 'SEARCH BODY of a rare word', `SEARCH BODY ${RARE}`),
  row('search-body-absent', "SEARCH BODY of a word that isn't there", `SEARCH BODY ${ABSENT}`),
  row('search-text-absent', "SEARCH TEXT of a word that isn't there", `SEARCH TEXT ${ABSENT}`),
  {
    ...row('search-body-restarted', 'SEARCH BODY of a rare word, first at this replica', `SEARCH BODY ${RARE}`),
    async measure(host) {
      await host.restart();
      const client = await ImapClient.connect({ port: host.imap });
      await client.login(host.big);
      await client.run('SELECT Letters');
      const took = await timed(() => client.run(`SEARCH BODY ${RARE}`));
      clients.get(host)?.close();
      clients.set(host, client);
      return took;
    },
  },
];
