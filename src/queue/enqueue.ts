// A message of the server's own into the queue: reports, and what is forwarded. Blob before event, as with all others.
import { randomId } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import { BlobSealer } from '../seal/index.ts';
import { blobName } from '../store/index.ts';
import type { QueueOp, QueuedSpec } from './ops.ts';
import type { Queue } from './queue.ts';

export const MESSAGE_ID_BITS = 80;
export const BLOB_ID_BITS = 120;

/** What need not be said of a message of the server's own. */
export const plainSpec = { user: '', envid: '', ret: '', eightBit: false, utf8: false, requireTls: false, anyTls: false, releaseAt: 0 } as const;

/** Puts a small message into the queue, unless one with that id is there. Unavailable. */
export async function enqueue(queue: Queue, random: Random, spec: Pick<QueuedSpec, 'id' | 'at' | 'from' | 'recipients'> & { anyTls?: boolean }, message: Buffer): Promise<void> {
  if (queue.state.messages.has(spec.id)) return;
  const sealer = new BlobSealer(queue.keys.blob, random);
  const pieces = [...sealer.push(message)];
  const sealed = sealer.finish();
  pieces.push(...sealed.pieces);
  const blob = randomId(random, BLOB_ID_BITS);
  await queue.store.put(blobName(queue.root, blob), pieces);
  const { plainBytes, sealedBytes } = sealed;
  const op: QueueOp = { kind: 'Queued', ...plainSpec, ...spec, blob, contentKey: sealed.contentKey.toString('latin1'), plainBytes, sealedBytes, prefix: '' };
  await queue.write((state) => (state.messages.has(spec.id) ? [] : [op]));
}
