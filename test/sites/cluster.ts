// Three sites on this machine: a Garage node and a replica each, with wires between the sites that a test can delay, cut
// and spoil. Without Garage: three replicas on one faulty S3 server of the test's own, or on one disk store.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silent } from '../../src/base/index.ts';
import { readConfig } from '../../src/config.ts';
import { admin } from '../../src/server.ts';
import { freePorts } from '../ports.ts';
import { startGarage } from '../real/garage.ts';
import type { Garage } from '../real/garage.ts';
import type { TrialText } from './replica.ts';
import { Wires, addressOf } from './wires.ts';
import { startFaultyS3 } from './faulty-s3.ts';
import type { FaultyS3 } from './faulty-s3.ts';

const ENTRY = fileURLToPath(new URL('replica.ts', import.meta.url));
export const DOMAIN = 'sites.example';
export const SITES = [1, 2, 3] as const;
const START_MS = 60_000;
const LOG_CHARS_MAX = 4_000_000;

export interface Person {
  readonly name: string;
  readonly address: string;
  readonly password: string;
}

export interface ClusterOptions {
  store?: 'garage' | 'faulty';
  people: readonly string[];
  /** The same for all replicas. */
  trial?: TrialText;
  /** Of each replica's clock, by site. */
  skews_ms?: readonly number[];
  /** Garage writes its metadata with fsync. */
  fsync?: boolean;
  /** Endpoints of each replica: its own site's node alone, or the others after it. */
  endpoints?: 'own' | 'all';
  /** With the HTTP port, for numbers. */
  http?: boolean;
}

/** The environment without settings of whoever runs the tests. */
const cleanEnv = (): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COLOMBIER_')));

export class Cluster {
  readonly wires = new Wires();
  readonly folder = mkdtempSync(join(tmpdir(), 'colombier-sites-'));
  readonly replicas: SiteReplica[] = [];
  readonly people: Person[] = [];
  garage: Garage | null = null;
  faulty: FaultyS3 | null = null;

  static async start(options: ClusterOptions): Promise<Cluster> {
    const cluster = new Cluster();
    try {
      await cluster.#start(options);
    } catch (e) {
      await cluster.end();
      throw e;
    }
    return cluster;
  }

