// Replicas that send, over one memory store: real queue, worker and mailroom; the network is a Sender of the test's own or
// a Route to servers in this process.
import { limits, seededRandom, silent } from '../../src/base/index.ts';
import type { Clock, Limits, Random } from '../../src/base/index.ts';
import type { ReplicaIdentity } from '../../src/log/index.ts';
import { Mailroom, Outbox, Queue, Worker, queueKeys } from '../../src/queue/index.ts';
import type { Outcome, Sender } from '../../src/queue/index.ts';
import { mac, verifyMac } from '../../src/seal/index.ts';
import { MemoryWorld, blobName } from '../../src/store/index.ts';
import type { MemoryStore } from '../../src/store/index.ts';
import type { Outcome as Copy, Receiver, Recipient, TransactionInfo } from '../../src/smtp/index.ts';
import { Refused } from '../../src/base/index.ts';
import { knownCluster } from '../seal/known.ts';

const keys = knownCluster();
const authenticator = {
  mac: (name: string, bytes: Uint8Array[]) => mac(keys, name, bytes[0], ...bytes.slice(1)),
  verify: (name: string, bytes: Uint8Array[], made: Uint8Array) => void verifyMac(keys, made, name, bytes[0], ...bytes.slice(1)),
};

/** What users here got. Everybody at here.test exists but `nobody`. */
export class Inboxes implements Receiver {
  readonly got: { from: string; to: string; text: string }[] = [];
  error: Error | null = null;
  async recipient(address: string): Promise<Recipient> {
    if (!/@here\.test$/i.test(address) || address.startsWith('nobody@')) throw new Refused('No such user here', null, '550 5.1.1');
    if (this.error) throw this.error;
    return { address, target: null };
  }
  begin(info: TransactionInfo) {
    const pieces: Buffer[] = [];
    return {
      received: 0,
      write: async (piece: Buffer) => void pieces.push(Buffer.from(piece)),
      commit: async (prefix: (r: Recipient) => Buffer): Promise<Copy[]> => {
        const text = Buffer.concat(pieces).toString();
        for (const r of info.recipients) {
          // The delivery key: what is repeated is dropped.
          const copy = { from: info.from, to: r.address, text: prefix(r).toString() + text };
          if (!this.got.some((g) => g.from === copy.from && g.to === copy.to && g.text.endsWith(text))) this.got.push(copy);
        }
        return info.recipients.map((recipient) => ({ recipient, error: null }));
      },
      abort: () => {},
    };
  }
}

export interface Member {
  store: MemoryStore;
  queue: Queue;
  worker: Worker;
  outbox: Outbox;
  /** A kill: nothing of it reaches the store any more. */
  die(): void;
  stop(): Promise<void>;
}

type Mutations = ConstructorParameters<typeof Worker>[0]['mutations'];

