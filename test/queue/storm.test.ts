// A short storm; a long one goes by name (npm run outbound-storm).
import assert from 'node:assert/strict';
import { skip } from '../real/tools.ts';
import { worldMissing } from '../real/world.ts';
import { PostfixSink } from './storm-postfix.ts';
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

  it('thirty messages to a Postfix that puts off, refuses, drops connections and falls silent: likewise', async function () {
    const missing = worldMissing();
    if (missing !== null) return skip(this, missing);
    const w = await storm({ seed: 5, messages: 30, replicas: 3, kills: 1, sink: new PostfixSink(5) });
    assert.equal(w.acknowledged, 30);
    assert.deepEqual([w.lost, w.wronged, w.twice.unnamed, w.wrong], [[], [], [], []], JSON.stringify(w));
    assert.equal(w.returned, 1, 'what is refused comes back');
    assert.ok(Object.keys(w.moods).length >= 3, JSON.stringify(w.moods));
  });
});
