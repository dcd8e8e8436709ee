import assert from 'node:assert/strict';
import * as openpgp from 'openpgp';
import { Corrupt, seededRandom } from '../../src/base/index.ts';
import { BlobSealer, checkBlobForm, contentKeyPlainBytes, createUserSecrets, openBlob, openBlobWithSecretKey, openRange, sealedRange, sealedSize } from '../../src/seal/index.ts';
import type { SealedBlob } from '../../src/seal/index.ts';
import { knownPublic, knownRing } from './known.ts';

const MIB = 2 ** 20;
const random = seededRandom(7);
const to = knownPublic().blob;
const ring = knownRing();

function sealed(plain: Buffer, step = 50_001): SealedBlob & { bytes: Buffer } {
  const sealer = new BlobSealer(to, random);
  const pieces: Buffer[] = [];
  for (let at = 0; at < plain.length; at += step) pieces.push(...sealer.push(plain.subarray(at, at + step)));
  const done = sealer.finish();
  return { ...done, bytes: Buffer.concat([...pieces, ...done.pieces]) };
}
const bytesOf = (n: number): Buffer => {
  const block = random.bytes(Math.min(n, 65521));
  return Buffer.alloc(n, n > 0 ? block : undefined);
};
// Around each place where a length octet, a chunk or a segment begins.
const SIZES = [0, 1, 2, 10_240, 65_384, 65_516, 65_517, 65_522, 65_523, 65_524, 65_525, 65_529, 65_530, 65_531, 65_535, 65_536, 65_537, 130_900, 131_059, 131_060, 131_065, 131_066, 131_067, 1_000_000];

