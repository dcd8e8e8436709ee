// Colombier's own replicas: one, and a second one on the same store, each a process as an administrator starts it.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silent } from '../../../src/base/index.ts';
import { readConfig } from '../../../src/config.ts';
import { admin } from '../../../src/server.ts';
import { open } from '../wire.ts';
import { DOMAIN, UNSEEN, USERS, eventually } from './host.ts';
import { freePorts } from '../../ports.ts';
import type { Host, User } from './host.ts';

const MAIN = fileURLToPath(new URL('../../../bin/colombier.mjs', import.meta.url));

export interface ColombierOptions {
  folder: string;
  /** Settings of the store as environment variables. */
  store: Record<string, string>;
  tls: { cert: string; key: string };
  /** Where CPU profiles go, or null. */
  profile: string | null;
  /** In place of `colombier serve`. */
  entry?: string[];
  /** Further settings. */
  env?: Record<string, string>;
  users?: number;
  unseen?: number;
}

/** Makes domain and users, starts a replica. */
export async function startColombier(options: ColombierOptions): Promise<Replica> {
  mkdirSync(options.folder, { recursive: true });
  const env = { ...options.store, COLOMBIER_SETTINGS: join(options.folder, 'settings'), COLOMBIER_HOSTNAME: 'localhost' };
  const colombier = await admin(readConfig({}, env), silent);
  const named = async (name: string): Promise<User> => {
    const user = { address: `${name}@${DOMAIN}`, password: randomBytes(9).toString('hex') };
    await colombier.userAdd(user.address, user.password);
    return user;
  };
  const users: User[] = [];
  const unseen: User[] = [];
  /** One who logs in by what costs no slow hash. */
  const quick = async (name: string): Promise<User> => {
    const user = await named(name);
    return { address: user.address, password: (await colombier.appPassword(user.address, { password: user.password }, 'bench')).password };
  };
  let big: User;
  let returning: User;
  let durable: User;
  try {
    await colombier.domainAdd(DOMAIN);
    for (let i = 0; i < (options.users ?? USERS); i++) users.push(await named(`u${i}`));
    for (let i = 0; i < (options.unseen ?? UNSEEN); i++) unseen.push(await named(`new${i}`));
    big = await quick('big');
    returning = await quick('returning');
    durable = await quick('durable');
  } finally {
    await colombier.close();
  }
  return Replica.start(options, env, { users, unseen, big, returning, durable });
}

interface People {
  users: User[];
  unseen: User[];
  big: User;
  returning: User;
  durable: User;
}

export class Replica implements Host {
  readonly name = 'Colombier';
  readonly users: readonly User[];
  readonly big: User;
  readonly returning: User;
  readonly durable: User;
  readonly unseen: readonly User[];
  readonly lmtp: number;
  readonly imap: number;
  readonly imaps: number;
  second: Replica | null = null;
  /** Null while it is stopped. */
  child: ChildProcess | null = null;
  readonly #options: ColombierOptions;
  readonly #env: Record<string, string>;
  readonly #people: People;

  static async start(options: ColombierOptions, env: Record<string, string>, people: People): Promise<Replica> {
    return new Replica(options, env, people, await freePorts(3)).start();
  }

  private constructor(options: ColombierOptions, env: Record<string, string>, people: People, [lmtp, imap, imaps]: number[]) {
    this.#options = options;
    this.#env = env;
    this.#people = people;
    this.users = people.users;
    this.unseen = people.unseen;
    this.big = people.big;
    this.returning = people.returning;
    this.durable = people.durable;
    this.lmtp = lmtp;
    this.imap = imap;
    this.imaps = imaps;
  }

  async start(): Promise<this> {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...this.#env,
      COLOMBIER_LMTP_PORT: String(this.lmtp),
      COLOMBIER_IMAP_PORT: String(this.imap),
      COLOMBIER_IMAPS_PORT: String(this.imaps),
      COLOMBIER_SMTP_PORT: '0',
      COLOMBIER_HTTP_PORT: '0', COLOMBIER_SUBMISSION_PORT: '0', COLOMBIER_SUBMISSIONS_PORT: '0',
      COLOMBIER_LOG_LEVEL: 'warn',
      COLOMBIER_TLS_CERT: this.#options.tls.cert,
      COLOMBIER_TLS_KEY: this.#options.tls.key,
      ...this.#options.env,
    };
    const profile = this.#options.profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${this.#options.profile}`];
    const entry = this.#options.entry ?? [MAIN, 'serve'];
    const child = spawn(process.execPath, [...profile, ...entry], { env, stdio: ['ignore', 'ignore', 'pipe', ...(this.#options.entry ? (['ipc'] as const) : [])] });
    this.child = child;
    let said = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-2000);
      if (process.env.BENCH_LOG) process.stderr.write(chunk);
    });
    child.once('exit', (status, signal) => {
      if (this.child !== child) return;
      this.child = null;
      process.stderr.write(`a replica ended (${status ?? signal}): ${said}\n`);
    });
    try {
      for (const port of [this.lmtp, this.imap, this.imaps]) (await eventually(() => open({ port }), () => this.child === child)).destroy();
    } catch (e) {
      await this.stop();
      throw new Error(`Colombier did not start: ${said}`, { cause: e });
    }
    return this;
  }

  /** Starts another replica on the same store. */
  async startSecond(): Promise<Replica> {
    this.second = await Replica.start(this.#options, this.#env, this.#people);
    return this.second;
  }

  async restart(): Promise<void> {
    await this.#end();
    await this.start();
  }

  /** A replica keeps nothing but in memory. */
  forget(): Promise<void> {
    return this.restart();
  }

  processes(): number[] {
    return this.child ? [this.child.pid!] : [];
  }

  async stop(): Promise<void> {
    await this.second?.stop();
    this.second = null;
    await this.#end();
  }

  async #end(): Promise<void> {
    const child = this.child;
    if (!child) return;
    this.child = null;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await ended;
    clearTimeout(timer);
  }
}
