// A short storm; a long one goes by name (npm run outbound-storm).
import assert from 'node:assert/strict';
import { storm } from './storm.ts';

describe('queue/storm', function () {
  this.timeout(180_000);
  it('fifty messages through kills, stops and a server in bad moods: all arrive or come back, twice only where it is named', async () => {
    const w = await storm({ seed: 3, messages: 50, replicas: 3, kills: 1 });
    assert.equal(w.acknowledged, 50);
    assert.deepEqual([w.lost, w.wronged, w.twice.unnamed], [[], [], []], JSON.stringify(w));
    assert.ok(w.returned >= 1, 'what is refused comes back');
    assert.ok(Object.keys(w.moods).length >= 5, JSON.stringify(w.moods));
  });
});
