// RFC 9180, appendix A.1.1 (base mode, X25519, HKDF-SHA256, AES-128-GCM). AES-256-GCM: oracle.test.ts.
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { Corrupt, systemRandom } from '../../src/base/index.ts';
import { ephemeral } from '../../src/seal/ephemeral.ts';
import { AES_128_GCM, decapsulate, encapsulate, keySchedule } from '../../src/seal/hpke.ts';
import { hkdf, hmac, hmacOnce, secretKey, x25519, x25519Point, x25519Public, x25519Secret } from '../../src/seal/primitives.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s/g, ''), 'hex');
const INFO = hex('4f6465206f6e2061204772656369616e2055726e');
const EPHEMERAL = hex('52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736');
const ENC = hex('37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431');
const SECRET = hex('4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8');
const POINT = hex('3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d');
const SHARED = 'fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc';

describe('seal: HPKE', () => {
  it('never has the same ephemeral key twice, made ahead or not', async () => {
    const points = new Set<string>();
    for (let i = 0; i < 120; i++) {
      const { secret, point } = ephemeral(systemRandom);
      assert.ok(x25519Point(secret).equals(point));
      assert.ok(x25519(secret, x25519Public(POINT)).equals(x25519(x25519Secret(SECRET), x25519Public(point))));
      points.add(point.toString('hex'));
      if (i % 40 === 39) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(points.size, 120);
  });

  it('has the numbers of RFC 9180 A.1.1', () => {
    const { enc, shared } = encapsulate({ secret: x25519Secret(EPHEMERAL), point: x25519Point(x25519Secret(EPHEMERAL)) }, x25519Public(POINT), POINT);
    assert.ok(enc.equals(ENC));
    assert.equal(shared.toString('hex'), SHARED);
    assert.equal(decapsulate(ENC, x25519Public(ENC), x25519Secret(SECRET), POINT).toString('hex'), SHARED);
    const { key, nonce } = keySchedule(shared, INFO, AES_128_GCM);
    assert.equal(key.toString('hex'), '4531685d41d65f03dc48f6b8302c05b0');
    assert.equal(nonce.toString('hex'), '56d890e5accaaf011cff4b7d');
    const cipher = createCipheriv('aes-128-gcm', key, nonce);
    cipher.setAAD(hex('436f756e742d30'));
    const ct = Buffer.concat([cipher.update(hex('4265617574792069732074727574682c20747275746820626561757479')), cipher.final(), cipher.getAuthTag()]);
    assert.equal(ct.toString('hex'), 'f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a');
  });

  it('refuses a point of small order', () => {
    const zero = Buffer.alloc(32);
    assert.throws(() => decapsulate(zero, x25519Public(zero), x25519Secret(SECRET), POINT), Corrupt);
  });

  it('stands on HMAC and HKDF as in RFC 4231 and RFC 5869', () => {
    const key = Buffer.alloc(20, 0x0b);
    const mac = 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7';
    assert.equal(hmacOnce(key, Buffer.from('Hi There')).toString('hex'), mac);
    assert.equal(hmac(secretKey(key), Buffer.from('Hi '), Buffer.from('There')).toString('hex'), mac);
    const okm = hkdf(Buffer.alloc(22, 0x0b), hex('000102030405060708090a0b0c'), hex('f0f1f2f3f4f5f6f7f8f9'), 42);
    assert.equal(okm.toString('hex'), '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865');
  });
});
