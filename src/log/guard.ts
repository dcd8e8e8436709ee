// A new key for MACs. All replicas accept both, then all write under the new one; then for each log a list is written, MACed
// under the new key, of the names and hashes of all that is under the old one. From then on the old key proves nothing: what is
// under it counts if it is listed, and the list alone is enough to read it, so the old secret may be thrown away.
//
// What lands later under the old key (a PUT whose writer gave it up, or a forgery) is not listed and counts for nothing:
// nobody under the new key has seen it.
//
// Format 1 of a list: version 1 | length, id of the old key, count of (name below the root, SHA-256) | length, MAC.
import { createHash } from 'node:crypto';
import { ByteReader, ByteWriter, Corrupt, reason } from '../base/index.ts';
import { SECRETS, rotatedPrefix } from '../store/index.ts';
import type { ObjectStore } from '../store/index.ts';
import { listAll } from './reading.ts';
import type { Reading } from './reading.ts';
import type { Authenticator } from './types.ts';

const ROTATED_VERSION = 1;
const LISTS_MAX = 1000;

/** An object under a key that was replaced, and not on the list: it counts for nothing. */
export class NotListed extends Corrupt {}
/** An object under a key that isn't the writing one: the lists must be read. */
class OtherKey extends Corrupt {}

/** Hash of all that a MAC is over, and of the MAC. */
export function hashOf(pieces: readonly Uint8Array[], mac: Uint8Array): string {
  const h = createHash('sha256');
  for (const piece of [...pieces, mac]) h.update(`${piece.length} `).update(piece);
  return h.digest('hex');
}

type Lists = Map<string, Map<string, string>>;

/** What a list says, and the id of the key that it is under. Throws Corrupt. */
function open(inner: Authenticator, name: string, bytes: Buffer): { body: ByteReader; under: string } {
  const r = new ByteReader(bytes);
  const version = r.u8();
  if (version !== ROTATED_VERSION) throw new Corrupt(version > ROTATED_VERSION ? 'it was written by a newer version' : 'it has an unknown version');
  const body = new ByteReader(r.bytes());
  const head = bytes.subarray(0, r.at);
  const mac = r.raw(r.u8());
  r.finish();
  inner.verify(name, [head], mac);
  return { body, under: inner.keys!.of(mac) };
}

/** The authenticator of one log: knows what is listed there under former keys. */
export class Guard implements Authenticator {
  readonly #inner: Authenticator;
  /** By key id, hashes by name; null until they were needed. */
  #lists: Lists | null = null;
  #loading: Promise<void> | null = null;

