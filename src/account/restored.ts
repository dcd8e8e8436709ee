// The store came back from a backup: what was given out since then is not in it, and must never be given out again.
import { limits } from '../base/index.ts';
import type { Clock } from '../base/index.ts';
import type { UserLog } from './user-log.ts';

/**
 * Takes a position of the user's log 2^24 beyond all that is listed, so that no UID and no MODSEQ that a client has seen
 * since the backup is used twice. Needs no secret of the user's. Unavailable.
 */
export async function markRestored(user: UserLog, clock: Clock): Promise<void> {
  user.writers++;
  try {
    await user.log.submit('delivered', () => ({ ops: [{ kind: 'Restored', at: clock.now() }] }), { jump: limits.restored_jump });
  } finally {
    user.writers--;
  }
}
