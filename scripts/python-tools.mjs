// Makes a Python environment with the tools of python-requirements.txt, outside the checkout: in $XDG_CACHE_HOME (or
// ~/.cache)/colombier/python. Prints the interpreter's path. Run again after the list changed.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const requirements = new URL('./python-requirements.txt', import.meta.url);
const wanted = readFileSync(requirements, 'utf8');
const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier', 'python');
const python = join(folder, 'bin', 'python');
const stamp = join(folder, 'installed.txt');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  try {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    execFileSync('python3', ['-m', 'venv', folder], { stdio: ['ignore', 2, 2] });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--requirement', requirements.pathname], { stdio: ['ignore', 2, 2] });
    writeFileSync(stamp, wanted);
  } catch (e) {
    console.error(`python-tools: ${e.message.split('\n')[0]} (Python 3.10 or newer with venv is needed; Debian: apt-get install python3-venv)`);
    process.exit(1);
  }
}
console.log(python);