export class QueueWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: MemoryWorld;
  readonly inboxes = new Inboxes();
  /** What the mailroom delivers to: what stands in front of the inboxes, where there is such. */
  front: Receiver = this.inboxes;
  /** For servers that take no 8-bit mail. */
  sevenBits: ConstructorParameters<typeof Worker>[0]['sevenBits'];
  readonly members: Member[] = [];
  readonly limits: Limits;
  hints = true;
  /** False: whoever is logged in has a password that is no longer valid. */
  holds = true;
  /** Addresses are named for who has them. */
  owns = (user: string, address: string): boolean => address.toLowerCase() === `${user}@here.test`;
  /** Attempts are written together with the message, as in a replica; else alone, as when another takes over. */
  planned = false;
  #slots = 0;

  constructor(clock: Clock, seed = 1, more: Partial<Limits> = {}) {
    this.clock = clock;
    this.random = seededRandom(seed);
    this.store = new MemoryWorld(clock, this.random);
    this.limits = { ...limits, ...more };
  }

  async member(sender: Sender, mutations?: Mutations, reports?: { send(day: string): Promise<void> }): Promise<Member> {
    const { clock, random } = this;
    const store = this.store.client();
    const slot = this.#slots++;
    let alive = true;
    const identity: ReplicaIdentity = { slot, mayWrite: () => alive, spent: new Map() };
    const queue = new Queue({
      store, keys: queueKeys(keys), identity, authenticator, clock, random, logger: silent, limits: this.limits,
      onAppended: (_root, name, bytes) => {
        if (this.hints) for (const other of this.members) if (other.queue !== queue) other.queue.hint(name, Buffer.from(bytes));
      },
    });
    const hostname = `mx${slot}.here.test`;
    const mailroom = new Mailroom({ receiver: { recipient: (address, bytes) => this.front.recipient(address, bytes), begin: (info) => this.front.begin(info) }, hasDomain: (d) => d === 'here.test', owns: async (user, address) => this.owns(user, address), hostname, logger: silent, reports });
    const worker = new Worker({ queue, sender, mailroom, hostname, sevenBits: this.sevenBits, clock, random, logger: silent, mutations });
    const outbox = new Outbox({
      queue, clock, random, receiver: { recipient: (address, bytes) => this.front.recipient(address, bytes), begin: (info) => this.front.begin(info) },
      senders: {
        login: async (user) => ({ user, address: `${user}@here.test`, holds: () => this.holds }),
        plaintextAllowed: () => true,
        owns: async (user, address) => this.owns(user, address),
        hasDomain: (d) => d === 'here.test',
        keysOf: () => [],
      },
      spool: () => memorySpool(),
      onQueued: (id) => worker.own(id),
      plan: this.planned ? (spec) => worker.plan(spec) : undefined,
    });
    await queue.open();
    worker.start();
    const member: Member = {
      store, queue, worker, outbox,
      die: () => {
        alive = false;
        store.faults.cut = true;
        this.members.splice(this.members.indexOf(member), 1);
        void worker.stop();
        void queue.stop();
      },
      stop: async () => {
        await worker.stop();
        await queue.stop();
      },
    };
    this.members.push(member);
    return member;
  }

  /** A message of a user here, as submission hands it over. */
  async submit(at: Member, to: string | string[], text = 'Subject: hello\r\n\r\nHello.\r\n', more: { user?: string; from?: string; notify?: string[]; ret?: '' | 'FULL' | 'HDRS'; envid?: string; releaseAt?: number } = {}): Promise<void> {
    const { user = 'anna', from = `${user}@here.test` } = more;
    const submission = await at.outbox.login(user, 'x', '127.0.0.1');
    await submission.sender(from);
    const recipients = [to].flat().map((address) => ({ address, notify: more.notify ?? [], orcpt: '' }));
    for (const [i, r] of recipients.entries()) await submission.recipient(r.address, i);
    const sending = submission.begin({ from, recipients, declaredBytes: null, ret: more.ret ?? '', envid: more.envid ?? '', utf8: false, releaseAt: more.releaseAt });
    await sending.write(Buffer.from(`From: ${user}@here.test\r\n${text}`));
    await sending.commit('Received: by test\r\n');
  }

  get waiting(): number {
    return Math.max(...this.members.map((m) => m.queue.state.messages.size));
  }
  blobs(): string[] {
    return this.store.names.filter((n) => n.startsWith(blobName('queue/0/', '')));
  }
  async stop(): Promise<void> {
    for (const m of this.members.splice(0)) await m.stop();
  }
}

export function memorySpool() {
  let pieces: Buffer[] = [];
  return {
    inMemory: true,
    push: async (more: Buffer[]) => void pieces.push(...more),
    put: async (store: { put(name: string, bytes: Buffer[]): Promise<unknown> }, name: string) => void (await store.put(name, pieces)),
    dispose: () => void (pieces = []),
  };
}

/** A network of the test's own: what each transaction becomes. */
export class FakeNet implements Sender {
  readonly sent: { destination: string; from: string; to: string[]; text: string; envelope: Parameters<Sender['send']>[1] }[] = [];
  /** Answers instead; null: accepted. */
  answer: (address: string) => string | null | Promise<string | null> = () => null;
  /** Whether it tells senders of success itself (DSN). */
  tells = false;
  /** Runs before the last line, and before what is checked there. */
  before: () => Promise<void> | void = () => {};
  /** Runs after the other server has taken it, before anyone knows. */
  after: () => Promise<void> | void = () => {};
  destination(address: string): string {
    return address.split('@')[1];
  }
  async send(destination: string, envelope: Parameters<Sender['send']>[1], message: Parameters<Sender['send']>[2], mayEnd: () => boolean, over: AbortSignal): Promise<Outcome[]> {
    const pieces: Buffer[] = [];
    // The message's own bytes have come; what its reader checks at the end has not.
    for await (const piece of message()) if (pieces.push(piece) === 2) await this.before();
    if (pieces.length < 2) await this.before();
    const say = (index: number, text: string): Outcome => ({ recipient: index, result: text[0] === '2' ? 'delivered' : text[0] === '5' ? 'failed' : 'deferred', status: text.split(' ')[1], text, host: 'mx.there.test', nextAt: 0 });
    if (!mayEnd() || over.aborted) return envelope.to.map((r) => say(r.index, '451 4.4.2 too late'));
    const outcomes: Outcome[] = [];
    const to: string[] = [];
    for (const r of envelope.to) {
      const text = await this.answer(r.address);
      if (text === null) to.push(r.address);
      outcomes.push(say(r.index, text ?? '250 2.0.0 taken'));
    }
    if (to.length > 0) this.sent.push({ destination, from: envelope.from, to, text: Buffer.concat(pieces).toString(), envelope });
    await this.after();
    return outcomes.map((o) => (this.tells && o.result === 'delivered' ? { ...o, told: true } : o));
  }
  close(): void {}
}

