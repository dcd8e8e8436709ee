// A replica that tells its parent how many requests it made for each user: `serve` of the server itself, with the adapters'
// methods counted. Any message asks for the counts.
import { createLogger } from '../../src/base/index.ts';
import { readConfig } from '../../src/config.ts';
import { serve } from '../../src/server.ts';
import { DiskStore } from '../../src/store/disk.ts';
import { S3Store } from '../../src/store/s3.ts';

export type Counts = Record<string, { put: number; get: number; list: number }>;

const counts: Counts = {};
type Kind = 'put' | 'get' | 'list';
type Methods = Record<string, (...args: unknown[]) => unknown>;

/** `users/<id>`, `directory`, `replicas`. */
function owner(name: string): string {
  const [room, id] = name.split('/');
  return room === 'users' ? `users/${id}` : room;
}

function count(adapter: { prototype: object }, method: string, kind: Kind): void {
  const methods = adapter.prototype as Methods;
  const real = methods[method];
  methods[method] = function (this: unknown, ...args: unknown[]) {
    const first = args[0] as string | { prefix: string };
    const of = owner(typeof first === 'string' ? first : first.prefix);
    (counts[of] ??= { put: 0, get: 0, list: 0 })[kind]++;
    return real.apply(this, args);
  };
}

for (const adapter of [DiskStore, S3Store]) {
  count(adapter, 'put', 'put');
  count(adapter, 'putStream', 'put');
  count(adapter, 'get', 'get');
  count(adapter, 'list', 'list');
}

const config = readConfig();
const service = await serve(config, createLogger(config.logLevel, (line) => process.stderr.write(line)));
process.on('message', () => process.send!(counts));
process.once('SIGTERM', () => void service.stop().then(() => process.exit(0)));
