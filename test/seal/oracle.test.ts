// Independent implementations (Sequoia for OpenPGP, pyhpke for HPKE) read what we write and write what we read.
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { seededRandom } from '../../src/base/index.ts';
import { BlobSealer, exportSecretKey, openDelivered, sealDelivered } from '../../src/seal/index.ts';
import { x25519Secret } from '../../src/seal/primitives.ts';
import { KNOWN_NAME, knownPublic, knownRing } from './known.ts';
import { pythonMissing, runPython } from './python.ts';

const SEQUOIA = `
import sys, json, base64, hashlib
from pysequoia import Tsk, decrypt
job = json.load(sys.stdin)
decryptor = Tsk.from_bytes(job['key'].encode()).decryptor(*job['passphrase'])
out = []
for blob in job['blobs']:
    try:
        out.append(hashlib.sha256(bytes(decrypt(base64.b64decode(blob), decryptor=decryptor).bytes)).hexdigest())
    except Exception as e:
        out.append('refused')
print(json.dumps(out))
`;
const HPKE = `
import sys, json
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey
job = {k: bytes.fromhex(v) for k, v in json.load(sys.stdin).items()}
suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.AES256_GCM)
def jwk(x, d=None):
    import base64
    b = lambda v: base64.urlsafe_b64encode(v).rstrip(b'=').decode()
    return KEMKey.from_jwk({'kty': 'OKP', 'crv': 'X25519', 'x': b(x), **({'d': b(d)} if d else {})})
context = suite.create_recipient_context(job['enc'], jwk(job['point'], job['secret']), info=job['info'])
opened = context.open(job['ct'], aad=job['aad'])
enc, sender = suite.create_sender_context(jwk(job['point']), info=job['info'])
print(json.dumps({'opened': opened.hex(), 'enc': enc.hex(), 'ct': sender.seal(job['plain'], aad=job['aad']).hex()}))
`;

describe('seal: beside other implementations', function () {
  this.timeout(60_000);
  before(function () {
    const missing = pythonMissing();
    if (missing) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
  });

  it('Sequoia opens our blobs of every size, and refuses an altered one', async () => {
    const { createHash } = await import('node:crypto');
    const random = seededRandom(3);
    const plains = [0, 1, 65_530, 65_535, 65_536, 65_537, 131_060, 20 * 2 ** 20].map((n) => Buffer.alloc(n, n > 0 ? random.bytes(1009) : undefined));
    const blobs = plains.map((plain) => {
      const sealer = new BlobSealer(knownPublic().blob, random);
      return Buffer.concat([...sealer.push(plain), ...sealer.finish().pieces]);
    });
    const altered = Buffer.from(blobs[4]);
    altered[30_000] ^= 1;
    const key = await exportSecretKey(knownRing());
    const seen = runPython<string[]>(SEQUOIA, { key, passphrase: [], blobs: [...blobs, altered].map((b) => b.toString('base64')) });
    const sums = plains.map((plain) => createHash('sha256').update(plain).digest('hex'));
    assert.deepEqual(seen, [...sums, 'refused']);
  });

  it('Sequoia takes an exported key with its passphrase', async () => {
    const random = seededRandom(4);
    const sealer = new BlobSealer(knownPublic().blob, random);
    const blob = Buffer.concat([...sealer.push(Buffer.from('x')), ...sealer.finish().pieces]).toString('base64');
    const key = await exportSecretKey(knownRing(), 'open sesame');
    assert.match(key, /^-----BEGIN PGP PRIVATE KEY BLOCK-----/);
    const seen = runPython<string[]>(SEQUOIA, { key, passphrase: ['open sesame'], blobs: [blob] });
    assert.notEqual(seen[0], 'refused');
  });

  it('pyhpke opens our delivered events, and we its', () => {
    const random = seededRandom(5);
    const { event } = knownPublic();
    const secret = knownRing().events[0];
    const plain = random.bytes(1500);
    const aad = Buffer.from('aad');
    const sealed = sealDelivered(event, KNOWN_NAME, aad, plain, random);
    const info = Buffer.from(`colombier delivered 1\0${KNOWN_NAME}`);
    const hex = { enc: sealed.subarray(9, 41), ct: sealed.subarray(41), point: event.point, secret: secret.secret, info, aad, plain };
    const job = Object.fromEntries(Object.entries(hex).map(([k, v]) => [k, v.toString('hex')]));
    const answer = runPython<{ opened: string; enc: string; ct: string }>(HPKE, job);
    assert.equal(answer.opened, plain.toString('hex'));
    const theirs = Buffer.concat([sealed.subarray(0, 9), Buffer.from(answer.enc, 'hex'), Buffer.from(answer.ct, 'hex')]);
    assert.ok(openDelivered(secret, KNOWN_NAME, aad, theirs).equals(plain));
  });

  it('the known event key is a pair', () => {
    const secret = knownRing().events[0];
    assert.equal(createPublicKey(x25519Secret(secret.secret)).export({ format: 'jwk' }).x, secret.point.toString('base64url'));
  });
});
