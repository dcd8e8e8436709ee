// The command line as people run it, over one disk store in a folder of the test's own.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/cli/run.ts';
import { freePorts } from '../ports.ts';

const MAIN = fileURLToPath(new URL('../../bin/colombier.mjs', import.meta.url));

export interface Ran {
  status: number | null;
  out: string;
  err: string;
}

export class CliSystem {
  readonly folder = mkdtempSync(join(tmpdir(), 'colombier-cli-'));
  readonly env: NodeJS.ProcessEnv;
  readonly #children = new Set<ChildProcess>();
  /** All that any process said on standard error. */
  said = '';

  constructor() {
    this.env = {
      PATH: process.env.PATH,
      HOME: this.folder,
      COLOMBIER_STORE: `disk:${join(this.folder, 'store')}`,
      COLOMBIER_SETTINGS: join(this.folder, 'settings'),
      COLOMBIER_SMTP_PORT: '0',
      COLOMBIER_IMAPS_PORT: '0',
      COLOMBIER_SUBMISSION_PORT: '0',
      COLOMBIER_SUBMISSIONS_PORT: '0',
      COLOMBIER_HOSTNAME: 'here.test',
    };
  }
  get store(): string {
    return join(this.folder, 'store');
  }

  #start(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(process.execPath, [MAIN, ...args], { env: { ...this.env, ...env }, stdio: 'pipe' });
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }

  /** One command, in this process, where it starts faster; `input`: what stands on standard input. */
  async run(line: string, input = '', env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const ran: Ran = { status: null, out: '', err: '' };
    const stdin = new PassThrough();
    stdin.end(input);
    const err = (text: string) => {
      ran.err += text;
      this.said += text;
    };
    ran.status = await run(line.split(' '), { stdin, out: (text) => void (ran.out += text), err, env: { ...this.env, ...env }, server: () => import('../../src/server.ts') });
    return ran;
  }

  /** One command in a process of its own. */
  spawned(line: string, input = '', env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const child = this.#start(line.split(' '), env);
    child.stdin!.on('error', () => {}); // a command that asks for nothing is gone before it comes
    child.stdin!.end(input);
    const ran: Ran = { status: null, out: '', err: '' };
    child.stdout!.on('data', (b: Buffer) => void (ran.out += b));
    child.stderr!.on('data', (b: Buffer) => {
      ran.err += b;
      this.said += b;
    });
    return new Promise((resolve) => child.once('close', (status) => resolve({ ...ran, status })));
  }

  /** A replica on free ports: resolves when it is ready. */
  async serve(env: NodeJS.ProcessEnv = {}): Promise<ServedReplica> {
    const [imap, lmtp] = await freePorts(2);
    const ports = { imap, lmtp };
    const child = this.#start(['serve', '--imap-port', String(ports.imap), '--lmtp-port', String(ports.lmtp)], env);
    let said = '';
    return new Promise((resolve, reject) => {
      child.stderr!.on('data', (b: Buffer) => {
        said += b;
        this.said += b;
        if (/ready /.test(said)) resolve(new ServedReplica(child, ports));
      });
      child.once('exit', (status) => reject(new Error(`serve ended with ${status}: ${said}`)));
    });
  }

  async end(): Promise<void> {
    for (const child of this.#children) {
      child.kill('SIGKILL');
      await new Promise((done) => child.once('exit', done));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class ServedReplica {
  readonly child: ChildProcess;
  readonly ports: { imap: number; lmtp: number };
  constructor(child: ChildProcess, ports: ServedReplica['ports']) {
    this.child = child;
    this.ports = ports;
  }
  /** SIGTERM: resolves with the exit status. */
  stop(): Promise<number | null> {
    return new Promise((resolve) => {
      this.child.once('exit', resolve);
      this.child.kill('SIGTERM');
    });
  }
}
