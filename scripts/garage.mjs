// Finds Garage, the S3 store that the tests run against, or builds it with cargo (about ten minutes, once): outside the
// checkout, in $XDG_CACHE_HOME (or ~/.cache)/colombier/garage-2.5.0. Prints the binary's path.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '2.5.0';
const HOW_CARGO = 'Rust with cargo: https://rustup.rs (or apt install cargo, where it is recent), and a C compiler (apt install build-essential)';

export const garageRoot = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'colombier', `garage-${VERSION}`);
export const garageBinary = join(garageRoot, 'bin', 'garage');

const say = (line) => process.stderr.write(`${line}\n`);

function works() {
  return existsSync(garageBinary) && spawnSync(garageBinary, ['--version']).status === 0;
}

function build() {
  const cargo = spawnSync('cargo', ['--version'], { encoding: 'utf8' });
  if (cargo.error || cargo.status !== 0) {
    say(`Garage ${VERSION} is not at ${garageBinary}, and cargo, which builds it, is not installed.`);
    say(`To get it: ${HOW_CARGO}. Then run this again.`);
    return false;
  }
  say(`Building Garage ${VERSION} with ${cargo.stdout.trim()} into ${garageRoot}: about ten minutes, once.`);
  mkdirSync(garageRoot, { recursive: true });
  const { status, signal } = spawnSync('cargo', ['install', 'garage', '--version', VERSION, '--locked', '--root', garageRoot], { stdio: ['ignore', 2, 2] });
  if (status === 0 && works()) return true;
  say(`Garage was not built (cargo ended with ${signal ?? status}): see above. It needs ${HOW_CARGO}.`);
  return false;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (works() || build()) process.stdout.write(`${garageBinary}\n`);
  else process.exitCode = 1;
}
