// `npm test`: type check, then all tests (or those whose paths begin with the words given), then one closing line with true counts.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const node = `${root}node_modules/.bin/node`;
const counts = { passed: 0, failed: 0, skipped: 0 };

// The type check counts as one test.
const types = spawnSync(node, [`${root}node_modules/typescript/bin/tsc`, '--noEmit'], { cwd: root, stdio: 'inherit' });
if (types.status === 0) counts.passed++;
else {
  counts.failed++;
  console.error('type check failed');
}

const child = spawn(node, [`${root}test/main.ts`, ...process.argv.slice(2)], { cwd: root, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
let told = null;
child.on('message', (message) => (told = message));
child.on('exit', (status, signal) => {
  if (told === null) {
    counts.failed++;
    console.error(`the tests ended before their end (${signal ?? status})`);
  } else {
    for (const key of Object.keys(counts)) counts[key] += told[key];
  }
  process.exitCode = counts.failed === 0 ? 0 : 1;
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
});
