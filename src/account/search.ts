// SEARCH BODY and TEXT of a user who is open here: an index of what messages have in them, sealed for the user alone,
// filled by searches that read messages and, slowly, by the background.
import { setImmediate } from 'node:timers/promises';
import { Corrupt, Refused, reason } from '../base/index.ts';
import type { Clock, Logger, MailboxId, Random, Uid } from '../base/index.ts';
import { decodeIndex, foldedHeader, readTexts } from '../message/index.ts';
import type { ReadBytes } from '../message/index.ts';
import { openNamed, openRange, sealNamed, sealedRange } from '../seal/index.ts';
import type { ClusterKeys } from '../seal/index.ts';
import type { UserState } from '../state/index.ts';
import type { Content, Wanted } from '../state/index.ts';
import { blobName } from '../store/index.ts';
import { WHOLE_BYTES_MAX } from './blobs.ts';
import type { BlobCache } from './blobs.ts';
import type { DeliveredWords } from './delivered-words.ts';
import { GivingWay } from './giving-way.ts';
import { SearchIndex } from './search-index.ts';
import { SearchStore } from './search-store.ts';
import type { SearchMemory } from './search-memory.ts';
import type { UserLog } from './user-log.ts';
import { decodeWords, openWords } from './words-object.ts';

const NOTHING = Buffer.alloc(0);

/** After something changed: whatever comes with it comes first. */
const LOOK_MS = 3_000;
const LOOK_AGAIN_MS = 60_000;
/** Messages read at once, and bytes of them. */
const BATCH = 16;
const BATCH_BYTES_MAX = 1024 * 1024;
/** Another replica may have learnt so many at the same time. */
const SETTLE_MESSAGES = 500;

/** What it needs of an open user. */
export interface Searched {
  readonly at: UserLog;
  readonly state: UserState;
  need(wanted: Wanted): Promise<void>;
}

export interface SearchTools {
  clock: Clock;
  random: Random;
  logger: Logger;
  keys: ClusterKeys;
  memory: SearchMemory;
  blobs: BlobCache;
  words?: DeliveredWords;
}

export class UserSearch {
  readonly index: SearchIndex;
  readonly #user: Searched;
  readonly #tools: SearchTools;
  /** By mailbox: up to which UID all is known. */
  readonly #done = new Map<MailboxId, Uid>();
  /** Messages that can't be read. */
  readonly #unreadable = new Set<string>();
  readonly #leaving = new AbortController();
  readonly #giving: GivingWay;
  #cancel: () => void = () => {};
  #closed = false;
  #stirred = false;
  /** It will look, or looks now. */
  #waiting = false;
  #tookMs = 0;

  constructor(user: Searched, tools: SearchTools) {
    this.#user = user;
    this.#tools = tools;
    const { at } = user;
    const { random } = tools;
    this.#giving = new GivingWay(tools.clock, tools.memory.workedMs, this.#leaving.signal);
    const ring = () => {
      if (at.codec.ring === null) throw new Refused('the user is not logged in here');
      return at.codec.ring;
    };
    const logger = tools.logger.room('search');
    const store = new SearchStore({
      store: at.store,
      root: at.root,
      random,
      logger,
      seal: (name, plain) => sealNamed(ring().sessions[0], name, NOTHING, plain, random),
      open: (name, sealed) => openNamed(ring().sessions, name, NOTHING, sealed),
      openWords: (name, bytes) => openWords(ring().events, name, decodeWords(tools.keys, name, bytes)),
      atHand: async () => {
        const given = tools.words?.give(at.record.id) ?? null;
        return given && openWords(ring().events, given.name, given.pieces);
      },
    });
    this.index = new SearchIndex(store, tools.memory, tools.clock);
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#leaving.abort();
    this.index.close();
  }

