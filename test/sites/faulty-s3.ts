// Where there is no Garage: an S3 server over the memory store with its faults, one door for each site, and a further one
// without faults. Each bucket is a world of its own.
//
// One fault is this file's own: what a PUT without quorum has left is seen through one door, and then it is gone. Garage does
// so when it takes back an upload that failed at its last step (objects of 3072 bytes and more: `Aborted` wins over
// `Complete`), and when the one node that has a row loses its disk.
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Unavailable, systemClock, systemRandom } from '../../src/base/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import type { Faults, ListPage, Listed, StoredObject } from '../../src/store/index.ts';

/** What goes wrong at one site's door. */
export interface DoorFaults extends Faults {
  /** How often the PUT of an event fails and goes on failing for its writer, while one door shows it; then it is gone. Other objects: a fifth of that. */
  fleeting?: number;
  /** For how long; default 0.5 to 20 s. A PUT by somebody who has seen it makes it stay. */
  fleetingMs?: [min: number, max: number];
}

export interface FaultyS3 {
  /** The first one has no faults; then one for each site. */
  endpoints: string[];
  /** Of each site's door, by site; may be changed at any time. */
  faults: Record<number, DoorFaults>;
  /** How many objects were seen through some door, and went. */
  readonly gone: number;
  /** What was stored in part is now everywhere, what was fleeting is gone. */
  heal(): void;
  close(): Promise<void>;
}

const FIRST = 'x-amz-meta-first-modified';
const escape = (text: string): string => text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]!);

/** What one node alone has, and will not have for long. */
interface Fleeting {
  readonly object: StoredObject;
  /** Whose readers see it. */
  readonly door: number;
  readonly until: number;
}

/** One bucket: a world of objects, and what is fleeting beside it. */
class Bucket {
  readonly world = new MemoryWorld(systemClock, systemRandom);
  readonly fleeting = new Map<string, Fleeting>();
  gone = 0;

  /** What of it this door shows. */
  seen(name: string, door: number): StoredObject | null {
    const one = this.fleeting.get(name);
    if (one && one.until < Date.now()) this.#end(name);
    else if (one?.door === door) return one.object;
    return null;
  }

  /** A PUT fails for its writer as long as the object is fleeting: its site is cut off. True: it fails. */
  fails(name: string, bytes: Buffer, faults: DoorFaults, doors: number): boolean {
    const known = this.fleeting.get(name);
    if (known && known.until >= Date.now()) return true;
    if (known) this.#end(name);
    // Mostly events: what comes before an event and fails, an upload, keeps it from being written at all.
    const odds = (faults.fleeting ?? 0) * (name.includes('/log/') ? 1 : 0.2);
    if (this.world.objects.has(name) || Math.random() >= odds) return false;
    const [least, most] = faults.fleetingMs ?? [500, 20_000];
    const now = Date.now();
    const object = { bytes, size: bytes.length, modified: now, firstModified: null, date: now };
    this.fleeting.set(name, { object, door: 1 + Math.floor(Math.random() * doors), until: now + least + Math.random() * (most - least) });
    return true;
  }

  /** A page of a LIST with what else this door shows in its range. */
  with(page: ListPage, door: number, prefix: string, startAfter: string, maxKeys: number): ListPage {
    const end = page.truncated ? page.objects.at(-1)!.name : null;
    const more: Listed[] = [];
    for (const name of [...this.fleeting.keys()]) {
      const within = name.startsWith(prefix) && name > startAfter && (end === null || name <= end);
      const object = within && !page.objects.some((o) => o.name === name) ? this.seen(name, door) : null;
      if (object) more.push({ name, bytes: object.size, modified: object.modified });
    }
    if (more.length === 0) return page;
    const objects = [...page.objects, ...more].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { ...page, objects: objects.slice(0, maxKeys), truncated: page.truncated || objects.length > maxKeys };
  }

  #end(name: string): void {
    this.fleeting.delete(name);
    this.gone++;
  }

  heal(): void {
    this.world.heal();
    for (const name of [...this.fleeting.keys()]) this.#end(name);
  }
}

export async function startFaultyS3(sites = 3): Promise<FaultyS3> {
  const buckets = new Map<string, Bucket>();
  const bucketOf = (name: string): Bucket => {
    const found = buckets.get(name) ?? new Bucket();
    buckets.set(name, found);
    return found;
  };
  const faults: Record<number, DoorFaults> = {};
  const servers = await Promise.all(Array.from({ length: sites + 1 }, async (_, site) => {
    if (site > 0) faults[site] = {};
    const server = createServer((request, response) => {
      const pieces: Buffer[] = [];
      request.on('error', () => {});
      request.on('data', (piece: Buffer) => pieces.push(piece));
      request.on('end', () => {
        const url = new URL(request.url!, 'http://here');
        const [, bucket, ...rest] = decodeURIComponent(url.pathname).split('/');
        const door: Door = { site, sites, faults: faults[site] ?? {}, bucket: bucketOf(bucket) };
        answer(door, request, response, rest.join('/'), url.searchParams, Buffer.concat(pieces)).catch((e) => {
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
    get gone() {
      return [...buckets.values()].reduce((sum, bucket) => sum + bucket.gone, 0);
    },
    heal: () => {
      for (const bucket of buckets.values()) bucket.heal();
    },
    close: async () => {
      await Promise.all(servers.map((s) => new Promise<void>((resolve) => {
        s.close(() => resolve());
        s.closeAllConnections();
      })));
    },
  };
}

interface Door {
  readonly site: number;
  readonly sites: number;
  readonly faults: DoorFaults;
  readonly bucket: Bucket;
}

async function answer({ site, sites, faults, bucket }: Door, request: IncomingMessage, response: ServerResponse, name: string, query: URLSearchParams, body: Buffer): Promise<void> {
  const store = bucket.world.client(faults);
  if (request.method === 'PUT') {
    const first = request.headers[FIRST];
    if (typeof first !== 'string' && bucket.fails(name, body, faults, sites)) throw new Unavailable('no quorum');
    await store.put(name, body, typeof first === 'string' ? { firstModified: Number(first) } : undefined);
    bucket.fleeting.delete(name);
    return void response.setHeader('etag', '"x"').end();
  }
  if (request.method === 'DELETE') {
    await store.delete(name);
    bucket.fleeting.delete(name);
    return void response.writeHead(204).end();
  }
  if (name === '') {
    const [prefix, startAfter, maxKeys] = [query.get('prefix') ?? '', query.get('start-after') ?? '', Number(query.get('max-keys') ?? 1000)];
    const page = bucket.with(await store.list({ prefix, startAfter: startAfter || undefined, maxKeys }), site, prefix, startAfter, maxKeys);
    const rows = page.objects.map((o) => `<Contents><Key>${escape(o.name)}</Key><LastModified>${new Date(o.modified).toISOString()}</LastModified><ETag>&quot;x&quot;</ETag><Size>${o.bytes}</Size><StorageClass>STANDARD</StorageClass></Contents>`);
    response.writeHead(200, { 'content-type': 'application/xml' });
    return void response.end(`<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix/><IsTruncated>${page.truncated}</IsTruncated>${rows.join('')}</ListBucketResult>`);
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const object = (await store.get(name)) ?? bucket.seen(name, site);
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