describe('seal: blobs', () => {
  it('come back whole, by content key and by secret key, at every size and however they arrive', () => {
    for (const size of SIZES) {
      const plain = bytesOf(size);
      for (const step of size > 200_000 ? [65_536] : [7_919, 65_536, 1 << 20]) {
        const blob = sealed(plain, step);
        assert.equal(blob.plainBytes, size);
        assert.equal(blob.bytes.length, blob.sealedBytes);
        assert.equal(sealedSize(size), blob.sealedBytes);
        assert.equal(contentKeyPlainBytes(blob.contentKey), size);
        assert.ok(openBlob(blob.contentKey, blob.bytes).equals(plain), `${size}`);
        const again = openBlobWithSecretKey(ring.blobs, blob.bytes);
        assert.ok(again.plain.equals(plain) && again.contentKey.equals(blob.contentKey), `${size}`);
      }
    }
  });

  it('are OpenPGP messages: openpgp.js opens each size', async () => {
    const key = await openpgp.readPrivateKey({ binaryKey: ring.blobs[0].openpgp });
    for (const size of [...SIZES, 20 * MIB]) {
      const plain = bytesOf(size);
      const message = await openpgp.readMessage({ binaryMessage: sealed(plain).bytes });
      const { data } = await openpgp.decrypt({ message, decryptionKeys: key, format: 'binary' });
      assert.ok(Buffer.from(data as Uint8Array).equals(plain), `${size}`);
    }
  }).timeout(30_000);

  it('give any range from one slice of whole chunks', () => {
    for (const size of [1, 65_530, 65_537, 131_066, 400_000]) {
      const plain = bytesOf(size);
      const blob = sealed(plain);
      for (let i = 0; i < 60; i++) {
        const from = Math.floor(random.unit() * size);
        const to = Math.min(size, from + Math.floor(random.unit() * (i % 3 === 0 ? size : 2000)));
        const range = sealedRange(from, to, size);
        const slice = blob.bytes.subarray(range.from, range.to);
        assert.ok(openRange(blob.contentKey, slice, range.from, from, to).equals(plain.subarray(from, to)), `${size} ${from} ${to}`);
        assert.ok(range.to - range.from <= to - from + 2 * (65_536 + 20));
        if (to > from) assert.throws(() => openRange(blob.contentKey, slice.subarray(0, -1), range.from, from, to), Corrupt);
        if (to > from) assert.throws(() => openRange(blob.contentKey, slice, range.from + 1, from, to), Corrupt);
      }
      assert.equal(openRange(blob.contentKey, Buffer.alloc(0), 0, size, size).length, 0);
      assert.ok(openRange(blob.contentKey, blob.bytes, 0, 0, size).equals(plain));
    }
    assert.throws(() => sealedRange(3, 2, 10), RangeError);
    assert.throws(() => sealedRange(0, 11, 10), RangeError);
  });

  it('open a part in the middle of 20 MB from a few chunks', () => {
    const plain = bytesOf(20 * MIB);
    const blob = sealed(plain);
    const range = sealedRange(11_000_000, 11_020_000, plain.length);
    assert.ok(range.to - range.from <= 2 * (65_536 + 20));
    const slice = blob.bytes.subarray(range.from, range.to);
    assert.ok(openRange(blob.contentKey, slice, range.from, 11_000_000, 11_020_000).equals(plain.subarray(11_000_000, 11_020_000)));
    assert.ok(openBlob(blob.contentKey, blob.bytes).equals(plain));
  });

  it('grow with the message, in a size that tells the message size', () => {
    let last = 0;
    for (let size = 0; size < 200_000; size += size % 65_536 < 600 || size % 65_536 > 65_400 ? 1 : 97) {
      const n = sealedSize(size);
      assert.ok(n > last, `${size}`);
      last = n;
    }
  });

  it('are Corrupt when any byte is changed, added or missing', () => {
    const plain = bytesOf(140_000);
    const blob = sealed(plain);
    const places = new Set<number>();
    for (let i = 0; i < 200; i++) places.add(i); // PKESK, lengths, parameters, salt, first bytes
    for (let i = 65_530; i < 65_730; i++) places.add(i); // length octet, tag
    for (let i = 131_100; i < 131_300; i += 3) places.add(i);
    for (let i = blob.bytes.length - 40; i < blob.bytes.length; i++) places.add(i); // last tag, final tag
    for (const at of places) {
      const altered = Buffer.from(blob.bytes);
      altered[at] ^= 1 << at % 8;
      assert.throws(() => openBlob(blob.contentKey, altered), Corrupt, `openBlob, byte ${at}`);
      assert.throws(() => openBlobWithSecretKey(ring.blobs, altered), Corrupt, `openBlobWithSecretKey, byte ${at}`);
    }
    for (const cut of [0, 1, 111, 112, 150, 65_700, blob.bytes.length - 16, blob.bytes.length - 1]) {
      assert.throws(() => openBlob(blob.contentKey, blob.bytes.subarray(0, cut)), Corrupt);
      assert.throws(() => openBlobWithSecretKey(ring.blobs, blob.bytes.subarray(0, cut)), Corrupt);
    }
    assert.throws(() => openBlob(blob.contentKey, Buffer.concat([blob.bytes, Buffer.of(0)])), Corrupt);
    for (let at = 0; at < blob.contentKey.length; at++) {
      const key = Buffer.from(blob.contentKey);
      key[at] ^= 1;
      assert.throws(() => openBlob(key, blob.bytes), Corrupt, `content key, byte ${at}`);
    }
  });

  it('show without any key that they are whole in form', () => {
    for (const bytes of [0, 100, 65_000, 140_000]) {
      const blob = sealed(bytesOf(bytes));
      checkBlobForm(blob.bytes);
      for (const cut of [0, 1, 111, 112, 150, blob.bytes.length >> 1, blob.bytes.length - 1]) assert.throws(() => checkBlobForm(blob.bytes.subarray(0, cut)), Corrupt, `${bytes} cut to ${cut}`);
      assert.throws(() => checkBlobForm(Buffer.concat([blob.bytes, Buffer.of(0)])), Corrupt);
      assert.throws(() => checkBlobForm(Buffer.from('plain mail, no seal'.repeat(100))), Corrupt);
    }
  });

  it('are Corrupt in a range whose chunk was changed or moved', () => {
    const blob = sealed(bytesOf(300_000));
    const one = sealedRange(70_000, 70_100, 300_000);
    const slice = Buffer.from(blob.bytes.subarray(one.from, one.to));
    for (const at of [0, 1, 4000, slice.length - 17, slice.length - 1]) {
      const altered = Buffer.from(slice);
      altered[at] ^= 4;
      assert.throws(() => openRange(blob.contentKey, altered, one.from, 70_000, 70_100), Corrupt, `byte ${at}`);
    }
    const other = sealedRange(140_000, 140_100, 300_000);
    assert.throws(() => openRange(blob.contentKey, blob.bytes.subarray(other.from, other.to), one.from, 70_000, 70_100), Corrupt);
    assert.throws(() => openRange(blob.contentKey, blob.bytes, 0, 0, 300_001), Corrupt);
  });

  it('do not open with the key of another blob or user', async () => {
    const a = sealed(bytesOf(100));
    const b = sealed(bytesOf(100));
    assert.throws(() => openBlob(a.contentKey, b.bytes), Corrupt);
    const stranger = await createUserSecrets(random, Date.UTC(2026, 0, 1));
    assert.throws(() => openBlobWithSecretKey(stranger.ring.blobs, a.bytes), Corrupt);
    const disguised = { ...stranger.ring.blobs[0], fingerprint: to.fingerprint };
    assert.throws(() => openBlobWithSecretKey(disguised, a.bytes), Corrupt);
    assert.ok(openBlobWithSecretKey([...stranger.ring.blobs, ...ring.blobs], a.bytes).plain.length === 100);
  });

  it('leave the chunk that was pushed alone, and hold no more than they must', () => {
    const sealer = new BlobSealer(to, random);
    const chunk = bytesOf(30_000);
    const pieces: Buffer[] = [];
    const whole: Buffer[] = [];
    let pushed = 0;
    let out = 0;
    for (let i = 0; i < 20; i++) {
      whole.push(Buffer.from(chunk));
      pieces.push(...sealer.push(chunk));
      pushed += chunk.length;
      out = pieces.reduce((n, p) => n + p.length, 0);
      assert.ok(pushed - out < 140_000, `${pushed - out} bytes held`);
      chunk.fill(i); // the caller may use its buffer again
    }
    const done = sealer.finish();
    const plain = openBlob(done.contentKey, Buffer.concat([...pieces, ...done.pieces]));
    assert.ok(plain.equals(Buffer.concat(whole)));
    assert.throws(() => sealer.finish());
    assert.throws(() => sealer.push(chunk));
  });
});
