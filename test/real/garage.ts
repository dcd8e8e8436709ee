// Starts Garage for tests and measurements: one node, or a cluster of three on addresses of their own, on loopback
// with temp folders. `npm run garage` builds it.
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import type { StoreSettings } from '../../src/store/index.ts';
import { freePorts } from '../ports.ts';

export const BINARY = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier', 'garage-2.5.0', 'bin', 'garage');
const READY_MS = 30_000;
const run = promisify(execFile);

/** Null, or why there is no Garage and how to get it: for a test that skips itself. */
export const garageMissing = (): string | null => (existsSync(BINARY) ? null : 'Garage 2.5.0 is not installed (get it with: npm run garage)');

export interface GarageNode {
  endpoint: string;
  running: boolean;
  /** Of the process; null while it does not run. */
  pid: number | null;
  /** Ends the process: `SIGTERM` (default) or `SIGKILL`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again with what it had stored. */
  start(): Promise<void>;
}

export interface Garage {
  /** Of the first node. */
  endpoint: string;
  endpoints: string[];
  region: string;
  accessKey: string;
  secretKey: string;
  buckets: string[];
  nodes: GarageNode[];
  /** For openStores: all buckets, at the endpoint of a node. */
  settings(node?: number): StoreSettings & { s3: NonNullable<StoreSettings['s3']> };
  /** Ends all nodes and removes their folders. */
  stop(): Promise<void>;
}

interface Options {
  nodes?: 1 | 3;
  buckets?: string[];
  /** fsync of metadata, as a real deployment has it; default true. */
  fsync?: boolean;
  /** Where temp folders are made. */
  folder?: string;
  /** In process groups of their own: Ctrl-C in a terminal reaches only who started them. */
  apart?: boolean;
  /** Of three nodes: what lies before a node's port for the others. Each calls from its own address. */
  way?: (site: number, to: { host: string; port: number }) => Promise<{ host: string; port: number }>;
}

export async function startGarage({ nodes: count = 1, buckets = ['colombier'], fsync = true, folder = tmpdir(), apart = false, way }: Options = {}): Promise<Garage> {
  const missing = garageMissing();
  if (missing) throw new Error(missing);
  const root = mkdtempSync(join(folder, 'colombier-garage-'));
  const keys = { accessKey: `GK${randomBytes(12).toString('hex')}`, secretKey: randomBytes(32).toString('hex') };
  const secret = randomBytes(32).toString('hex');
  const all: Node[] = [];
  // A test that dies leaves neither processes (see Node) nor folders.
  const clear = () => rmSync(root, { recursive: true, force: true });
  process.once('exit', clear);
  const stop = async () => {
    process.off('exit', clear);
    await Promise.all(all.map((node) => node.stop('SIGKILL')));
    clear();
  };
  try {
    for (let i = 0; i < count; i++) all.push(await Node.create(join(root, `node${i + 1}`), count === 1 ? '127.0.0.1' : `127.0.0.${11 + i}`, secret, count, fsync, count === 1 ? { ...keys, bucket: buckets[0] } : null, apart, way && ((to) => way(i + 1, to))));
    await Promise.all(all.map((node) => node.start()));
    const cli = (...args: string[]) => all[0].cli(...args);
    if (count > 1) {
      const ids = await Promise.all(all.map(async (node) => (await node.cli('node', 'id', '-q')).trim()));
      for (const id of ids.slice(1)) await cli('node', 'connect', id);
      for (const node of all) node.knows(ids);
      for (const [i, id] of ids.entries()) await cli('layout', 'assign', '-z', `site${i + 1}`, '-c', '1G', id.slice(0, 16));
      await cli('layout', 'apply', '--version', '1');
      await cli('key', 'import', '--yes', '-n', 'colombier', keys.accessKey, keys.secretKey);
    }
    const settings = (node = 0) => ({ store: `s3:${buckets.join(',')}`, s3: { endpoint: all[node].endpoint, region: 'garage', ...keys } });
    await ready({ ...settings(), store: `s3:${buckets[0]}` }, async () => {
      for (const bucket of count > 1 ? buckets : buckets.slice(1)) {
        await cli('bucket', 'create', bucket).catch((e) => (/already exists/i.test(String(e)) ? '' : Promise.reject(e)));
        await cli('bucket', 'allow', '--read', '--write', '--owner', bucket, '--key', keys.accessKey);
      }
    });
    return { endpoint: all[0].endpoint, endpoints: all.map((node) => node.endpoint), region: 'garage', ...keys, buckets, nodes: all, settings, stop };
  } catch (e) {
    const log = all.map((node) => node.log()).join('\n');
    await stop();
    throw new Error(`Garage did not start: ${e}\n${log}`, { cause: e });
  }
}

