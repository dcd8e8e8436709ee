import assert from 'node:assert/strict';
import { VanishedPairs } from '../../src/state/box.ts';
import { decodeVanished, encodeVanished } from '../../src/state/root-format.ts';

const pairs = (...list: [position: number, modSeq: number][]): VanishedPairs => {
  const v = new VanishedPairs();
  v.fill(list.length, Float64Array.from(list, ([p]) => p), Float64Array.from(list, ([, m]) => m));
  return v;
};
const shown = (v: VanishedPairs) => Array.from({ length: v.n }, (_, i) => [v.position[i], v.modSeq[i]]);

describe('state: vanished UIDs', () => {
  it('come back from their stored form, and take more, in order, the greater MODSEQ of each', () => {
    const v = new VanishedPairs();
    decodeVanished(encodeVanished(pairs([64, 640], [192, 700])), 2, v);
    for (const [position, modSeq] of [[128, 650], [192, 699], [64, 641], [256, 900]] as const) v.add(position, modSeq);
    assert.deepEqual(shown(v), [[64, 641], [128, 650], [192, 700], [256, 900]]);
  });
  it('are Corrupt out of order, twice, or not as many as said', () => {
    for (const list of [[[128, 1], [64, 2]], [[64, 1], [64, 2]]] as [number, number][][]) assert.throws(() => decodeVanished(encodeVanished(pairs(...list)), 2, new VanishedPairs()), { name: 'Corrupt' });
    assert.throws(() => decodeVanished(encodeVanished(pairs([64, 1])), 2, new VanishedPairs()), { name: 'Corrupt' });
  });
});
