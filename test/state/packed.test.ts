import assert from 'node:assert/strict';
import { zstdCompressSync } from 'node:zlib';
import { Corrupt, seededRandom } from '../../src/base/index.ts';
import { pack, unpack } from '../../src/state/packed.ts';

describe('packed bytes', () => {
  const random = seededRandom(8);

  it('come back, whatever their size', () => {
    for (const size of [0, 1, 255, 256, 1499, 1500, 65_791, 65_792, 70_000, 3_000_000]) {
      const body = Buffer.alloc(size, random.bytes(97));
      assert.deepEqual(unpack(1, pack(1, body), 'it'), body, String(size));
    }
  });

  it('take no more memory than they have bytes', () => {
    const body = Buffer.alloc(1_000_000, random.bytes(97));
    assert.ok(unpack(1, pack(1, body), 'it').buffer.byteLength < 1_001_000);
  });

  it('come back from frames that tell a wrong size or none, or are Corrupt', () => {
    const frame = Buffer.from(zstdCompressSync(Buffer.alloc(100_000, 'abc')));
    for (let at = 4; at < 12; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const forged = Buffer.from(frame);
        forged[at] ^= 1 << bit;
        try {
          assert.ok(unpack(1, Buffer.concat([Buffer.of(1, 1), forged]), 'it').length <= 64 * 1024 * 1024);
        } catch (e) {
          assert.ok(e instanceof Corrupt, String(e));
        }
      }
      assert.throws(() => unpack(1, Buffer.concat([Buffer.of(1, 1), frame.subarray(0, at)]), 'it'), Corrupt);
    }
  });
});
