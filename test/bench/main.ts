// `npm run bench`: starts Colombier, and Dovecot where it is installed, gives both the same work in turn, prints one table.
// The load comes from this process; the servers are processes of their own.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '../../src/base/index.ts';
import { selfSigned } from '../../src/self-signed.ts';
import { HELP, parseArguments } from './arguments.ts';
import type { Arguments } from './arguments.ts';
import { startColombier } from './hosts/colombier.ts';
import { dovecotMissing, startDovecot } from './hosts/dovecot.ts';
import type { Host } from './hosts/host.ts';
import { forgetPeak, peak } from './hosts/process-memory.ts';
import { mailsOf, realSizes } from './mail.ts';
import { changing, millions } from './rows/changing.ts';
import { delivery } from './rows/delivery.ts';
import { idle } from './rows/idle.ts';
import { login } from './rows/login.ts';
import { mailbox } from './rows/mailbox.ts';
import { many } from './rows/many.ts';
import { memory } from './rows/memory.ts';
import { mix } from './rows/mix.ts';
import { reading } from './rows/reading.ts';
import { quietRequests, requests } from './rows/requests.ts';
import { resyncs } from './rows/resync.ts';
import type { Bench, Row } from './rows/row.ts';
import { smtp } from './rows/smtp.ts';
import { search } from './rows/search.ts';
import { searchBody } from './rows/search-body.ts';
import { median } from './statistics.ts';
import { table } from './table.ts';
import type { Result } from './table.ts';

const ALL: Row[] = [...requests, ...delivery, ...smtp, ...login, ...mailbox, ...reading, ...changing, ...search, ...searchBody, ...many, ...resyncs, ...millions, ...mix, ...idle, ...memory, ...quietRequests];
const MAILS = 400;
const MAIL_BYTES = 10_000;
const DRAWN = 150;

async function measure(row: Row, bench: Bench): Promise<Result> {
  const hosts = row.own ? [bench.colombier] : bench.hosts;
  const values = new Map<Host, number[]>();
  const peaks = new Map<Host, number>();
  let text: string | null = null;
  for (const host of hosts) await row.prepare?.(host, bench);
  const rounds = bench.quick ? Math.min(row.rounds, 3) : row.rounds;
  for (let round = 0; round < rounds; round++) {
    // In turn, and the first one changes: what else the machine does falls on both.
    for (const host of round % 2 === 0 ? hosts : [...hosts].reverse()) {
      if (host === bench.dovecot && round >= (row.dovecotRounds ?? rounds)) continue;
      forgetPeak(host.processes());
      const value = await row.measure(host, bench, round);
      peaks.set(host, Math.max(peaks.get(host) ?? 0, peak(host.processes()) / 1e6));
      if (typeof value !== 'number' && host === bench.colombier) text = value.text;
      const list = values.get(host) ?? [];
      list.push(typeof value === 'number' ? value : value.value);
      values.set(host, list);
    }
  }
  const of = (host: Host | null) => (host && values.has(host) ? median(values.get(host)!) : null);
  const mb = { colombier: peaks.get(bench.colombier) ?? null, dovecot: (bench.dovecot && peaks.get(bench.dovecot)) ?? null };
  return { row, colombier: { value: of(bench.colombier)!, text }, dovecot: of(bench.dovecot), mb };
}

async function storeOf(args: Arguments, folder: string, atEnd: Bench['atEnd']): Promise<(name: string) => Record<string, string>> {
  if (args.store === 'disk') return (name) => ({ COLOMBIER_STORE: `disk:${join(folder, name, 'store')}` });
  const { startGarage } = await import('../real/garage.ts');
  const garage = await startGarage({ buckets: ['main', 'counted', 'smtp'], folder });
  atEnd.push(() => garage.stop());
  return (name) => ({
    COLOMBIER_STORE: `s3:${name}`,
    COLOMBIER_S3_ENDPOINT: garage.endpoint,
    COLOMBIER_S3_REGION: garage.region,
    COLOMBIER_S3_ACCESS_KEY: garage.accessKey,
    COLOMBIER_S3_SECRET_KEY: garage.secretKey,
  });
}

async function run(args: Arguments): Promise<void> {
  const asked = ALL.filter((row) => (args.rows.length === 0 ? !row.named && !(args.quick && row.long) : args.rows.some((name) => row.key.startsWith(name))));
  const rows = asked.map((row) => (args.store === 's3' ? { ...row, ...row.goalS3 } : row));
  if (rows.length === 0) throw new Error(`no row begins with ${args.rows.join(' or ')}; --help lists them`);
  const missing = args.alone ? 'left out' : dovecotMissing();
  const folder = mkdtempSync(join(tmpdir(), 'colombier-bench-'));
  chmodSync(folder, 0o755);
  const atEnd: Bench['atEnd'] = [async () => rmSync(folder, { recursive: true, force: true })];
  const note = (line: string) => void process.stderr.write(`${line}\n`);
  const stop = async () => {
    for (const step of atEnd.splice(0).reverse()) await step().catch((e) => note(String(e)));
  };
  const interrupted = () => void stop().then(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  const results: Result[] = [];
  const failures: string[] = [];
  try {
    const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') };
    const made = selfSigned(['localhost'], systemClock.now(), systemRandom);
    writeFileSync(tls.cert, made.cert);
    writeFileSync(tls.key, made.key, { mode: 0o600 });
    const store = await storeOf(args, folder, atEnd);
    const start: Bench['startColombier'] = (name, options) => startColombier({ folder: join(folder, name), store: store(name), tls, profile: args.profile, ...options });
    note('starting');
    const colombier = await start('main', {});
    atEnd.push(() => colombier.stop());
    const dovecot = missing === null ? await startDovecot(join(folder, 'dovecot'), tls) : null;
    if (dovecot) atEnd.push(() => dovecot.stop());
    else note(`without Dovecot: ${missing}`);
    const bench: Bench = {
      quick: args.quick,
      colombier,
      dovecot,
      hosts: dovecot ? [colombier, dovecot] : [colombier],
      mails: mailsOf(Array.from({ length: MAILS }, () => MAIL_BYTES), 1),
      drawn: mailsOf(realSizes(DRAWN, 2), 3),
      folder,
      atEnd,
      counted: null,
      startColombier: start,
      note,
    };
    for (const row of rows) {
      note(row.key);
      try {
        results.push(await measure(row, bench));
      } catch (e) {
        failures.push(`${row.key}: ${e instanceof Error ? e.message : e}`);
        note(failures.at(-1)!);
        results.push({ row, colombier: { value: NaN, text: 'failed' }, dovecot: null, mb: { colombier: null, dovecot: null } });
        for (const host of bench.hosts) if (host.processes().length === 0) await host.restart();
      }
    }
  } finally {
    await stop();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
  process.stdout.write(`\nColombier on ${args.store === 'disk' ? 'the disk store' : 'Garage, one node'}, ${cpus().length} cores (${cpus()[0].model.trim()}), Node ${process.versions.node}${args.quick ? ', quick run' : ''}\n\n${table(results)}`);
  for (const failure of failures) process.stdout.write(`failed: ${failure}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

try {
  const args = parseArguments(process.argv.slice(2));
  if (args.help) process.stdout.write(`${HELP}\nRows:\n${ALL.map((row) => `  ${row.key.padEnd(24)} ${row.title}\n`).join('')}`);
  else await run(args);
} catch (e) {
  process.stderr.write(`bench: ${e instanceof Error ? e.message : e}\n`);
  process.exitCode = 1;
}
