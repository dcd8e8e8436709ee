// `npm run bench:sites`: what three sites cost, 10 ms apart each way: latencies against their goals, and requests and bytes
// of each operation, in a small account and in one with many messages and mailboxes. Runs in a network namespace of its own
// where that can be had, with immediate acknowledgements as the deployment guide sets them between Garage nodes.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { limits } from '../../src/base/index.ts';
import { Imap } from '../real/imap.ts';
import { Mail, message } from '../real/mail.ts';
import { garageMissing } from '../real/garage.ts';
import { Cluster, SITES } from '../sites/cluster.ts';
import type { Person, SiteReplica } from '../sites/cluster.ts';
import { percentile, shown } from './statistics.ts';

const { values: args } = parseArgs({ options: { quick: { type: 'boolean', default: false }, delay: { type: 'string', default: '10' }, here: { type: 'boolean', default: false }, help: { type: 'boolean' } } });
if (args.help) {
  console.log('npm run bench:sites -- [--quick] [--delay 10]: how far the sites are apart, ms each way');
  process.exit();
}
const DELAY_MS = Number(args.delay);
const ROUND_MS = 2 * DELAY_MS;
const SEED_MESSAGES = 500;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (garageMissing()) {
  console.error(garageMissing());
  process.exit(1);
}
if (!args.here) {
  const quickack = 'ip link set lo up && ip route change table local local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 quickack 1';
  const own = spawnSync('unshare', ['-n', 'sh', '-c', quickack], { stdio: 'ignore' }).status === 0;
  if (!own) console.log('no network namespace to be had: loopback as it is, with delayed acknowledgements between Garage nodes');
  const again = [process.execPath, fileURLToPath(import.meta.url), '--here', ...process.argv.slice(2)];
  const { status } = own ? spawnSync('unshare', ['-n', 'sh', '-c', `${quickack} && exec "$@"`, 'sh', ...again], { stdio: 'inherit' }) : spawnSync(again[0], again.slice(1), { stdio: 'inherit' });
  process.exit(status ?? 1);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

interface Row {
  work: string;
  value: number;
  goal: number | null;
  unit: string;
}
const rows: Row[] = [];
const row = (work: string, value: number, goal: number | null, unit = 'ms') => {
  rows.push({ work, value, goal, unit });
  console.error(`${work}: ${shown(value)} ${unit}`);
};

async function client(at: SiteReplica, person: Person): Promise<Imap> {
  const imap = await Imap.connect(at.imap, false, undefined, at.host);
  await imap.ok(`LOGIN ${person.address} ${person.password}`, 60_000);
  return imap;
}
async function took(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}
async function each(n: number, work: (i: number) => Promise<number>, pause = 0): Promise<number[]> {
  const all: number[] = [];
  for (let i = 0; i < n; i++) {
    all.push(await work(i));
    if (pause) await sleep(pause);
  }
  return all;
}

/** What a replica has sent to the store and read from it so far. */
async function spent(at: SiteReplica): Promise<{ put: number; get: number; list: number; bytes: number }> {
  const text = await (await fetch(`http://${at.host}:${at.settings.COLOMBIER_HTTP_PORT}/metrics`)).text();
  const value = (name: string) => Number(new RegExp(`^colombier_store_${name.replace(/[{}]/g, '\\$&')} (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  return { put: value('sends_total{kind="put"}'), get: value('sends_total{kind="get"}'), list: value('sends_total{kind="list"}'), bytes: value('bytes_total{direction="out"}') + value('bytes_total{direction="in"}') };
}

/** A mailbox of so many messages: some are appended, and copied within the mailbox until there are enough. */
async function fill(imap: Imap, n: number): Promise<void> {
  for (let i = 0; i < SEED_MESSAGES; i += 50) {
    const parts = Array.from({ length: 50 }, (_, k) => message(`seed-${i + k}`, 3000)).map((m) => Buffer.concat([Buffer.from(` () {${m.length}+}\r\n`), m]));
    await imap.ok(Buffer.concat([Buffer.from('APPEND INBOX'), ...parts]), 120_000);
  }
  await imap.ok('SELECT INBOX', 60_000);
  for (let have = SEED_MESSAGES; have < n; have = Math.min(n, 2 * have)) await imap.ok(`COPY 1:${Math.min(have, n - have)} INBOX`, 300_000);
  await imap.ok('NOOP', 60_000);
}

/** Stops and starts a replica: it knows nothing, and its log-in comes first. */
async function cold(at: SiteReplica): Promise<void> {
  await at.stop('SIGTERM');
  await at.start();
}

async function operations(cluster: Cluster, person: Person, account: string, table: string[]): Promise<void> {
  const [a, b] = cluster.replicas;
  const imap = await client(a, person);
  await imap.ok('SELECT INBOX', 60_000);
  const mail = await Mail.connect(a.smtp, 'smtp', undefined, a.host);
  await mail.stored(person.address, message(`${person.name}-last`, 10_000));
  await imap.ok('NOOP');
  const exists = /(\d+) EXISTS/.exec((await imap.ok('SELECT INBOX', 60_000)).join('\n'))![1];
  const cost = async (name: string, at: SiteReplica, n: number, work: (i: number) => Promise<unknown>) => {
    const all: Awaited<ReturnType<typeof spent>>[] = [];
    for (let i = 0; i < n; i++) {
      await sleep(1200); // a LIST serves for a second
      const before = await spent(at);
      await work(i);
      await sleep(100);
      const after = await spent(at);
      all.push({ put: after.put - before.put, get: after.get - before.get, list: after.list - before.list, bytes: after.bytes - before.bytes });
    }
    const middle = (of: (x: (typeof all)[number]) => number) => percentile(all.map(of), 0.5);
    table.push(`| ${name} | ${account} | ${middle((x) => x.list)} | ${middle((x) => x.put)} | ${middle((x) => x.get)} | ${middle((x) => x.bytes)} |`);
    console.error(table.at(-1));
  };
  await cost('delivery of 10 KB', a, 5, (i) => mail.stored(person.address, message(`${person.name}-cost-${i}`, 10_000)));
  await cost('flag change', a, 5, (i) => imap.ok(`STORE ${exists} ${i % 2 ? '-' : '+'}FLAGS (\\Seen)`));
  await cost('NOOP', a, 5, () => imap.ok('NOOP'));
  await cost('SELECT again', a, 5, () => imap.ok('SELECT INBOX', 60_000));
  await cold(b);
  let other: Imap | null = null;
  await cost('log-in and SELECT at a cold replica', b, 1, async () => {
    other = await client(b, person);
    await other.ok('SELECT INBOX', 60_000);
  });
  for (const one of [imap, mail, other as Imap | null]) one?.close();
}

const cluster = await Cluster.start({ people: ['small', 'ten', 'hundred'], http: true });
try {
  const [small, ten, hundred] = cluster.people;
  const [a, b, c] = cluster.replicas;
  const apart = async (delay: number) => {
    for (const x of SITES) for (const y of SITES) if (x < y) await cluster.wires.set(x, y, { delay });
  };
  console.error('filling mailboxes');
  const most = args.quick ? 20_000 : 100_000;
  for (const [person, n] of [[ten, 10_000], [hundred, most]] as const) {
    const imap = await client(a, person);
    await fill(imap, n);
    if (person === ten) for (let i = 0; i < 30; i++) await imap.ok(`CREATE box-${i}`, 60_000);
    // Enough events that a snapshot is due, and time for it.
    for (let i = 0; i < 205; i++) await imap.ok(`STORE 1 ${i % 2 ? '-' : '+'}FLAGS (k)`, 60_000);
    imap.close();
  }
  await sleep(15_000);
  await apart(DELAY_MS);

  const idle = await client(b, small);
  await idle.ok('SELECT INBOX');
  await idle.idle();
  const mail = await Mail.connect(a.smtp, 'smtp', undefined, a.host);
  await mail.stored(small.address, message('first', 10_000));
  await idle.hears(/EXISTS/);
  const n = args.quick ? 30 : 100;
  const acknowledged: number[] = [];
  const heard = await each(n, async (i) => {
    let at = 0;
    const arrives = idle.hears(/EXISTS/).then(() => (at = performance.now()));
    acknowledged.push(await took(() => mail.stored(small.address, message(`hint-${i}`, 10_000))));
    const stored = performance.now();
    await arrives;
    return at - stored;
  }, 20);
  row('new mail heard at another site after the sender\'s 250, p99', percentile(heard, 0.99), ROUND_MS + 20);
  row('delivery of 10 KB acknowledged, p50', percentile(acknowledged, 0.5), 350);
  row('delivery of 10 KB acknowledged, p99', percentile(acknowledged, 0.99), null);
  const busy = await client(a, small);
  await busy.ok('SELECT INBOX');
  row('flag change, p50', percentile(await each(n, (i) => took(() => busy.ok(`STORE ${1 + (i % 10)} ${i % 20 < 10 ? '+' : '-'}FLAGS (\\Flagged)`)), 20), 0.5), 120);

  for (const x of SITES) for (const y of SITES) if (x < y) await cluster.wires.set(x, y, { mode: 'reset' }, ['peer']);
  await sleep(1000);
  while (idle.heard.length > 0) idle.heard.pop();
  const polled = await each(3, async (i) => {
    const arrives = idle.hears(/EXISTS/, 30_000);
    await mail.stored(small.address, message(`poll-${i}`, 10_000));
    const stored = performance.now();
    await arrives;
    return performance.now() - stored;
  });
  row('the same without peer channels, longest', Math.max(...polled), 5000 + 1000 + 10 * ROUND_MS);
  for (const x of SITES) for (const y of SITES) if (x < y) await cluster.wires.set(x, y, { mode: 'open' }, ['peer']);

  for (const [person, size, goal] of [[ten, 10_000, 400], [hundred, most, 1000]] as const) {
    const select = await each(3, async () => {
      await cold(c);
      const imap = await Imap.connect(c.imap, false, undefined, c.host);
      const login = await took(() => imap.ok(`LOGIN ${person.address} ${person.password}`, 60_000));
      const opened = await took(() => imap.ok('SELECT INBOX', 60_000));
      console.error(`log-in ${shown(login)} ms, SELECT ${shown(opened)} ms`);
      imap.close();
      return opened;
    });
    row(`SELECT of ${size} messages at a cold replica, p50`, percentile(select, 0.5), goal);
  }

  const boundary = 'part-of-twenty-megabytes';
  const attachment = `${'QUJDRA'.repeat(12)}\r\n`.repeat(Math.ceil(20e6 / 74));
  const large = (i: number) => Buffer.from(`From: a@b.example\r\nSubject: large ${i}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=${boundary}\r\n\r\n--${boundary}\r\nContent-Type: text/plain\r\n\r\n${'text of it\r\n'.repeat(100)}\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n${attachment}\r\n--${boundary}--\r\n`);
  await apart(0);
  const uids: number[] = [];
  for (let i = 0; i < 3; i++) uids.push(await busy.append('Archive', large(i)));
  await apart(DELAY_MS);
  const reader = await client(c, small);
  await reader.ok('SELECT Archive');
  row('first text part of a 20 MB message, p50', percentile(await each(3, (i) => took(() => reader.ok(`UID FETCH ${uids[i]} (BODY.PEEK[1])`))), 0.5), 150);
  for (const one of [idle, mail, busy, reader]) one.close();

  const costs: string[] = [];
  // What the measurements wrote is listed for as long as a PUT may land; then a LIST is what it is on other days.
  await sleep(limits.put_window_ms + 10_000);
  await operations(cluster, small, 'small', costs);
  await operations(cluster, ten, '10,000 messages, 30 mailboxes', costs);
  await operations(cluster, hundred, `${most.toLocaleString('en')} messages`, costs);
  console.log(`Three sites, ${DELAY_MS} ms apart each way\n\n| work | measured | goal | met |\n| --- | ---: | ---: | --- |`);
  for (const { work, value, goal, unit } of rows) console.log(`| ${work} | ${shown(value)} ${unit} | ${goal === null ? '-' : `${goal} ${unit}`} | ${goal === null ? '-' : value <= goal ? 'yes' : 'NO'} |`);
  console.log(`\n| operation | account | LIST | PUT | GET | bytes |\n| --- | --- | ---: | ---: | ---: | ---: |\n${costs.join('\n')}`);
} finally {
  await cluster.end();
}
process.exit(0);
