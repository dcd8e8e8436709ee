// The S3 store: one bucket of Garage, or of another S3, addressed by path. `firstModified` is kept as the object's
// metadata; `date` is the Date of the answer. `modified` has milliseconds in a LIST and whole seconds in a GET: so are
// the headers of HTTP.
import { hash, createHash } from 'node:crypto';
import { Malformed, Unavailable, limits } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import { checkName, checkPrefix, checkRange, pageSize } from './check-name.ts';
import { comeBefore } from './give-up.ts';
import type { ListOptions, ListPage, ObjectStore, PutOptions, StoredObject } from './object-store.ts';
import { S3Refusal, S3Transport } from './s3-request.ts';
import type { Answer, Call } from './s3-request.ts';
import { UNSIGNED, escapeQuery } from './s3-sign.ts';
import { BrokenAnswer, readError, readList } from './s3-xml.ts';

const FIRST = 'x-amz-meta-first-modified';
/** Pieces up to this size together are copied into one buffer: one write to the socket. */
const JOIN_BYTES_MAX = 256 * 1024;
/** How long the start waits for an answer. */
const PROBE_MS = 5000;

/** Bytes of an object; `to` is exclusive, none: to its end. */
interface Range {
  from: number;
  to?: number;
}

export interface S3Endpoint {
  /** One or more, separated by commas: the next is asked when one gives no good answer. */
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
}

/** Stores of all buckets over one pool of connections. See openStores for errors. */
export async function openS3(settings: S3Endpoint, buckets: string[], clock: Clock, random: Random, logger: Logger): Promise<{ stores: S3Store[]; close: () => Promise<void> }> {
  const urls = settings.endpoint.split(',').map(endpointOf);
  if (!settings.region || !settings.accessKey || !settings.secretKey) throw new Malformed('the S3 store needs region, access key and secret key');
  const transport = new S3Transport(urls, settings, clock, random, logger);
  const stores = buckets.map((bucket) => new S3Store(transport, bucket));
  try {
    await Promise.all(stores.map((store) => probe(store, clock, logger)));
  } catch (e) {
    await transport.close();
    throw e;
  }
  return { stores, close: () => transport.close() };
}

function endpointOf(text: string): URL {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw new Malformed(`not an S3 endpoint: ${JSON.stringify(text.slice(0, 100))}`);
  }
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username || url.password || url.search || url.hash) throw new Malformed('an S3 endpoint is http://host:port or https://host');
  return url;
}

/** A wrong key or bucket ends the start; a store that is away may come back. */
async function probe(store: S3Store, clock: Clock, logger: Logger): Promise<void> {
  const ended = new AbortController();
  const cancel = clock.after(PROBE_MS, () => ended.abort(new Unavailable('no answer')));
  try {
    await store.list({ prefix: '', maxKeys: 1, signal: ended.signal });
  } catch (e) {
    if (!(e instanceof Unavailable) || e instanceof S3Refusal) throw e;
    logger.warn('the S3 store does not answer yet', { bucket: store.bucket, why: e.message });
  } finally {
    cancel();
  }
}

export class S3Store implements ObjectStore {
  readonly bucket: string;
  readonly counts = { put: 0, get: 0, list: 0, delete: 0 };
  readonly patience_ms = limits.store_quick_call_ms_max;
  readonly #transport: S3Transport;

  constructor(transport: S3Transport, bucket: string) {
    this.#transport = transport;
    this.bucket = bucket;
  }

  async put(name: string, bytes: Uint8Array | Uint8Array[], options?: PutOptions): Promise<{ date: number }> {
    checkName(name);
    const pieces = Array.isArray(bytes) ? bytes : [bytes];
    let size = 0;
    for (const piece of pieces) size += piece.length;
    if (size <= JOIN_BYTES_MAX || pieces.length === 1) {
      const body = pieces.length === 1 ? view(pieces[0]) : Buffer.concat(pieces, size);
      return this.#put(name, body, size, hash('sha256', body), options);
    }
    const sum = createHash('sha256');
    for (const piece of pieces) sum.update(piece);
    return this.#put(name, () => pieces, size, sum.digest('hex'), options);
  }

  async putStream(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ date: number }> {
    checkName(name);
    return this.#put(name, () => counted(name, bytes, source), bytes, UNSIGNED, options);
  }

