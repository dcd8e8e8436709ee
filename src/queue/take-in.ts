// Messages that others hand over, on their way into the queue: in one event with what this replica sends of them at once.
import { Refused } from '../base/index.ts';
import type { Wishes } from '../smtp/receiver.ts';
import { weightOf } from './fold.ts';
import type { QueueState } from './fold.ts';
import type { QueuedSpec } from './ops.ts';
import type { Queue } from './queue.ts';
import type { Plan } from './worker.ts';

/** Who sends them on. */
export interface Onward {
  /** A message of this replica is in the queue. */
  onQueued: (message: string) => void;
  /** What this replica sends at once, written together with the message; absent: attempts come in events of their own. */
  plan?: (spec: QueuedSpec) => Plan;
}

export interface TakeInOptions {
  /** About what the event will take. */
  bytes: number;
  /** May refuse on the newest state. */
  check?: (state: QueueState) => void;
  /** The message on its way to the store, where it is not there yet: see `Queue.write`. */
  blob?: { put: Promise<unknown>; name: string };
}

/** What its sender wants to hear, for whoever hands it on. */
export const wishesOf = ({ user, ret, envid, recipients }: Pick<QueuedSpec, 'user' | 'ret' | 'envid' | 'recipients'>): Wishes => ({ user, ret, envid, of: new Map(recipients.map((r) => [r.address, r])) });

/** Refused when there is no room: the queue's state is read as a whole, by every replica. */
function checkRoom(queue: Queue, state: QueueState, specs: readonly QueuedSpec[]): void {
  const { all, own } = state.weight(specs[0].user);
  const more = specs.reduce((sum, spec) => sum + weightOf(spec), 0);
  if (own + more > queue.limits.queue_state_bytes_per_user_max) throw new Refused('too many messages of yours wait to be sent', 'LIMIT', '452 4.3.1');
  if (all + more > queue.limits.queue_state_bytes_max) throw new Refused('too many messages wait to be sent', 'LIMIT', '452 4.3.1');
}

/** Resolves when they are durable. Refused where too much waits, and by `check`, Unavailable: they may be there or not. */
export async function takeIn(queue: Queue, { onQueued, plan }: Onward, specs: readonly QueuedSpec[], { bytes, check, blob }: TakeInOptions): Promise<void> {
  const plans = plan ? specs.map(plan) : [];
  try {
    await queue.write((state) => {
      check?.(state);
      checkRoom(queue, state, specs);
      return specs.flatMap((spec, i) => [{ kind: 'Queued' as const, ...spec }, ...(plans[i]?.ops ?? [])]);
    }, bytes, blob, false);
  } catch (e) {
    for (const each of plans) each.drop();
    throw e;
  }
  for (const each of plans) each.begin();
  for (const { id } of specs) onQueued(id);
}
