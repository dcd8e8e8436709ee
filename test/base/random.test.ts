import assert from 'node:assert/strict';
import { randomId, seededRandom, systemRandom } from '../../src/base/index.ts';

describe('base: chance', () => {
  it('gives each byte of the system once, in memory of its own', () => {
    const all = Array.from({ length: 3000 }, (_, i) => systemRandom.bytes(16 + (i % 100)));
    assert.equal(new Set(all.map((b) => b.toString('hex'))).size, all.length);
    for (const [i, b] of all.entries()) assert.deepEqual([b.length, b.buffer.byteLength], [16 + (i % 100), b.length]);
    const ones = all.reduce((sum, b) => sum + b.reduce((n, byte) => n + (byte & 1), 0), 0);
    const bytes = all.reduce((sum, b) => sum + b.length, 0);
    assert.ok(Math.abs(ones / bytes - 0.5) < 0.02, 'nothing is handed out that was wiped');
    assert.equal(systemRandom.bytes(5000).length, 5000);
    for (let i = 0; i < 1000; i++) assert.ok(systemRandom.unit() >= 0 && systemRandom.unit() < 1);
    assert.equal(new Set(Array.from({ length: 1000 }, () => randomId(systemRandom, 80))).size, 1000);
  });

  it('is repeatable from a seed, however it is asked', () => {
    const [a, b] = [seededRandom(7), seededRandom(7)];
    assert.ok(Buffer.concat([a.bytes(64), a.bytes(32)]).equals(b.bytes(96)));
  });
});
