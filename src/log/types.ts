// The words of the log, generic over what an event says: the log knows positions, names, seals and MACs from outside,
// and no mail.
import type { EventRef, MessageRef, Position, Writer } from '../base/index.ts';

/** Who sealed an event, and so what it may hold: a delivering replica, a session, or the directory. */
export type EventKind = 'delivered' | 'session' | 'directory';

/** What a writer knew (DESIGN: seen). In clear beside the sealed body, MACed; small for ever. */
export interface Seen {
  floor: Position;
  /** XOR of the hashes of all event names at or below the floor; 16 bytes. */
  digest: Buffer;
  /** Per writer with events above the floor, the greatest (position, seq). */
  above: Map<Writer, { position: Position; seq: number }>;
}

/** What stands in clear, MACed, before the sealed body of an event. */
export interface EventHeader {
  ref: EventRef;
  /** The first position; `ref.position` is the last. */
  first: Position;
  kind: EventKind;
  seen: Seen;
  /** The `Date` of the answer to the LIST from which the positions were taken, ms since 1970. */
  born: number;
  /** For quota without secrets: messages added and their bytes. */
  messages: number;
  bytes: number;
}

/** An operation with the position that it begins at; the log sees `op` as opaque. */
export interface Placed<Op> {
  first: Position;
  op: Op;
}

export interface OpenedEvent<Op> extends EventHeader {
  ops: Placed<Op>[];
}

/** Turns operations into sealed bytes and back. `aad` is the header in clear, `name` the object's full name. */
export interface EventCodec<Op> {
  positions(op: Op): number;
  /** Messages added and their bytes, for the header. */
  sizes(ops: Op[]): { messages: number; bytes: number };
  seal(kind: EventKind, name: string, aad: Buffer, ops: Op[]): Buffer;
  /** Throws Corrupt. `null` where this replica has no secret (a delivering replica): then only names are known. */
  open: ((kind: EventKind, name: string, aad: Buffer, sealed: Buffer) => Op[]) | null;
}

/** MAC with a key derived from the cluster secret, over name and bytes. */
export interface Authenticator {
  mac(name: string, bytes: Uint8Array[]): Buffer;
  /** Throws Corrupt. */
  verify(name: string, bytes: Uint8Array[], mac: Uint8Array): void;
  /** Ids of keys, where they may be changed: of the one that `mac` writes under, and of the one that made a MAC. */
  readonly keys?: { readonly writing: string; of(mac: Uint8Array): string };
}

/** What an event did to one scope (a mailbox), for lateness. */
export interface Effect {
  scope: string;
  /** Greatest position that touched the scope. */
  any: Position;
  /** Greatest position that became a UID in the scope, else 0. */
  assigned: Position;
  messages: Iterable<MessageRef>;
  /** Smallest position that touched the scope; without it the event's first. */
  anyLeast?: Position;
  /** Smallest position that became a UID in the scope; without it the event's first, if `assigned` isn't 0. */
  assignedLeast?: Position;
}

/** The state that a log is folded into. Pure: no await, no clock, no randomness. */
export interface Fold<Op> {
  /** Called once for each event, in causal order. Commutative for concurrent events. */
  apply(event: OpenedEvent<Op>): void;
  /** What an event touched; `repaired` when it is a repair. Called after `apply`. */
  effects(event: OpenedEvent<Op>): { effects: Effect[]; repaired: EventRef[]; lost: EventRef | null; restored: boolean };
}

/** Who this process is to a log: which positions it may take, and whether it may send at all. */
export interface ReplicaIdentity {
  /** 0 … 63, or null while no slot is held. May change between two writes. */
  readonly slot: number | null;
  /** The own presence was acknowledged less than `presence_valid_ms` ago by both clocks, and the slot is ours. */
  mayWrite(): boolean;
  /** By log root: the greatest position that was tried without an answer. Outlives a Log object, as the slot does. */
  readonly spent: Map<string, Position>;
}

/** What one accepted submission became. `first` is the position of its own first operation. */
export interface Submitted {
  ref: EventRef;
  first: Position;
}

/** What a submission makes of its position. */
export interface Made<Op> {
  ops: Op[];
  /** The event appears only when this has resolved (a blob's PUT, already begun); when it rejects, so does the submission. */
  after?: Promise<unknown>;
  /** Names of the objects that `after` waits for, in the log's own store. */
  behind?: readonly string[];
}

/** What the caller knows of a submission before it is built, so that one event doesn't grow without end. */
export interface Estimate {
  positions?: number;
  /** Bytes that it will take in the event. */
  bytes?: number;
  /** Written though the log has as many events as users may make: a repair, say. */
  must?: boolean;
  /** Positions to leave out before it: `restored_jump` for Restored, else 0. */
  jump?: number;
}

/** An event as stored, with its full name: what peers tell each other. It is acknowledged. */
export interface Hint {
  name: string;
  bytes: Uint8Array;
}

/** What is kept of an applied event, for lateness and for covers. */
export interface EventSummary extends EventHeader {
  effects: Effect[];
  repaired: EventRef[];
  lost: EventRef | null;
}

/** An event that some clients may have missed: it must be repaired. */
export interface LateEvent {
  event: EventSummary;
  /** The messages that it added need new UIDs too, not only new MODSEQs. */
  uid: boolean;
  /** Shown to some and missing for others: nothing of its scopes may be shown before the repair. */
  passedOver: boolean;
}

/** A snapshot as a reader joins it. */
export interface SnapshotView {
  name: string;
  floor: Position;
  parts: { key: string; id: string }[];
  /** Whether the folded state has this event in it: one side's cover tells "removed" from "never seen". */
  covers(ref: { writer: Writer; seq: number }): boolean;
  messages: number;
  bytes: number;
}

/** Seals what only the user's secret may read; `name` is the object's full name. `open` throws Corrupt. */
export interface SnapshotBox {
  seal(name: string, plain: Buffer): Buffer;
  open(name: string, sealed: Buffer): Buffer;
}

/** What opens a log: makes the state from snapshots, opens events, and hears of each one. */
export interface FoldSource<Op> {
  /** An empty list: a new state. `fetch` opens a part; Unavailable, or Corrupt when it is gone or altered. */
  load(snapshots: SnapshotView[], fetch: (id: string) => Promise<Buffer>): Fold<Op> | Promise<Fold<Op>>;
  open(kind: EventKind, name: string, aad: Buffer, sealed: Buffer): Op[];
  /** Seals parts and the private half of manifests. Without it snapshots are neither read nor written. */
  box?: SnapshotBox;
  /** After each event that came into the fold, the own ones too. */
  onApplied?(event: OpenedEvent<Op>): void;
  /** The replica had not listed the log for 12 hours and forgot it: the fold is void; attach again. */
  onForgotten?(): void;
}

/** What one snapshot stores: new parts in plain bytes, and those of earlier snapshots that still say the same. */
export interface EncodedSnapshot {
  parts: { key: string; bytes: Buffer }[];
  kept: { key: string; id: string }[];
  /** Live messages and their bytes, in clear. */
  messages: number;
  bytes: number;
}

/** What writes a snapshot. */
export interface SnapshotSource {
  /** Reads what `encode` will need. `present`: ids of parts that snapshots in the store name now; only those may be kept. */
  prepare?(present: ReadonlySet<string>): Promise<void>;
  /** Called once, synchronously, at the moment that the snapshot tells of. Null: not ready, ask again later. */
  encode(present: ReadonlySet<string>): EncodedSnapshot | null;
  /** The snapshot is in the store; ids of `parts` in order. */
  stored?(encoded: EncodedSnapshot, ids: string[]): void;
}
