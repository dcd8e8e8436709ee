// Where there is no Garage: an S3 server over the memory store with its faults, one door for each site, and a further one
// without faults. Each bucket is a world of its own.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Unavailable, systemClock, systemRandom } from '../../src/base/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import type { Faults, MemoryStore } from '../../src/store/index.ts';

export interface FaultyS3 {
  /** The first one has no faults; then one for each site. */
  endpoints: string[];
  /** Of each site's door, by site; may be changed at any time. */
  faults: Record<number, Faults>;
  /** What was stored in part is now everywhere. */
  heal(): void;
  close(): Promise<void>;
}

const FIRST = 'x-amz-meta-first-modified';
const escape = (text: string): string => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

export async function startFaultyS3(sites = 3): Promise<FaultyS3> {
  const worlds = new Map<string, MemoryWorld>();
  const world = (bucket: string): MemoryWorld => {
    const found = worlds.get(bucket) ?? new MemoryWorld(systemClock, systemRandom);
    worlds.set(bucket, found);
    return found;
  };
  const faults: Record<number, Faults> = {};
  const servers = await Promise.all(Array.from({ length: sites + 1 }, async (_, site) => {
    if (site > 0) faults[site] = {};
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('error', () => {});
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const url = new URL(request.url!, 'http://here');
        const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
        const store = world(bucket).client(faults[site] ?? {});
        answer(store, request, response, rest.join('/'), url.searchParams, Buffer.concat(pieces)).catch((e) => {
          // Half of those that failed hear so, the others nothing.
          if (e instanceof Unavailable && Math.random() < 0.5) response.socket?.destroy();
          else response.writeHead(503, { 'content-type': 'application/xml' }).end(`<?xml version="1.0"?><Error><Code>ServiceUnavailable</Code><Message>${escape(String(e.message))}</Message></Error>`);
        });
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }));
  return {
    endpoints: servers.map((s) => `http://127.0.0.1:${(s.address() as AddressInfo).port}`),
    faults,
    heal: () => {
      for (const w of worlds.values()) w.heal();
    },
    close: async () => {
      await Promise.all(servers.map((s) => new Promise<void>((resolve) => {
        s.close(() => resolve());
        s.closeAllConnections();
      })));
    },
  };
}

async function answer(store: MemoryStore, request: IncomingMessage, response: ServerResponse, name: string, query: URLSearchParams, body: Buffer): Promise<void> {
  if (request.method === 'PUT') {
    const first = request.headers[FIRST];
    await store.put(name, body, typeof first === 'string' ? { firstModified: Number(first) } : undefined);
    return void response.end();
  }
  if (request.method === 'DELETE') {
    await store.delete(name);
    return void response.writeHead(204).end();
  }
  if (name === '') {
    const page = await store.list({ prefix: query.get('prefix') ?? '', startAfter: query.get('start-after') ?? undefined, maxKeys: Number(query.get('max-keys') ?? 1000) });
    const rows = page.objects.map((o) => `<Contents><Key>${escape(o.name)}</Key><LastModified>${new Date(o.modified).toISOString()}</LastModified><ETag>&quot;x&quot;</ETag><Size>${o.bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`);
    response.writeHead(200, { 'content-type': 'application/xml' });
    return void response.end(`<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><IsTruncated>${page.truncated}</IsTruncated>${rows.join('')}</ListBucketResult>`);
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const object = await store.get(name);
  if (!object) {
    response.writeHead(404, { 'content-type': 'application/xml' });
    return void response.end('<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>Key not found</Message></Error>');
  }
  const headers: Record<string, string> = { 'last-modified': new Date(object.modified).toUTCString(), ...(object.firstModified === null ? {} : { [FIRST]: String(object.firstModified) }) };
  if (range === null) return void response.writeHead(200, { ...headers, 'content-length': String(object.size) }).end(object.bytes);
  const from = Number(range[1]);
  const to = Math.min(object.size, range[2] === '' ? object.size : Number(range[2]) + 1);
  if (from >= object.size) return void response.writeHead(416).end();
  response.writeHead(206, { ...headers, 'content-length': String(to - from), 'content-range': `bytes ${from}-${to - 1}/${object.size}` }).end(object.bytes.subarray(from, to));
}
