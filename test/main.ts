// Runs the tests and tells the counts to scripts/test.mjs. Words choose test files by the beginning of their paths.
import { globSync } from 'node:fs';
import Mocha from 'mocha';

const words = process.argv.slice(2).map((w) => w.replace(/^\.\//, ''));
const files = globSync('test/**/*.test.ts')
  .sort()
  .filter((file) => words.length === 0 || words.some((w) => file.startsWith(w)));
const counts = { passed: 0, failed: files.length === 0 ? 1 : 0, skipped: 0 };
if (files.length === 0) console.error(`no test file begins with ${words.join(' or ')}`);

const mocha = new Mocha({ ui: 'bdd', reporter: 'spec', timeout: 60_000 });
for (const file of files) mocha.addFile(file);
try {
  await mocha.loadFilesAsync();
} catch (e) {
  console.error(e);
  finish({ ...counts, failed: counts.failed + 1 });
}

const skipped: string[] = [];
const runner = mocha.run(() => {
  if (skipped.length > 0) console.log(`  Skipped, for the reasons above:\n${skipped.map((t) => `    ${t}\n`).join('')}`);
  finish(counts);
});
runner.on('pass', () => void counts.passed++);
runner.on('fail', () => void counts.failed++);
runner.on('pending', (test) => {
  counts.skipped++;
  skipped.push(test.fullTitle());
});

/** What a test left open keeps nobody waiting. */
function finish(result: typeof counts): void {
  const status = result.failed === 0 ? 0 : 1;
  if (process.send === undefined) process.exit(status);
  process.send(result, () => process.exit(status));
}
