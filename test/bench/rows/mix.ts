// A hundred mail apps at once, with the commands that real ones send, as often as they send them.
import { existsSync, readFileSync } from 'node:fs';
import { seededRandom } from '../../../src/base/index.ts';
import type { Random } from '../../../src/base/index.ts';
import type { Host, User } from '../hosts/host.ts';
import { ImapClient } from '../imap-client.ts';
import { fresh } from '../mail.ts';
import { percentile } from '../statistics.ts';
import type { Bench, Row } from './row.ts';
import { atLeast, faster } from './row.ts';

const CLIENTS = 100;
const ROUND_MS = 6000;
const QUICK_MS = 2500;
const MESSAGES = 500;
const MAILBOX = 'Mix';
const COUNTS = new URL('../../../../shared/data/imap-commands.csv', import.meta.url);
/** How often each came, where the list itself is not there. */
const OFTEN = 'Fetch 1187,Select 746,Search 658,Unselect 515,Noop 295,Idle 248,Login 244,Status 203,List 132,Check 96,Capability 33,Examine 26,Store 23,Lsub 14,Enable 9,Append 6,Close 6,Subscribe 3,Move 2,Expunge 1';

function often(): [string, number][] {
  const lines = existsSync(COUNTS) ? readFileSync(COUNTS, 'utf8').trim().split('\n').slice(1).map((line) => line.split(',')).filter(([, , kind]) => kind === 'Raw').map(([n, name]) => `${name} ${n}`) : OFTEN.split(',');
  return lines.map((line) => line.split(' ')).map(([name, n]) => [name, Number(n)]);
}

/** What FETCH, SEARCH and STORE ask for in a mailbox of so many messages. */
const FETCHES: ((n: number, r: Random) => string)[] = [
  () => 'UID FETCH 1:* (FLAGS)',
  (n) => `FETCH ${n - 49}:* (UID FLAGS)`,
  (n) => `FETCH ${n - 19}:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)`,
  (n) => `FETCH ${n - 19}:* (UID ENVELOPE BODY.PEEK[HEADER.FIELDS (REFERENCES)])`,
  (n, r) => `FETCH ${1 + Math.floor(r.unit() * n)} (UID FLAGS BODY.PEEK[])`,
  (n, r) => `FETCH ${1 + Math.floor(r.unit() * n)} (UID BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.2048>)`,
  (n, r) => `FETCH ${1 + Math.floor(r.unit() * n)} (UID BODYSTRUCTURE)`,
  (_n, r) => `UID FETCH 1:* (FLAGS) (CHANGEDSINCE ${1 + Math.floor(r.unit() * 100)})`,
];
const SEARCHES = ['UID SEARCH UNSEEN', 'UID SEARCH ALL', 'SEARCH NOT DELETED', 'UID SEARCH SINCE 1-Jan-2020 NOT SEEN', 'UID SEARCH SUBJECT "meeting"', 'UID SEARCH HEADER MESSAGE-ID "bench@example.net"'];
const pick = <T>(r: Random, of: readonly T[]): T => of[Math.floor(r.unit() * of.length)];
/** They need a mailbox that is selected. */
const IN_MAILBOX = new Set(['Fetch', 'Search', 'Store', 'Unselect', 'Close', 'Check', 'Expunge', 'Move']);

/** One mail app. */
class App {
  readonly #host: Host;
  readonly #user: User;
  readonly #random: Random;
  readonly #bench: Bench;
  #client: ImapClient | null = null;
  #selected = false;
  #from: string;

  constructor(host: Host, bench: Bench, lane: number) {
    this.#host = host;
    this.#bench = bench;
    this.#user = host.users[lane % host.users.length];
    this.#random = seededRandom(100 + lane);
    this.#from = `127.0.${2 + (lane >> 5)}.1`;
  }

