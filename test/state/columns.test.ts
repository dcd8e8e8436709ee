// What the rows of a mailbox are stored in: columns of numbers, ids, and the table that finds a message.
import assert from 'node:assert/strict';
import { ByteReader, ByteWriter, Corrupt, seededRandom } from '../../src/base/index.ts';
import { readColumn, writeColumn } from '../../src/state/columns.ts';
import { Rows } from '../../src/state/rows.ts';
import { Texts } from '../../src/state/texts.ts';

const stored = (values: readonly number[]): Buffer => {
  const w = new ByteWriter(64).u8(7); // whatever stands before, so that nothing is aligned
  writeColumn(w, values.length, (i) => values[i]);
  return w.done();
};
const read = (bytes: Buffer, n: number, min: number, max: number): number[] => {
  const r = new ByteReader(bytes, 1);
  const out = new Float64Array(n + 2);
  readColumn(r, n, out, 1, min, max);
  r.finish();
  assert.deepEqual([out[0], out[n + 1]], [0, 0]);
  return [...out.subarray(1, n + 1)];
};

describe('columns of numbers', () => {
  const random = seededRandom(5);
  const whole = (most: number) => Math.floor(random.unit() * (most + 1));
  const ranges = [0, 1, 200, 255, 256, 60_000, 65_535, 65_536, 4e9, 2 ** 32 - 1, 2 ** 32, 2 ** 50];

  it('come back, whatever their range and their steps', () => {
    for (let run = 0; run < 600; run++) {
      const least = whole(1) === 0 ? 0 : whole(2 ** 20) - 2 ** 19;
      const range = ranges[run % ranges.length];
      const n = 1 + whole(40);
      const values: number[] = [];
      for (let i = 0; i < n; i++) values.push(run % 3 === 0 && i > 0 ? Math.min(values[i - 1] + 64 + whole(range % 1000), least + 2 ** 51) : least + whole(range));
      const [min, max] = [Math.min(...values), Math.max(...values)];
      assert.deepEqual(read(stored(values), n, min, max), values);
      assert.deepEqual(read(stored(values), n, -(2 ** 52 - 1), 2 ** 52 - 1), values);
      assert.throws(() => read(stored(values), n, min + 1, max + 1), Corrupt);
      assert.throws(() => read(stored(values), n, min - 1, max - 1), Corrupt);
      assert.throws(() => read(stored(values).subarray(0, -1), n, min, max), Corrupt);
    }
  });

  it('are whole numbers that can be told apart', () => {
    for (const forged of [0.5, NaN, Infinity, 2 ** 53]) {
      const w = new ByteWriter(64).u8(7).u8(8).signed(0);
      const double = Buffer.alloc(8);
      double.writeDoubleLE(forged);
      assert.throws(() => read(w.raw(double).done(), 1, -Infinity, Infinity), Corrupt, String(forged));
    }
  });
});

describe('ids of messages', () => {
  const ids = (k: number) => ({ emailId: `e${k}`, threadId: k % 3 === 0 ? `e${k}` : `thread${'x'.repeat(k % 50)}`, blob: `e${k}`, words: k % 5 === 0 ? null : `w${k}` });
  const records = (n: number): Buffer => {
    const texts = new Texts();
    return Buffer.concat(Array.from({ length: n }, (_, k) => texts.record(texts.add(ids(k)))));
  };
  const told = (texts: Texts, address: number) => [0, 1, 2, 3].map((k) => texts.text(address, k));

  it('are read all at once as one by one, however many', () => {
    for (const n of [0, 1, 200, 40_000]) {
      const bytes = Buffer.concat([Buffer.from([1, 2, 3]), records(n), Buffer.from([9])]);
      const [one, all] = [new Texts(), new Texts()];
      for (const texts of [one, all]) texts.add(ids(7));
      const [a, b] = [new ByteReader(bytes, 3), new ByteReader(bytes, 3)];
      const addresses = new Uint32Array(n + 1);
      all.readAll(b, n, addresses, 1);
      for (let k = 0; k < n; k++) {
        const single = one.read(a);
        if (k % 97 === 0) assert.deepEqual(told(all, addresses[k + 1]), told(one, single));
      }
      assert.equal(b.at, a.at);
      assert.equal(addresses[0], 0);
    }
  });

  it('that end too soon, or begin with "the same", are Corrupt', () => {
    const bytes = records(20);
    for (let cut = 0; cut < bytes.length; cut += 7) {
      for (const whole of [bytes, bytes.subarray(0, cut)]) assert.throws(() => new Texts().readAll(new ByteReader(whole, 0, cut), 20, new Uint32Array(20), 0), Corrupt, `cut at ${cut}`);
    }
    assert.throws(() => new Texts().readAll(new ByteReader(Buffer.from([255, 0, 0, 0])), 1, new Uint32Array(1), 0), Corrupt);
  });
});

describe('rows', () => {
  it('that came all at once are found, beside those that came one by one', () => {
    const rows = new Rows();
    rows.add(1, 1, 0);
    rows.append(1000);
    for (let k = 0; k < 1000; k++) [rows.writer[k + 1], rows.seq[k + 1], rows.index[k + 1]] = [2, 1 + (k >> 4), k & 15];
    assert.equal(rows.add(2, 1, 3), -1, 'there already');
    assert.equal(rows.add(3, 1, 0), 1001);
    for (let k = 0; k < 1000; k++) assert.equal(rows.find(2, 1 + (k >> 4), k & 15), k + 1);
    assert.deepEqual([rows.find(1, 1, 0), rows.find(3, 1, 0), rows.find(4, 1, 0)], [0, 1001, -1]);
  });

  it('that name a message twice are Corrupt when somebody looks for one', () => {
    const rows = new Rows();
    rows.append(2);
    rows.writer.fill(5, 0, 2);
    assert.throws(() => rows.find(1, 1, 1), Corrupt);
  });
});
