// Words of mail for users who are not logged in here, taken while its text is at hand. What is gathered of one user goes
// into the store now and then, sealed to that user alone, and who logs in, wherever that is, need not read the messages to
// search them. It is a cache: what finds no room, or is lost with the process, is learnt from the messages later.
import { setImmediate } from 'node:timers/promises';
import { Unavailable, limits, randomId, reason } from '../base/index.ts';
import type { Clock, Logger, Random } from '../base/index.ts';
import type { Directory, UserRecord } from '../directory/index.ts';
import { decodeIndex, foldedHeader, readTexts } from '../message/index.ts';
import { decodeUserPublic } from '../seal/index.ts';
import type { ClusterKeys } from '../seal/index.ts';
import { userRoot, wordsName } from '../store/index.ts';
import type { Stores } from '../store/index.ts';
import { GivingWay } from './giving-way.ts';
import type { Keeper, MemoryBudget } from './memory.ts';
import type { SearchMemory } from './search-memory.ts';
import { PART_HEAD } from './search-part.ts';
import { encodeWords, sealWords } from './words-object.ts';

const ID_BITS = 130;
/** Larger messages are mostly attachments, and a flood of them would only fill the memory. */
const TEXT_BYTES_MAX = 64 * 1024;
/** After a delivery: others may follow it. */
const LOOK_MS = 3_000;
/** Of one user, in one turn of work: one piece. */
const BATCH = 16;
/** An object this large is written at once: about 150 letters' words. */
const FULL_BYTES = 64 * 1024;
/** The same after so long; but not for the sake of a few messages, which are as soon read. */
const WRITE_AFTER_MS = 6 * 60 * 60_000;
const FEW_ENTRIES = 4;

/** A message whose text is at hand. */
export interface DeliveredText {
  /** Its EMAILID. */
  emailId: string;
  prefix: Buffer;
  /** The message's index as it is stored. */
  index: Buffer;
  plain: Buffer;
}

interface Waiting {
  user: string;
  text: DeliveredText;
  bytes: number;
  at: number;
}

interface Gathered {
  name: string;
  pieces: Buffer[];
  entries: number;
  bytes: number;
  since: number;
  cancelWrite: () => void;
}

export interface DeliveredWordsOptions {
  stores: Stores;
  directory: Directory;
  keys: ClusterKeys;
  clock: Clock;
  random: Random;
  logger: Logger;
  search: SearchMemory;
  memory?: MemoryBudget;
}

export class DeliveredWords implements Keeper {
  readonly name = 'words';
  readonly anytime = true;
  readonly #o: DeliveredWordsOptions;
  readonly #giving: GivingWay;
  readonly #leaving = new AbortController();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** By user. */
  readonly #gathered = new Map<string, Gathered>();
  #gatheredBytes = 0;
  #working = false;
  #tookMs = 0;
  readonly #writing = new Set<Promise<void>>();

  constructor(options: DeliveredWordsOptions) {
    this.#o = options;
    this.#giving = new GivingWay(options.clock, options.search.workedMs, this.#leaving.signal);
    options.memory?.join(this);
  }

  get bytes(): number {
    return this.#waitingBytes + this.#gatheredBytes;
  }
  get spare(): number {
    return this.bytes;
  }

  /** Up to so many bytes a message's text is wanted now; 0: none, so that nobody keeps it in vain. */
  get wantedBytes(): number {
    return this.#leaving.signal.aborted ? 0 : Math.min(TEXT_BYTES_MAX, limits.words_waiting_bytes_max - this.#waitingBytes);
  }

  /** A message that is delivered. It is looked at later, or not at all. */
  take(record: UserRecord, text: DeliveredText): void {
    const bytes = text.plain.length + text.prefix.length + text.index.length;
    if (this.#leaving.signal.aborted || this.#waitingBytes + bytes > limits.words_waiting_bytes_max) return;
    this.#waiting.push({ user: record.id, text, bytes, at: this.#now() });
    this.#waitingBytes += bytes;
    this.#o.memory?.grew();
    if (this.#working) return;
    this.#working = true;
    this.#o.clock.after(LOOK_MS, () => void this.#work());
  }

  /** What was gathered of a user and is not stored, who is here now and keeps it. Null: nothing. */
  give(user: string): { name: string; pieces: Buffer[] } | null {
    const gathered = this.#gathered.get(user);
    if (!gathered) return null;
    this.#forget(user, gathered);
    return gathered;
  }

  #now(): number {
    return this.#o.memory?.now ?? this.#o.clock.monotonic();
  }

  async #work(): Promise<void> {
    const { clock, logger } = this.#o;
    while (this.#waiting.length > 0 && !this.#leaving.signal.aborted) {
      await this.#giving.rest(this.#tookMs);
      const began = clock.monotonic();
      try {
        await this.#batch();
      } catch (e) {
        logger.warn('the words of delivered mail are not taken', { why: reason(e) });
      }
      this.#tookMs = clock.monotonic() - began;
    }
    this.#working = false;
  }

