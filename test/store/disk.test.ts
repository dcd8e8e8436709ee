import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import { contract } from './contract.ts';

contract('disk', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'colombier-disk-'));
  const open = () => openStores({ store: `disk:${folder}/store` }, systemClock, systemRandom, silent);
  const [one, two] = [await open(), await open()];
  return {
    store: one.home,
    other: two.home,
    async close() {
      await one.close();
      await two.close();
      rmSync(folder, { recursive: true });
    },
  };
});
