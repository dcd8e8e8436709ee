// A place for tests against real processes: one folder with a store, one cluster secret, and replicas on free ports,
// each a process as an administrator starts it.
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
import { Imap } from './imap.ts';
import { Mail } from './mail.ts';

export const MAIN = fileURLToPath(new URL('../../bin/colombier.mjs', import.meta.url));
export const DOMAIN = 'real.example';
const START_MS = 20_000;
const STOP_MS = 20_000;

export interface Person {
  readonly address: string;
  readonly password: string;
}

export type Settings = Record<string, string>;

/** The environment without settings of whoever runs the tests. */
export const cleanEnv = (): NodeJS.ProcessEnv => Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('COLOMBIER_')));

export interface Ended {
  status: number | null;
  out: string;
  err: string;
}

export class Site {
  readonly folder: string;
  readonly settings: Settings;
  readonly #running: Replica[] = [];

  /** `settings` replace the disk store in the folder. */
  constructor(settings: Settings = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'colombier-real-'));
    this.settings = {
      COLOMBIER_STORE: `disk:${join(this.folder, 'store')}`,
      COLOMBIER_SETTINGS: join(this.folder, 'settings'),
      COLOMBIER_HOSTNAME: 'localhost',
      ...settings,
    };
  }

  get store(): string {
    return this.settings.COLOMBIER_STORE.replace(/^disk:/, '');
  }

  /** Makes the domain and a user for each name, with passwords that were chosen. */
  async people<N extends string>(...names: N[]): Promise<Record<N, Person>> {
    const command = await admin(readConfig({}, this.settings), silent);
    try {
      if ((await command.domains()).length === 0) await command.domainAdd(DOMAIN);
      const made = {} as Record<N, Person>;
      for (const name of names) {
        made[name] = { address: `${name}@${DOMAIN}`, password: randomBytes(9).toString('hex') };
        await command.userAdd(made[name].address, made[name].password);
      }
      return made;
    } finally {
      await command.close();
    }
  }

  /** Starts a replica; resolves when it says that it is ready. */
  async start(more: Settings = {}): Promise<Replica> {
    const replica = await Replica.start({ ...this.settings, ...more });
    this.#running.push(replica);
    return replica;
  }

  /** One run of the command line, with these lines on standard input. `main`: another release's entry. */
  command(words: readonly string[], input = '', more: Settings = {}, main = MAIN): Promise<Ended> {
    const child = spawn(process.execPath, [main, ...words], { env: { ...cleanEnv(), ...this.settings, ...more }, stdio: ['pipe', 'pipe', 'pipe'] });
    const ended: Ended = { status: null, out: '', err: '' };
    child.stdout.on('data', (d) => (ended.out += d));
    child.stderr.on('data', (d) => (ended.err += d));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
    const timer = setTimeout(() => child.kill('SIGKILL'), START_MS);
    return new Promise((resolve) => child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ ...ended, status });
    }));
  }

  /** Ends all replicas and removes the folder. */
  async end(): Promise<void> {
    await Promise.all(this.#running.map((replica) => replica.stop('SIGKILL')));
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Replica {
  readonly smtp: number;
  readonly lmtp: number;
  readonly imap: number;
  readonly imaps: number;
  readonly #child: ChildProcess;
  readonly #open: (Imap | Mail)[] = [];
  /** All that it has said. */
  out = '';
  log = '';
  /** Status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  running = true;

  /** `main`, of the settings: another release's entry. */
  static async start({ main = MAIN, ...settings }: Settings): Promise<Replica> {
    const ports = await freePorts(4);
    const named = ['SMTP', 'LMTP', 'IMAP', 'IMAPS'].map((name, i) => [`COLOMBIER_${name}_PORT`, String(ports[i])]);
    const env = { ...cleanEnv(), ...Object.fromEntries(named), COLOMBIER_HTTP_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0', ...settings };
    const replica = new Replica(spawn(process.execPath, [main, 'serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] }), ports);
    try {
      await replica.says(/ ready .*\n/, START_MS);
    } catch {
      await replica.stop('SIGKILL');
      throw new Error(`the replica did not start: ${replica.log}`);
    }
    return replica;
  }

  private constructor(child: ChildProcess, [smtp, lmtp, imap, imaps]: number[]) {
    this.#child = child;
    [this.smtp, this.lmtp, this.imap, this.imaps] = [smtp, lmtp, imap, imaps];
    child.stdout!.on('data', (d) => (this.out += d));
    child.stderr!.on('data', (d) => (this.log += d));
    const orphan = () => child.kill('SIGKILL');
    process.once('exit', orphan);
    this.ended = new Promise((resolve) => child.once('exit', (status, signal) => {
      process.off('exit', orphan);
      this.running = false;
      resolve(status ?? signal!);
    }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Waits until its log has such a line. */
  async says(what: RegExp, ms = 10_000): Promise<void> {
    await until(() => what.test(this.log) || (this.running ? false : Promise.reject(new Error(`it ended: ${this.log}`))), ms, () => `the log never says ${what}: ${this.log.slice(-2000)}`);
  }

  /** Sends the signal and waits for the end; a replica that does not end is killed, and that is an error. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | NodeJS.Signals> {
    for (const talk of this.#open) if (signal === 'SIGKILL') talk.close();
    if (!this.running) return this.ended;
    this.#child.kill(signal);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#child.kill('SIGKILL');
    }, STOP_MS);
    const status = await this.ended;
    clearTimeout(timer);
    if (late) throw new Error(`the replica did not end within ${STOP_MS} ms of ${signal}: ${this.log.slice(-2000)}`);
    return status;
  }

  /** An IMAP connection, logged in when a person is given. */
  async client(person: Person | null = null, { tls = false } = {}): Promise<Imap> {
    const imap = await Imap.connect(tls ? this.imaps : this.imap, tls);
    this.#open.push(imap);
    if (person) await imap.ok(`LOGIN ${person.address} ${person.password}`);
    return imap;
  }

  /** A connection that brings mail, greeted. */
  async sender(protocol: 'smtp' | 'lmtp' = 'lmtp'): Promise<Mail> {
    const mail = await Mail.connect(protocol === 'smtp' ? this.smtp : this.lmtp, protocol);
    this.#open.push(mail);
    return mail;
  }
}

/** Asks again and again until the answer is neither false nor undefined. */
export async function until<T>(ask: () => T | Promise<T>, ms = 10_000, why: () => string = () => 'it did not come to pass'): Promise<Exclude<T, false | undefined>> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
    if (Date.now() > end) throw new Error(why());
    await sleep(20);
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
