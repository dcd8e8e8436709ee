import assert from 'node:assert/strict';
import { Corrupt, Refused, seededRandom } from '../../src/base/index.ts';
import {
  ClusterKeys,
  DELIVERED_OVERHEAD_BYTES,
  MAC_BYTES,
  NAMED_OVERHEAD_BYTES,
  createClusterSecret,
  createSymmetricKey,
  deliveryKey,
  mac,
  openDelivered,
  openNamed,
  sealDelivered,
  sealNamed,
  sealedKeyId,
  verifyMac,
} from '../../src/seal/index.ts';
import { createEventKey } from '../../src/seal/openpgp.ts';

const random = seededRandom(11);
const NAME = 'users/u/log/0000000000000041-w-1';
const AAD = Buffer.from('clear bytes');
const PLAIN = Buffer.from('an event');

/** The contract that both sealings share. */
function contract(seal: (name: string, aad: Buffer, plain: Buffer) => Buffer, open: (name: string, aad: Buffer, sealed: Buffer) => Buffer, overhead: number): void {
  it('opens under its own name and aad', () => {
    for (const plain of [Buffer.alloc(0), PLAIN, random.bytes(100_000)]) {
      const sealed = seal(NAME, AAD, plain);
      assert.equal(sealed.length, plain.length + overhead);
      assert.ok(open(NAME, AAD, sealed).equals(plain));
    }
  });
  it('never seals the same twice', () => assert.ok(!seal(NAME, AAD, PLAIN).equals(seal(NAME, AAD, PLAIN))));
  it('is Corrupt under another name or aad', () => {
    const sealed = seal(NAME, AAD, PLAIN);
    assert.throws(() => open(`${NAME}0`, AAD, sealed), Corrupt);
    assert.throws(() => open(NAME, Buffer.from('clear byteS'), sealed), Corrupt);
    assert.throws(() => open(NAME, Buffer.alloc(0), sealed), Corrupt);
  });
  it('is Corrupt with any byte changed, missing or added', () => {
    const sealed = seal(NAME, AAD, PLAIN);
    for (let at = 0; at < sealed.length; at++) {
      const altered = Buffer.from(sealed);
      altered[at] ^= 1 << at % 8;
      assert.throws(() => open(NAME, AAD, altered), Corrupt, `byte ${at}`);
      assert.throws(() => open(NAME, AAD, sealed.subarray(0, at)), Corrupt, `cut at ${at}`);
    }
    assert.throws(() => open(NAME, AAD, Buffer.concat([sealed, Buffer.of(0)])), Corrupt);
  });
  it('says when a newer version wrote it', () => {
    const sealed = seal(NAME, AAD, PLAIN);
    sealed[0] = 2;
    assert.throws(() => open(NAME, AAD, sealed), (e) => e instanceof Corrupt && /newer version/.test(e.message));
  });
}

describe('seal: session events', () => {
  const key = createSymmetricKey(random);
  const old = createSymmetricKey(random);
  contract((n, a, p) => sealNamed(key, n, a, p, random), (n, a, s) => openNamed([key, old], n, a, s), NAMED_OVERHEAD_BYTES);
  it('opens with the key that it names, of several', () => {
    const sealed = sealNamed(old, NAME, AAD, PLAIN, random);
    assert.equal(sealedKeyId(sealed), old.id);
    assert.ok(openNamed([key, old], NAME, AAD, sealed).equals(PLAIN));
    assert.throws(() => openNamed(key, NAME, AAD, sealed), Corrupt);
    assert.throws(() => openNamed({ id: old.id, key: key.key }, NAME, AAD, sealed), Corrupt);
  });
});

describe('seal: delivered events', () => {
  const key = createEventKey(random);
  const old = createEventKey(random);
  contract((n, a, p) => sealDelivered(key, n, a, p, random), (n, a, s) => openDelivered([old, key], n, a, s), DELIVERED_OVERHEAD_BYTES);
  it('needs the secret that belongs to the public key', () => {
    const sealed = sealDelivered({ id: key.id, point: key.point }, NAME, AAD, PLAIN, random);
    assert.throws(() => openDelivered(old, NAME, AAD, sealed), Corrupt);
    assert.throws(() => openDelivered({ ...key, secret: old.secret }, NAME, AAD, sealed), Corrupt);
  });
  it('has a delivery key for sender, recipient and bytes', () => {
    const k = random.bytes(32);
    const d = random.bytes(32);
    const one = deliveryKey(k, 'a@x', 'b@y', d);
    assert.equal(one.length, 16);
    assert.ok(deliveryKey(k, 'a@x', 'b@y', d).equals(one));
    for (const other of [deliveryKey(k, 'a@xb', '@y', d), deliveryKey(k, 'a@x', 'c@y', d), deliveryKey(k, 'a@x', 'b@y', k), deliveryKey(d, 'a@x', 'b@y', d)]) assert.ok(!other.equals(one));
  });
});

