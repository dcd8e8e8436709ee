// `npm run sites`: three sites on this machine, each a Garage node and a replica on a loopback address of its own, with
// one cluster secret and one user. What is typed kills and starts them; Ctrl-C takes all of it down. Runs under Node 24.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { silent } from '../src/base/index.ts';
import { readConfig } from '../src/config.ts';
import { admin } from '../src/server.ts';
import { startGarage } from '../test/real/garage.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const ADDRESS = 'me@colombier.test';
const PORTS = { SMTP: 1025, LMTP: 1024, IMAP: 1143, IMAPS: 1993, HTTP: 1080 };
const START_MS = 30_000;
/** A drain, and what the store may still take. */
const STOP_MS = 20_000;
/** One Ctrl-C reaches us twice under npm. */
const SAME_SIGNAL_MS = 1000;

const say = (text) => process.stdout.write(`${text}\n`);
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `--free-ports`: any that are free, for tests. */
async function portsOf(address, free) {
  if (!free) return PORTS;
  const servers = Object.keys(PORTS).map(() => createServer());
  const ports = await Promise.all(servers.map((s) => new Promise((resolve, reject) => s.once('error', reject).listen(0, address, () => resolve(s.address().port)))));
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))));
  return Object.fromEntries(Object.keys(PORTS).map((name, i) => [name, ports[i]]));
}

/** Settings of whoever started this are not for these replicas. */
const cleanEnv = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COLOMBIER_')));

class Replica {
  child = null;
  log = '';
  constructor(number, settings) {
    this.number = number;
    this.settings = settings;
  }

  async start() {
    if (this.child) return;
    // A process group of its own: Ctrl-C must not end it before the others are told.
    const child = spawn(process.execPath, [MAIN, 'serve'], { env: { ...cleanEnv(), ...this.settings }, stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    this.child = child;
    this.log = '';
    child.stderr.on('data', (text) => (this.log = (this.log + text).slice(-100_000)));
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    child.once('exit', (status, signal) => {
      process.off('exit', orphan);
      if (this.child !== child) return;
      this.child = null;
      if (!stopping) say(`replica ${this.number} ended (${signal ?? status})`);
    });
    const end = Date.now() + START_MS;
    while (!/ ready .*\n/.test(this.log)) {
      if (this.child !== child || Date.now() > end) throw new Error(`replica ${this.number} did not start:\n${this.log}`);
      await wait(50);
    }
  }

  async stop(signal) {
    const { child } = this;
    if (!child) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(timer);
  }
}

let stopping = false;
let stopped = null;
let garage = null;
const replicas = [];
const folder = mkdtempSync(join(tmpdir(), 'colombier-sites-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Replicas first, while their store still answers. */
function stop() {
  stopping = true;
  stopped ??= (async () => {
    say('\nStopping ...');
    await Promise.all(replicas.map((r) => r.stop('SIGTERM')));
    await garage?.stop();
  })();
  return stopped;
}

let first = null;
const onSignal = () => {
  const now = Date.now();
  if (first !== null && now - first < SAME_SIGNAL_MS) return;
  if (first !== null) process.exit(1); // the handlers of `exit` kill what is left
  first = now;
  stop().then(() => process.exit(0), (e) => (console.error(e), process.exit(1)));
};
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onSignal);

function status() {
  const rows = [['', 'IMAP', 'IMAPS', 'SMTP', 'HTTP', 'pid', 'Garage node', 'pid']];
  for (const [i, { settings: s, child }] of replicas.entries()) {
    const at = s.COLOMBIER_LISTEN;
    const node = garage.nodes[i];
    rows.push([`site ${i + 1}`, ...['IMAP', 'IMAPS', 'SMTP', 'HTTP'].map((p) => `${at}:${s[`COLOMBIER_${p}_PORT`]}`), child ? String(child.pid) : 'down', garage.endpoints[i], node.running ? String(node.pid) : 'down']);
  }
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => r[i].length)));
  for (const row of rows) say(`  ${row.map((cell, i) => cell.padEnd(widths[i])).join('  ').trimEnd()}`);
}

const HELP = `Type:
  kill 1         kill -9 the replica of site 1         stop 1         let it drain and leave
  start 1        start it again
  kill node 2    kill -9 the Garage node of site 2     stop node 2    end it
  start node 2   start it again
  status         who runs                              quit, Ctrl-C   take all of it down`;

