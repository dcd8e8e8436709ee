// A delivery: needs no secret of the recipient's. The blob and the LIST go together, then the event, then the answer.
import { Refused, Unavailable } from '../base/index.ts';
import type { UserRecord } from '../directory/index.ts';
import { candidatesFor } from '../directory/index.ts';
import { deliveryKey } from '../seal/index.ts';
import type { Outcome, Receiver, Recipient, Transaction, TransactionInfo } from '../smtp/receiver.ts';
import { mailboxId } from '../state/index.ts';
import type { AddedMessage } from '../state/index.ts';
import { blobName } from '../store/index.ts';
import { threadIdOf } from './appender.ts';
import { storeBeside } from './beside.ts';
import { WHOLE_BYTES_MAX } from './blobs.ts';
import { Incoming } from './incoming.ts';
import type { Arrived, SealedCopy } from './incoming.ts';
import type { Replica } from './replica.ts';
import { checkRoom, roomOf } from './room.ts';
import type { Usage } from './usage.ts';
import type { UserLog } from './user-log.ts';

interface Target {
  /** Not the log: until the message has come, that may be forgotten and made anew. */
  record: UserRecord;
  /** The address as the directory has it, for the delivery key. */
  address: string;
}

/** Then its mail may be in memory here. */
const isLoggedIn = (user: UserLog): boolean => user.codec.ring !== null;

const recordOf = (recipient: Recipient): UserRecord => (recipient.target as Target).record;

export interface DeliveryOptions {
  replica: Replica;
  logOf: (record: UserRecord) => UserLog;
  /** What a user's mail takes, near enough; asked only for users with a limit. */
  used: (user: UserLog) => Promise<Usage>;
}

export class MailReceiver implements Receiver {
  readonly #o: DeliveryOptions;
  /** Counts for metrics. */
  readonly counts = { accepted: 0, refused: 0, unavailable: 0 };
  constructor(options: DeliveryOptions) {
    this.#o = options;
  }

