// DKIM signatures against mailauth, an implementation of others.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';
import { BodyHash, signDkim, signDkimWith } from '../../src/verify/index.ts';
import type { SigningKey } from '../../src/verify/index.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const keys: SigningKey[] = [
  { domain: 'x.test', selector: 'r1', algorithm: 'rsa', secret: rsa.privateKey },
  { domain: 'x.test', selector: 'e1', algorithm: 'ed25519', secret: ed.privateKey },
];
const records: Record<string, string> = {
  'r1._domainkey.x.test': `v=DKIM1; k=rsa; p=${rsa.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')}`,
  'e1._domainkey.x.test': `v=DKIM1; k=ed25519; p=${Buffer.from(ed.publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('base64')}`,
};
const resolver = async (name: string) => {
  if (!records[name]) throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
  return [[records[name]]];
};

const header = (more = '') => Buffer.from(`From: Anna\r\n <anna@x.test>\r\nTo: ben@y.test\r\nSubject:  two   spaces \r\n\tand a fold\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n${more}\r\n`);

function signed(head: Buffer, pieces: Buffer[]): Buffer {
  const fields = keys.map((key) => {
    const body = new BodyHash();
    for (const piece of pieces) body.push(piece);
    return signDkim(head, body.digest(), key, Date.UTC(2026, 10, 23));
  });
  return Buffer.concat([Buffer.from(fields.join('')), head, ...pieces]);
}

async function results(message: Buffer): Promise<string[]> {
  const { results: all } = await dkimVerify(message, { resolver });
  return all.map((r: { status: { result: string } }) => r.status.result);
}

/** §3.4.4, said plainly. */
function slowly(body: string): string {
  const lines = body.replace(/[ \t]+\r\n/g, '\r\n').replace(/[ \t]+$/, '').replace(/[ \t]+/g, ' ').replace(/(\r\n)+$/, '');
  return createHash('sha256').update(lines === '' ? '' : `${lines}\r\n`).digest('base64');
}

describe('verify/dkim', () => {
  it('signs so that others verify it, with RSA and Ed25519', async () => {
    for (const body of ['Hello.\r\n', '', '\r\n\r\n', ' two  spaces \t\r\n\r\n\r\n', 'no end', 'Grüße\r\n\r\nlast  \r\n\r\n']) {
      assert.deepEqual(await results(signed(header(), [Buffer.from(body)])), ['pass', 'pass'], JSON.stringify(body));
    }
  });

  it('signs beside the main thread as on it', async () => {
    const at = Date.UTC(2026, 10, 23);
    assert.equal(await signDkimWith(keys, header(), 'x'.repeat(44), at), keys.map((key) => signDkim(header(), 'x'.repeat(44), key, at)).join(''));
    assert.equal(await signDkimWith([], header(), 'x'.repeat(44), at), '');
  });

  it('fails when body, subject or an added From change', async () => {
    const good = signed(header(), [Buffer.from('Hello.\r\n')]).toString('latin1');
    for (const bad of [good.replace('Hello', 'Hullo'), good.replace('two', 'too'), good.replace('\r\nFrom:', '\r\nFrom: eve@x.test\r\nFrom:'), good.replace('Message-ID:', 'Subject: other\r\nMessage-ID:')]) {
      assert.notEqual(bad, good);
      assert.ok(!(await results(Buffer.from(bad, 'latin1'))).includes('pass'), bad.slice(0, 2000));
    }
  });

  it('keeps its own lines short', () => {
    const field = signDkim(header('Cc: a@x.test\r\nReferences: <a> <b>\r\n'), 'x'.repeat(44), keys[0], 0);
    assert.ok(field.split('\r\n').every((l) => l.length <= 78), field);
    assert.ok(field.endsWith('\r\n'));
  });

  it('hashes a body the same in any pieces', () => {
    const text = fc.array(fc.constantFrom('a', ' ', '\t', '\r\n', '\r\n\r\n', 'word', '  \r\n', 'é'), { maxLength: 40 }).map((x) => x.join(''));
    fc.assert(
      fc.property(text, fc.array(fc.nat(30), { maxLength: 20 }), (body, cuts) => {
        const bytes = Buffer.from(body);
        const hash = new BodyHash();
        let at = 0;
        for (const n of cuts) {
          hash.push(bytes.subarray(at, at + n));
          at += n;
        }
        hash.push(bytes.subarray(at));
        assert.equal(hash.digest(), slowly(body));
      }),
    );
  });

  it('holds many empty lines without memory for each', () => {
    const hash = new BodyHash();
    const ends = Buffer.from('\r\n'.repeat(30_000));
    hash.push(Buffer.from('a\r\n'));
    for (let i = 0; i < 3; i++) hash.push(ends);
    hash.push(Buffer.from('b\r\n'));
    assert.equal(hash.digest(), createHash('sha256').update(`a\r\n${'\r\n'.repeat(90_000)}b\r\n`).digest('base64'));
  });
});