  constructor(inner: Authenticator) {
    this.#inner = inner instanceof Guard ? inner.#inner : inner;
  }
  get keys() {
    return this.#inner.keys;
  }
  mac(name: string, bytes: Uint8Array[]): Buffer {
    return this.#inner.mac(name, bytes);
  }
  verify(name: string, bytes: Uint8Array[], mac: Uint8Array): void {
    const { keys } = this.#inner;
    const id = keys?.of(mac);
    if (!keys || id === undefined || id === keys.writing) return this.#inner.verify(name, bytes, mac);
    if (!this.#lists) throw new OtherKey(`${name} is under another key than the one in use`);
    const listed = this.#lists.get(id);
    // Every replica still accepts both.
    if (!listed) return this.#inner.verify(name, bytes, mac);
    const hash = listed.get(name);
    if (hash === undefined) throw new NotListed(`${name} is under a key that was replaced, and was not there then`);
    if (hash !== hashOf(bytes, mac)) throw new Corrupt(`${name} is under a key that was replaced, and not what was there then`);
  }
  /** Whether a list that was read names it. */
  lists(id: string, name: string): boolean {
    return this.#lists?.get(id)?.has(name) ?? false;
  }
  /** The next object under another key has the lists read again. */
  forget(): void {
    this.#lists = null;
  }
  /** Reads the lists; who asks meanwhile waits for the same. Throws Unavailable. */
  load(reading: Reading): Promise<void> {
    this.#loading ??= this.#load(reading).finally(() => (this.#loading = null));
    return this.#loading;
  }
  async #load(reading: Reading): Promise<void> {
    const { store, root, limits, logger } = reading;
    const prefix = rotatedPrefix(root);
    const { rows } = await listAll(store, prefix, limits.list_keys_max);
    const lists: Lists = new Map();
    for (const row of rows) {
      try {
        const object = await store.get(row.name);
        if (!object) continue;
        const { id, listed } = this.#decode(root, row.name, object.bytes);
        const known = lists.get(id);
        if (known) for (const [name, hash] of listed) known.set(name, hash);
        else lists.set(id, listed);
      } catch (e) {
        if (!(e instanceof Corrupt)) throw e;
        // What it lists is refused then: nothing is believed because of it.
        logger.error('a list of what is under a former key is not what was written', { name: row.name, reason: reason(e) });
      }
    }
    this.#lists = lists;
  }
  #decode(root: string, name: string, bytes: Buffer): { id: string; listed: Map<string, string> } {
    const { keys } = this.#inner;
    const { body, under } = open(this.#inner, name, bytes);
    const id = body.string();
    const listed = new Map<string, string>();
    for (let n = body.count(33); n > 0; n--) listed.set(root + body.string(), body.raw(32).toString('hex'));
    body.finish();
    // Who has a former key must not be able to say what counts.
    if (under !== keys!.writing || id === keys!.writing) throw new Corrupt('it is not under the key in use');
    return { id, listed };
  }
}

/** Tells everybody that keys were replaced by the one in use, before anything is listed. Throws Unavailable. */
export async function declareReplaced(store: ObjectStore, authenticator: Authenticator, ids: readonly string[]): Promise<void> {
  for (const id of ids) await store.put(...encodeList(authenticator, SECRETS, id, new Map()));
}

/** Whether the key that is written under here was replaced: then what would be written counts for nothing. Throws Unavailable. */
export async function wasReplaced(store: ObjectStore, authenticator: Authenticator): Promise<boolean> {
  const { keys } = authenticator;
  if (!keys) return false;
  const { rows } = await listAll(store, `${rotatedPrefix(SECRETS)}${keys.writing}-`, LISTS_MAX);
  for (const { name } of rows) {
    try {
      const object = await store.get(name);
      if (object && open(authenticator, name, object.bytes).under !== keys.writing) return true;
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      // Anyone may have put it there.
    }
  }
  return false;
}

/** The authenticator that one log's objects are read with. */
export function guarded(inner: Authenticator): Authenticator {
  return inner.keys && !(inner instanceof Guard) ? new Guard(inner) : inner;
}

/** What `read` verifies; where it meets another key, the lists are read first. Throws Unavailable, Corrupt. */
export async function authentic<T>(reading: Reading, read: () => T): Promise<T> {
  try {
    return read();
  } catch (e) {
    if (!(e instanceof OtherKey)) throw e;
    await (reading.authenticator as Guard).load(reading);
    return read();
  }
}

/** Name and bytes of a list. */
export function encodeList(authenticator: Authenticator, root: string, id: string, names: ReadonlyMap<string, string>): [name: string, bytes: Buffer] {
  const body = new ByteWriter(96 * names.size + 32).string(id).varint(names.size);
  for (const [name, hash] of [...names].sort()) body.string(name.slice(root.length)).raw(Buffer.from(hash, 'hex'));
  const bytes = body.done();
  const head = new ByteWriter(bytes.length + 8).u8(ROTATED_VERSION).bytes(bytes).done();
  const name = `${rotatedPrefix(root)}${id}-${createHash('sha256').update(head).update(authenticator.keys!.writing).digest('hex').slice(0, 16)}`;
  const mac = authenticator.mac(name, [head]);
  return [name, Buffer.concat([head, Buffer.from([mac.length]), mac])];
}