  /** Something changed, or more is in memory now: there may be messages to learn of. */
  stir(): void {
    this.#stirred = true;
    if (this.#tools.memory.workedMs !== null && !this.#waiting && !this.#closed) this.#lookIn(LOOK_MS);
  }

  #lookIn(ms: number): void {
    this.#waiting = true;
    this.#cancel = this.#tools.clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#stirred = false;
    let again = LOOK_MS;
    try {
      await this.catchUp();
    } catch (e) {
      this.#tools.logger.info('the search index is put off', { user: this.#user.at.record.id, why: reason(e) });
      this.#stirred = true;
      again = LOOK_AGAIN_MS;
    }
    this.#waiting = false;
    if (this.#stirred && !this.#closed) this.#lookIn(again);
  }

  /** Learns what is not known of the mailboxes that are in memory, the newest messages first. Unavailable. */
  async catchUp(): Promise<void> {
    const { state } = this.#user;
    for (const id of state.loadedRows) {
      if (this.#closed) return;
      // Another's turn may have let them go.
      if (state.missing({ kind: 'rows', mailbox: id }).length > 0) continue;
      const { uidNext } = state.status(id);
      const done = this.#done.get(id) ?? 0;
      if (uidNext <= done) continue;
      if (!(await this.index.opened())) return;
      const before = this.index.size.messages;
      if (!(await this.#catchUpWith(id, done))) continue;
      this.#done.set(id, uidNext);
      if (this.index.size.messages - before >= SETTLE_MESSAGES) await this.index.settle();
    }
  }

  /** False: not to the end, because the user or the mailbox's rows have left the memory. */
  async #catchUpWith(id: MailboxId, from: Uid): Promise<boolean> {
    const { state } = this.#user;
    const there = () => !this.#closed && state.missing({ kind: 'rows', mailbox: id }).length === 0;
    const uids = state.mailbox(id).uids.slice(0, state.mailbox(id).count);
    let batch: Uid[] = [];
    let bytes = 0;
    for (let k = uids.length - 1; k >= 0 && uids[k] >= from; k--) {
      const live = state.mailbox(id);
      const i = live.find(uids[k]);
      if (i < 0) continue;
      const emailId = live.emailId(i);
      if (this.index.knows(emailId) || this.#unreadable.has(emailId)) continue;
      batch.push(uids[k]);
      bytes += live.size(i);
      if (batch.length < BATCH && bytes < BATCH_BYTES_MAX) continue;
      await this.#giving.rest(this.#tookMs);
      if (!there()) return false;
      await this.#batch(id, batch);
      if (!there()) return false;
      batch = [];
      bytes = 0;
    }
    if (batch.length === 0) return true;
    await this.#giving.rest(this.#tookMs);
    if (!there()) return false;
    await this.#batch(id, batch);
    return !this.#closed;
  }

  async #batch(mailbox: MailboxId, uids: Uid[]): Promise<void> {
    const { clock } = this.#tools;
    const began = clock.monotonic();
    await this.#user.need({ kind: 'contents', mailbox, uids });
    if (this.#closed || this.#user.state.missing({ kind: 'rows', mailbox }).length > 0) return;
    const contents = uids.map((uid) => this.#user.state.content(mailbox, uid)).filter((content) => content !== null);
    const read = contents.map((content) => this.#texts(content));
    for (const one of read) one.catch(() => {});
    for (let n = 0; n < contents.length; n++) {
      try {
        const texts = await read[n];
        if (this.#closed) return;
        await this.index.learn(contents[n].emailId, foldedHeader(texts.header), texts.texts);
      } catch (e) {
        if (!(e instanceof Corrupt)) throw e;
        // Whoever reads it is told.
        this.#unreadable.add(contents[n].emailId);
      }
      await setImmediate();
    }
    this.#tookMs = clock.monotonic() - began;
  }

  async #texts(content: Content) {
    const prefix = Buffer.from(content.prefix);
    const index = decodeIndex(Buffer.from(content.index));
    const own: Content = { ...content, contentKey: Buffer.from(content.contentKey) };
    const read: ReadBytes = async (from, to) => {
      const body = to > prefix.length ? await this.#read(own, Math.max(0, from - prefix.length), to - prefix.length) : NOTHING;
      return from >= prefix.length ? body : Buffer.concat([prefix.subarray(from, to), body]);
    };
    // It says null only when the message is gone, and this reading never does.
    return (await readTexts(index, prefix.length, read))!;
  }

  /** What is in memory is not read again, and what is read is not kept: what passes here once is not asked for again soon. */
  async #read(content: Content, from: number, to: number): Promise<Buffer> {
    const { store, root } = this.#user.at;
    const name = blobName(root, content.blob);
    const end = Math.min(to, content.plainBytes);
    if (from >= end) return NOTHING;
    const held = this.#tools.blobs.held(root, content.blob);
    if (held !== null) return held.subarray(from, end);
    const range = content.plainBytes <= WHOLE_BYTES_MAX ? undefined : sealedRange(from, end, content.plainBytes);
    const object = await store.get(name, range);
    if (!object) throw new Corrupt(`${name}: the blob is missing`);
    return openRange(content.contentKey, object.bytes, range?.from ?? 0, from, end);
  }
}

