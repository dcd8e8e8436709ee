// Makes a checkout ready to run: Node and npm are there, and what package-lock.json names is installed. Runs under any Node from
// 20 on, before anything is installed; says nothing when there is nothing to do.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function fail(line) {
  console.error(`colombier: ${line}`);
  process.exit(1);
}

/** The lock's packages, or null where the file is missing or broken. */
function locked(path) {
  try {
    return JSON.parse(readFileSync(root + path, 'utf8')).packages ?? null;
  } catch {
    return null;
  }
}

/** True when all that the lock names, but for parts of other platforms, is installed in that version. */
function installed() {
  const wanted = locked('package-lock.json');
  if (wanted === null) fail('package-lock.json is missing or broken');
  const there = locked('node_modules/.package-lock.json');
  if (there === null) return false;
  for (const [path, { version, integrity, optional }] of Object.entries(wanted)) {
    if (path === '' || optional) continue;
    const have = there[path];
    if (have === undefined || have.version !== version || (integrity && have.integrity !== integrity)) return false;
  }
  return Object.keys(there).every((path) => path in wanted) && nodeVersion() !== null;
}

/** The Node that runs the program comes with the packages. */
function nodeVersion() {
  const { status, stdout } = spawnSync(`${root}node_modules/.bin/node`, ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}

if (Number(process.versions.node.split('.')[0]) < 20) fail(`needs Node 20 or newer, this is ${process.versions.node}: https://nodejs.org`);
if (!installed()) {
  if (spawnSync('npm', ['--version']).status !== 0) fail('npm is not installed: https://nodejs.org brings it');
  console.error('Installing what the program needs (npm ci) ...');
  const { status, stdout, stderr } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, encoding: 'utf8' });
  if (status !== 0) {
    console.error(`${stdout}${stderr}`.trim().split('\n').slice(-20).join('\n'));
    fail('npm ci failed: see above');
  }
  if (nodeVersion() === null) fail('node_modules/.bin/node does not run: npm must be allowed to run install scripts (npm config set ignore-scripts false)');
  // Only saves time and memory: what fails here fails at the start again, and says so.
  spawnSync(`${root}node_modules/.bin/node`, [`${root}scripts/warm.mjs`]);
}