async function typed(line) {
  const words = line.trim().split(/\s+/);
  if (words[0] === '') return;
  if (words[0] === 'status') return status();
  if (words[0] === 'quit') return onSignal();
  const m = /^(kill|stop|start) (node )?([123])$/.exec(words.join(' '));
  if (!m) return say(HELP);
  const [, verb, node, number] = m;
  const what = node ? garage.nodes[number - 1] : replicas[number - 1];
  if (verb === 'start') await what.start();
  else await what.stop(verb === 'kill' ? 'SIGKILL' : 'SIGTERM');
  say(`${node ? 'node' : 'replica'} ${number}: ${verb === 'start' ? 'runs' : 'down'}`);
}

async function main() {
  const free = process.argv.includes('--free-ports');
  const built = spawnSync(process.execPath, [fileURLToPath(new URL('garage.mjs', import.meta.url))], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (built.status !== 0) {
    process.exitCode = 1;
    return;
  }
  say('Starting three Garage nodes (replication factor 3) and three replicas ...');
  garage = await startGarage({ nodes: 3, buckets: ['mail-one', 'mail-two'], apart: true });
  if (stopping) return;
  const secret = (name, text) => {
    writeFileSync(join(folder, name), `${text}\n`, { mode: 0o600 });
    return join(folder, name);
  };
  const common = {
    COLOMBIER_STORE: `s3:${garage.buckets.join(',')}`,
    COLOMBIER_S3_REGION: garage.region,
    COLOMBIER_S3_ACCESS_KEY: garage.accessKey,
    COLOMBIER_S3_SECRET_KEY_FILE: secret('s3-key', garage.secretKey),
    COLOMBIER_CLUSTER_SECRET_FILE: join(folder, 'cluster-secret'),
  };
  for (let i = 0; i < 3; i++) {
    const address = new URL(garage.endpoints[i]).hostname;
    const ports = await portsOf(address, free);
    replicas.push(new Replica(i + 1, {
      ...common,
      COLOMBIER_SETTINGS: join(folder, `site${i + 1}`),
      COLOMBIER_HOSTNAME: `site${i + 1}.colombier.test`,
      // The node of its own site; the others while that one is away.
      COLOMBIER_S3_ENDPOINT: [0, 1, 2].map((n) => garage.endpoints[(i + n) % 3]).join(','),
      COLOMBIER_LISTEN: address,
      COLOMBIER_HTTP_LISTEN: address,
      ...Object.fromEntries(Object.entries(ports).map(([name, port]) => [`COLOMBIER_${name}_PORT`, String(port)])),
    }));
  }
  const password = randomBytes(9).toString('hex');
  // The first one makes the cluster secret, the others read it.
  const command = await admin(readConfig({}, replicas[0].settings), silent);
  let code;
  try {
    await command.domainAdd(ADDRESS.split('@')[1]);
    ({ recoveryCode: code } = await command.userAdd(ADDRESS, password));
  } finally {
    await command.close();
  }
  await Promise.all(replicas.map((r) => r.start()));
  if (stopping) return;
  say('');
  status();
  const [one, two] = replicas.map(({ settings: s }) => ({ smtp: `${s.COLOMBIER_LISTEN}:${s.COLOMBIER_SMTP_PORT}`, imap: `${s.COLOMBIER_LISTEN}:${s.COLOMBIER_IMAP_PORT}` }));
  say(`
User name      ${ADDRESS}
Password       ${password}
Recovery code  ${code}

Any mail app may connect to any site. To try it by hand:
  curl smtp://${one.smtp} --mail-from you@example.com --mail-rcpt ${ADDRESS} -T FILE
  curl -u ${ADDRESS}:${password} 'imap://${two.imap}/INBOX' -X 'FETCH 1:* (UID FLAGS RFC822.SIZE)'
then kill a replica and a Garage node and read again: nothing is lost while two nodes run.

${HELP}
`);
  const lines = createInterface({ input: process.stdin });
  let turn = Promise.resolve();
  lines.on('line', (line) => (turn = turn.then(() => (stopping ? undefined : typed(line))).catch((e) => say(String(e.message)))));
  await new Promise(() => setInterval(() => {}, 60_000)); // until a signal, also without a terminal
}

main().catch(async (e) => {
  if (stopping) return;
  console.error(`sites: ${e.message}`);
  await stop().catch(() => {});
  process.exit(1);
});
