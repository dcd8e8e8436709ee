import { seededRandom, systemClock } from '../../src/base/index.ts';
import { MemoryWorld } from '../../src/store/index.ts';
import { contract } from './contract.ts';

contract('memory', async () => {
  const world = new MemoryWorld(systemClock, seededRandom(1));
  return { store: world.client(), other: world.client(), async close() {} };
});