  async #login(): Promise<ImapClient> {
    this.close();
    const client = await ImapClient.connect({ port: this.#host.imap, from: this.#from });
    await client.login(this.#user);
    this.#client = client;
    return client;
  }

  async #select(word: string): Promise<void> {
    await this.#client!.run(`${word} ${MAILBOX}`);
    this.#selected = true;
  }

  /** One command; the time it took is told in milliseconds, and so is that of a log-in or SELECT that had to come before. */
  async next(name: string, took: (ms: number, name: string) => void): Promise<void> {
    const timed = async (what: string, work: () => Promise<unknown>) => {
      const start = performance.now();
      await work();
      took(performance.now() - start, what);
    };
    if (this.#client === null && name !== 'Login') await timed('Login', () => this.#login());
    if (IN_MAILBOX.has(name) && !this.#selected) await timed('Select', () => this.#select('SELECT'));
    await timed(name, () => this.#do(name));
  }

  async #do(name: string): Promise<unknown> {
    const r = this.#random;
    const c = this.#client!;
    switch (name) {
      case 'Login': return this.#login();
      case 'Select': return this.#select('SELECT');
      case 'Examine': return this.#select('EXAMINE').then(() => (this.#selected = false));
      case 'Unselect':
      case 'Close': this.#selected = false; return c.run('UNSELECT');
      case 'Fetch': return c.run(pick(r, FETCHES)(MESSAGES, r));
      case 'Search': return c.run(pick(r, SEARCHES));
      case 'Store': return c.run(`STORE ${1 + Math.floor(r.unit() * MESSAGES)} ${r.unit() < 0.7 ? '+' : '-'}FLAGS (${pick(r, ['\\Seen', '\\Seen', '\\Flagged', '\\Answered'])})`);
      case 'Idle': return c.idle().then(() => c.done());
      case 'Status': return c.run(`STATUS ${pick(r, ['INBOX', MAILBOX])} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)`);
      case 'List': return c.run('LIST "" *');
      case 'Lsub': return c.run('LSUB "" *');
      case 'Subscribe': return c.run('SUBSCRIBE INBOX');
      case 'Append': return c.append('Sink', [fresh(pick(r, this.#bench.mails))]);
      case 'Move': return c.run('COPY 1 Sink');
      case 'Enable': return c.run('ENABLE CONDSTORE');
      case 'Check': return c.run('CHECK');
      case 'Capability': return c.run('CAPABILITY');
      case 'Expunge': return c.run('EXPUNGE');
      default: return c.run('NOOP');
    }
  }

  close(): void {
    this.#client?.close();
    this.#client = null;
    this.#selected = false;
  }
}

/** Names as often as they come. */
function* stream(random: Random): Generator<string> {
  const all = often().filter(([name]) => name !== 'Logout' && name !== 'Create');
  const sum = all.reduce((n, [, count]) => n + count, 0);
  for (;;) {
    let at = random.unit() * sum;
    yield all.find(([, count]) => (at -= count) < 0)![0];
  }
}

const p99 = new Map<Host, number[]>();

async function prepare(host: Host, bench: Bench): Promise<void> {
  for (const user of host.users) {
    const client = await ImapClient.connect({ port: host.imap });
    await client.login(user);
    const { text } = await client.run(`LIST "" ${MAILBOX}`, true);
    if (!text.includes(MAILBOX)) {
      for (const name of [MAILBOX, 'Sink']) await client.run(`CREATE ${name}`);
      for (let i = 0; i < MESSAGES; i += 100) await client.multiAppend(MAILBOX, bench.mails.slice(i % bench.mails.length, (i % bench.mails.length) + 100).map(fresh));
    }
    client.close();
  }
}

async function measure(host: Host, bench: Bench): Promise<number> {
  const apps = Array.from({ length: CLIENTS }, (_, lane) => new App(host, bench, lane));
  const streams = apps.map((_, lane) => stream(seededRandom(500 + lane)));
  for (const app of apps) await app.next('Select', () => {});
  const times: number[] = [];
  const by = new Map<string, number[]>();
  const took = (ms: number, name: string) => {
    times.push(ms);
    const list = by.get(name) ?? [];
    by.set(name, list);
    list.push(ms);
  };
  const start = performance.now();
  const end = start + (bench.quick ? QUICK_MS : ROUND_MS);
  await Promise.all(apps.map(async (app, lane) => {
    while (performance.now() < end) await app.next(streams[lane].next().value!, took);
  }));
  const all = performance.now() - start;
  for (const app of apps) app.close();
  p99.set(host, [...(p99.get(host) ?? []), percentile(times, 0.99)]);
  const worst = [...by].map(([name, list]) => ({ name, ms: percentile(list, 0.99) })).sort((a, b) => b.ms - a.ms).slice(0, 5);
  bench.note(`${host.name}: 99 of 100 take at most ${worst.map(({ name, ms }) => `${name} ${ms.toFixed(0)} ms`).join(', ')}`);
  return (times.length * 1000) / all;
}

export const mix: Row[] = [
  { key: 'mix', title: `${CLIENTS} clients, the commands of real ones`, unit: 'commands/s', goal: 'more', met: atLeast(1.02), rounds: 3, prepare, measure },
  {
    key: 'mix-p99',
    title: `${CLIENTS} clients: 99 of 100 commands take at most`,
    unit: 'ms',
    goal: 'less',
    met: faster,
    rounds: 3,
    prepare,
    /** Of the rounds above, where they ran. */
    async measure(host, bench, round) {
      if (p99.get(host)?.[round] === undefined) await measure(host, bench);
      return p99.get(host)![round];
    },
  },
];
