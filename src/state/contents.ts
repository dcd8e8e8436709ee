// The contents of messages in chunks of about 1 MB, in order of arrival, all mailboxes together: copies share them. A
// chunk grows until it is full, and never changes otherwise; what is stored can go from memory and be fetched again.
import { ByteReader, ByteWriter, Corrupt, owned } from '../base/index.ts';
import { NO_CHUNK } from './rows.ts';
import { pack, unpack } from './packed.ts';

const VERSION = 1;
const CHUNK_BYTES = 1 << 20;
const CHUNK_ENTRIES = 0xffff;

export interface ContentChunk {
  number: number;
  key: string;
  /** Entries and bytes of all, stored or not. */
  count: number;
  bytes: number;
  /** Rows that refer to it. */
  used: number;
  changedAt: number;
  /** The first `baseCount` entries as stored; null while not in memory. */
  base: { bytes: Buffer; ends: Uint32Array } | null;
  baseCount: number;
  /** Entries that came after. */
  extra: Buffer[];
  lastUse: number;
}

export class Contents {
  readonly chunks = new Map<number, ContentChunk>();
  next = 0;
  #open: ContentChunk | null = null;
  /** When the next uses happen, as whoever owns the state counts time. */
  now = 0;

  /** Where an encoded content is from now on. */
  add(bytes: Buffer, tick: number): { chunk: number; entry: number } {
    let c = this.#open;
    if (!c || c.bytes >= CHUNK_BYTES || c.count >= CHUNK_ENTRIES) c = this.#open = this.restore(this.next, 0, 0, 0, `content/${this.next}`);
    c.extra.push(owned(bytes));
    c.bytes += bytes.length;
    c.changedAt = tick;
    return { chunk: c.number, entry: c.count++ };
  }
  /** A chunk as a root tells of it. The one that isn't full takes what comes next. */
  restore(number: number, count: number, bytes: number, used: number, key: string): ContentChunk {
    const c: ContentChunk = { number, key, count, bytes, used, changedAt: 0, base: null, baseCount: count, extra: [], lastUse: 0 };
    this.chunks.set(number, c);
    this.next = Math.max(this.next, number + 1);
    if (bytes < CHUNK_BYTES && count < CHUNK_ENTRIES) this.#open = c;
    return c;
  }
  used(number: number, by: number): void {
    const c = this.chunks.get(number);
    if (c) c.used += by;
  }
  /** True when `get` would answer. */
  has(number: number, entry: number): boolean {
    const c = this.chunks.get(number);
    return number === NO_CHUNK || !c || c.base !== null || entry >= c.baseCount;
  }
  /** Encoded content, a view. Throws Corrupt for an entry that was never there. */
  get(number: number, entry: number): Buffer {
    const c = this.chunks.get(number);
    if (!c || entry >= c.count) throw new Corrupt('a message refers to contents that are not there');
    c.lastUse = this.now;
    if (entry >= c.baseCount) return c.extra[entry - c.baseCount];
    if (!c.base) throw new TypeError('contents are not loaded');
    return c.base.bytes.subarray(entry === 0 ? 0 : c.base.ends[entry - 1], c.base.ends[entry]);
  }
  encode(c: ContentChunk): Buffer {
    const w = new ByteWriter(c.bytes + c.count * 3 + 16);
    w.varint(c.count);
    for (let i = 0; i < c.count; i++) w.varint(this.get(c.number, i).length);
    for (let i = 0; i < c.count; i++) w.raw(this.get(c.number, i));
    return pack(VERSION, w.done());
  }
  /** Throws Corrupt. */
  provide(c: ContentChunk, bytes: Uint8Array): void {
    if (c.base) return;
    c.base = decodeContents(bytes);
    if (c.base.ends.length !== c.baseCount) throw new Corrupt('stored contents are not as many as said');
    c.lastUse = this.now;
  }
  /** The entries up to now are stored: `count` as they were when encoded. */
  stored(c: ContentChunk, count: number): void {
    if (count <= c.baseCount) return;
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) parts.push(this.get(c.number, i));
    const ends = new Uint32Array(count);
    let end = 0;
    for (let i = 0; i < count; i++) ends[i] = end += parts[i].length;
    c.extra = c.extra.slice(count - c.baseCount);
    c.base = { bytes: Buffer.concat(parts), ends };
    c.baseCount = count;
  }
  /** Bytes in memory. */
  get loaded(): number {
    let bytes = 0;
    for (const c of this.chunks.values()) bytes += c.base ? c.bytes : c.extra.length && c.bytes;
    return bytes;
  }
  /** Lets stored ones go that were not used since `before`, the oldest first, until `bytes` are free; how many are. */
  evict(before: number, bytes: number): number {
    let freed = 0;
    if (bytes <= 0) return freed;
    const loaded = [...this.chunks.values()].filter((c) => c.base !== null && c.baseCount > 0 && c.lastUse < before).sort((a, b) => a.lastUse - b.lastUse);
    for (const c of loaded) {
      freed += c.base!.bytes.length;
      c.base = null;
      if (freed >= bytes) break;
    }
    return freed;
  }
}

/** Throws Corrupt. */
export function decodeContents(bytes: Uint8Array): { bytes: Buffer; ends: Uint32Array } {
  const r = new ByteReader(unpack(VERSION, bytes, 'contents'));
  const n = r.count();
  const ends = new Uint32Array(n);
  let end = 0;
  for (let i = 0; i < n; i++) {
    end += r.varint();
    if (end > r.left) throw new Corrupt('stored contents end too soon');
    ends[i] = end;
  }
  const body = r.raw(end);
  r.finish();
  return { bytes: body, ends };
}
