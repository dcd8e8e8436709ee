// APPEND and MULTIAPPEND: sealed while they arrive like a delivery, all messages in one event or none.
import { Refused, limits } from '../base/index.ts';
import type { Flag, MailboxId, Uid } from '../base/index.ts';
import type { Appender } from '../imap/session.ts';
import { hmacOnce } from '../seal/index.ts';
import { blobName } from '../store/index.ts';
import type { AddedMessage } from '../state/index.ts';
import { storeBeside } from './beside.ts';
import { WHOLE_BYTES_MAX } from './blobs.ts';
import { Incoming } from './incoming.ts';
import { checkKeywords } from './keywords.ts';
import type { Arrived, SealedCopy } from './incoming.ts';
import type { OpenUser } from './open-user.ts';
import type { Usage } from './usage.ts';

/** RFC 8474 THREADID: the same for all messages that name one root, without looking at any other message. */
export function threadIdOf(hashKey: Buffer, arrived: Arrived, blob: string): string {
  const root = arrived.index.threadRoot;
  return root === null ? `t${blob}` : `t${hmacOnce(hashKey, Buffer.from(`thread\0${root}`, 'latin1')).toString('base64url').slice(0, 22)}`;
}

/** Of the messages of one command so many bytes are held until it ends, for whoever asks for them next. */
const HELD_BYTES_MAX = 1024 * 1024;
/** What an event tells of a message beside its index, near enough. */
const ADDED_BYTES = 300;

interface Begun {
  incoming: Incoming;
  /** Bytes announced that have not come. */
  left: number;
  flags: Flag[];
  date: { at: number; zone: number };
}

export class MailAppender implements Appender {
  readonly #user: OpenUser;
  readonly #mailbox: MailboxId;
  #current: Begun | null = null;
  /** Of all messages so far, less what they take the place of. */
  readonly #more: Usage;
  #giveBack: () => void = () => {};
  readonly #copies: SealedCopy[] = [];
  readonly #incoming: Incoming[] = [];
  readonly #messages: AddedMessage[] = [];
  readonly #flags = new Set<Flag>();
  readonly #held: { blob: string; plain: Buffer }[] = [];
  #heldBytes = 0;
  /** Of the event that tells of them all. */
  #eventBytes = 0;
  /** Blobs of earlier messages of a MULTIAPPEND go to the store while later ones arrive. */
  readonly #puts: Promise<void>[] = [];
  /** Ends those that nobody waits for any more. */
  readonly #gone = new AbortController();

  /** `freed`: what goes when these messages are there. */
  constructor(user: OpenUser, mailbox: MailboxId, freed: Usage) {
    this.#user = user;
    this.#mailbox = mailbox;
    this.#more = { bytes: -freed.bytes, messages: -freed.messages };
  }

  begin(flags: Flag[], internalDate: { at: number; zone: number } | null, bytes: number): void {
    if (bytes > limits.message_bytes_max) throw new Refused('Message too large', 'TOOBIG');
    for (const flag of flags) this.#flags.add(flag);
    checkKeywords(this.#user.state, [], this.#flags);
    this.#more.messages++;
    this.#take(bytes);
    const incoming = new Incoming([this.#user.at.keys.blob], this.#user.replica.random, this.#user.replica.spoolBudget, Math.min(WHOLE_BYTES_MAX, HELD_BYTES_MAX - this.#heldBytes));
    this.#incoming.push(incoming);
    this.#current = { incoming, left: bytes, flags, date: internalDate ?? { at: this.#user.replica.clock.now(), zone: 0 } };
  }

  async write(piece: Buffer): Promise<void> {
    const current = this.#current!;
    current.left -= piece.length;
    // How long a message of CATENATE is nobody has said before.
    if (current.left < 0) this.#take(-current.left);
    current.left = Math.max(0, current.left);
    await current.incoming.write(piece);
  }

  /** Room for so many bytes more. Refused(OVERQUOTA). */
  #take(bytes: number): void {
    this.#more.bytes += bytes;
    this.#giveBack();
    this.#giveBack = this.#user.takeRoom(() => this.#more);
  }

  async end(): Promise<void> {
    const { incoming, flags, date } = this.#current!;
    this.#current = null;
    const { arrived, copies } = await incoming.finish();
    const copy = copies[0];
    const { at } = this.#user;
    this.#eventBytes += arrived.stored.length + ADDED_BYTES;
    if (this.#eventBytes > limits.packed_bytes_max) throw new Refused('That is too much for one command: append fewer messages at once', 'LIMIT');
    this.#copies.push(copy);
    if (arrived.plain !== null) {
      this.#held.push({ blob: copy.blob, plain: arrived.plain });
      this.#heldBytes += arrived.plain.length;
    }
    const put = copy.spool.put(at.store, blobName(at.root, copy.blob), this.#gone.signal).finally(() => copy.spool.dispose());
    put.catch(() => {}); // commit waits for it and tells
    this.#puts.push(put);
    this.#messages.push({
      content: {
        blob: copy.blob,
        contentKey: copy.contentKey,
        sealedBytes: copy.sealedBytes,
        plainBytes: arrived.plainBytes,
        prefix: Buffer.alloc(0),
        index: arrived.stored,
        words: null,
        emailId: copy.blob,
        threadId: threadIdOf(at.keys.hashKey, arrived, copy.blob),
      },
      internalDate: date.at,
      zone: date.zone,
      flags,
      deliveryKey: null,
    });
  }

  async commit(): Promise<{ uidValidity: number; uids: Uid[] }> {
    try {
      return await this.#commit();
    } finally {
      this.#giveBack();
    }
  }

  async #commit(): Promise<{ uidValidity: number; uids: Uid[] }> {
    const user = this.#user;
    if (this.#messages.length === 0) return { uidValidity: user.state.status(this.#mailbox).uidValidity, uids: [] };
    const { eventBeforeBlob } = user.replica.mutations;
    // Where the store can prepare it, the event is on its way beside the blobs, and appears after them.
    const beside = !eventBeforeBlob && user.at.store.preparesPuts === true && this.#copies.every((copy) => copy.spool.inMemory);
    const after = beside ? Promise.all(this.#puts) : undefined;
    const behind = this.#copies.map((copy) => blobName(user.at.root, copy.blob));
    after?.catch(() => {}); // the event tells, if there ever is one
    // Elsewhere the LIST goes beside the blobs. Where it fails nobody waits for them.
    if (!beside && !eventBeforeBlob) await storeBeside(Promise.all(this.#puts), user.at.log, user.replica.clock, this.#gone);
    const messages = this.#messages;
    const first = await user.write(() => [{ kind: 'MessageAdded', mailbox: this.#mailbox, at: user.replica.clock.now(), messages }], {
      positions: messages.length,
      bytes: this.#eventBytes,
    }, after && { after, behind });
    await Promise.all(this.#puts);
    for (const { blob, plain } of this.#held) user.replica.blobs.hold(user.at.root, blob, plain);
    const uids = first === null ? [] : messages.map((_, i) => user.state.uidAt(first + i * limits.slots));
    return { uidValidity: user.state.mailbox(this.#mailbox).uidValidity, uids };
  }

  abort(): void {
    this.#giveBack();
    this.#gone.abort();
    for (const incoming of this.#incoming) incoming.dispose();
    this.#current = null;
  }
}
