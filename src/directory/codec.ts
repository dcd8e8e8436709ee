// Directory events are encrypted under a key that replicas derive from the cluster secret, and the store does not have.
import { Corrupt } from '../base/index.ts';
import type { Random } from '../base/index.ts';
import type { EventCodec } from '../log/index.ts';
import { openNamed, sealNamed } from '../seal/index.ts';
import type { ClusterKeys } from '../seal/index.ts';
import { decodeDirectoryOps, encodeDirectoryOps } from './ops.ts';
import type { DirectoryOp } from './ops.ts';

/** Seals and opens events of the log `directory/`. */
export function directoryCodec(keys: ClusterKeys, random: Random): EventCodec<DirectoryOp> {
  return {
    positions: () => 1,
    sizes: () => ({ messages: 0, bytes: 0 }),
    seal: (_kind, name, aad, ops) => sealNamed(keys.directory[0], name, aad, encodeDirectoryOps(ops), random),
    open: (kind, name, aad, sealed) => {
      if (kind !== 'directory') throw new Corrupt(`${name}: not an event of the directory`);
      return decodeDirectoryOps(openNamed(keys.directory, name, aad, sealed));
    },
  };
}
