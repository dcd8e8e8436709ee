// Reads the Prometheus text format, strictly: what it doesn't know is an error.
import assert from 'node:assert/strict';

export interface Numbers {
  /** Type of each family. */
  types: Map<string, string>;
  /** Samples as written: `name{labels}` → value. */
  values: Map<string, number>;
  /** Names of samples, with `_bucket`, `_sum` and `_count`. */
  names: Set<string>;
}

export function readNumbers(text: string): Numbers {
  const numbers: Numbers = { types: new Map(), values: new Map(), names: new Set() };
  assert.ok(text.endsWith('\n'));
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-z_]+) \S.*$/.exec(line);
    if (help) {
      assert.ok(!numbers.types.has(help[1]), `${help[1]} twice`);
      family = help[1];
      continue;
    }
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.equal(type[1], family);
      assert.ok(type[2] !== 'counter' || family.endsWith('_total'), `${family} is a counter without _total`);
      numbers.types.set(family, type[2]);
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    assert.equal(numbers.types.get(family) === 'histogram' ? sample[1].replace(/_(bucket|sum|count)$/, '') : sample[1], family);
    const key = sample[1] + (sample[2] ?? '');
    assert.ok(!numbers.values.has(key), `${key} twice`);
    assert.ok(!Number.isNaN(Number(sample[3])), line);
    numbers.values.set(key, Number(sample[3]));
    numbers.names.add(sample[1]);
  }
  return numbers;
}