describe('seal: MACs and the cluster secret', () => {
  const first = createClusterSecret(random);
  const second = createClusterSecret(random);
  const keys = ClusterKeys.parse([first]);

  it('fits its own name, clear and sealed bytes alone', () => {
    const sealed = random.bytes(900);
    const made = mac(keys, NAME, AAD, sealed);
    assert.equal(made.length, MAC_BYTES);
    assert.equal(verifyMac(keys, made, NAME, AAD, sealed), keys.id);
    assert.throws(() => verifyMac(keys, made, `${NAME}1`, AAD, sealed), Corrupt);
    assert.throws(() => verifyMac(keys, made, NAME, AAD, sealed, Buffer.alloc(0)), Corrupt);
    assert.throws(() => verifyMac(keys, made, NAME, AAD), Corrupt);
    // A byte that passes from one piece to the next.
    assert.throws(() => verifyMac(keys, made, NAME, Buffer.concat([AAD, sealed.subarray(0, 1)]), sealed.subarray(1)), Corrupt);
    assert.throws(() => verifyMac(keys, made, NAME, AAD, sealed.subarray(0, 5), sealed.subarray(5)), Corrupt);
    for (const what of [made, AAD, sealed]) {
      for (let at = 0; at < what.length; at++) {
        what[at] ^= 0x10;
        assert.throws(() => verifyMac(keys, made, NAME, AAD, sealed), Corrupt, `byte ${at}`);
        what[at] ^= 0x10;
      }
    }
    for (let n = 0; n < MAC_BYTES; n++) assert.throws(() => verifyMac(keys, made.subarray(0, n), NAME, AAD, sealed), Corrupt);
  });

  it('rotates: both are accepted, the first writes', () => {
    const both = ClusterKeys.parse([second, first]);
    const old = mac(keys, NAME, AAD);
    assert.equal(verifyMac(both, old, NAME, AAD), keys.id);
    const made = mac(both, NAME, AAD);
    assert.equal(verifyMac(both, made, NAME, AAD), both.id);
    assert.throws(() => verifyMac(keys, made, NAME, AAD), Corrupt);
    assert.deepEqual(both.ids, [ClusterKeys.parse([second]).id, keys.id]);
    assert.ok(both.peerKey(keys.id).equals(keys.peerKey()));
    assert.ok(!both.peerKey().equals(keys.peerKey()));
    assert.ok(!keys.peerKey().equals(keys.derive('x')));
    assert.throws(() => keys.peerKey(both.id), Refused);
    const sealed = sealNamed(keys.directory[0], NAME, AAD, PLAIN, random);
    assert.ok(openNamed(both.directory, NAME, AAD, sealed).equals(PLAIN));
    assert.throws(() => ClusterKeys.parse([first, first]), Refused);
    assert.throws(() => ClusterKeys.parse([]), Refused);
  });

  it('refuses any typo in the secret, without repeating it', () => {
    assert.equal(ClusterKeys.parse([` ${first}\n`]).id, keys.id);
    for (let at = 0; at < first.length; at++) {
      const letter = first[at] === 'x' ? 'y' : 'x';
      const typo = first.slice(0, at) + letter + first.slice(at + 1);
      for (const text of [typo, first.slice(0, at), first.slice(0, at) + first.slice(at + 1)]) {
        assert.throws(() => ClusterKeys.parse([text]), (e) => e instanceof Refused && !e.message.includes(first.slice(12, 50)), text);
      }
    }
    assert.throws(() => ClusterKeys.parse([first.replace('colombier1', 'colombier2')]), /newer version/);
    const ids = new Set(Array.from({ length: 200 }, () => ClusterKeys.parse([createClusterSecret(random)]).id));
    assert.equal(ids.size, 200);
  });
});
