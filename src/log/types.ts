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
}

/** What an event did to one scope (a mailbox), for lateness. */
export interface Effect {
  scope: string;
  /** Greatest position that touched the scope. */
  any: Position;
  /** Greatest position that became a UID in the scope, else 0. */
  assigned: Position;
  messages: MessageRef[];
}

/** The state that a log is folded into. Pure: no await, no clock, no randomness. */
export interface Fold<Op> {
  /** Called once for each event, in causal order. Commutative for concurrent events. */
  apply(event: OpenedEvent<Op>): void;
  /** What an event touched; `repaired` when it is a repair. Called after `apply`. */
  effects(event: OpenedEvent<Op>): { effects: Effect[]; repaired: EventRef[]; lost: EventRef | null; restored: boolean };
}
