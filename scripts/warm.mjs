// Compiles all modules once, so that the first start already finds them: without it the first process of a checkout keeps
// 30 MB for stripping types. Same folder as bin/colombier.mjs.
import module from 'node:module';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/colombier', import.meta.url)));
const src = new URL('../src/', import.meta.url);
const rooms = readdirSync(src, { withFileTypes: true }).filter((e) => e.isDirectory());
await import(new URL('server.ts', src).href);
for (const room of rooms) for (const file of readdirSync(new URL(`${room.name}/`, src))) if (file.endsWith('.ts')) await import(new URL(`${room.name}/${file}`, src).href);
module.flushCompileCache();
