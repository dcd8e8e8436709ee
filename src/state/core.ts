// What a user's state consists of, for the files of this room; user-state.ts shows the outside what it may see.
import type { MailboxId, Position, Writer } from '../base/index.ts';
import { Box } from './box.ts';
import type { Shared } from './box.ts';
import { Contents } from './contents.ts';
import { DeliveryKeys } from './delivery-keys.ts';
import { FlagTable } from './flags.ts';
import { uidValidity } from './ids.ts';
import { MailboxNames } from './mailbox-names.ts';
import type { Stamp } from './mailbox-names.ts';
import { MailboxState } from './mailbox-state.ts';
import { WriterDictionary } from './message-set.ts';
import { Metadata } from './metadata.ts';
import type { Op } from './ops.ts';
import type { StateMutations } from './types.ts';

/** An operation that waits for rows. */
export interface Waiting {
  op: Op;
  first: Position;
  writer: Writer;
  seq: number;
  /** Index of the first message that it makes. */
  index: number;
  boxes: MailboxId[];
}

/** Two epochs lie at least so far apart: of events closer together (from several replicas at once) the smallest counts. */
const EPOCH_POSITIONS_MIN = 2 ** 30;

export class Core {
  readonly user: string;
  readonly mutations: StateMutations;
  readonly names: MailboxNames;
  readonly keys = new DeliveryKeys();
  readonly metadata = new Metadata();
  readonly contents = new Contents();
  readonly boxes = new Map<MailboxId, Box>();
  readonly shared: Shared;
  /** All EpochBegan events. */
  readonly epochs: Stamp[] = [];
  #epochCount = 0;
  /** Events that were given up, `writer#seq`. */
  readonly lost = new Set<string>();
  /** Operations that wait for rows, in order of arrival. */
  waiting: Waiting[] = [];
  /** Copies by the source that they wait for. */
  readonly orphans = new Map<string, { box: Box; row: number }[]>();
  /** True for events in the snapshots that this state was loaded from: a message of theirs that isn't here is forgotten. */
  covers: (writer: Writer, seq: number) => boolean = () => false;
  /** When anything of the root changed. */
  rootChangedAt = 0;

  constructor(user: string, mutations: StateMutations) {
    this.user = user;
    this.mutations = mutations;
    this.names = new MailboxNames(user);
    this.shared = { writers: new WriterDictionary(), flags: new FlagTable(), epoch: 0, tick: 0, contentUsed: (chunk, by) => this.contents.used(chunk, by), changed: new Set() };
  }
  rootChanged(): void {
    this.rootChangedAt = ++this.shared.tick;
  }
  box(id: MailboxId): Box {
    let box = this.boxes.get(id);
    if (!box) {
      this.boxes.set(id, (box = new Box(id, this.shared)));
      this.names.registration(id);
    }
    return box;
  }
  live(id: MailboxId): MailboxState {
    const box = this.box(id);
    return (box.live ??= new MailboxState(box, () => this.uidValidity(id)));
  }
  uidValidity(id: MailboxId): number {
    return uidValidity(id, this.names.made(id) + this.#epochCount);
  }
  beginEpoch(stamp: Stamp): void {
    if (this.epochs.some((e) => e.position === stamp.position && e.writer === stamp.writer)) return;
    this.epochs.push(stamp);
    this.epochs.sort((a, b) => a.position - b.position || (a.writer < b.writer ? -1 : 1));
    let epoch = 0;
    let count = 0;
    for (const e of this.epochs) {
      if (e.position - epoch < EPOCH_POSITIONS_MIN) continue;
      epoch = e.position;
      count++;
    }
    this.rootChanged();
    if (epoch === this.shared.epoch) return;
    this.shared.epoch = epoch;
    this.#epochCount = count;
    for (const box of this.boxes.values()) {
      if (!box.live) continue;
      box.live.rebuild();
      this.shared.changed.add(box.id);
    }
  }
  /** Mailboxes that wait for rows, with those that they wait for. */
  waitsFor(id: MailboxId): Set<MailboxId> {
    const out = new Set<MailboxId>([id]);
    for (let size = 0; size !== out.size; ) {
      size = out.size;
      for (const w of this.waiting) if (w.boxes.some((b) => out.has(b))) for (const b of w.boxes) out.add(b);
    }
    return out;
  }
  /** Live messages of a mailbox, as far as is known. */
  messages(id: MailboxId): number {
    return this.boxes.get(id)?.counters().messages ?? 0;
  }
}
