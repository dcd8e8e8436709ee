// The short form of `npm run storm`, and that it sees what it is to see.
import assert from 'node:assert/strict';
import { garageMissing } from '../real/garage.ts';
import { storm } from './storm.ts';

describe('sites: a storm', function () {
  this.timeout(400_000);

  it('loses nothing, doubles nothing, and everybody ends with the same', async () => {
    const missing = garageMissing();
    if (missing) console.log(`    on a faulty S3 server of the test's own: ${missing}`);
    const report = await storm({ store: missing ? 'faulty' : 'garage', seconds: 25, people: 2, weather: { every: 1800, longest: 5000, stopped: 5000 } });
    assert.deepEqual(report.violations, [], `${report.told.join('\n')}\n${report.log.slice(-4000)}`);
    assert.ok(report.counts.delivered > 5 && report.counts.syncs > 10, JSON.stringify(report.counts));
    assert.ok(Object.keys(report.weather).length > 2, JSON.stringify(report.weather));
  });

  it('finds doubles where delivery keys count for nothing', async () => {
    const report = await storm({ store: 'faulty', seconds: 8, people: 1, deaf: 0.5, weather: { only: ['peers'] }, without: 'no-delivery-keys' });
    assert.ok(report.violations.some((v) => /is there twice/.test(v)), report.violations.join('\n'));
  });
});
