#!/usr/bin/env node
// The command `colombier`. The program needs the Node that the project installs beside itself; an older one starts that one.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';

const START_MS = 3000;

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 24 || (major === 24 && minor >= 7)) {
  // Compiled modules are kept: a start is quicker, and takes 30 MB less without the type stripper.
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/colombier', import.meta.url)));
  // Each PUT on a disk store waits for the disk two times in a thread; four threads are few.
  process.env.UV_THREADPOOL_SIZE ??= '12';
  // Loading modules makes the space for young objects grow to a size that an idle replica never needs (4 MB), and brings the
  // optimising compilers into memory (8 MB). A replica lets them in when it listens.
  for (const flag of ['--semi-space-growth-factor=1', '--no-opt', '--no-maglev']) v8.setFlagsFromString(flag);
  setTimeout(() => ['--semi-space-growth-factor=2', '--opt', '--maglev'].forEach((flag) => v8.setFlagsFromString(flag)), START_MS).unref();
  await import('../src/main.ts');
} else {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    console.error(`colombier: needs Node 24.7 or newer, this is ${process.versions.node}; "npm ci" installs one beside the program`);
    process.exit(1);
  }
  const { spawn } = await import('node:child_process');
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (status) => process.exit(status ?? 1));
}
