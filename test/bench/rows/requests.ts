// Requests to the store for one operation, of two replicas that know each other, with a session at both.
import { fileURLToPath } from 'node:url';
import type { Counts } from '../counted-replica.ts';
import type { Replica } from '../hosts/colombier.ts';
import { ImapClient } from '../imap-client.ts';
import { LmtpClient } from '../lmtp-client.ts';
import { fresh } from '../mail.ts';
import { median } from '../statistics.ts';
import type { Bench, Row, Shown } from './row.ts';

const ENTRY = [fileURLToPath(new URL('../counted-replica.ts', import.meta.url))];
/** A user's state lingers for a minute after the last session, and upkeep looks through one log after the other, at most 45 s apart. */
const SETTLED_MS = 190_000;
/** Two polls long. */
const WINDOW_MS = 121_000;
const SAMPLE_MS = 10_000;
const OPERATIONS = 8;
/** A LIST may serve whatever begins within a second after it: operations that stand alone cost one each. */
const APART_MS = 1100;

interface Pair {
  first: Replica;
  second: Replica;
  /** Ids of the users in the order in which they were used: busy, idle, gone. */
  ids: string[];
  /** What had been counted when, from when nobody lingers any more. */
  samples: { at: number; counts: Counts }[];
  clients: ImapClient[];
}

const ask = (replica: Replica): Promise<Counts> =>
  new Promise((resolve) => {
    replica.child!.once('message', (counts) => resolve(counts as Counts));
    replica.child!.send('counts');
  });

/** Both replicas' counts together. */
async function counts(pair: { first: Replica; second: Replica }): Promise<Counts> {
  const [a, b] = await Promise.all([ask(pair.first), ask(pair.second)]);
  const sum: Counts = structuredClone(a);
  for (const [of, n] of Object.entries(b)) {
    const to = (sum[of] ??= { put: 0, get: 0, list: 0 });
    to.put += n.put;
    to.get += n.get;
    to.list += n.list;
  }
  return sum;
}

async function pairOf(bench: Bench): Promise<Pair> {
  return (bench.counted ??= start(bench)) as Promise<Pair>;
}

async function start(bench: Bench): Promise<Pair> {
  const first = await bench.startColombier('counted', { entry: ENTRY, users: 3, unseen: 0 });
  bench.atEnd.push(() => first.stop());
  const second = await first.startSecond();
  // Who used the store since is the user who logged in: ids are random.
  const ids: string[] = [];
  const clients: ImapClient[] = [];
  for (const user of first.users) {
    for (const replica of [first, second]) {
      const client = await ImapClient.connect({ port: replica.imap });
      await client.login(user);
      await client.run('SELECT INBOX');
      clients.push(client);
    }
    ids.push(Object.keys(await counts({ first, second })).find((of) => of.startsWith('users/') && !ids.includes(of))!);
  }
  for (const gone of clients.slice(4)) gone.close();
  for (const idle of clients.slice(2, 4)) await idle.idle();
  const since = performance.now();
  const samples: Pair['samples'] = [];
  const timer = setInterval(async () => {
    if (performance.now() - since >= SETTLED_MS) samples.push({ at: performance.now(), counts: await counts({ first, second }) });
  }, SAMPLE_MS).unref();
  bench.atEnd.push(async () => clearInterval(timer));
  return { first, second, ids, samples, clients };
}

const zero = { put: 0, get: 0, list: 0 };

function difference(before: Counts, after: Counts, of: string, per: number): Shown {
  const a = before[of] ?? zero;
  const b = after[of] ?? zero;
  const each = { LIST: (b.list - a.list) / per, PUT: (b.put - a.put) / per, GET: (b.get - a.get) / per };
  const text = Object.entries(each).filter(([, n]) => n > 0).map(([kind, n]) => `${Number(n.toFixed(2))} ${kind}`).join(' ');
  return { value: each.LIST + each.PUT + each.GET, text: text || 'none' };
}

const row = (key: string, title: string, goal: string, most: number, measure: (pair: Pair, bench: Bench) => Promise<Shown>): Row => ({
  key,
  title,
  unit: 'requests',
  goal,
  // A snapshot now and then is part of the work, and makes the mean a little more than the whole number.
  met: (value) => value <= most,
  rounds: 1,
  own: true,
  measure: async (_host, bench) => measure(await pairOf(bench), bench),
});

async function operations(pair: Pair, one: (i: number) => Promise<unknown>): Promise<Shown> {
  const pause = () => new Promise((resolve) => setTimeout(resolve, APART_MS));
  await one(0);
  await pause();
  const spent: Counts[string][] = [];
  for (let i = 1; i <= OPERATIONS; i++) {
    const before = (await counts(pair))[pair.ids[0]] ?? zero;
    await one(i);
    await pause();
    const after = (await counts(pair))[pair.ids[0]];
    spent.push({ put: after.put - before.put, get: after.get - before.get, list: after.list - before.list });
  }
  // What upkeep does now and then in the background is not what an operation costs.
  const middle: Counts[string] = { put: median(spent.map((s) => s.put)), get: median(spent.map((s) => s.get)), list: median(spent.map((s) => s.list)) };
  return difference({}, { all: middle }, 'all', 1);
}

/** First rows of a run: the idle ones count while others are measured. */
export const requests: Row[] = [
  row('requests-delivery', 'requests to the store for a delivery, two replicas', '1 LIST 2 PUT', 3.1, async (pair, bench) => {
    const lmtp = await LmtpClient.connect({ port: pair.first.lmtp });
    const shown = await operations(pair, (i) => lmtp.deliver(pair.first.users[0].address, fresh(bench.mails[i])));
    lmtp.close();
    return shown;
  }),
  row('requests-flags', 'requests to the store for a flag change, two replicas', '1 LIST 1 PUT', 2.1, async (pair, bench) => {
    const client = pair.clients[0];
    await client.run('NOOP');
    await client.append('INBOX', [fresh(bench.mails[0])]);
    return operations(pair, (i) => client.run(`STORE 1 ${i % 2 === 0 ? '+' : '-'}FLAGS (\\Seen)`));
  }),
];

async function quiet(pair: Pair, of: string, replicas: number): Promise<Shown> {
  for (;;) {
    const now = performance.now();
    const start = pair.samples.findLast((sample) => now - sample.at >= WINDOW_MS);
    if (start) return difference(start.counts, await counts(pair), of, ((now - start.at) / 60_000) * replicas);
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS / 4));
  }
}

/** Last rows of a run. */
export const quietRequests: Row[] = [
  { ...row('requests-idle', 'requests to the store for a user connected and idle, a minute and replica', '1 LIST', 1.5, (pair) => quiet(pair, pair.ids[1], 2)), long: true },
  { ...row('requests-none', 'requests to the store for a user not connected, a minute', 'none', 0, (pair) => quiet(pair, pair.ids[2], 1)), long: true },
];
