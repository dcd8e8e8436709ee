// ARC sets that others verify, alone and on top of others'.
import assert from 'node:assert/strict';
import { authenticate } from 'mailauth';
import { BodyHash, createDomainKeys, publicRecord, readSecret, sealArc } from '../../src/verify/index.ts';
import type { SigningKey } from '../../src/verify/index.ts';

describe('verify/arc', () => {
  const header = Buffer.from('From: Eve <eve@far.test>\r\nTo: info@x.test\r\nSubject:  a   folded\r\n\tsubject\r\nMessage-ID: <1@far.test>\r\n\r\n');
  const body = Buffer.from('Hello  there. \r\n\r\nx\r\n\r\n\r\n');
  const records = new Map<string, string>();
  let keys: SigningKey[];
  const resolver = async (name: string) => {
    const text = records.get(name);
    if (text === undefined) throw Object.assign(new Error('none'), { code: 'ENOTFOUND' });
    return [[text]];
  };
  before(async () => {
    keys = await Promise.all(['x.test', 'y.test'].map(async (domain) => {
      const [{ selector, algorithm, secret }] = await createDomainKeys('1');
      records.set(`${selector}._domainkey.${domain}`, publicRecord(algorithm, secret));
      return { domain, selector, algorithm, secret: readSecret(secret) };
    }));
  });
  const hash = () => {
    const h = new BodyHash();
    h.push(body);
    return h.digest();
  };
  const arcOf = async (head: string | Buffer, text = body) => {
    const found = await authenticate(Buffer.concat([Buffer.from(head), text]), { ip: '192.0.2.1', helo: 'x', sender: 'eve@far.test', resolver, mta: 'z.test' } as never);
    return (found.arc as { status: { result: string } }).status.result;
  };

  it('verifies, once and again by the next one who hands it on', async () => {
    const first = sealArc(header, hash(), 'x.test; spf=pass smtp.mailfrom=far.test;\r\n\tdmarc=pass header.from=far.test', 'none', keys[0], Date.now());
    for (const line of first.split('\r\n')) assert.ok(line.length < 79, line);
    const one = first + header.toString();
    assert.equal(await arcOf(one), 'pass');
    assert.equal(await arcOf(one, Buffer.from('other\r\n')), 'fail');
    assert.equal(await arcOf(one.replace('folded', 'altered')), 'fail');
    const second = sealArc(Buffer.from(one), hash(), 'y.test; arc=pass', 'pass', keys[1], Date.now());
    assert.equal(await arcOf(second + one), 'pass');
    assert.equal(await arcOf((second + one).replace('spf=pass', 'spf=fail')), 'fail');
  });

  it('seals nothing on top of what is not whole', () => {
    const seal = (head: string, cv: 'none' | 'pass') => sealArc(Buffer.from(head + header.toString()), hash(), 'x.test; none', cv, keys[0], 0);
    assert.equal(seal('ARC-Seal: i=1; a=b\r\n', 'pass'), '');
    assert.equal(seal('ARC-Seal: i=x; a=b\r\n', 'none'), '');
    assert.equal(seal('', 'pass'), '');
    const set = (i: number) => `ARC-Seal: i=${i}; \r\nARC-Message-Signature: i=${i}; \r\nARC-Authentication-Results: i=${i}; \r\n`;
    assert.equal(seal(set(1), 'none'), '');
    assert.notEqual(seal(set(1), 'pass'), '');
    assert.equal(seal(set(1) + set(1), 'pass'), '');
    assert.equal(seal(set(2), 'pass'), '');
    assert.equal(seal(Array.from({ length: 1000 }, (_, i) => set(i + 1)).join(''), 'pass'), '');
  });
});
