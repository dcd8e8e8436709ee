// Who serves this store: every presence in it, those too that are silent.
import { Corrupt, limits } from './base/index.ts';
import type { Replica } from './account/index.ts';
import type { ReplicaSummary } from './cli/admin.ts';
import { Presence, decodePresence, listAll, presenceBytes } from './log/index.ts';
import { openNamed } from './seal/index.ts';
import { REPLICAS } from './store/index.ts';

const NOTHING = Buffer.alloc(0);

/** The last seen first. Without the one that only asks. Unavailable. */
export async function replicasOf({ stores, keys, identity, logger }: Pick<Replica, 'stores' | 'keys' | 'identity' | 'logger'>): Promise<ReplicaSummary[]> {
  const { home } = stores;
  const { rows, date } = await listAll(home, REPLICAS, limits.list_keys_max, { rowsMax: limits.list_replicas_max });
  const own = identity instanceof Presence ? identity.id : null;
  const read = await Promise.all(rows.map(async (row): Promise<ReplicaSummary | null> => {
    const { name, modified } = row;
    try {
      const bytes = await presenceBytes(home, row);
      if (!bytes) return null;
      const { address, version, slot, since, left } = decodePresence(openNamed(keys.directory, name, NOTHING, bytes));
      const lagMs = Math.max(0, date - modified);
      const id = name.slice(REPLICAS.length);
      if (id === own && address === '') return null; // this very command, or a replica without peers of its own
      const state = id === own ? 'here' : left ? 'left' : lagMs >= limits.slot_free_ms ? 'silent' : lagMs >= limits.presence_valid_ms ? 'late' : 'alive';
      return { id, address, version, slot, sinceMs: since, lagMs, state };
    } catch (e) {
      if (!(e instanceof Corrupt)) throw e;
      logger.warn('a presence can not be read', { name, why: e.message });
      return null;
    }
  }));
  return read.filter((r) => r !== null).sort((a, b) => a.lagMs - b.lagMs || (a.id < b.id ? -1 : 1));
}