  #find(address: string): { record: UserRecord; address: string } | null {
    const { state } = this.#o.replica.directory;
    for (const name of candidatesFor(address)) {
      const record = state.owner(name);
      if (record) return { record, address: name };
    }
    return null;
  }

  async recipient(address: string, declaredBytes: number | null): Promise<Recipient> {
    let found = this.#find(address);
    if (!found) {
      await this.#o.replica.directory.ask(); // a "no" is never given from memory
      found = this.#find(address);
    }
    if (!found) {
      const domain = candidatesFor(address)[0].split('@').at(-1)!;
      const { state } = this.#o.replica.directory;
      // Of a disk that is not mounted the store is a new one: what is refused for good now would have been somebody's mail.
      if (state.domains.length === 0) throw new Refused('No domain is here yet', null, '451 4.3.0');
      if (!state.hasDomain(domain)) throw new Refused('Relay access denied', null, '550 5.7.1');
      throw new Refused('No such user here', null, '550 5.1.1');
    }
    const room = roomOf(this.#o.replica, found.record);
    if (room !== null) checkRoom(room, await this.#o.used(this.#o.logOf(found.record)), { bytes: declaredBytes ?? 1, messages: 1 });
    const target: Target = { record: found.record, address: found.address };
    return { address, target };
  }

  begin(info: TransactionInfo): Transaction {
    return new Delivery(this.#o, info, this.counts);
  }
}

/** One message for one or more users: read once, sealed for each. */
class Delivery implements Transaction {
  readonly #o: DeliveryOptions;
  readonly #info: TransactionInfo;
  readonly #counts: MailReceiver['counts'];
  /** One copy for each user, though two addresses may lead to one. */
  readonly #records: UserRecord[];
  readonly #incoming: Incoming;

  constructor(options: DeliveryOptions, info: TransactionInfo, counts: MailReceiver['counts']) {
    this.#o = options;
    this.#info = info;
    this.#counts = counts;
    this.#records = [...new Map(info.recipients.map((r) => [recordOf(r).id, recordOf(r)])).values()];
    const users = this.#records.map(options.logOf);
    const { random, spoolBudget, words } = options.replica;
    const plainBytesMax = users.some(isLoggedIn) ? WHOLE_BYTES_MAX : words?.wantedBytes || null;
    this.#incoming = new Incoming(users.map((user) => user.keys.blob), random, spoolBudget, plainBytesMax);
  }

  get received(): number {
    return this.#incoming.received;
  }
  write(piece: Buffer): Promise<void> {
    return this.#incoming.write(piece);
  }
  abort(): void {
    this.#incoming.dispose();
  }

  async commit(prefix: (recipient: Recipient) => Buffer, junk = false): Promise<Outcome[]> {
    const errors = new Map<string, Error>();
    try {
      const { arrived, copies } = await this.#incoming.finish();
      await Promise.all(this.#records.map(async (record, i) => {
        try {
          await this.#one(record, arrived, copies[i], prefix, junk);
          this.#counts.accepted++;
        } catch (e) {
          this.#counts[e instanceof Unavailable ? 'unavailable' : 'refused']++;
          errors.set(record.id, e as Error);
        }
      }));
    } catch (e) {
      for (const record of this.#records) errors.set(record.id, e as Error);
    } finally {
      this.#incoming.dispose();
    }
    return this.#info.recipients.map((recipient) => ({ recipient, error: errors.get(recordOf(recipient).id) ?? null }));
  }

  async #one(record: UserRecord, arrived: Arrived, copy: SealedCopy, prefix: (recipient: Recipient) => Buffer, junk: boolean): Promise<void> {
    // Of several addresses always the same, so that a repeated message has the same delivery key.
    const [recipient] = this.#info.recipients.filter((r) => recordOf(r).id === record.id).sort((a, b) => ((a.target as Target).address < (b.target as Target).address ? -1 : 1));
    // A message takes its time: an acknowledged one must be somebody's. The sender asks again, and hears who has the address then.
    const { address } = recipient.target as Target;
    if (this.#o.replica.directory.state.owner(address)?.id !== record.id) throw new Refused('The address was removed meanwhile', null, '451 4.3.0');
    const user = this.#o.logOf(record);
    user.writers++;
    try {
      const before = prefix(recipient);
      await this.#deliver(user, arrived, copy, recipient, before, junk);
      this.#atHand(user, arrived, copy, before);
    } finally {
      user.writers--;
    }
  }

  /** The text of a small message that was delivered: who asks for it next, or searches for it, need not read it. */
  #atHand(user: UserLog, arrived: Arrived, copy: SealedCopy, prefix: Buffer): void {
    if (arrived.plain === null) return;
    const { blobs, words } = this.#o.replica;
    if (isLoggedIn(user)) blobs.hold(user.root, copy.blob, arrived.plain);
    else words?.take(user.record, { emailId: copy.blob, prefix, index: arrived.stored, plain: arrived.plain });
  }

  async #deliver(user: UserLog, arrived: Arrived, copy: SealedCopy, recipient: Recipient, prefix: Buffer, junk: boolean): Promise<void> {
    const { replica } = this.#o;
    const { address } = recipient.target as Target;
    const message: AddedMessage = {
      content: {
        blob: copy.blob,
        contentKey: copy.contentKey,
        sealedBytes: copy.sealedBytes,
        plainBytes: arrived.plainBytes,
        prefix,
        index: arrived.stored,
        words: null,
        emailId: copy.blob,
        threadId: threadIdOf(user.keys.hashKey, arrived, copy.blob),
      },
      internalDate: replica.clock.now(),
      zone: 0,
      flags: [],
      deliveryKey: arrived.index.messageId === null ? null : deliveryKey(user.keys.hashKey, this.#info.from, address, arrived.digest).toString('hex'),
    };
    const name = blobName(user.root, copy.blob);
    const put = (signal?: AbortSignal) => copy.spool.put(user.store, name, signal);
    // Both ids follow from the user alone: nothing need be opened, and Junk need not be there yet.
    const mailbox = mailboxId(user.record.id, junk ? '\\Junk' : 'INBOX', 1);
    const event = (after?: Promise<unknown>) =>
      user.log.submit('delivered', () => ({ ops: [{ kind: 'MessageAdded', mailbox, at: replica.clock.now(), messages: [message] }], after, behind: [name] }), { positions: 1, bytes: message.content.index.length + prefix.length + 300 });
    if (replica.mutations.eventBeforeBlob) {
      await event();
      return put();
    }
    if (user.store.preparesPuts && copy.spool.inMemory && !replica.mutations.answerBeforePut) {
      // The LIST, and all of the event's PUT but its name, go beside the blob.
      const blob = put();
      blob.catch(() => {}); // the event tells, if there ever is one
      return void (await event(blob));
    }
    // The LIST goes beside the blob: together they take the time of the slower one. Where it fails nobody waits for the blob.
    const gone = new AbortController();
    await storeBeside(put(gone.signal), user.log, replica.clock, gone);
    if (replica.mutations.answerBeforePut) return void event().catch(() => {});
    await event();
  }
}
