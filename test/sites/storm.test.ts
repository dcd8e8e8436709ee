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

  it('finds a loss where what some readers see counts before it is stored again', async () => {
    // Chance decides how much of it comes; nearly always once is enough.
    const found: string[] = [];
    for (let tries = 0; tries < 3 && found.length === 0; tries++) {
      const report = await storm({ store: 'faulty', seconds: 8, people: 2, mailEvery: 250, weather: { every: 400, longest: 3000, only: ['half', 'half', 'half', 'term'] }, rest_ms: 4000, without: 'no-second-put' });
      found.push(...report.violations.filter((v) => /events wait for another|sites differ|is missing|is there twice|copy has|another (?:INBOX|Archive)/.test(v)));
    }
    assert.notEqual(found.length, 0);
  });
});
