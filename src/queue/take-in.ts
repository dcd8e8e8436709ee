// Messages that others hand over, on their way into the queue: in one event with what this replica sends of them at once.
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

/** Resolves when they are durable. Refused by `check`, Unavailable: they may be there or not. */
export async function takeIn(queue: Queue, { onQueued, plan }: Onward, specs: readonly QueuedSpec[], { bytes, check, blob }: TakeInOptions): Promise<void> {
  const plans = plan ? specs.map(plan) : [];
  try {
    await queue.write((state) => {
      check?.(state);
      return specs.flatMap((spec, i) => [{ kind: 'Queued' as const, ...spec }, ...(plans[i]?.ops ?? [])]);
    }, bytes, blob);
  } catch (e) {
    for (const each of plans) each.drop();
    throw e;
  }
  for (const each of plans) each.begin();
  for (const { id } of specs) onQueued(id);
}
