import { silent, systemClock, systemRandom } from '../../src/base/index.ts';
import { openStores } from '../../src/store/index.ts';
import { garageMissing, startGarage } from '../real/garage.ts';
import { contract } from './contract.ts';

contract('s3 with Garage', async function () {
  const missing = garageMissing();
  if (missing) {
    process.stderr.write(`    skipped: ${missing}\n`);
    return this.skip();
  }
  const garage = await startGarage();
  const [one, two] = await Promise.all([0, 1].map(() => openStores(garage.settings(), systemClock, systemRandom, silent)));
  return {
    store: one.home,
    other: two.home,
    async close() {
      await one.close();
      await two.close();
      await garage.stop();
    },
  };
});