  /** Some of the messages that wait, all of one user. */
  async #batch(): Promise<void> {
    const first = this.#waiting.at(0);
    if (!first || this.#leaving.signal.aborted) return;
    const batch: Waiting[] = [];
    const left: Waiting[] = [];
    for (const waiting of this.#waiting) (waiting.user === first.user && batch.length < BATCH ? batch : left).push(waiting);
    this.#waiting = left;
    for (const { bytes } of batch) this.#waitingBytes -= bytes;
    const entries: Buffer[] = [];
    for (const { text } of batch) {
      entries.push(await this.#entry(text));
      await setImmediate();
    }
    this.#gather(first.user, entries);
  }

  async #entry({ emailId, prefix, index, plain }: DeliveredText): Promise<Buffer> {
    const all = Buffer.concat([prefix, plain]);
    const { header, texts } = (await readTexts(decodeIndex(index), prefix.length, async (from, to) => all.subarray(from, to)))!;
    return this.#o.search.entry(emailId, foldedHeader(header), texts);
  }

  #gather(user: string, entries: Buffer[]): void {
    const { clock, directory, memory, random } = this.#o;
    const record = directory.state.users.get(user);
    if (!record) return;
    let gathered = this.#gathered.get(user);
    if (!gathered) {
      const cancelWrite = clock.after(WRITE_AFTER_MS, () => this.#writeLater(user));
      gathered = { name: wordsName(userRoot(user), randomId(random, ID_BITS)), pieces: [], entries: 0, bytes: 0, since: this.#now(), cancelWrite };
      this.#gathered.set(user, gathered);
    }
    const { name, pieces } = gathered;
    const piece = sealWords(decodeUserPublic(record.publicKeys).event, name, pieces.length, Buffer.concat(pieces.length === 0 ? [PART_HEAD, ...entries] : entries), random);
    pieces.push(piece);
    gathered.entries += entries.length;
    gathered.bytes += piece.length;
    this.#gatheredBytes += piece.length;
    memory?.grew();
    if (gathered.bytes >= FULL_BYTES) this.#writeLater(user);
    else if (this.#gatheredBytes > limits.words_gathered_bytes_max) this.#writeLater(this.#largest()!);
  }

  #largest(): string | null {
    let largest: [string, Gathered] | null = null;
    for (const entry of this.#gathered) if (largest === null || entry[1].bytes > largest[1].bytes) largest = entry;
    return largest && largest[0];
  }

  #forget(user: string, gathered: Gathered): void {
    gathered.cancelWrite();
    this.#gathered.delete(user);
    this.#gatheredBytes -= gathered.bytes;
  }

  #writeLater(user: string): void {
    const written = this.#write(user).finally(() => this.#writing.delete(written));
    this.#writing.add(written);
  }

  /** Never rejects for want of a store: it is learnt from the messages then. */
  async #write(user: string): Promise<void> {
    const { directory, keys, logger, stores } = this.#o;
    const gathered = this.#gathered.get(user);
    if (!gathered) return;
    this.#forget(user, gathered);
    const record = directory.state.users.get(user);
    if (!record || gathered.entries < FEW_ENTRIES) return;
    try {
      await stores.bucket(record.bucket).put(gathered.name, encodeWords(keys, gathered.name, gathered.pieces));
    } catch (e) {
      if (!(e instanceof Unavailable)) throw e;
      logger.debug('words of delivered mail are not stored now', { user, why: reason(e) });
    }
  }

  /** The oldest texts first; then what was gathered longest ago is stored early. */
  evict(before: number, bytes: number): number {
    let freed = 0;
    let gone = 0;
    for (const waiting of this.#waiting) {
      if (freed >= bytes || waiting.at >= before) break;
      freed += waiting.bytes;
      gone++;
    }
    this.#waiting.splice(0, gone);
    this.#waitingBytes -= freed;
    for (const [user, gathered] of this.#gathered) {
      if (freed >= bytes || gathered.since >= before) break;
      freed += gathered.bytes;
      this.#writeLater(user);
    }
    return freed;
  }

  /** What waits is dropped, what was gathered is stored. */
  async stop(): Promise<void> {
    this.#leaving.abort();
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const user of [...this.#gathered.keys()]) this.#writeLater(user);
    await Promise.all(this.#writing);
  }
}
