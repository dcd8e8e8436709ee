// The Python environment of scripts/python-tools.mjs, if it is there.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier', 'python');

/** Why the tools can't be used, or null. */
export function pythonMissing(): string | null {
  const stamp = join(folder, 'installed.txt');
  const wanted = readFileSync(new URL('../../scripts/python-requirements.txt', import.meta.url), 'utf8');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted ? null : 'Python tools are not installed: node scripts/python-tools.mjs';
}

/** Runs a script with JSON on its standard input; returns the JSON that it prints. */
export function runPython<T>(script: string, input: unknown): T {
  const out = execFileSync(join(folder, 'bin', 'python'), ['-c', script], { input: JSON.stringify(input), maxBuffer: 256 * 2 ** 20 });
  return JSON.parse(out.toString('utf8')) as T;
}
