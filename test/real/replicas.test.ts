// Two replicas as two processes on one disk store.
import { Site } from './site.ts';
import { twoReplicas } from './two-replicas.ts';

describe('real: two replicas on one disk store', function () {
  twoReplicas({ site: async () => new Site(), count: 200 });
});
