import assert from 'node:assert/strict';
import { Histogram, by, counter, gauge, write } from '../../src/web/exposition.ts';

describe('web/exposition', () => {
  it('writes what Prometheus reads', () => {
    const text = write([counter('a_total', 'All of\nit', 3), gauge('b', 'Back\\slash', [{ labels: { x: 'a "b"\n\\' }, value: 0.5 }, ...by('y', { one: 1, two: 2 })])]);
    assert.equal(text, '# HELP a_total All of\\nit\n# TYPE a_total counter\na_total 3\n# HELP b Back\\\\slash\n# TYPE b gauge\nb{x="a \\"b\\"\\n\\\\"} 0.5\nb{y="one"} 1\nb{y="two"} 2\n');
  });

  it('counts in cumulative buckets, bounds included', () => {
    const h = new Histogram([0.1, 1]);
    for (const v of [0.05, 0.1, 0.5, 7]) h.observe(v);
    const text = write([{ name: 'h', help: 'x', type: 'histogram', samples: h.samples({ k: 'put' }) }]);
    assert.deepEqual(text.split('\n').slice(2, -1), ['h_bucket{k="put",le="0.1"} 2', 'h_bucket{k="put",le="1"} 3', 'h_bucket{k="put",le="+Inf"} 4', 'h_sum{k="put"} 7.65', 'h_count{k="put"} 4']);
  });
});
