// UIDs have 32 bits and positions more. Where UIDs would reach 2^31 an epoch begins: UIDs count from it, and every
// mailbox has a new UIDVALIDITY. The only case in which clients fetch a mailbox again.
import { limits } from '../base/index.ts';
import type { OpenUser } from './open-user.ts';

/** A UID that is reached ends the epoch: well below 2^32, so that those who are slow to notice have room. */
const UID_MAX = 2 ** 31;
const RENUMBERED_PER_EVENT_MAX = limits.event_positions_span_max / limits.slots / 2;

/**
 * Begins an epoch if one is due, and gives new UIDs to all that has none since, also when another replica began it and
 * did not come so far. Unavailable.
 */
export async function keepEpoch(user: OpenUser): Promise<void> {
  const due = () => user.state.uidAt(user.at.log.greatest) >= UID_MAX;
  if (due()) await user.write(() => (due() ? [{ kind: 'EpochBegan' }] : null), { positions: 1 });
  if (user.state.uidAt(0) === 0) return;
  await user.need({ kind: 'everything' });
  for (const { id: mailbox } of user.state.mailboxes()) {
    while (user.state.unnumbered(mailbox).length > 0) {
      await user.write(
        () => {
          const renumbered = user.state.unnumbered(mailbox).slice(0, RENUMBERED_PER_EVENT_MAX);
          return renumbered.length > 0 ? [{ kind: 'Repaired', mailbox, repaired: [], renumbered, touched: [] }] : null;
        },
        { positions: RENUMBERED_PER_EVENT_MAX, bytes: RENUMBERED_PER_EVENT_MAX * 4 },
      );
    }
  }
}
