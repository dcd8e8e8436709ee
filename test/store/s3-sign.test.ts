import assert from 'node:assert/strict';
import { EMPTY_SHA256, Signer, escapeQuery } from '../../src/store/s3-sign.ts';

describe('signatures of S3', () => {
  // The two GET examples of "Signature Calculations for the Authorization Header" in the Amazon S3 API Reference.
  const signer = new Signer({ region: 'us-east-1', accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' });
  const base = { method: 'GET', host: 'examplebucket.s3.amazonaws.com', payload: EMPTY_SHA256, time: Date.UTC(2013, 4, 24) };
  const signature = (headers: Record<string, string>) => /Signature=([0-9a-f]{64})$/.exec(headers.authorization)![1];

  it('are those of the reference', () => {
    assert.equal(signature(signer.sign({ ...base, path: '/test.txt', query: '', headers: { range: 'bytes=0-9' } })), 'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41');
    assert.equal(signature(signer.sign({ ...base, path: '/', query: 'max-keys=2&prefix=J', headers: {} })), '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7');
  });

  it('take a new key each day', () => {
    const at = (time: number) => signature(signer.sign({ ...base, path: '/', query: '', headers: {}, time }));
    const first = at(base.time);
    assert.notEqual(at(base.time + 86_400_000), first);
    assert.equal(at(base.time), first);
  });

  it('escape a query as RFC 3986 does', () => {
    assert.equal(escapeQuery("a/b c!'()*~-_.é"), 'a%2Fb%20c%21%27%28%29%2A~-_.%C3%A9');
  });
});