  async #start({ store = 'garage', people, trial = {}, skews_ms = [], fsync = true, endpoints = 'all', http = false }: ClusterOptions): Promise<void> {
    const common: Record<string, string> = {
      COLOMBIER_S3_REGION: 'garage',
      COLOMBIER_CLUSTER_SECRET_FILE: join(this.folder, 'cluster-secret'),
      COLOMBIER_HTTP_PORT: '0',
      COLOMBIER_SUBMISSION_PORT: '0',
      COLOMBIER_SUBMISSIONS_PORT: '0',
      COLOMBIER_HOSTNAME: 'localhost',
    };
    const nodes: string[] = [];
    let direct: string;
    if (store === 'garage') {
      const garage = (this.garage = await startGarage({ nodes: 3, buckets: ['mail-one', 'mail-two'], fsync, way: (site, to) => this.wires.to(site, 'rpc', to) }));
      Object.assign(common, { COLOMBIER_STORE: `s3:${garage.buckets.join(',')}`, COLOMBIER_S3_ACCESS_KEY: garage.accessKey, COLOMBIER_S3_SECRET_KEY: garage.secretKey });
      direct = garage.endpoint;
      nodes.push(...garage.endpoints);
    } else {
      const faulty = (this.faulty = await startFaultyS3());
      Object.assign(common, { COLOMBIER_STORE: 's3:mail-one,mail-two', COLOMBIER_S3_ACCESS_KEY: 'test', COLOMBIER_S3_SECRET_KEY: 'test' });
      direct = faulty.endpoints[0];
      nodes.push(...faulty.endpoints.slice(1));
    }
    const ways = await Promise.all(nodes.map((node, i) => this.wires.to(i + 1, 's3', { host: new URL(node).hostname, port: Number(new URL(node).port) })));
    const settings = { ...common, COLOMBIER_SETTINGS: join(this.folder, 'first'), COLOMBIER_S3_ENDPOINT: direct };
    const command = await admin(readConfig({}, settings), silent);
    try {
      await command.domainAdd(DOMAIN);
      for (const name of people) {
        const person = { name, address: `${name}@${DOMAIN}`, password: randomBytes(9).toString('hex') };
        await command.userAdd(person.address, person.password);
        this.people.push(person);
      }
    } finally {
      await command.close();
    }
    for (const site of SITES) {
      const [peer] = await freePorts(1, addressOf(site));
      const way = await this.wires.to(site, 'peer', { host: addressOf(site), port: peer });
      const own = endpoints === 'own' ? [ways[site - 1]] : [0, 1, 2].map((n) => ways[(site - 1 + n) % 3]);
      this.replicas.push(new SiteReplica(site, { skew_ms: skews_ms[site - 1] ?? 0, ...trial, from: addressOf(site) }, {
        ...common,
        COLOMBIER_SETTINGS: join(this.folder, `site${site}`),
        COLOMBIER_S3_ENDPOINT: own.map((w) => `http://${w.host}:${w.port}`).join(','),
        COLOMBIER_LISTEN: addressOf(site),
        ...(http ? { COLOMBIER_HTTP_LISTEN: addressOf(site), COLOMBIER_HTTP_PORT: String((await freePorts(1, addressOf(site)))[0]) } : {}),
        COLOMBIER_PEER_PORT: String(peer),
        COLOMBIER_PEER_ADDRESS: `${way.host}:${way.port}`,
      }));
    }
    await Promise.all(this.replicas.map((r) => r.start()));
  }

  /** What all replicas have said. */
  get log(): string {
    return this.replicas.map((r) => r.log.replace(/^/gm, `${r.site}: `)).join('\n');
  }

  async end(): Promise<void> {
    await Promise.all(this.replicas.map((r) => r.stop('SIGKILL')));
    await this.garage?.stop();
    await this.faulty?.close();
    await this.wires.end();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class SiteReplica {
  readonly site: number;
  readonly host: string;
  readonly settings: Record<string, string>;
  readonly trial: TrialText;
  log = '';
  imap = 0;
  smtp = 0;
  lmtp = 0;
  /** Answers nobody, though it is there. */
  halted = false;
  #child: ChildProcess | null = null;

  constructor(site: number, trial: TrialText, settings: Record<string, string>) {
    this.site = site;
    this.host = addressOf(site);
    this.trial = trial;
    this.settings = settings;
  }

  get running(): boolean {
    return this.#child !== null;
  }
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it is ready, or has ended before (then `running` is false). */
  async start(): Promise<void> {
    if (this.#child) return;
    if (!this.imap) [this.imap, this.smtp, this.lmtp] = await freePorts(3, this.host);
    const ports = { COLOMBIER_IMAP_PORT: String(this.imap), COLOMBIER_SMTP_PORT: String(this.smtp), COLOMBIER_LMTP_PORT: String(this.lmtp), COLOMBIER_IMAPS_PORT: '0' };
    const child = spawn(process.execPath, [ENTRY], { env: { ...cleanEnv(), ...this.settings, ...ports, TRIAL: JSON.stringify(this.trial) }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    const from = this.log.length;
    let said = false;
    child.stderr!.on('data', (text) => {
      this.log = (this.log + text).slice(-LOG_CHARS_MAX);
      if (process.env.SITES_LOG) process.stderr.write(String(text).replace(/^(?=.)/gm, `${this.site}: `));
    });
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    child.once('exit', () => {
      process.off('exit', orphan);
      if (this.#child === child) this.#child = null;
    });
    const end = Date.now() + START_MS;
    while (!said && this.#child === child) {
      said = / ready .*\n/.test(this.log.slice(from));
      if (Date.now() > end) throw new Error(`the replica of site ${this.site} did not start:\n${this.log.slice(-2000)}`);
      if (!said) await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Status, or the signal that ended it. */
  async stop(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    const child = this.#child;
    if (!child) return null;
    const ended = new Promise<number | NodeJS.Signals>((resolve) => child.once('exit', (status, by) => resolve(status ?? by!)));
    child.kill(signal);
    child.kill('SIGCONT');
    return ended;
  }

  halt(): void {
    this.halted = true;
    this.signal('SIGSTOP');
  }
  go(): void {
    this.halted = false;
    this.signal('SIGCONT');
  }
}