  async #put(name: string, body: Call['body'], bytes: number, payload: string, options: PutOptions | undefined): Promise<{ date: number }> {
    if (options?.after) await comeBefore(options.after);
    const first = options?.firstModified;
    return this.#transport.call(
      {
        method: 'PUT',
        path: this.#path(name),
        headers: first === undefined ? undefined : { [FIRST]: String(Math.max(0, Math.trunc(first))) },
        body,
        bytes,
        payload,
        answerBytesMax: 65_536,
        maySend: options?.maySend,
        signal: options?.signal,
        sent: () => this.counts.put++,
      },
      (answer) => {
        if (answer.status >= 300) this.#absent(answer, false);
        // What stands in between may say 200 with a page of its own: an object that was stored has an ETag.
        if (answer.headers.etag === undefined || readError(answer.body.toString('utf8')).code !== '') throw new BrokenAnswer('a PUT answered without saying that it is stored');
        return { date: answer.date };
      },
    );
  }

  async get(name: string, options?: { from?: number; to?: number; signal?: AbortSignal }): Promise<StoredObject | null> {
    checkName(name);
    const { from = 0, to } = options ?? {};
    checkRange(options?.from, options?.to);
    if (from === 0 && to === undefined) return this.#get(name, null, options?.signal);
    // HTTP has no empty range, and answers 416 to one beyond the end: the first byte then tells the rest.
    if (to !== from) {
      const part = await this.#get(name, { from, to }, options?.signal);
      if (part !== 'beyond') return part;
    }
    const head = await this.#get(name, { from: 0, to: 1 }, options?.signal);
    const object = head === 'beyond' ? await this.#get(name, null, options?.signal) : head;
    return object && { ...object, bytes: object.bytes.subarray(0, 0) };
  }

  #get(name: string, range: null, signal: AbortSignal | undefined): Promise<StoredObject | null>;
  #get(name: string, range: Range | null, signal: AbortSignal | undefined): Promise<StoredObject | null | 'beyond'>;
  #get(name: string, range: Range | null, signal: AbortSignal | undefined): Promise<StoredObject | null | 'beyond'> {
    return this.#transport.call<StoredObject | null | 'beyond'>({ method: 'GET', path: this.#path(name), range: range === null ? undefined : `bytes=${range.from}-${range.to === undefined ? '' : range.to - 1}`, answerBytesMax: limits.object_bytes_max, signal, sent: () => this.counts.get++ }, (answer) => {
      if (answer.status === 416 && range !== null) return 'beyond';
      if (answer.status >= 300) return this.#absent(answer, true);
      const { body, headers, date } = answer;
      const size = range === null ? body.length : sizeBehind(range, String(headers['content-range'] ?? ''), body.length);
      const modified = Date.parse(String(headers['last-modified'] ?? ''));
      if (Number.isNaN(size) || Number.isNaN(modified) || answer.status !== (range === null ? 200 : 206)) throw new BrokenAnswer('a GET answered without size or age, or with another range');
      const first = headers[FIRST];
      return { bytes: body, size, modified, firstModified: typeof first === 'string' && /^[0-9]{1,15}$/.test(first) ? Number(first) : null, date };
    });
  }

  async list(options: ListOptions): Promise<ListPage> {
    const { prefix } = options;
    checkPrefix(prefix);
    if (options.startAfter) checkPrefix(options.startAfter);
    // Garage ends a LIST at the first name without the prefix, so a start-after that lies before it would hide all.
    const startAfter = options.startAfter && options.startAfter > prefix ? options.startAfter : undefined;
    const max = pageSize(options.maxKeys);
    const query = `list-type=2&max-keys=${max}&prefix=${escapeQuery(prefix)}${startAfter ? `&start-after=${escapeQuery(startAfter)}` : ''}`;
    return this.#transport.call({ method: 'GET', path: `/${this.bucket}`, query, answerBytesMax: limits.store_list_bytes_max, signal: options.signal, sent: () => this.counts.list++ }, (answer) => {
      if (answer.status >= 300) this.#absent(answer, false);
      const { rows, truncated } = readList(answer.body.toString('utf8'));
      // Everything above relies on this order; an answer that breaks it must not be taken for a shorter log.
      let last = startAfter ?? '';
      for (const { name } of rows) {
        if (name <= last || !name.startsWith(prefix)) throw new BrokenAnswer('the rows of a LIST are not in order');
        last = name;
      }
      if (rows.length > max || (truncated && rows.length === 0)) throw new BrokenAnswer('a LIST with a wrong number of rows');
      return { objects: rows, truncated, date: answer.date };
    });
  }

  async delete(name: string, options?: { signal?: AbortSignal }): Promise<void> {
    checkName(name);
    await this.#transport.call({ method: 'DELETE', path: this.#path(name), answerBytesMax: 65_536, signal: options?.signal, sent: () => this.counts.delete++ }, (answer) => {
      if (answer.status >= 300) this.#absent(answer, true);
    });
  }

  async confirm(name: string, bytes: Uint8Array, firstModified: number): Promise<void> {
    await this.put(name, bytes, { firstModified });
  }

  async close(): Promise<void> {
    await this.#transport.close();
  }

  #path(name: string): string {
    return `/${this.bucket}/${name}`;
  }

  /** A 404 is an answer only when it speaks of the object. */
  #absent({ status, code }: Answer, allowed: boolean): null {
    if (status === 404 && allowed && code === 'NoSuchKey') return null;
    if (status === 404 && code === 'NoSuchBucket') throw new S3Refusal(`the S3 store has no bucket "${this.bucket}"`);
    throw new BrokenAnswer(`an answer ${status} ${code}`);
  }
}

const view = (bytes: Uint8Array): Buffer => (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));

/** Size of the whole object, when the answer has what was asked for (RFC 9110 §14.4): `bytes FIRST-LAST/SIZE`. NaN: it has something else. */
function sizeBehind({ from, to = Infinity }: Range, contentRange: string, bytes: number): number {
  const found = /^bytes ([0-9]{1,15})-([0-9]{1,15})\/([0-9]{1,15})$/.exec(contentRange);
  if (found === null) return NaN;
  const [first, last, size] = found.slice(1).map(Number);
  return first === from && last === Math.min(to, size) - 1 && bytes === last + 1 - first ? size : NaN;
}

/** The source's bytes, as many as were announced: a wrong number is the source's fault, and not sent again. */
async function* counted(name: string, bytes: number, source: () => AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of source()) {
    left -= piece.length;
    if (left < 0) break;
    yield piece;
  }
  if (left !== 0) throw new Unavailable(`the source of ${name} did not give ${bytes} bytes`);
}
