// The same two replicas on Garage, one node.
import { garageMissing, startGarage } from './garage.ts';
import type { Garage } from './garage.ts';
import { Site } from './site.ts';
import { skip } from './tools.ts';
import { twoReplicas } from './two-replicas.ts';

describe('real: two replicas on Garage', function () {
  let garage: Garage | null = null;
  before(function () {
    const missing = garageMissing();
    if (missing) skip(this, missing);
  });
  after(async () => garage?.stop());
  twoReplicas({
    count: 60,
    site: async () => {
      garage = await startGarage();
      return new Site({
        COLOMBIER_STORE: `s3:${garage.buckets.join(',')}`,
        COLOMBIER_S3_ENDPOINT: garage.endpoint,
        COLOMBIER_S3_REGION: garage.region,
        COLOMBIER_S3_ACCESS_KEY: garage.accessKey,
        COLOMBIER_S3_SECRET_KEY: garage.secretKey,
      });
    },
  });
});
