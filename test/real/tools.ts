// Other people's programs: whether they are there, how to get them, and a bounded run.
import { spawn, spawnSync } from 'node:child_process';
import type { Context } from 'mocha';

const RUN_MS = 30_000;

/** Skips the suite, and says why, when a program is missing. */
export function needs(context: Context, program: string, probe: readonly string[], how: string): void {
  if (spawnSync(program, probe, { stdio: 'ignore' }).status === 0) return;
  skip(context, `${program} is not installed (get it with: ${how})`);
}

/** Skips with a reason that is printed. */
export function skip(context: Context, reason: string): void {
  console.log(`    skipped: ${reason}`);
  context.skip();
}

export interface Ran {
  status: number | null;
  out: string;
  err: string;
}

/** Runs a program to its end, with this text on its standard input. */
export function run(program: string, words: readonly string[], { input = '', env = {}, cwd }: { input?: string; env?: Record<string, string>; cwd?: string } = {}): Promise<Ran> {
  const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd });
  const ran: Ran = { status: null, out: '', err: '' };
  child.stdout.on('data', (d) => (ran.out += d.toString('latin1')));
  child.stderr.on('data', (d) => (ran.err += d));
  child.stdin.on('error', () => {});
  child.stdin.end(input, 'latin1');
  const timer = setTimeout(() => child.kill('SIGKILL'), RUN_MS);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ ...ran, status });
    });
  });
}