class Node implements GarageNode {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #bucket: { accessKey: string; secretKey: string; bucket: string } | null;
  readonly #apart: boolean;
  #child: ChildProcess | null = null;

  static async create(folder: string, address: string, secret: string, count: number, fsync: boolean, bucket: { accessKey: string; secretKey: string; bucket: string } | null, apart = false, way?: (to: { host: string; port: number }) => Promise<{ host: string; port: number }>): Promise<Node> {
    const [rpc, s3, admin] = await freePorts(3, address);
    const reached = await way?.({ host: address, port: rpc });
    mkdirSync(folder);
    const lines = [
      `metadata_dir = "${folder}/meta"`,
      `data_dir = "${folder}/data"`,
      'db_engine = "lmdb"',
      `metadata_fsync = ${fsync}`,
      `replication_factor = ${count}`,
      `rpc_bind_addr = "${address}:${rpc}"`,
      `rpc_public_addr = "${reached?.host ?? address}:${reached?.port ?? rpc}"`,
      ...(reached ? ['rpc_bind_outgoing = true'] : []),
      `rpc_secret = "${secret}"`,
      'rpc_timeout_msec = 10000',
      '[s3_api]',
      's3_region = "garage"',
      `api_bind_addr = "${address}:${s3}"`,
      '[admin]',
      `api_bind_addr = "${address}:${admin}"`,
    ];
    writeFileSync(join(folder, 'garage.toml'), `${lines.join('\n')}\n`, { mode: 0o600 });
    return new Node(folder, `http://${address}:${s3}`, bucket, apart);
  }

  private constructor(folder: string, endpoint: string, bucket: { accessKey: string; secretKey: string; bucket: string } | null, apart: boolean) {
    this.#apart = apart;
    this.#folder = folder;
    this.endpoint = endpoint;
    this.#bucket = bucket;
  }

  get running(): boolean {
    return this.#child !== null;
  }
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  async start(): Promise<void> {
    if (this.#child) return;
    const out = openSync(join(this.#folder, 'log'), 'a');
    const single = this.#bucket;
    const env: NodeJS.ProcessEnv = { ...process.env, RUST_LOG: 'garage=info' };
    if (single) Object.assign(env, { GARAGE_DEFAULT_ACCESS_KEY: single.accessKey, GARAGE_DEFAULT_SECRET_KEY: single.secretKey, GARAGE_DEFAULT_BUCKET: single.bucket });
    const child = spawn(BINARY, ['-c', join(this.#folder, 'garage.toml'), 'server', ...(single ? ['--single-node', '--default-bucket'] : [])], { stdio: ['ignore', out, out], env, detached: this.#apart });
    closeSync(out);
    this.#child = child;
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    child.once('exit', () => {
      process.off('exit', orphan);
      if (this.#child === child) this.#child = null;
    });
    await answers(() => fetch(this.endpoint), () => this.#child !== null);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }

  /** From its next start on. By itself a node writes down only now and then whom it knows: killed before, it finds nobody again. */
  knows(ids: string[]): void {
    const file = join(this.#folder, 'garage.toml');
    writeFileSync(file, `bootstrap_peers = ${JSON.stringify(ids)}\n${readFileSync(file, 'utf8')}`, { mode: 0o600 });
  }

  /** The command line of Garage, told to this node. */
  async cli(...args: string[]): Promise<string> {
    return (await run(BINARY, ['-c', join(this.#folder, 'garage.toml'), ...args])).stdout;
  }

  log(): string {
    try {
      return readFileSync(join(this.#folder, 'log'), 'utf8').slice(-2000);
    } catch {
      return '';
    }
  }
}

/** Repeats `prepare` and a LIST until both succeed. */
async function ready(settings: StoreSettings, prepare: () => Promise<void>): Promise<void> {
  await answers(
    async () => {
      await prepare();
      const stores = await openStores(settings, systemClock, systemRandom, silent);
      try {
        await stores.home.list({ prefix: '', maxKeys: 1 });
      } finally {
        await stores.close();
      }
    },
    () => true,
  );
}

async function answers(ask: () => Promise<unknown>, alive: () => boolean): Promise<void> {
  const end = Date.now() + READY_MS;
  for (;;) {
    try {
      await ask();
      return;
    } catch (e) {
      if (!alive() || Date.now() > end) throw e;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
