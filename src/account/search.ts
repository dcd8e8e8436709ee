// SEARCH BODY and TEXT of a user who is open here: an index of what messages have in them, sealed for the user alone,
// filled by searches that read messages and, slowly, by the background.
import { setImmediate } from 'node:timers/promises';
import { Corrupt, Refused, reason } from '../base/index.ts';
import type { Clock, Logger, MailboxId, Random, Uid } from '../base/index.ts';
import { decodeIndex, foldedHeader, readTexts } from '../message/index.ts';
import type { ReadBytes } from '../message/index.ts';
import { openBlob, openNamed, openRange, sealNamed, sealedRange } from '../seal/index.ts';
import type { UserState } from '../state/index.ts';
import type { Content, Wanted } from '../state/index.ts';
import { blobName } from '../store/index.ts';
import { SearchIndex } from './search-index.ts';
import { SearchStore } from './search-store.ts';
import type { SearchMemory } from './search-memory.ts';
import type { UserLog } from './user-log.ts';

const NOTHING = Buffer.alloc(0);
/** What is read whole, for its final tag is checked too. */
const WHOLE_BYTES_MAX = 256 * 1024;

/** After a log-in, and between two looks at what is new. A session's first minute is the client's. */
const FIRST_LOOK_MS = 20_000;
const LOOK_MS = 10_000;
/** Messages read at once, and bytes of them. */
const BATCH = 8;
const BATCH_BYTES_MAX = 1024 * 1024;
/** Rest after a batch: so many times what it took, so that it never takes more than a seventh of the process. */
const REST_TIMES = 6;
const REST_MS_MIN = 20;
/** A timer that is later than this says that others need the process. */
const BUSY_MS = 8;
const BUSY_REST_MS = 500;
const BUSY_RESTS_MAX = 20;

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
  memory: SearchMemory;
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
  #cancel: () => void = () => {};
  #closed = false;

  constructor(user: Searched, tools: SearchTools) {
    this.#user = user;
    this.#tools = tools;
    const { at } = user;
    const { random } = tools;
    const keys = () => {
      if (at.codec.ring === null) throw new Refused('the user is not logged in here');
      return at.codec.ring.sessions;
    };
    const logger = tools.logger.room('search');
    const store = new SearchStore({
      store: at.store,
      root: at.root,
      random,
      logger,
      seal: (name, plain) => sealNamed(keys()[0], name, NOTHING, plain, random),
      open: (name, sealed) => openNamed(keys(), name, NOTHING, sealed),
    });
    this.index = new SearchIndex(store, tools.memory, tools.clock);
    if (tools.memory.background) this.#next(FIRST_LOOK_MS * (0.75 + random.unit() / 2));
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    this.#leaving.abort();
    this.index.close();
  }

  #next(ms: number): void {
    this.#cancel = this.#tools.clock.after(ms, () => {
      void this.catchUp().catch((e) => this.#tools.logger.info('the search index is put off', { user: this.#user.at.record.id, why: reason(e) })).then(() => {
        if (!this.#closed) this.#next(LOOK_MS);
      });
    });
  }

  /** Learns what is not known of the mailboxes that are open here, the newest messages first. Unavailable. */
  async catchUp(): Promise<void> {
    const { state } = this.#user;
    for (const { id } of state.mailboxes()) {
      if (this.#closed) return;
      if (state.missing({ kind: 'rows', mailbox: id }).length > 0) continue;
      const { uidNext } = state.status(id);
      const done = this.#done.get(id) ?? 0;
      if (uidNext <= done) continue;
      if (!(await this.index.opened())) return;
      await this.#catchUpWith(id, done);
      if (!this.#closed) this.#done.set(id, uidNext);
    }
  }

  async #catchUpWith(id: MailboxId, from: Uid): Promise<void> {
    const live = this.#user.state.mailbox(id);
    const uids = live.uids.slice(0, live.count);
    let batch: Uid[] = [];
    let bytes = 0;
    for (let k = uids.length - 1; k >= 0 && uids[k] >= from; k--) {
      const i = live.find(uids[k]);
      if (i < 0) continue;
      const emailId = live.emailId(i);
      if (this.index.knows(emailId) || this.#unreadable.has(emailId)) continue;
      batch.push(uids[k]);
      bytes += live.size(i);
      if (batch.length < BATCH && bytes < BATCH_BYTES_MAX) continue;
      await this.#batch(id, batch);
      if (this.#closed) return;
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await this.#batch(id, batch);
  }

  async #batch(mailbox: MailboxId, uids: Uid[]): Promise<void> {
    const { clock } = this.#tools;
    const began = clock.monotonic();
    await this.#user.need({ kind: 'contents', mailbox, uids });
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
    await this.#rest(Math.max(REST_MS_MIN, REST_TIMES * (clock.monotonic() - began)));
  }

  /** Longer while others need the process. */
  async #rest(ms: number): Promise<void> {
    const { clock } = this.#tools;
    for (let n = 0; n < BUSY_RESTS_MAX; n++) {
      const asked = clock.monotonic();
      await clock.sleep(ms, this.#leaving.signal).catch(() => {});
      if (this.#closed || clock.monotonic() - asked - ms <= BUSY_MS) return;
      ms = BUSY_REST_MS;
    }
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

  /** Without the cache of opened messages: what passes here once is not asked for again soon. */
  async #read(content: Content, from: number, to: number): Promise<Buffer> {
    const { store, root } = this.#user.at;
    const name = blobName(root, content.blob);
    const end = Math.min(to, content.plainBytes);
    if (from >= end) return NOTHING;
    const whole = content.plainBytes <= WHOLE_BYTES_MAX;
    const range = whole ? undefined : sealedRange(from, end, content.plainBytes);
    const object = await store.get(name, range);
    if (!object) throw new Corrupt(`${name}: the blob is missing`);
    return whole ? openBlob(content.contentKey, object.bytes).subarray(from, end) : openRange(content.contentKey, object.bytes, range!.from, from, end);
  }
}

