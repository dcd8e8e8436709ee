#!/usr/bin/env node
// The command `colombier`. The program needs the Node that the project installs beside itself; an older one starts that one.
import { spawn } from 'node:child_process';
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
  // An import of node:http reads its lazy members too, and so loads an HTTP client that nobody here asks for: 14 MB, 50 ms.
  const http = process.getBuiltinModule('node:http');
  for (const lazy of ['WebSocket', 'CloseEvent', 'MessageEvent']) Object.defineProperty(http, lazy, { value: undefined, configurable: true });
  // Loading modules makes the space for young objects grow to a size that an idle replica never needs: 4 MB.
  v8.setFlagsFromString('--semi-space-growth-factor=1');
  setTimeout(() => v8.setFlagsFromString('--semi-space-growth-factor=2'), START_MS).unref();
  await import('../src/main.ts');
} else {
  const node = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
  if (!existsSync(node)) {
    console.error(`colombier: needs Node 24.7 or newer, this is ${process.versions.node}; "npm ci" installs one beside the program`);
    process.exit(1);
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (status) => process.exit(status ?? 1));
}
